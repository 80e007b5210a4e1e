"""Repositories, lists and names that mean no good, or only look so."""

import os
import subprocess
from pathlib import Path

from tests.conftest import Garscaffold
from tests.fleet.conftest import BRANCH, Fleet, MakeProject, commit, put_project, start, tip
from tests.update.templates import git, write


def arm(folder: Path, marks: Path) -> None:
    """Let a repository run a program of its own wherever git lets it, which says so in a folder."""
    marks.mkdir()

    def program(name: str, rest: str = "") -> str:
        path = marks.parent / "programs" / name
        write(path.parent, name, f"#!/bin/sh\ntouch {marks}/{name}\n{rest}", executable=True)
        return str(path)

    for hook in ("post-checkout", "pre-commit", "post-commit", "reference-transaction", "post-index-change"):
        program(hook)
    settings = {
        "core.hooksPath": str(marks.parent / "programs"),
        "core.fsmonitor": program("fsmonitor"),
        "core.pager": program("pager"),
        "core.editor": program("editor"),
        "core.sshCommand": program("ssh"),
        "core.askPass": program("askpass"),
        "credential.helper": program("credential"),
        "gpg.program": program("gpg", "exit 1\n"),
        "diff.external": program("difference"),
        "filter.evil.clean": program("clean", "cat\n"),
        "filter.evil.smudge": program("smudge", "cat\n"),
        "diff.evil.textconv": program("textconv", 'cat "$1"\n'),
        "merge.evil.driver": program("merge", "exit 0\n"),
        "alias.rev-parse": f"!{program('alias')}",
        "alias.status": f"!{program('alias')}",
        "log.showSignature": "true",
        "status.submoduleSummary": "true",
        "uploadpack.packObjectsHook": program("pack"),
    }
    for name, value in settings.items():
        git(folder, "config", name, value)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_looking_runs_no_more_of_a_repository_than_git_status_does(
    fleet: Fleet, make_project: MakeProject, here: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    orders = make_project()
    write(orders, ".gitattributes", "*.evil filter=evil diff=evil\ntext.txt diff=evil merge=evil\n")
    write(orders, "a.evil", "one\n")
    commit(orders)
    write(orders, "a.evil", "two\n")
    marks = tmp_path / "marks"
    arm(orders, marks)
    subprocess.run(["git", "status"], cwd=orders, env=environment, check=True, capture_output=True)
    by_status = names(marks)
    assert by_status >= {"clean", "fsmonitor"}
    for mark in marks.iterdir():
        mark.unlink()
    (result,) = fleet("status", ".")
    assert (result["state"], result["dirty"]) == ("behind", True)
    assert names(marks) <= by_status
    # Nor is more than git's own bookkeeping asked when a branch is made: no hook for commits, no filter, no driver.
    for mark in marks.iterdir():
        mark.unlink()
    assert fleet("update", ".")[0]["state"] == "updated"
    assert names(marks) <= {"reference-transaction"}


def test_a_check_adds_smudge_filters_only(fleet: Fleet, make_project: MakeProject, here: Path, tmp_path: Path) -> None:
    orders = make_project()
    write(orders, ".gitattributes", "*.evil filter=evil diff=evil\ntext.txt diff=evil merge=evil\n")
    write(orders, "a.evil", "one\n")
    commit(orders)
    marks = tmp_path / "marks"
    arm(orders, marks)
    check = "test -z \"$(git config --local --get-regexp '^(alias|core.hook|core.fsmonitor)')\""
    assert fleet("update", ".", "--check", check)[0]["state"] == "updated"
    assert names(marks) == {"smudge", "reference-transaction"}


def test_a_bare_repository_runs_nothing_either(
    fleet: Fleet, make_project: MakeProject, here: Path, tmp_path: Path
) -> None:
    make_project()
    git(here, "clone", "--quiet", "--bare", "orders", "bare.git")
    marks = tmp_path / "marks"
    arm(here / "bare.git", marks)
    assert fleet("status", "bare.git")[0]["state"] == "behind"
    assert names(marks) == set()


def test_a_transport_that_runs_a_command_is_not_followed(
    garscaffold: Garscaffold, fleet: Fleet, make_project: MakeProject, here: Path, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    for place in (f"ext::sh -c 'touch {ran}' x://y", f"--upload-pack=touch {ran}", f"-u{ran}://x", "ssh://-oProxy=x/y"):
        done = garscaffold("fleet", "status", "--", place)
        assert done.returncode == 2, done.stderr
        (here / "fleet.toml").write_text(f'[[repository]]\nurl = "{place}"\n')
        done = garscaffold("fleet", "status")
        assert (done.returncode, "no URL of git's" in done.stderr) == (1, True)
    orders = make_project()
    # A remote that was already there, in a repository that somebody else made.
    git(orders, "remote", "add", "origin", f"ext::sh -c touch% {ran}")
    (result,) = fleet("update", "orders", "--push", code=1)
    assert "transport 'ext' not allowed" in result["sentence"]
    # Where the sentence or the mend repeats a place, a shell that gets it pasted does nothing else.
    (result,) = fleet("status", f"file:///x;touch {ran}", code=1)
    assert result["mend"].endswith(f"'file:///x;touch {ran}'")
    assert not ran.exists()


def test_folders_with_names_of_options_and_of_no_text(
    fleet: Fleet, garscaffold: Garscaffold, here: Path, template: Path, home: Path
) -> None:
    strange = ["--help", "-rf", "a\nb", "$(touch x)", 'it\'s "one"', "\x1b[31mred"]
    for name in strange:
        start(put_project(here / "all" / name, template))
    bytes_only = os.fsencode(here / "all") + b"/\xff\xfe"
    (here / 'all/it\'s "one"').rename(os.fsdecode(bytes_only))
    results = fleet("update", "all", "--check", "git status && test -s added/new.txt")
    assert [each["state"] for each in results] == ["updated"] * len(strange)
    # JSON gives back the very bytes.
    assert bytes_only in [os.fsencode(each["repository"]) for each in results]
    done = garscaffold("fleet", "status", "all")
    assert done.returncode == 0, done.stderr
    assert "\\u{dcff}" in done.stdout
    assert "\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) == len(strange) + 3


def test_a_check_is_a_line_for_a_shell_and_nothing_else(
    fleet: Fleet, make_project: MakeProject, tmp_path: Path
) -> None:
    orders = make_project()
    check = f"""test "$(echo 'a "b"')" = 'a "b"' && printf '%s' "{tmp_path}/it's" > /dev/null; false || true"""
    assert fleet("update", ".", "--check", check)[0]["branch"] == BRANCH
    git(orders, "branch", "-D", BRANCH)
    (result,) = fleet("update", ".", "--check", "-x", code=1)
    assert "-x" in result["sentence"] and tip(orders) == ""
    (result,) = fleet("update", ".", "--check", "echo 'unfinished", code=1)
    assert "exit code 2" in result["sentence"]
