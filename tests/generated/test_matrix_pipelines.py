"""Pipelines of every combination: all of them do the same, and what no judge sees holds, too."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from garscaffold.template.config import NotPlainError
from tests.generated.combinations import EXECUTOR, KEYLESS, READER, Answers
from tests.generated.indexes import PRIVATE_NAMES, indexes
from tests.generated.matrix import Project, matrix, rendered, texts
from tests.generated.pipelines import (
    BY_HAND,
    EVENTS,
    FILES,
    GITHUB_CONDITIONS,
    SHELLS,
    build_shell,
    done_by,
    in_order,
    parsed,
    scripts,
)
from tests.generated.soundness import SOUND

# What is generated is the same on every Python.
pytestmark = pytest.mark.generated


def with_ci(ci: str) -> Iterator[tuple[Project, dict[Any, Any]]]:
    """Yield the projects that have a pipeline, and the pipeline."""
    for project in matrix():
        assert (FILES[ci] in project.files) == (ci in project.answers["ci"]), project
        if ci in project.answers["ci"]:
            yield project, parsed(project.files[FILES[ci]])


def shell_of(ci: str) -> Iterator[str]:
    """Yield the shell of every distinct pipeline of a CI, as it stands there."""
    for _, _, text in texts(FILES[ci]):
        yield from (script.text for script in scripts(ci, parsed(text)))


def expected(answers: Answers, event: str) -> list[str]:
    steps = ["install", "style", "format", "types", "tests"]
    if answers["kind"] == "package":
        return [*steps, "build package", *(["publish package"] if event == "tag" else [])]
    steps += ["build image", "scan image"]
    if event != "change":
        steps.append("push image")
    return [*steps, *(["deploy"] if event == "main" and answers.get("deploy") == "cloud-run" else [])]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("ci", FILES)
def test_every_pipeline_does_every_step_and_no_other(ci: str, event: str) -> None:
    for project, pipeline in with_ci(ci):
        assert done_by(SHELLS[ci](pipeline, event)) == expected(project.answers, event), project


LAST = {"push image": "push", "deploy": "deploy", "publish package": "publish"}


@pytest.mark.parametrize(
    ("given", "service", "package"),
    [
        (BY_HAND, ["push"], []),
        ({"_DEPLOY": "true", "_PUBLISH": "true"}, ["push", "deploy"], ["publish"]),
        ({"TAG_NAME": "v1.0", "_DEPLOY": "true"}, ["push", "deploy"], ["publish"]),
        ({"TAG_NAME": "nightly"}, [], []),
        ({"TAG_NAME": "main"}, [], []),
        ({"BRANCH_NAME": "feature"}, [], []),
        ({"BRANCH_NAME": "feature", "_DEPLOY": "true", "_PUBLISH": "true"}, [], ["publish"]),
        ({"BRANCH_NAME": "v1"}, [], []),
        # A fork's main, and a trigger for pull requests that says too much.
        ({"_PR_NUMBER": "7", "BRANCH_NAME": "main"}, [], []),
        ({"_PR_NUMBER": "7", "BRANCH_NAME": "main", "_DEPLOY": "true", "_PUBLISH": "true"}, [], []),
        ({"_PR_NUMBER": "7", "BRANCH_NAME": '";docker${IFS}push${IFS}evil;"'}, [], []),
        ({"BRANCH_NAME": "$(docker${IFS}push)"}, [], []),
    ],
    ids=repr,
)
def test_what_cloud_build_leaves_behind(given: dict[str, str], service: list[str], package: list[str]) -> None:
    for project, pipeline in with_ci("cloud-build"):
        declared = {name: value for name, value in given.items() if name[0] != "_" or name in pipeline["substitutions"]}
        shell = list(build_shell(pipeline, declared))
        wanted = package if project.answers["kind"] == "package" else service
        if project.answers.get("deploy") != "cloud-run":
            wanted = [name for name in wanted if name != "deploy"]
        assert [LAST[step] for step in done_by(shell) if step in LAST] == wanted, project
        # What is not done is said.
        steps = [step["id"] for step in pipeline["steps"] if step["id"] in LAST.values()]
        said = [text for text in shell if re.match(r"Not (pushed|deployed|published): .*\n$", text)]
        assert len(said) == len(steps) - len(wanted), project


@pytest.mark.parametrize(
    ("ci", "tag"), [("github", "GITHUB_REF_NAME"), ("gitlab", "CI_COMMIT_TAG"), ("circleci", "CIRCLE_TAG")]
)
def test_a_release_is_published_with_its_tag(ci: str, tag: str) -> None:
    for project, pipeline in with_ci(ci):
        published = [text for text in SHELLS[ci](pipeline, "tag") if "publish.py" in text]
        assert all(f'tools/publish.py --tag "${tag}" dist/*' in text for text in published)
        assert bool(published) == (project.answers["kind"] == "package"), project


@pytest.mark.parametrize("kind", ["package", "service"])
def test_any_subset_of_them_can_be_chosen(kind: str) -> None:
    """A CI's pipeline is the same whichever others there are, and what the pipelines need is there."""
    whole = rendered({"kind": kind, "ci": list(FILES), **KEYLESS})
    for chosen in (list(some) for size in range(len(FILES) + 1) for some in combinations(FILES, size)):
        project = rendered({"kind": kind, "ci": chosen, **KEYLESS})
        assert [ci for ci in FILES if FILES[ci] in project] == chosen
        assert all(project[FILES[ci]] == whole[FILES[ci]] for ci in chosen)
        assert ("ci/access_token.py" in project) == bool({"gitlab", "circleci"} & set(chosen))
        assert ("ci/scan-image.sh" in project) == (kind == "service" and bool(chosen))
        assert any(name.startswith(".github/") for name in project) == ("github" in chosen)


