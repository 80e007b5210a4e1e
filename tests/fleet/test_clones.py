"""Clones of URLs in the cache: several runs at once, clones that broke, remotes that changed."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fleet.conftest import BRANCH, Fleet, MakeProject, commit, edit, shown, stray, tip
from tests.template import forks
from tests.update.templates import git


@pytest.fixture
def remote(here: Path) -> Path:
    return forks.bare(here.parent / "remotes" / "orders.git")


@pytest.fixture
def orders(make_project: MakeProject, remote: Path) -> Path:
    """A checkout of what is at the remote."""
    folder = make_project()
    git(folder, "remote", "add", "origin", f"file://{remote}")
    git(folder, "push", "--quiet", "origin", "main")
    return folder


@pytest.fixture
def url(orders: Path, remote: Path) -> str:
    return f"file://{remote}"


@pytest.fixture
def clones(home: Path) -> Path:
    return home / ".cache/garscaffold/fleet"


def move_on(orders: Path) -> str:
    """Push a change to the default branch."""
    edit(orders, "line 40\n", "forty\n")
    made = commit(orders, "The base moves on")
    git(orders, "push", "--quiet", "origin", "main")
    return made


def start_fleet(environment: dict[str, str], here: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "garscaffold", "fleet", *arguments]
    return subprocess.Popen(command, cwd=here, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_second_run_waits_for_the_first_one_and_says_so(
    environment: dict[str, str], here: Path, url: str, clones: Path
) -> None:
    check = f"touch {here}/begun; while ! test -e {here}/end; do sleep 0.05; done"
    with start_fleet(environment, here, "update", url, "--check", check) as first:
        while not (here / "begun").exists():
            time.sleep(0.02)
        with start_fleet(environment, here, "update", url) as second:
            assert second.stderr is not None
            assert second.stderr.readline().startswith("Updating 1 repository")
            said = second.stderr.readline()
            assert said == f"orders: another garscaffold works in the clone of {url}; waiting for it …\n"
            (here / "end").touch()
            assert "updated earlier 1.0.0" in second.stderr.read()
        assert (first.wait(), second.wait()) == (0, 0)
    (clone,) = clones.glob("*.git")
    assert git(clone, "rev-list", "--count", f"main..{BRANCH}") == "1"
    assert stray(clone) == []


def test_ctrl_c_ends_the_waiting(environment: dict[str, str], here: Path, url: str) -> None:
    check = f"touch {here}/begun; while ! test -e {here}/end; do sleep 0.05; done"
    with start_fleet(environment, here, "update", url, "--check", check) as first:
        while not (here / "begun").exists():
            time.sleep(0.02)
        with start_fleet(environment, here, "status", url) as second:
            assert second.stderr is not None
            while "waiting for it" not in second.stderr.readline():
                assert second.poll() is None
            second.send_signal(2)
            assert "Interrupted" in second.communicate(timeout=20)[1]
        (here / "end").touch()
        assert (first.wait(), second.returncode) == (0, 130)


@pytest.mark.clients
def test_several_runs_at_once_make_one_clone(
    environment: dict[str, str], here: Path, orders: Path, url: str, clones: Path
) -> None:
    for count in (1, 2):
        runs = [start_fleet(environment, here, command, url) for command in ("status", "update", "update", "status")]
        said = [run.communicate(timeout=60)[1] for run in runs]
        assert [run.returncode for run in runs] == [0] * 4, said
        (clone,) = clones.glob("*.git")
        assert git(clone, "rev-list", "--count", f"main..{BRANCH}") == "1"
        assert sorted(path.name for path in clones.iterdir()) == [clone.name, clone.with_suffix(".lock").name]
        if count == 1:
            move_on(orders)
    assert "forty" in shown(clone, "text.txt")


@pytest.mark.parametrize(
    "lock", ["shallow.lock", "index.lock", "packed-refs.lock", "HEAD.lock", f"refs/heads/{BRANCH}.lock"]
)
def test_a_lock_that_a_killed_git_left_is_in_nobodys_way(
    fleet: Fleet, orders: Path, url: str, clones: Path, lock: str
) -> None:
    fleet("status", url)
    fleet("update", url, "--branch", "kept")
    (clone,) = clones.glob("*.git")
    kept = tip(clone, "kept")
    base = move_on(orders)
    (clone / lock).parent.mkdir(exist_ok=True, parents=True)
    (clone / lock).touch()
    (result,) = fleet("update", url)
    assert (result["state"], git(clone, "rev-parse", f"{result['commit']}^")) == ("updated", base)
    # What was only here, and could be read, is here still.
    assert (tip(clone), tip(clone, "kept")) == (result["commit"], kept)
    assert fleet("update", url)[0]["earlier"]
    assert stray(clone) == []


def emptied(clone: Path) -> None:
    for path in (clone / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"")


def flipped(clone: Path) -> None:
    (pack,) = (clone / "objects/pack").glob("*.pack")
    pack.chmod(0o644)
    content = bytearray(pack.read_bytes())
    for index in range(20, len(content) - 20):
        content[index] ^= 0xFF
    pack.write_bytes(content)


def cleaned(clone: Path) -> None:
    shutil.rmtree(clone / "objects")
    (clone / "objects").mkdir()


@pytest.mark.parametrize("broken", ["emptied", "flipped", "cleaned", "HEAD", "config", "shallow", "all refs"])
@pytest.mark.parametrize("moves", [False, True], ids=["same", "moved on"])
def test_a_broken_clone_is_cloned_anew(
    fleet: Fleet, orders: Path, url: str, clones: Path, broken: str, moves: bool
) -> None:
    fleet("update", url)
    (clone,) = clones.glob("*.git")
    if moves:
        move_on(orders)
    if broken in {"emptied", "flipped", "cleaned"}:
        {"emptied": emptied, "flipped": flipped, "cleaned": cleaned}[broken](clone)
    elif broken == "all refs":
        (clone / "packed-refs").unlink(missing_ok=True)
        shutil.rmtree(clone / "refs")
        (clone / "refs").mkdir()
    else:
        (clone / broken).write_bytes(b"")
    (result,) = fleet("update", url)
    assert (result["state"], result["commit"]) == ("updated", tip(clone))
    assert ("forty" in shown(clone, "text.txt")) == moves
    assert fleet("status", url)[0]["state"] == "behind"
    assert stray(clone) == []


def test_what_a_killed_run_left_of_a_clone_is_swept(fleet: Fleet, url: str, clones: Path) -> None:
    fleet("status", url)
    (clone,) = clones.glob("*.git")
    # As after a kill while it was cloned: half of it, and nothing under its name.
    clone.rename(clone.with_suffix(".draft"))
    (clone.with_suffix(".draft") / "HEAD").unlink()
    fleet("status", url)
    assert sorted(path.name for path in clones.iterdir()) == [clone.name, clone.with_suffix(".lock").name]


def test_a_remote_that_is_away_costs_no_clone(fleet: Fleet, url: str, remote: Path, clones: Path) -> None:
    (first,) = fleet("update", url)
    (clone,) = clones.glob("*.git")
    before = clone.stat().st_ino
    remote.rename(remote.with_suffix(".away"))
    (result,) = fleet("update", url, code=1)
    assert result["sentence"].startswith(f"`git ls-remote` with {url} failed: ")
    assert (clone.stat().st_ino, tip(clone)) == (before, first["commit"])


def test_a_project_that_cannot_be_updated_costs_no_clone(fleet: Fleet, orders: Path, url: str, clones: Path) -> None:
    fleet("update", url)
    (clone,) = clones.glob("*.git")
    before = clone.stat().st_ino
    assert fleet("update", url, "--to", "7.0.0", code=1)[0]["state"] == "failed"
    (missing,) = fleet("update", url, "--base", "nowhere", code=1)
    assert missing["sentence"] == f"{url} has no branch nowhere."
    assert clone.stat().st_ino == before


def test_a_remote_whose_head_is_on_no_branch_is_followed(fleet: Fleet, orders: Path, url: str, remote: Path) -> None:
    git(remote, "update-ref", "--no-deref", "HEAD", git(orders, "rev-parse", "main"))
    (first,) = fleet("update", url)
    assert git(orders, "rev-parse", "main") == git(remote, "rev-parse", "HEAD")
    base = move_on(orders)
    git(remote, "update-ref", "--no-deref", "HEAD", base)
    (moved,) = fleet("update", url, "--push")
    assert (first["earlier"], moved["earlier"]) == (False, False)
    assert git(remote, "rev-parse", f"{BRANCH}^") == base
    # And back on a branch, which has gone on.
    git(remote, "symbolic-ref", "HEAD", "refs/heads/main")
    base = commit(orders, "more")
    git(orders, "push", "--quiet", "origin", "main")
    fleet("update", url, "--push")
    assert git(remote, "rev-parse", f"{BRANCH}^") == base


def test_a_default_branch_that_is_gone_is_told(fleet: Fleet, orders: Path, url: str, remote: Path) -> None:
    assert fleet("status", url)[0]["state"] == "behind"
    git(orders, "push", "--quiet", "origin", "main:trunk")
    git(remote, "update-ref", "-d", "refs/heads/main")
    assert "has nothing committed" in fleet("status", url, code=1)[0]["sentence"]
    assert fleet("status", url, "--base", "trunk")[0]["state"] == "behind"
