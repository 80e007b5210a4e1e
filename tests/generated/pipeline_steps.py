"""Runs the shell of GitHub's and CircleCI's pipelines as these do: each job in a folder and with a home of its own.

What a job does beside its shell is known by name: it checks the project out, has a Python, and signs in. Anything else
in a file, an expression too, is an error.
"""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.generated.pipelines import CIRCLECI_CONDITION, GITHUB_CONDITIONS, in_order

CHECKOUT = ("actions/checkout", "checkout")
ACTIONS = ("actions/setup-python", "google-github-actions/auth")
_EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")


@dataclass(frozen=True)
class Step:
    """A step of a job.

    Attributes:
        script: What the shell runs; the name of an action where it is none.
        variables: What the step's environment has beside the job's.
    """

    script: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A job that runs for an event: its name and its steps, of which one may be `checkout`."""

    name: str
    steps: tuple[Step, ...]


def github_jobs(pipeline: dict[Any, Any], event: str, values: Mapping[str, str]) -> Iterator[Job]:
    """Yield the jobs of a workflow for an event, in their order.

    Args:
        pipeline: The workflow.
        event: change, main or tag.
        values: What expressions stand for.
    """
    assert pipeline["defaults"] == {"run": {"shell": "bash"}}
    for job in in_order({name: {**job, "name": name} for name, job in pipeline["jobs"].items()}, "needs"):
        if event not in GITHUB_CONDITIONS[job.get("if")]:
            continue
        steps = []
        for step in job["steps"]:
            if event not in GITHUB_CONDITIONS[step.get("if")]:
                continue
            if "uses" in step:
                action = step["uses"].partition("@")[0]
                assert action in (*ACTIONS, *CHECKOUT), action
                steps.append(Step(action))
                continue
            given = {**job.get("env", {}), **step.get("env", {})}
            variables = {k: _EXPRESSION.sub(lambda found: values[found[1]], v) for k, v in given.items()}
            assert not _EXPRESSION.search(step["run"]), "an expression in a script"
            steps.append(Step(step["run"], variables))
        yield Job(job["name"], tuple(steps))


def circleci_jobs(pipeline: dict[Any, Any], event: str, values: Mapping[str, str]) -> Iterator[Job]:
    """Yield the jobs of CircleCI's only workflow for an event, in their order.

    Args:
        pipeline: The configuration.
        event: change, main or tag.
        values: Not needed: no expression stands in what is run.
    """
    (workflow,) = pipeline["workflows"].values()
    entries = {name: settings for entry in workflow["jobs"] for name, settings in entry.items()}
    for job in in_order({name: {**settings, "name": name} for name, settings in entries.items()}, "requires"):
        branches, tags = job["filters"].get("branches", {}), job["filters"].get("tags")
        on = {"tag": tags is not None, "main": "ignore" not in branches, "change": not branches}
        if not on[event]:
            continue
        definition = pipeline["jobs"][job["name"]]
        environment = definition.get("environment", {})
        steps = []
        for step in definition["steps"]:
            if step == "checkout":
                steps.append(Step(step))
                continue
            conditional = step.get("when")
            assert conditional is None or conditional["condition"] == CIRCLECI_CONDITION
            some = [step] if conditional is None else conditional["steps"] if event != "change" else []
            runs = [each["run"] for each in some]
            steps += [Step(run["command"], {**environment, **run.get("environment", {})}) for run in runs]
        yield Job(job["name"], tuple(steps))


JOBS: Mapping[str, Callable[[dict[Any, Any], str, Mapping[str, str]], Iterator[Job]]] = {
    "github": github_jobs,
    "circleci": circleci_jobs,
}


def run_job(job: Job, source: Path, folder: Path, environment: Mapping[str, str]) -> str:
    """Run a job in an empty folder; return what it printed.

    Args:
        job: The job.
        source: The repository that it checks out.
        folder: What it leaves is in here, each job's beside the others'.
        environment: What every job has.
    """
    workspace, home = folder / job.name / "workspace", folder / job.name / "home"
    for each in (workspace, home):
        each.mkdir(parents=True)
    (home / "path").touch()
    (home / "bash-env").touch()
    said = ""
    for step in job.steps:
        if step.script in CHECKOUT:
            subprocess.run(["git", "clone", "--quiet", str(source), "."], cwd=workspace, check=True)
        if step.script in (*CHECKOUT, *ACTIONS):
            continue
        path = ":".join([*reversed((home / "path").read_text().split()), environment["PATH"]])
        files = {"HOME": str(home), "PATH": path, "GITHUB_PATH": str(home / "path"), "BASH_ENV": str(home / "bash-env")}
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", step.script],
            cwd=workspace,
            env={**environment, **files, **step.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        said += done.stdout
        assert done.returncode == 0, f"{job.name}: {step.script}\nended with {done.returncode}:\n{said}"
    return said