@pytest.mark.parametrize("ci", ["github", "gitlab", "circleci"])
@pytest.mark.parametrize(
    ("lacking", "rule"), [("wif_provider", "A provider is"), ("build_service_account", "signs in")]
)
def test_a_ci_outside_google_cloud_needs_to_know_how_to_sign_in(ci: str, lacking: str, rule: str) -> None:
    with pytest.raises(NotPlainError, match=rule):
        rendered({"ci": [ci], **{name: value for name, value in KEYLESS.items() if name != lacking}})


# What no judge sees


@pytest.mark.parametrize("ci", FILES)
def test_a_pipeline_refers_to_what_there_is(ci: str) -> None:
    for project, _, text in texts(FILES[ci]):
        assert list(SOUND[ci](parsed(text), text)) == [], project


FAULTS = [
    ("cloud-build", "- id: push", "- id: build", "a step has no id of its own: 'build'"),
    ("cloud-build", "- id: push", "- id: push\n    waitFor: [scan, tokens]", "push waits for tokens, and no step"),
    ("cloud-build", "- id: push", "- id: push\n    waitFor: [push]", "push waits for push, and no step"),
    ("cloud-build", "$$(", "$(", "a $ of the shell is not written $$: '$("),
    ("cloud-build", "$$(", "$HOME $$(", "the substitution HOME has no value"),
    ("cloud-build", "$$(", "$1 $$(", "a $ of the shell is not written $$: '$1"),
    ("cloud-build", "$$(", "$$NOWHERE $$(", "scan reads $NOWHERE, which nothing sets"),
    ("cloud-build", "  _IMAGE:", "  _IMAGES:", "the substitution _IMAGE has no value"),
    ("cloud-build", "  _IMAGE:", "  _OTHER: x\n  _IMAGE:", "the substitution _OTHER is used by nothing"),
    ("cloud-build", "- name: credentials", "- name: secrets", "one step alone mounts secrets"),
    ("cloud-build", "path: /credentials", "path: /workspace/credentials", "token hides /workspace/credentials"),
    ("cloud-build", "- id: push", "- id: push\n    secretEnv: [KEY]", "the secret KEY is not available"),
    ("github", "needs: test", "needs: tests", "build-image needs tests, which is not there"),
    ("github", "needs: test", "needs: build-image", "build-image waits for itself"),
    ("github", "id: auth", "id: sign-in", "test reads what the step auth said, and no step before it has that id"),
    ("github", "$IMAGE:", "$IMAGES:", "build-image reads $IMAGES, which nothing sets"),
    ("gitlab", "stage: build-image", "stage: build", "build-image is in the stage build, which is not there"),
    ("gitlab", "stage: build-image", "stage: test\n  needs: [deploy]", "build-image needs deploy of a later stage"),
    ("gitlab", "stage: build-image", "stage: build-image\n  needs: [tests]", "build-image needs tests, which"),
    ("gitlab", "stages: [test,", "stages: [test, audit,", "no job is in the stage audit"),
    ("gitlab", "$IMAGE:", "$IMAGES:", "build-image reads $IMAGES, which nothing sets"),
    ("circleci", "      - build-image:", "      - build-images:", "a workflow runs build-images, which is no job"),
    ("circleci", "      - build-image:", "      - build-images:", "no workflow runs build-image"),
    ("circleci", "requires: [test]", "requires: [tests]", "build-image needs tests, which is not there"),
    ("circleci", "$IMAGE:", "$IMAGES:", "build-image reads $IMAGES, which nothing sets"),
]


