"""A fleet as a Cloud Run job, and as the pipelines of docs/fleet.md: they say what the program and the forges take."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from garscaffold.errors import ExitCode
from garscaffold.fleet.job import TOKENS, Job, definition
from tests.conftest import Garscaffold
from tests.update.templates import git, release, render

DOCS = Path(__file__).parents[2] / "docs/fleet.md"
BIN = Path(sys.executable).parent
JOB = Job("fleet-update", "x.pkg.dev/p/r/fleet:1", 3, ("fleet.toml",), ("Fleet", "fleet@example.com"), "gh", "token")

# Of the schema of `Job` at https://run.googleapis.com/$discovery/rest?version=v1, what may stand where.
SHAPE: dict[str, Any] = {
    "apiVersion": str,
    "kind": str,
    "metadata": {"name": str},
    "spec": {
        "template": {
            "spec": {
                "taskCount": int,
                "parallelism": int,
                "template": {
                    "spec": {
                        "containers": [
                            {
                                "image": str,
                                "command": [str],
                                "args": [str],
                                "env": [
                                    {
                                        "name": str,
                                        "value": str,
                                        "valueFrom": {"secretKeyRef": {"name": str, "key": str}},
                                    }
                                ],
                                "resources": {"limits": {"cpu": str, "memory": str}},
                            }
                        ],
                        "maxRetries": int,
                        "timeoutSeconds": int,
                    }
                },
            }
        }
    },
}


def assert_shaped(value: Any, shape: Any, where: str = "") -> None:
    if isinstance(shape, dict):
        assert isinstance(value, dict), where
        for key, inner in value.items():
            assert key in shape, f"{where}.{key}"
            assert_shaped(inner, shape[key], f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), where
        for inner in value:
            assert_shaped(inner, shape[0], f"{where}[]")
    else:
        assert type(value) is shape, f"{where}: {value!r}"


def container(text: str) -> dict[str, Any]:
    (found,) = yaml.safe_load(text)["spec"]["template"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def variables(text: str) -> dict[str, str]:
    return {each["name"]: each.get("value", "a-token") for each in container(text)["env"]}


NASTY = (
    "yes",
    "1e3",
    "$(rm -rf /)",
    "a: b # c",
    "- x",
    "'\"\\",
    "{{ x }}",
    "ünï",
    "line\nline",
    "",
    "!!python/x",
    "null",
)


def test_it_has_the_shape_that_cloud_run_reads_whatever_the_arguments() -> None:
    job = Job("no", NASTY[5], 12, NASTY, (NASTY[3], NASTY[2]), "glab", "on")
    document = yaml.safe_load(definition(job))
    assert_shaped(document, SHAPE)
    assert document["kind"] == "Job"
    assert document["metadata"]["name"] == "no"
    assert document["spec"]["template"]["spec"]["taskCount"] == 12
    assert container(definition(job))["args"] == ["fleet", "update", "--yes", "--discard-clones", *NASTY]


def skip_without(forge: str) -> None:
    if shutil.which(forge) is None:
        pytest.skip(f"no {forge} here")


@pytest.mark.parametrize(("forge", "host"), [("gh", "github.com"), ("glab", "gitlab.com")])
def test_git_gets_the_token_from_the_program_of_the_forge(
    environment: dict[str, str], home: Path, forge: str, host: str
) -> None:
    skip_without(forge)
    text = definition(Job("x", "x", 1, (), ("Ada", "ada@example.com"), forge, "token"))
    filled = subprocess.run(
        ["git", "credential", "fill"],
        input=f"protocol=https\nhost={host}\n\n",
        env={**environment, **variables(text), TOKENS[forge]: "s3cret", "GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "password=s3cret\n" in filled.stdout


def test_its_tasks_together_update_every_repository(
    garscaffold: Garscaffold, here: Path, home: Path, tmp_path: Path
) -> None:
    template = tmp_path / "template"
    release(template, "1.0.0", {"copier.yml": "name: orders\n", "text.txt": "old\n"})
    release(template, "1.1.0", {"copier.yml": "name: orders\n", "text.txt": "new\n"})
    names = ["a", "b", "c", "d"]
    for name in names:
        render(template, "1.0.0", {}, here / name, source=str(template))
        git(here / name, "init", "--quiet")
        git(here / name, "add", "--all")
        git(here / name, "commit", "--quiet", "--message=state")
    (here / "fleet.toml").write_text(f"repositories = {names}")
    # Nobody is known here but by the definition.
    (home / ".gitconfig").unlink()
    text = definition(JOB)
    for task in range(JOB.tasks):
        done = garscaffold(
            *container(text)["args"],
            **variables(text),
            CLOUD_RUN_TASK_INDEX=str(task),
            CLOUD_RUN_TASK_COUNT=str(yaml.safe_load(text)["spec"]["template"]["spec"]["taskCount"]),
        )
        assert done.returncode == 0, done.stderr
        assert f"{2 if task == 0 else 1} updated" in done.stderr
    for name in names:
        author = git(here / name, "log", "-1", "--format=%an <%ae>", "garscaffold/template-1.1.0")
        assert author == "Fleet <fleet@example.com>"


def test_a_task_keeps_no_clones(garscaffold: Garscaffold, here: Path, tmp_path: Path) -> None:
    """Its disk is its memory: what counts is how much is there at a time, however many repositories it has."""
    template, remotes, clones = tmp_path / "template", tmp_path / "remotes", tmp_path / "clones"
    release(template, "1.0.0", {"copier.yml": "name: orders\n", "text.txt": "old\n"})
    release(template, "1.1.0", {"copier.yml": "name: orders\n", "text.txt": "new\n"})
    names = ["a", "b", "c", "d"]
    for name in names:
        render(template, "1.0.0", {}, here / name, source=str(template))
        git(here / name, "init", "--quiet")
        git(here / name, "add", "--all")
        git(here / name, "commit", "--quiet", "--message=state")
        git(here, "clone", "--quiet", "--bare", name, str(remotes / f"{name}.git"))
    urls = [f"file://{remotes}/{name}.git" for name in [*names, "gone"]]
    (here / "fleet.toml").write_text(f"repositories = {urls}")
    text = definition(replace(JOB, arguments=("fleet.toml", "--push", "--clones", str(clones), "-j", "1")))
    most = tmp_path / "most"
    check = f"ls -d {clones}/*.git >> {most}; echo >> {most}"
    done = garscaffold(*container(text)["args"], "--check", check, **variables(text))
    assert (done.returncode, "4 updated, 1 failed" in done.stderr) == (1, True), done.stderr
    assert [len(part.split()) for part in most.read_text().split("\n\n")[:-1]] == [1] * 4
    assert not list(clones.glob("*.git"))
    for name in names:
        assert git(remotes / f"{name}.git", "log", "-1", "--format=%an", "garscaffold/template-1.1.0") == "Fleet"
    # Without a push it would be lost: what only the clone has stays.
    git(remotes / "a.git", "branch", "-D", "garscaffold/template-1.1.0")
    arguments = ("--discard-clones", urls[0], "--clones", str(clones))
    assert garscaffold("fleet", "status", *arguments).returncode == 0
    assert not list(clones.glob("*.git"))
    assert garscaffold("fleet", "update", *arguments).returncode == 0
    (kept,) = clones.glob("*.git")
    assert git(kept, "log", "-1", "--format=%s", "garscaffold/template-1.1.0").startswith("chore: update")


COMMAND = ("fleet", "job", "--image", "x", "--tasks", "2", "--secret", "s")


def test_the_command_prints_the_definition(garscaffold: Garscaffold) -> None:
    done = garscaffold(*COMMAND, "--author", "Ada L. <ada@example.com>", "--forge", "glab")
    assert done.returncode == 0, done.stderr
    always = ["fleet", "update", "--yes", "--discard-clones"]
    assert container(done.stdout)["args"] == [*always, "fleet.toml", "--pull-request", "glab"]
    assert variables(done.stdout)["GIT_CONFIG_VALUE_0"] == "Ada L."
    assert variables(done.stdout)["GIT_CONFIG_VALUE_1"] == "ada@example.com"
    given = garscaffold(*COMMAND, "--author", "A <a@b.c>", "--", "f.toml", "--check", "make 'a b'")
    assert container(given.stdout)["args"][4:] == ["f.toml", "--check", "make 'a b'"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--author", "Ada"], "'Ada' is no author."),
        (["--author", "<ada@example.com>"], "is no author."),
        (["--author", "A <a@b.c>", "--", "fleet.toml", "--pull-requests", "gh"], "No such option '--pull-requests'"),
        (["--author", "A <a@b.c>", "--tasks", "0"], "0 is not in the range"),
    ],
)
def test_what_cannot_work_is_said_before_there_is_a_job(
    garscaffold: Garscaffold, arguments: list[str], sentence: str
) -> None:
    done = garscaffold(*COMMAND, *arguments)
    assert done.returncode == ExitCode.USAGE
    assert sentence in done.stderr
    assert done.stdout == ""


def pipelines() -> dict[str, str]:
    github, gitlab = re.findall(r"(?s)```yaml\n(.*?)```", DOCS.read_text())
    return {"github-workflows": github, "gitlab-ci": gitlab}


@pytest.mark.parametrize("kind", ["github-workflows", "gitlab-ci"])
def test_the_pipelines_of_the_docs_are_what_the_forges_read(kind: str, tmp_path: Path) -> None:
    file = tmp_path / ".github/workflows/fleet.yml"
    file.parent.mkdir(parents=True)
    file.write_text(pipelines()[kind])
    judges = [[str(BIN / "check-jsonschema"), "--builtin-schema", f"vendor.{kind}"]]
    if kind == "github-workflows" and (BIN / "actionlint").exists():
        judges.append([str(BIN / "actionlint"), "-no-color", f"-shellcheck={BIN / 'shellcheck'}", "-pyflakes="])
    for judge in judges:
        done = subprocess.run([*judge, str(file)], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def scripts(kind: str) -> list[str]:
    document = yaml.safe_load(pipelines()[kind])
    if kind == "gitlab-ci":
        return [line for job in document.values() for line in job["script"]]
    return [
        step["run"] for job in document["jobs"].values() for step in job["steps"] if "fleet " in step.get("run", "")
    ]


@pytest.mark.parametrize("kind", ["github-workflows", "gitlab-ci"])
def test_the_pipelines_of_the_docs_run(
    kind: str, garscaffold: Garscaffold, here: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """Their lines, in a shell, part by part, then the report; the fleet is up to date, so that no forge is asked."""
    skip_without("glab" if kind == "gitlab-ci" else "gh")
    template = tmp_path / "template"
    release(template, "1.0.0", {"copier.yml": "name: orders\n", "text.txt": "old\n"})
    for name in ("a", "b", "c"):
        render(template, "1.0.0", {}, here / name, source=str(template))
        git(here / name, "init", "--quiet")
        git(here / name, "add", "--all")
        git(here / name, "commit", "--quiet", "--message=state")
    (here / "fleet.toml").write_text('repositories = ["a", "b", "c"]')
    update, report = scripts(kind)
    path = f"{BIN}:{environment['PATH']}"
    for part in ("1", "2"):
        part_of = {"SHARD": f"{part}/2", "CI_NODE_INDEX": part, "CI_NODE_TOTAL": "2"}
        subprocess.run(["bash", "-euc", update], cwd=here, env={**environment, **part_of, "PATH": path}, check=True)
    subprocess.run(["bash", "-euc", report], cwd=here, env={**environment, "PATH": path}, check=True)
    assert sorted(file.name for file in here.glob("part-*")) == ["part-1.json", "part-2.json"]
    page = (here / "fleet.html").read_text()
    assert "Fleet: 3 projects" in page
    assert "Made from 2 result files" in page
