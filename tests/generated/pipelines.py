"""What generated pipelines do: the shell that each runs for an event, in its order."""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

FILES = {
    "cloud-build": "cloudbuild.yaml",
    "github": ".github/workflows/ci.yml",
    "gitlab": ".gitlab-ci.yml",
    "circleci": ".circleci/config.yml",
}
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
    "deploy": r"gcloud run (deploy|services replace) ",
}
EVENTS = ("change", "main", "tag")


def read(project: Path, ci: str) -> dict[Any, Any]:
    """Return the pipeline of a project that was written to disk."""
    return parsed((project / FILES[ci]).read_text())


@cache
def parsed(text: str) -> dict[Any, Any]:
    """Return the document in a pipeline's text; it is not to be changed."""
    return dict(yaml.safe_load(text))


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


# What Cloud Build puts in the place of `${NAME}`, by the event. A pull request has the branch that it comes from.
SUBSTITUTIONS = {
    "change": {"_PR_NUMBER": "7", "BRANCH_NAME": "feature"},
    "main": {"BRANCH_NAME": "main"},
    "tag": {"TAG_NAME": "v0.1.0"},
}
BY_HAND: Mapping[str, str] = {}
# Programs of the steps that decide by themselves whether they do anything.
PROGRAMS = ("docker", "gcloud", "grep", "sed", "poetry", "uv", ".venv/bin/python")


def cloud_build_shell(pipeline: dict[Any, Any], event: str) -> Iterator[str]:
    return build_shell(pipeline, SUBSTITUTIONS[event])


def build_shell(pipeline: dict[Any, Any], given: Mapping[str, str]) -> Iterator[str]:
    """Yield what the steps of a Cloud Build run; of one that decides by itself, what its shell then did.

    Args:
        pipeline: The build's definition.
        given: Substitutions that a trigger sets, or somebody by hand.
    """
    built_in = {"PROJECT_ID": "acme-prod", "BUILD_ID": "build-1", "BRANCH_NAME": "", "TAG_NAME": ""}
    substitutions = {**built_in, **pipeline.get("substitutions", {}), **given}
    for step in pipeline["steps"]:
        words = [step.get("entrypoint", "docker"), *step["args"]]
        if not re.search(r"^(case|if) ", words[-1], re.MULTILINE):
            yield " ".join(words).replace("$$", "$")
            continue
        lines = [words[-1], *step.get("env", [])]
        for name, value in substitutions.items():
            lines = [line.replace(f"${{{name}}}", value) for line in lines]
        yield decided(lines[0].replace("$$", "$"), tuple(lines[1:]))


@cache
def decided(script: str, environment: tuple[str, ...]) -> str:
    """Run a step's script in a real shell; return what it said, and the commands that it got to with their arguments.

    Only what the shell itself does is done: each program prints how it was called.
    """
    with TemporaryDirectory() as folder:
        for name in PROGRAMS:
            program = Path(folder) / name
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(f'#!/bin/sh\necho "{name} $*" >&2\n')
            program.chmod(0o755)
        given = dict(line.split("=", 1) for line in environment)
        done = subprocess.run(
            ["/bin/sh", "-euc", script],
            cwd=folder,
            env={"PATH": folder, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout


SHELLS = {"cloud-build": cloud_build_shell, "github": github_shell, "gitlab": gitlab_shell, "circleci": circleci_shell}


@dataclass(frozen=True)
class Script:
    """Lines of a pipeline, and the shell that runs them: bash, Debian's dash, or the one of Alpine's busybox."""

    shell: str
    text: str

    @property
    def file(self) -> str:
        """The text as a program of its own."""
        return f"#!/bin/{self.shell}\n{self.text}\n"


# What `sh` is in a builder's image: all of them are made from Debian or Ubuntu.
SHELL_OF_ENTRYPOINT = {"sh": "dash", "bash": "bash"}
# GitLab's runner takes the bash of a job's image, and sh where there is none.
# https://docs.gitlab.com/runner/shells/#shells-supported-by-default-in-docker-executor
SHELL_OF_IMAGE = {
    r"python:[\d.]+-slim": "bash",
    r"gcr\.io/google\.com/cloudsdktool/(cloud-sdk|google-cloud-cli):slim": "bash",
    r"docker:\d+": "busybox sh",
}


def scripts(ci: str, pipeline: dict[Any, Any]) -> list[Script]:
    """Return the shell of a pipeline as scripts: of Cloud Build's steps, of GitLab's jobs, of the others' events."""
    if ci == "cloud-build":
        found = [
            Script(SHELL_OF_ENTRYPOINT[step["entrypoint"]], step["args"][-1].replace("$$", "$"))
            for step in pipeline["steps"]
            if step.get("entrypoint") in SHELL_OF_ENTRYPOINT
        ]
        return [script for script in found if not script.text.endswith(".sh")]
    if ci == "gitlab":
        jobs = [job for job in pipeline.values() if isinstance(job, dict) and "script" in job]
        return [Script(_shell_of(job["image"]), "\n".join(job["script"])) for job in jobs]
    # What one job does after another. Both run bash where nothing else is said.
    assert pipeline.get("defaults", {}).get("run", {}).get("shell", "bash") == "bash"
    return [Script("bash", "\n".join(SHELLS[ci](pipeline, event))) for event in EVENTS]


def _shell_of(image: str) -> str:
    (shell,) = (shell for pattern, shell in SHELL_OF_IMAGE.items() if re.fullmatch(pattern, image))
    return shell


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