@pytest.mark.parametrize(("ci", "right", "wrong", "said"), FAULTS)
def test_a_reference_to_nothing_is_seen(ci: str, right: str, wrong: str, said: str) -> None:
    answers = {"kind": "service", "ci": list(FILES), "deploy": "cloud-run", **KEYLESS}
    text = rendered(answers)[FILES[ci]].data.decode()
    assert right in text
    broken = text.replace(right, wrong, 1)
    assert any(each.startswith(said) for each in SOUND[ci](parsed(broken), broken))


def test_actions_are_pinned_and_leave_no_credential() -> None:
    for _, _, text in texts(FILES["github"]):
        uses = re.findall(r"uses: (.*)", text)
        assert uses
        assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses)
        jobs = parsed(text)["jobs"].values()
        for step in (step for job in jobs for step in job["steps"] if "uses" in step):
            settings = step["with"]
            assert "actions/checkout" not in step["uses"] or settings["persist-credentials"] is False
            assert "google-github-actions/auth" not in step["uses"] or settings["create_credentials_file"] is False
        for job in jobs:
            names = [step["name"] for step in job["steps"]]
            assert "Check out" not in names or names.index("Check out") < names.index("Sign in")


def test_no_job_may_more_than_it_needs() -> None:
    for _, _, text in texts(FILES["github"]):
        pipeline = parsed(text)
        assert pipeline["permissions"] == {}
        for job in pipeline["jobs"].values():
            reads = (
                {"contents": "read"} if any("actions/checkout" in step.get("uses", "") for step in job["steps"]) else {}
            )
            assert job["permissions"] == {"id-token": "write", **reads}


def test_no_shell_has_an_expression_in_it() -> None:
    for ci, opening in (("github", "${{"), ("circleci", "<<"), ("gitlab", "$[[")):
        assert not any(opening in text for text in shell_of(ci))


# How a line that names the token may begin: it goes into the environment, or through a builtin of the shell.
TAKES_THE_TOKEN = r"export |printf "


def test_no_token_is_an_argument_or_printed() -> None:
    for text in (text for ci in FILES for text in shell_of(ci)):
        assert not re.search(r"set -[a-z]*x|\becho\b[^\n]*TOKEN", text)
        for line in text.splitlines():
            if "$GAR_TOKEN" in line:
                assert re.match(TAKES_THE_TOKEN, line.strip()), line


def test_a_failure_is_not_hidden() -> None:
    """A shell that stops at errors does not stop where &&, ;, a pipe or `export NAME=$(…)` hides what failed."""
    # What a shell does at its end comes after all that could fail.
    for text in (re.sub(r"(?m)^trap '[^']*' EXIT$", "", text) for ci in FILES for text in shell_of(ci)):
        assert not re.search(r"(?<!\] )&&|(?<!;);(?!;| then)|export \w+=\$\(|^\w+=\$\(.*\) ", text, re.MULTILINE), text
        # What hands the token to docker cannot fail but with it; a pattern of `case` has alternatives.
        kept = re.sub(r'"[^"]*"|printf [^|]*\| docker login|^ *:\S*( \| \S+)+\)$', "", text, flags=re.MULTILINE)
        assert not re.search(r"(?<!\|)\|(?!\|)", kept), text


def test_a_step_of_cloud_build_mounts_what_it_reads() -> None:
    for project, pipeline in with_ci("cloud-build"):
        for step in pipeline["steps"]:
            paths = set(re.findall(r"/(?:credentials|opt/tools)\b", " ".join(step["args"])))
            # A service is tested in one step, which keeps its tools to itself.
            own = {"/opt/tools"} if step["id"] == "test" and project.answers["kind"] == "service" else set()
            assert paths - own <= {volume["path"] for volume in step.get("volumes", [])}, project


