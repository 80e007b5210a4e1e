"""Templates of one's own with real keystrokes in a real pseudo-terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.terminal import Terminal, ended, pseudo_terminal
from tests.template import forks
from tests.update.templates import git, release

pytestmark = pytest.mark.terminal

QUESTIONS = """\
project_name: {type: str, help: What is it called}
team: {type: str, help: Which team, validator: "{% if team == 'x' %}Not x.{% endif %}"}
"""


@pytest.fixture
def terminal(environment: dict[str, str], tmp_path: Path) -> Iterator[Terminal]:
    with pseudo_terminal(environment, tmp_path) as start:
        yield start


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
