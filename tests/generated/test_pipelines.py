"""Pipelines: all of them do the same, their judges accept them, and what no judge sees holds, too."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.generated.combinations import PRIVATE, Answers, name_of
from tests.generated.conftest import Generate
from tests.generated.test_judges import judge

FILES = {
    "cloud-build": "cloudbuild.yaml",
    "github": ".github/workflows/ci.yml",
    "gitlab": ".gitlab-ci.yml",
    "circleci": ".circleci/config.yml",
}
PROVIDER = "projects/123456/locations/global/workloadIdentityPools/ci-pool/providers/ci-provider"
ACCOUNT = "builder@acme-prod.iam.gserviceaccount.com"
KEYLESS = {"wif_provider": PROVIDER, "build_service_account": ACCOUNT}
EXECUTOR = "us-docker.pkg.dev/acme-prod/docker/ci:1"
# What tells in a line of shell that a step is done.
STEPS = {
    "install": r"poetry install|uv sync|pip install .*requirements-dev\.txt",
    "style": r"ruff check",
    "format": r"ruff format --check",
    "types": r"mypy$",
    "tests": r"pytest$",
    "build package": r"poetry build|uv build|-m build",
    "build image": r"docker build ",
    "scan image": r"ci/scan-image\.sh ",
    "push image": r"docker push ",
    "publish package": r"tools/publish\.py ",
    "deploy": r"gcloud run deploy ",
}
EVENTS = ("change", "main", "tag")


def combined() -> Iterator[Answers]:
    """Yield every manager with every kind of build; every CI is there."""
    for manager in ("poetry", "uv", "pip"):
        common = {"package_manager": manager, "ci": list(FILES), **KEYLESS}
        yield {"kind": "package", **common}
        yield {"kind": "service", "index_mode": "virtual", **common}
        yield {"kind": "service", "private_packages": PRIVATE, "deploy": "cloud-run", **common}
        workspace = {"framework": "worker", "image_install": "workspace", "deploy": "cloud-run", "location": "europe"}
        yield {"kind": "service", **workspace, "circleci_image": EXECUTOR, **common}


@pytest.fixture(scope="module")
def projects(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Answers, Path]]:
    folder = tmp_path_factory.mktemp("pipelines")
    return [(answers, generate(folder / str(n), **answers)) for n, answers in enumerate(combined())]


def read(project: Path, ci: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((project / FILES[ci]).read_text()))


# How each CI says when a step runs. A condition that is not known here fails the test that meets it.
GITHUB_CONDITIONS = {
    None: EVENTS,
    "startsWith(github.ref, 'refs/tags/v')": ("tag",),
    "github.event_name == 'push'": ("main", "tag"),
    "github.event_name == 'push' && github.ref == 'refs/heads/main'": ("main",),
}
GITLAB_CONDITIONS = {
    '$CI_PIPELINE_SOURCE == "merge_request_event"': "change",
    '$CI_COMMIT_BRANCH == "main"': "main",
    "$CI_COMMIT_TAG =~ /^v/": "tag",
}
CIRCLECI_CONDITION = {"or": [{"equal": ["main", "<< pipeline.git.branch >>"]}, "<< pipeline.git.tag >>"]}


def github_shell(pipeline: dict[Any, Any], event: str) -> Iterator[str]:
    # YAML 1.1 reads the word `on` as true.
    assert set(pipeline[True]) == {"pull_request", "push"}
    assert pipeline[True]["push"] == {"branches": ["main"], "tags": ["v*"]}
    for job in in_order(pipeline["jobs"], "needs"):
        if event in GITHUB_CONDITIONS[job.get("if")]:
            for step in job["steps"]:
                if "run" in step and event in GITHUB_CONDITIONS[step.get("if")]:
                    yield step["run"]


def gitlab_shell(pipeline: dict[Any, Any], event: str) -> Iterator[str]:
    everything = pipeline["workflow"]["rules"]
    assert {GITLAB_CONDITIONS[rule["if"]] for rule in everything} == set(EVENTS)
    jobs = [job for job in pipeline.values() if isinstance(job, dict) and "script" in job]
    assert {job["stage"] for job in jobs} == set(pipeline["stages"])
    for stage in pipeline["stages"]:
        for job in jobs:
            if job["stage"] == stage and event in {GITLAB_CONDITIONS[r["if"]] for r in job.get("rules", everything)}:
                for line in job["script"]:
                    guarded = line.startswith('if [ "$CI_PIPELINE_SOURCE" != merge_request_event ]; then\n')
                    assert guarded or not line.startswith("if ")
                    if not guarded or event != "change":
                        yield line


def circleci_shell(pipeline: dict[Any, Any], event: str) -> Iterator[str]:
    (workflow,) = pipeline["workflows"].values()
    jobs = {}
    for entry in workflow["jobs"]:
        ((name, settings),) = entry.items()
        filters = settings["filters"]
        branches, tags = filters.get("branches", {}), filters.get("tags")
        assert tags in (None, {"only": "/^v.*/"})
        assert branches in ({}, {"only": "main"}, {"ignore": "/.*/"})
        events = {"tag"} if tags else set()
        events |= set() if branches.get("ignore") else {"main"} if branches else {"change", "main"}
        jobs[name] = {**pipeline["jobs"][name], "requires": settings.get("requires", []), "events": events}
    assert set(jobs) == set(pipeline["jobs"]), "a job that no workflow runs, or a workflow with a job that is none"
    for job in in_order(jobs, "requires"):
        for step in job["steps"] if event in job["events"] else []:
            if "when" in step:
                assert step["when"]["condition"] == CIRCLECI_CONDITION
                yield from (each["run"]["command"] for each in step["when"]["steps"] if event != "change")
            elif step != "checkout":
                yield step["run"]["command"]


def cloud_build_shell(pipeline: dict[Any, Any], event: str) -> Iterator[str]:
    """Triggers decide on what is built: one on `main` or on tags runs every step, publishing asks for the tag."""
    for step in pipeline["steps"]:
        words = [step.get("entrypoint", "docker"), *step["args"]]
        guarded = words[-1].startswith('if [ -z "${TAG_NAME}" ] && [ "${_PUBLISH}" != true ]; then')
        if guarded and event != "tag":
            continue
        yield " ".join(words).replace("$$", "$")


SHELLS = {"cloud-build": cloud_build_shell, "github": github_shell, "gitlab": gitlab_shell, "circleci": circleci_shell}


def in_order(jobs: dict[str, Any], needs: str) -> list[dict[str, Any]]:
    """The jobs after those that they wait for; each of these exists."""
    done: dict[str, dict[str, Any]] = {}
    while len(done) < len(jobs):
        ready = [name for name in jobs if name not in done and all(n in done for n in listed(jobs[name].get(needs)))]
        assert ready, f"jobs wait for each other or for one that is none: {jobs.keys() - done.keys()}"
        done |= {name: jobs[name] for name in ready}
    return list(done.values())


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def done_by(shell: Iterable[str]) -> list[str]:
    """The steps that shell does, in their order, each once."""
    found = [step for text in shell for line in text.splitlines() for step in STEPS if re.search(STEPS[step], line)]
    return list(dict.fromkeys(found))


def expected(answers: Answers, event: str) -> list[str]:
    steps = ["install", "style", "format", "types", "tests"]
    if answers["kind"] == "package":
        return [*steps, "build package", *(["publish package"] if event == "tag" else [])]
    steps += ["build image", "scan image"]
    if event != "change":
        steps.append("push image")
    return [*steps, *(["deploy"] if event == "main" and answers.get("deploy") == "cloud-run" else [])]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("ci", ["github", "gitlab", "circleci"])
def test_every_pipeline_does_every_step_and_no_other(projects: list[tuple[Answers, Path]], ci: str, event: str) -> None:
    for answers, project in projects:
        assert done_by(SHELLS[ci](read(project, ci), event)) == expected(answers, event), name_of(answers)


def test_cloud_build_does_what_the_others_do_on_main_and_for_a_tag(projects: list[tuple[Answers, Path]]) -> None:
    for answers, project in projects:
        event = "tag" if answers["kind"] == "package" else "main"
        assert done_by(cloud_build_shell(read(project, "cloud-build"), event)) == expected(answers, event)
        if answers["kind"] == "package":
            assert "publish package" not in done_by(cloud_build_shell(read(project, "cloud-build"), "main"))


@pytest.mark.parametrize("kind", ["package", "service"])
def test_any_subset_of_them_can_be_chosen(generate: Generate, tmp_path: Path, kind: str) -> None:
    whole = generate(tmp_path / "whole", kind=kind, ci=list(FILES), **KEYLESS)
    for size in (0, 1, len(FILES) - 1):
        for chosen in combinations(FILES, size):
            answers = {} if set(chosen) <= {"cloud-build"} else KEYLESS
            project = generate(tmp_path / "-".join(["some", *chosen]), kind=kind, ci=list(chosen), **answers)
            assert [ci for ci in FILES if (project / FILES[ci]).exists()] == list(chosen)
            for ci in chosen:
                if answers or ci != "cloud-build":
                    assert (project / FILES[ci]).read_text() == (whole / FILES[ci]).read_text()
            scripts = {path.name for path in (project / "ci").glob("*")}
            assert ("access_token.py" in scripts) == bool({"gitlab", "circleci"} & set(chosen))
            assert ("scan-image.sh" in scripts) == (kind == "service" and bool(chosen))
            assert (project / ".github").exists() == ("github" in chosen)


@pytest.mark.parametrize("ci", ["github", "gitlab", "circleci"])
@pytest.mark.parametrize(
    ("lacking", "rule"), [("wif_provider", "A provider is"), ("build_service_account", "signs in")]
)
def test_a_ci_outside_google_cloud_needs_to_know_how_to_sign_in(
    generate: Generate, tmp_path: Path, ci: str, lacking: str, rule: str
) -> None:
    answers = {name: value for name, value in KEYLESS.items() if name != lacking}
    with pytest.raises(ValueError, match=rule):
        generate(tmp_path / "project", ci=[ci], **answers)


# Judges


def test_schemas(projects: list[tuple[Answers, Path]]) -> None:
    for schema, pattern in (
        ("github-workflows", FILES["github"]),
        ("dependabot", ".github/dependabot.yml"),
        ("gitlab-ci", FILES["gitlab"]),
        ("circle-ci", FILES["circleci"]),
        ("cloudbuild", FILES["cloud-build"]),
        ("renovate", "renovate.json"),
    ):
        files = [project / pattern for _, project in projects]
        judge("check-jsonschema", "--builtin-schema", f"vendor.{schema}", files=files)


def test_yamllint(projects: list[tuple[Answers, Path]]) -> None:
    # Commands stand in one line each, and `on` is a key of GitHub's.
    rules = "{extends: default, rules: {line-length: disable, truthy: {check-keys: false}, document-start: disable,"
    rules += " comments: {min-spaces-from-content: 1}}}"
    files = [project / name for _, project in projects for name in [*FILES.values(), ".github/dependabot.yml"]]
    judge("yamllint", "--strict", "-d", rules, files=files)


def test_zizmor(projects: list[tuple[Answers, Path]]) -> None:
    arguments = ["--offline", "--no-progress", "--quiet", "--persona", "auditor"]
    judge("zizmor", *arguments, files=[project / ".github" for _, project in projects])


def test_shellcheck(projects: list[tuple[Answers, Path]], tmp_path: Path) -> None:
    scripts: dict[str, Path] = {}
    for _, project in projects:
        for ci, shell in SHELLS.items():
            if ci == "cloud-build":
                texts = [step["args"][-1] for step in read(project, ci)["steps"] if step.get("entrypoint") == "sh"]
                texts = [text.replace("$$", "$") for text in texts]
            else:
                # What one job does after another, as one script.
                texts = ["\n".join(shell(read(project, ci), event)) for event in EVENTS]
            for text in texts:
                if not text.endswith(".sh"):
                    scripts.setdefault(text, tmp_path / f"{len(scripts)}.sh").write_text(f"#!/bin/bash\n{text}\n")
    judge(
        "shellcheck",
        files=[*scripts.values(), *(p for _, project in projects for p in project.glob("ci/*.sh"))],
    )


def test_the_script_that_signs_in_is_checked_like_the_project(projects: list[tuple[Answers, Path]]) -> None:
    _, project = projects[0]
    script = [Path("ci/access_token.py")]
    for program, *arguments in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--strict"]):
        command = [str(Path(sys.executable).parent / program), *arguments, *map(str, script)]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


# What no judge sees


def test_actions_are_pinned_and_leave_no_credential(projects: list[tuple[Answers, Path]]) -> None:
    for _, project in projects:
        text = (project / FILES["github"]).read_text()
        uses = re.findall(r"uses: (.*)", text)
        assert uses
        assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses)
        jobs = read(project, "github")["jobs"].values()
        for step in (step for job in jobs for step in job["steps"] if "uses" in step):
            settings = step["with"]
            assert "actions/checkout" not in step["uses"] or settings["persist-credentials"] is False
            assert "google-github-actions/auth" not in step["uses"] or settings["create_credentials_file"] is False
        for job in jobs:
            names = [step["name"] for step in job["steps"]]
            assert "Check out" not in names or names.index("Check out") < names.index("Sign in")


def test_no_job_may_more_than_it_needs(projects: list[tuple[Answers, Path]]) -> None:
    for _, project in projects:
        pipeline = read(project, "github")
        assert pipeline["permissions"] == {}
        for name, job in pipeline["jobs"].items():
            reads = {} if name == "deploy" else {"contents": "read"}
            assert job["permissions"] == {"id-token": "write", **reads}


def test_no_shell_has_an_expression_in_it(projects: list[tuple[Answers, Path]]) -> None:
    for _, project in projects:
        for ci, opening in (("github", "${{"), ("circleci", "<<"), ("gitlab", "$[[")):
            assert not any(opening in text for event in EVENTS for text in SHELLS[ci](read(project, ci), event))


# How a line that names the token may begin: it goes into the environment, or through a builtin of the shell.
TAKES_THE_TOKEN = r"""export |printf |NETRC="\$\(mktemp\)" && export |CLOUDSDK_AUTH_ACCESS_TOKEN=\$GAR_TOKEN """


def test_no_token_is_an_argument_or_printed(projects: list[tuple[Answers, Path]]) -> None:
    for _, project in projects:
        for ci, shell in SHELLS.items():
            for text in (text for event in EVENTS for text in shell(read(project, ci), event)):
                assert not re.search(r"set -[a-z]*x|\becho\b[^\n]*TOKEN", text)
                for line in text.splitlines():
                    if "$GAR_TOKEN" in line:
                        assert re.match(TAKES_THE_TOKEN, line.strip()), line


def test_a_failure_is_not_hidden(projects: list[tuple[Answers, Path]]) -> None:
    """A shell that stops at errors does not stop where && or `export NAME=$(…)` has the last word."""
    for _, project in projects:
        for ci in ("github", "gitlab", "circleci"):
            for text in (text for event in EVENTS for text in SHELLS[ci](read(project, ci), event)):
                assert not re.search(r"(docker|access_token\.py\)).*&&", text)
                assert not re.search(r"export \w+=\$\(", text)


def test_cloud_build_refers_to_what_there_is(projects: list[tuple[Answers, Path]]) -> None:
    for answers, project in projects:
        text = (project / FILES["cloud-build"]).read_text()
        build = read(project, "cloud-build")
        steps = build["steps"]
        identifiers = [step["id"] for step in steps]
        assert len(set(identifiers)) == len(identifiers)
        assert all(waited in [*identifiers, "-"] for step in steps for waited in step.get("waitFor", []))
        assert not any("secretEnv" in step for step in steps)
        used = set(re.findall(r"(?<!\$)\$\{?(\w+)", text))
        assert used - {"PROJECT_ID", "BUILD_ID", "TAG_NAME"} == set(build["substitutions"]), name_of(answers)
        volumes = [volume["name"] for step in steps for volume in step.get("volumes", [])]
        assert all(volumes.count(name) > 1 for name in volumes)
        for step in steps:
            paths = set(re.findall(r"/(?:credentials|opt/tools)\b", " ".join(step["args"])))
            assert paths <= {volume["path"] for volume in step.get("volumes", [])} or (
                step["id"] == "test" and answers["kind"] == "service"
            )


def test_circleci_pulls_a_private_image_with_a_key_and_a_public_one_without(
    projects: list[tuple[Answers, Path]],
) -> None:
    for answers, project in projects:
        pipeline = read(project, "circleci")
        for job in pipeline["jobs"].values():
            for image in job.get("docker", []):
                if image["image"] == EXECUTOR:
                    assert image["auth"] == {"username": "_json_key", "password": "$GCS_AUTHORIZATION"}
                else:
                    assert "auth" not in image
        assert ("GCS_AUTHORIZATION" in (project / "README.md").read_text()) or "circleci_image" not in answers


def test_renovate_reads_private_packages_from_the_private_index_alone(projects: list[tuple[Answers, Path]]) -> None:
    for answers, project in projects:
        rules = json.loads((project / "renovate.json").read_text())["packageRules"]
        rules = [rule for rule in rules if "registryUrls" in rule]
        if answers.get("index_mode") == "virtual":
            (rule,) = rules
            assert "matchPackageNames" not in rule
            assert rule["registryUrls"] == ["https://us-central1-python.pkg.dev/acme-prod/python-virtual/simple/"]
        elif answers.get("private_packages"):
            (rule,) = rules
            assert rule["matchPackageNames"] == ["acme-greetings", "acme-models"]
            assert rule["registryUrls"] == ["https://us-central1-python.pkg.dev/acme-prod/python/simple/"]
        else:
            assert not rules


def test_the_readme_says_how_each_of_them_signs_in(projects: list[tuple[Answers, Path]]) -> None:
    for _, project in projects:
        text = (project / "README.md").read_text()
        for issuer in ("token.actions.githubusercontent.com", "gitlab.com", "oidc.circleci.com/org/ORGANISATION_ID"):
            assert f"--issuer-uri https://{issuer}" in text
        assert "## GitHub Actions, GitLab CI, CircleCI\n" in text
        assert not re.search(r"\n\n\n", text)
