"""`garscaffold fleet` with real keystrokes in a real pseudo-terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.terminal import Terminal, ended, pseudo_terminal
from tests.fleet.conftest import BRANCH, tip
from tests.update.templates import git, release, render

pytestmark = pytest.mark.terminal


@pytest.fixture
def projects(tmp_path: Path, here: Path) -> list[Path]:
    template = tmp_path / "template"
    release(template, "1.0.0", {"copier.yml": "a: 1\n", "a.txt": "one\n"})
    release(template, "1.1.0", {"copier.yml": "a: 1\n", "a.txt": "two\n"})
    made = []
    for name, version in (("billing", "1.0.0"), ("current", "1.1.0"), ("orders", "1.0.0")):
        render(template, version, {}, here / name, source=str(template))
        git(here / name, "init", "--quiet")
        git(here / name, "add", "--all")
        git(here / name, "commit", "--quiet", "--message=1")
        made.append(here / name)
    return made


@pytest.fixture
def terminal(environment: dict[str, str], here: Path, projects: list[Path]) -> Iterator[Terminal]:
    with pseudo_terminal(environment, here) as start:
        yield start


def test_a_table_then_the_question_then_a_line_for_each(terminal: Terminal, projects: list[Path]) -> None:
    run = terminal("fleet", "update")
    run.expect("PROJECT +VERSION +STATE +UPDATE")
    run.expect(r"billing +1.0.0 [^\n]*1 behind")
    run.expect(r"current +1.1.0 [^\n]*up to date")
    run.expect("3 projects: 1 up to date, 2 behind")
    run.expect("Update those behind")
    assert [tip(each) for each in projects] == ["", "", ""]
    run.send("\r")
    run.expect("updated")
    run.expect(f"1.0.0 → 1.1.0, 1 file: {BRANCH}")
    run.expect("3 projects: 1 up to date, 2 updated")
    assert ended(run) == 0
    assert [bool(tip(each)) for each in projects] == [True, False, True]


@pytest.mark.parametrize(("keys", "code"), [("n", 1), ("\x03", 130)], ids=["no", "Ctrl-C"])
def test_a_no_and_ctrl_c_make_nothing(terminal: Terminal, projects: list[Path], keys: str, code: int) -> None:
    run = terminal("fleet", "update")
    run.expect("Update those behind")
    run.send(keys)
    assert ended(run) == code
    assert [tip(each) for each in projects] == ["", "", ""]


def test_with_yes_nobody_is_asked_and_ctrl_c_stops_a_check(
    terminal: Terminal, projects: list[Path], here: Path
) -> None:
    # The first passes; the second would take its time.
    check = f"test -e {here}/seen && sleep 60; touch {here}/seen"
    run = terminal("fleet", "update", "-y", "-j", "1", "--check", check)
    run.expect(r"billing: [^\n]*updated")
    run.sendintr()
    run.expect("Interrupted")
    assert ended(run) == 130
    assert [bool(tip(each)) for each in projects] == [True, False, False]
    for each in projects:
        assert git(each, "worktree", "list").count("\n") == 0
