"""What runs pipelines, on pipelines that are made for it."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.generated.conftest import commit
from tests.generated.pipeline_steps import Job, Step, github_jobs, run_job


def workflow(*steps: dict[str, Any], **job: Any) -> dict[Any, Any]:
    return {"defaults": {"run": {"shell": "bash"}}, "jobs": {"only": {"steps": list(steps), **job}}}


def test_a_step_has_the_variables_that_it_names_and_those_of_its_job() -> None:
    steps = ({"run": "true", "env": {"TOKEN": "${{ steps.auth.outputs.token }}"}}, {"run": "true"})
    (job,) = github_jobs(workflow(*steps, env={"IMAGE": "image"}), "main", {"steps.auth.outputs.token": "secret"})
    assert [step.variables for step in job.steps] == [{"IMAGE": "image", "TOKEN": "secret"}, {"IMAGE": "image"}]


@pytest.mark.parametrize(
    "step",
    [
        {"run": "echo ${{ github.ref }}"},
        {"run": "true", "env": {"NAME": "${{ vars.NAME }}"}},
        {"run": "true", "if": "always()"},
        {"uses": "somebody/else@0000000"},
    ],
)
def test_what_is_not_known_is_an_error(step: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, KeyError)):
        list(github_jobs(workflow(step), "main", {}))


def test_each_job_begins_anew_and_its_steps_share_what_they_say(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("content\n")
    commit(source)
    first = Job(
        "first", (Step("checkout"), Step('cat file; echo "$HOME" >>"$GITHUB_PATH"'), Step('echo "${PATH%%:*}"'))
    )
    second = Job("second", (Step('[ ! -e file ] && [ ! -s "$GITHUB_PATH" ] && echo nothing'),))
    said = [run_job(job, source, tmp_path, {"PATH": os.environ["PATH"]}) for job in (first, second)]
    assert said == [f"content\n{tmp_path}/first/home\n", "nothing\n"]


def test_a_step_that_fails_anywhere_fails_its_job(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ended with 1"):
        run_job(Job("only", (Step("false | true; echo on"),)), tmp_path, tmp_path, {"PATH": os.environ["PATH"]})
