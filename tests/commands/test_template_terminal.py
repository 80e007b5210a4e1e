"""Templates of one's own with real keystrokes in a real pseudo-terminal."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pexpect
import pytest

from tests.template import forks
from tests.update.templates import git, release

pytestmark = pytest.mark.terminal

Terminal = Callable[..., "pexpect.spawn[str]"]
QUESTIONS = """\
project_name: {type: str, help: What is it called}
team: {type: str, help: Which team, validator: "{% if team == 'x' %}Not x.{% endif %}"}
"""


@pytest.fixture
def terminal(environment: dict[str, str], tmp_path: Path) -> Iterator[Terminal]:
    """Start the program in a pseudo-terminal of 120 columns."""
    started: list[pexpect.spawn[str]] = []

    def start(*arguments: str) -> "pexpect.spawn[str]":
        program = pexpect.spawn(
            sys.executable,
            ["-m", "garscaffold", *arguments],
            cwd=str(tmp_path),
            env=cast("Any", environment),
            encoding="utf-8",
            dimensions=(50, 120),
            timeout=30,
        )
        started.append(program)
        return program

    yield start
    for program in started:
        program.close(force=True)


def ended(program: "pexpect.spawn[str]") -> int | None:
    program.expect(pexpect.EOF)
    program.close()
    return program.exitstatus


def test_the_questions_are_those_of_the_template(terminal: Terminal, tmp_path: Path) -> None:
    release(tmp_path / "acme", "3.0.0", {"copier.yml": QUESTIONS, "a.txt.jinja": "{{ project_name }} {{ team }}\n"})
    program = terminal("new", "--template", "acme")
    program.expect("What is it called")
    program.send("orders\r")
    program.expect("Which team")
    program.send("x\r")
    program.expect("Not x")
    program.send("\x15payments\r")
    program.expect("A new project in orders, from template 3.0.0 of ")
    program.expect("Create it")
    program.send("\r")
    program.expect("Created orders")
    assert ended(program) == 0
    assert (tmp_path / "orders" / "a.txt").read_text() == "orders payments\n"


@pytest.mark.parametrize(("keys", "code"), [("n", 1), ("\x03", 130)], ids=["no", "Ctrl-C"])
def test_a_no_and_ctrl_c_push_nothing(terminal: Terminal, tmp_path: Path, keys: str, code: int) -> None:
    remote = forks.bare(tmp_path / "acme.git")
    program = terminal("template", "publish", "acme.git")
    program.expect("create.*branch.*main")
    program.expect("Push it")
    program.send(keys)
    assert ended(program) == code
    assert git(remote, "for-each-ref") == ""
