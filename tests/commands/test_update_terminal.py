"""`garscaffold update` with real keystrokes in a real pseudo-terminal."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pexpect
import pytest
import yaml

from tests.update.templates import git, release, render

pytestmark = pytest.mark.terminal


@pytest.fixture
def project(tmp_path: Path) -> Path:
    template, folder = tmp_path / "template", tmp_path / "orders"
    old = {"copier.yml": "name: {type: str, default: orders}\n", "a.txt.jinja": "{{ name }}\n"}
    rule = "{% if team == 'x' %}Not x.{% endif %}"
    questions = f'{old["copier.yml"]}team: {{type: str, help: Which team, validator: "{rule}"}}\n'
    release(template, "1.0.0", old)
    release(template, "1.1.0", {"copier.yml": questions, "a.txt.jinja": "{{ name }} of {{ team }}\n"}, notes="Teams.")
    render(template, "1.0.0", {}, folder, source=str(template))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=1")
    return folder


@pytest.fixture
def program(environment: dict[str, str], project: Path) -> Iterator["pexpect.spawn[str]"]:
    started: pexpect.spawn[str] = pexpect.spawn(
        sys.executable,
        ["-m", "garscaffold", "update"],
        cwd=str(project),
        env=cast("Any", environment),
        encoding="utf-8",
        dimensions=(50, 120),
        timeout=20,
    )
    yield started
    started.close(force=True)


def ended(program: "pexpect.spawn[str]") -> int | None:
    program.expect(pexpect.EOF)
    program.close()
    return program.exitstatus


def test_only_what_is_new_is_asked_then_the_plan_is_shown_and_confirmed(
    program: "pexpect.spawn[str]", project: Path
) -> None:
    program.expect("Which team")
    program.send("x\r")
    program.expect("Not x")
    program.send("\x15payments\r")
    program.expect("goes from template 1.0.0 to 1.1.0")
    program.expect("Teams.")
    program.expect("changed")
    program.expect("Update it")
    program.send("\r")
    program.expect("Done")
    assert ended(program) == 0
    assert (project / "a.txt").read_text() == "orders of payments\n"
    assert yaml.safe_load((project / ".copier-answers.yml").read_text())["_commit"] == "1.1.0"


@pytest.mark.parametrize(("keys", "code"), [("n", 1), ("\x03", 130)], ids=["no", "Ctrl-C"])
def test_a_no_and_ctrl_c_touch_nothing(program: "pexpect.spawn[str]", project: Path, keys: str, code: int) -> None:
    program.expect("Which team")
    program.send("payments\r")
    program.expect("Update it")
    program.send(keys)
    assert ended(program) == code
    assert git(project, "status", "--porcelain") == ""
    assert not (project / ".git" / "garscaffold" / "root").exists()