def test_circleci_pulls_a_private_image_with_a_key_and_a_public_one_without() -> None:
    seen = set()
    for project, pipeline in with_ci("circleci"):
        private = project.answers.get("circleci_image") == EXECUTOR
        for image in (image for job in pipeline["jobs"].values() for image in job.get("docker", [])):
            seen.add(image["image"])
            if image["image"] == EXECUTOR:
                assert image["auth"] == {"username": "_json_key", "password": "$GCS_AUTHORIZATION"}
            else:
                assert "auth" not in image
        assert "GCS_AUTHORIZATION" in project.files["README.md"] or not private
    assert EXECUTOR in seen
    assert len(seen) > 3


def test_renovate_looks_where_the_project_does() -> None:
    for project in matrix():
        rules = [rule for rule in json.loads(project.files["renovate.json"])["packageRules"] if "registryUrls" in rule]
        wanted = indexes(project)

        def urls(name: str, rules: list[dict[str, Any]] = rules) -> list[str]:
            """The last rule that matches wins."""
            matching = [rule["registryUrls"] for rule in rules if name in rule.get("matchPackageNames", [name])]
            return list(matching[-1]) if matching else []

        assert urls("requests") == ([wanted.others] if wanted.others else []), project
        for name in PRIVATE_NAMES if project.answers["private_packages"] else ():
            assert urls(name) == [wanted.tied.get(name, wanted.others)], project


# How a job says as whom it signs in; without a name, as the account that may write.
SIGNS_IN = re.compile(r"GAR_TOKEN=\$\((?:OIDC_TOKEN=\S+ )?(?:SERVICE_ACCOUNT=(\S+) )?python3 ci/access_token\.py\)")
WRITES = ("push image", "publish package", "deploy")


def accounts(ci: str, pipeline: dict[Any, Any], event: str) -> Iterator[tuple[str, str]]:
    """Yield each step that a pipeline does for an event, and the account whose token it has."""
    account = ""
    if ci == "github":
        for job in in_order(pipeline["jobs"], "needs"):
            signed_in = {}
            for step in job["steps"]:
                if event not in {*GITHUB_CONDITIONS[job.get("if")]} & {*GITHUB_CONDITIONS[step.get("if")]}:
                    continue
                if "google-github-actions/auth" in step.get("uses", ""):
                    signed_in[f"${{{{ steps.{step['id']}.outputs.access_token }}}}"] = step["with"]["service_account"]
                else:
                    account = signed_in[step["env"]["GAR_TOKEN"]] if "GAR_TOKEN" in step.get("env", {}) else account
                    yield from ((each, account) for each in done_by([step.get("run", "")]))
        return
    for text in SHELLS[ci](pipeline, event):
        for line in text.splitlines():
            if found := SIGNS_IN.search(line):
                account = found[1] or KEYLESS["build_service_account"]
            yield from ((step, account) for step in done_by([line]))


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("ci", ["github", "gitlab", "circleci"])
def test_only_what_writes_signs_in_as_somebody_who_may(ci: str, event: str) -> None:
    seen = set()
    for project, pipeline in with_ci(ci):
        writer = KEYLESS["build_service_account"]
        reader = project.answers.get("test_service_account", writer)
        for step, account in accounts(ci, pipeline, event):
            assert account == (writer if step in WRITES else reader), (step, project)
            seen.add((step, account))
    assert {("tests", READER), ("build image", READER)} <= seen
    assert any(step in WRITES for step, _ in seen) == (event != "change")


@pytest.mark.parametrize("ci", ["github", "gitlab", "circleci"])
def test_what_publishes_with_is_set_where_it_publishes_and_nowhere_else(ci: str) -> None:
    for project, pipeline in with_ci(ci):
        for event in EVENTS:
            said = "\n".join(SHELLS[ci](pipeline, event))
            names = re.findall(r"(?:UV_PUBLISH|TWINE)_PASSWORD=", said)
            assert len(names) == ("publish package" in done_by([said])), project
            before, *_ = re.split(r"UV_PUBLISH_|TWINE_", said)
            assert not names or done_by([before])[-1] == "build package"


def test_the_readme_says_how_each_of_them_signs_in() -> None:
    issuers = {
        "github": "token.actions.githubusercontent.com",
        "gitlab": "gitlab.com",
        "circleci": "oidc.circleci.com/org/ORGANISATION_ID",
    }
    for project in matrix():
        for ci, issuer in issuers.items():
            said = f"--issuer-uri https://{issuer}" in project.files["README.md"]
            assert said == (ci in project.answers["ci"]), project
