"""Branches that go to real remotes, and repositories that are only named by their URL."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.conftest import BRANCH, Fleet, MakeProject, commit, edit, put_project, shown, start, stray, tip
from tests.template import forks
from tests.update.templates import git, write


@pytest.fixture
def remote(here: Path) -> Path:
    return forks.bare(here.parent / "remotes" / "orders.git")


@pytest.fixture
def orders(make_project: MakeProject, remote: Path) -> Path:
    """A project whose main branch is at its remote."""
    folder = make_project()
    git(folder, "remote", "add", "origin", f"file://{remote}")
    git(folder, "push", "--quiet", "origin", "main")
    return folder


def somebody(remote: Path, folder: Path, branch: str = BRANCH) -> str:
    """Push a commit of somebody else to a branch of the remote."""
    git(folder.parent, "clone", "--quiet", "--branch", branch, f"file://{remote}", str(folder))
    write(folder, "theirs.txt", "theirs\n")
    made = commit(folder, "Somebody's work")
    git(folder, "push", "--quiet", "origin", branch)
    return made


def test_a_branch_is_pushed_once_and_again_where_the_base_has_moved_on(
    fleet: Fleet, orders: Path, remote: Path
) -> None:
    git(orders, "tag", "--annotate", "--message=x", "not-asked-for")
    git(orders, "config", "push.followTags", "true")
    (first,) = fleet("update", "orders", "--push")
    assert (first["pushed"], tip(remote), tip(orders)) == (True, first["commit"], first["commit"])
    assert git(remote, "tag") == ""
    before = (remote / "refs/heads" / BRANCH).stat().st_mtime_ns
    (again,) = fleet("update", "orders", "--push")
    assert (again["earlier"], again["pushed"], again["commit"]) == (True, True, first["commit"])
    assert (remote / "refs/heads" / BRANCH).stat().st_mtime_ns == before
    base = commit(orders, "The base moves on")
    (moved,) = fleet("update", "orders", "--push")
    assert (moved["earlier"], tip(remote), tip(orders)) == (False, moved["commit"], moved["commit"])
    assert git(remote, "rev-parse", f"{BRANCH}^") == base
    # Made without a push at first, it is pushed as it is.
    git(remote, "branch", "-D", BRANCH)
    (late,) = fleet("update", "orders", "--push")
    assert (late["earlier"], late["pushed"], tip(remote)) == (True, True, moved["commit"])


def test_what_somebody_pushed_to_the_branch_stays(fleet: Fleet, orders: Path, remote: Path, tmp_path: Path) -> None:
    (first,) = fleet("update", "orders", "--push")
    theirs = somebody(remote, tmp_path / "colleague")
    for _ in range(2):
        (result,) = fleet("update", "orders", "--push")
        assert (result["state"], result["earlier"], result["commit"]) == ("updated", True, theirs)
        assert tip(remote) == theirs
        commit(orders, "The base moves on")
    assert git(orders, "rev-list", f"{first['commit']}..{theirs}") == theirs
    assert stray(orders) == []


def test_what_somebody_committed_to_the_branch_here_stays(
    fleet: Fleet, orders: Path, remote: Path, tmp_path: Path
) -> None:
    (first,) = fleet("update", "orders", "--push")
    git(orders, "checkout", "--quiet", BRANCH)
    write(orders, "mine.txt", "mine\n")
    mine = commit(orders, "Not pushed yet")
    git(orders, "checkout", "--quiet", "main")
    commit(orders, "The base moves on")
    (result,) = fleet("update", "orders", "--push")
    assert (result["earlier"], tip(orders), tip(remote)) == (True, mine, first["commit"])
    # And where a colleague pushed something else, neither is lost.
    theirs = somebody(remote, tmp_path / "colleague")
    assert fleet("update", "orders", "--push")[0]["earlier"]
    assert (tip(orders), tip(remote)) == (mine, theirs)


def test_a_branch_of_somebody_else_at_the_remote_is_not_taken_over(fleet: Fleet, orders: Path, remote: Path) -> None:
    git(orders, "checkout", "--quiet", "-b", "other")
    theirs = commit(orders, "Something else")
    git(orders, "push", "--quiet", "origin", f"other:{BRANCH}")
    git(orders, "checkout", "--quiet", "main")
    (result,) = fleet("update", "orders", "--push", code=1)
    assert "commits of somebody else" in result["sentence"]
    assert (tip(remote), tip(orders)) == (theirs, "")


def test_a_push_that_is_refused_names_the_branch_and_goes_on_later(fleet: Fleet, orders: Path, remote: Path) -> None:
    hook = remote / "hooks" / "pre-receive"
    # The first line that it says is empty.
    script = "#!/bin/sh\necho >&2\necho 'branches are frozen' >&2\nexit 1\n"
    write(remote, "hooks/pre-receive", script, executable=True)
    (result,) = fleet("update", "orders", "--push", code=1)
    assert (result["state"], result["branch"], result["pushed"]) == ("failed", BRANCH, False)
    assert result["sentence"] == f"origin refused the branch {BRANCH} (pre-receive hook declined): branches are frozen"
    assert result["mend"] == "Ask there for the right to push it, or choose a name that is allowed: --branch NAME"
    made = tip(orders)
    assert (tip(remote), made) == ("", result["commit"])
    hook.unlink()
    (result,) = fleet("update", "orders", "--push")
    assert (result["earlier"], tip(remote)) == (True, made)


def test_a_branch_in_the_way_of_ours_is_no_quicker_colleague(fleet: Fleet, orders: Path, remote: Path) -> None:
    git(remote, "branch", "garscaffold", "main")
    (result,) = fleet("update", "orders", "--push", code=1)
    assert result["sentence"].startswith(f"origin refused the branch {BRANCH} (")
    assert "--branch NAME" in result["mend"]
    assert fleet("update", "orders", "--push", "--branch", "other")[0]["pushed"]


def test_without_a_remote_or_with_one_that_is_away_nothing_is_made(
    fleet: Fleet, make_project: MakeProject, here: Path
) -> None:
    alone = make_project("it's alone")
    (result,) = fleet("update", alone, "--push", code=1)
    assert "has no remote origin" in result["sentence"]
    assert result["mend"] == f"git -C '{here}/it'\"'\"'s alone' remote add origin URL"
    git(alone, "remote", "add", "origin", "file:///nowhere.git")
    (result,) = fleet("update", alone, "--push", code=1)
    assert "git ls-remote" in result["sentence"]
    assert tip(alone) == ""


def test_hooks_for_pushes_run(fleet: Fleet, orders: Path, remote: Path) -> None:
    write(orders, ".git/hooks/pre-push", "#!/bin/sh\necho 'too big'\nexit 1\n", executable=True)
    write(orders, ".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n", executable=True)
    (result,) = fleet("update", "orders", "--push", code=1)
    assert result["sentence"] == f"The hook pre-push of {orders} refused the branch {BRANCH}: too big"
    assert result["mend"] == "Mend what it finds, then run it again."
    assert (result["branch"], tip(remote), tip(orders)) == (BRANCH, "", result["commit"])


def once(here: Path, command: str) -> str:
    """Return a check that does something the first time it runs: after the look at a repository, before its branch."""
    return f"mkdir {here}/once || exit 0; cd {here} && {command}"


@pytest.mark.clients
@pytest.mark.parametrize("moved", [False, True], ids=["no branch yet", "a branch to be made again"])
def test_a_run_that_was_quicker_in_the_same_checkout_is_seen(
    fleet: Fleet, orders: Path, here: Path, moved: bool
) -> None:
    if moved:
        fleet("update", "orders")
        commit(orders, "The base moves on")
    quicker = f"{sys.executable} -m garscaffold fleet update orders && git -C orders rev-parse {BRANCH} >theirs"
    (result,) = fleet("update", "orders", "--check", once(here, quicker))
    theirs = (here / "theirs").read_text().strip()
    assert (result["state"], result["earlier"], result["commit"], tip(orders)) == ("updated", True, theirs, theirs)
    assert stray(orders) == []


@pytest.mark.clients
def test_a_run_on_another_machine_that_was_quicker_is_seen(
    fleet: Fleet, orders: Path, remote: Path, here: Path
) -> None:
    quicker = f"{sys.executable} -m garscaffold fleet update file://{remote} --push -y"
    # Commits of the same second are the same.
    (result,) = fleet("update", "orders", "--push", "--check", once(here, f"sleep 1.1; {quicker}"))
    assert (result["state"], result["earlier"], result["pushed"]) == ("updated", True, True)
    assert (result["commit"], tip(orders)) == (tip(remote), tip(remote))


def test_what_somebody_pushed_meanwhile_is_not_pushed_over(
    fleet: Fleet, orders: Path, remote: Path, here: Path
) -> None:
    git(here, "clone", "--quiet", f"file://{remote}", "colleague")
    theirs = commit(here / "colleague", "Something else")
    push = f"git -C {here}/colleague push --quiet origin main:{BRANCH}"
    (result,) = fleet("update", "orders", "--push", "--check", once(here, push), code=1)
    assert "commits of somebody else" in result["sentence"]
    assert tip(remote) == theirs
    # While the host looks at the push.
    git(remote, "branch", "-D", BRANCH)
    git(orders, "branch", "-D", BRANCH)
    quicker = f"env -u GIT_QUARANTINE_PATH git update-ref refs/heads/{BRANCH} {theirs}"
    write(remote, "hooks/pre-receive", f"#!/bin/sh\n{quicker}\n", executable=True)
    (result,) = fleet("update", "orders", "--push", code=1)
    assert "commits of somebody else" in result["sentence"]
    assert tip(remote) == theirs


def test_a_url_is_cloned_once_and_a_second_machine_goes_on(
    fleet: Fleet, orders: Path, remote: Path, home: Path, here: Path
) -> None:
    url = f"file://{remote}"
    (result,) = fleet("update", url)
    (clone,) = (home / ".cache/garscaffold/fleet").glob("*.git")
    assert (result["name"], result["dirty"]) == ("orders", None)
    assert (tip(clone), tip(remote)) == (result["commit"], "")
    (first,) = fleet("update", url, "--push")
    assert (first["earlier"], first["commit"], tip(remote)) == (True, result["commit"], result["commit"])
    # Another machine: nothing in its cache, the branch is at the remote.
    for clones in (here / "second", here / "third"):
        (other,) = fleet("update", url, "--push", "--clones", clones.name)
        assert (other["earlier"], other["commit"], tip(remote)) == (True, first["commit"], first["commit"])
    edit(orders, "line 40\n", "forty\n")
    base = commit(orders, "The base moves on")
    git(orders, "push", "--quiet", "origin", "main")
    (moved,) = fleet("update", url, "--push", "--clones", "second")
    assert (moved["earlier"], tip(remote), git(remote, "rev-parse", f"{BRANCH}^")) == (False, moved["commit"], base)
    assert "forty" in shown(remote, "text.txt")
    (behind,) = fleet("update", url, "--push")
    assert (behind["earlier"], behind["commit"], tip(clone)) == (True, moved["commit"], moved["commit"])
    names = sorted(path.name for path in (home / ".cache/garscaffold/fleet").iterdir())
    assert names == [clone.name, clone.with_suffix(".lock").name]
    git(remote, "branch", "--quiet", "--force", "main", BRANCH)
    assert fleet("update", url, "--push")[0]["state"] == "up to date"


def test_a_clone_follows_the_default_branch_and_the_base(
    fleet: Fleet, orders: Path, remote: Path, here: Path, home: Path
) -> None:
    (home / ".gitconfig").write_text((home / ".gitconfig").read_text() + "[clone]\ndefaultRemoteName = upstream\n")
    url = f"file://{remote}"
    assert fleet("status", url)[0]["state"] == "behind"
    # The team calls its default branch otherwise from now on, and rewrites it; the old one is gone.
    edit(orders, "line 40\n", "forty\n")
    git(orders, "commit", "--quiet", "--all", "--amend", "--message=rewritten")
    git(orders, "push", "--quiet", "origin", "main:trunk")
    git(remote, "symbolic-ref", "HEAD", "refs/heads/trunk")
    git(remote, "branch", "-D", "main")
    (result,) = fleet("update", url, "--push")
    assert "forty" in shown(remote, "text.txt")
    git(orders, "push", "--quiet", "origin", "main:develop")
    assert fleet("update", url, "--push", "--base", "develop")[0]["earlier"]
    (missing,) = fleet("update", url, "--base", "nowhere", code=1)
    assert "nowhere" in missing["sentence"]
    assert result["branch"] == BRANCH


def test_a_remote_without_a_commit_says_so_each_time(fleet: Fleet, here: Path) -> None:
    empty = forks.bare(here / "empty.git")
    for _ in range(2):
        (result,) = fleet("status", f"file://{empty}", code=1)
        assert "has nothing committed" in result["sentence"]


def test_a_whole_checkout_never_becomes_a_shallow_one(
    fleet: Fleet, orders: Path, remote: Path, here: Path, tmp_path: Path
) -> None:
    for number in range(70):
        git(orders, "commit", "--quiet", "--allow-empty", f"--message={number}")
    git(orders, "push", "--quiet", "origin", "main")
    fleet("update", f"file://{remote}", "--push", "--clones", "elsewhere")
    somebody(remote, tmp_path / "colleague")
    deep = here / "deep"
    git(here, "clone", "--quiet", "--depth=68", "--single-branch", f"file://{remote}", str(deep))
    for place, count in ((orders, "71"), (deep, "68")):
        assert fleet("update", place, "--push")[0]["earlier"]
        assert git(place, "rev-list", "--count", "main") == count
    assert git(orders, "rev-parse", "--is-shallow-repository") == "false"


@pytest.mark.clients
def test_many_projects_of_one_repository_go_on_on_another_machine(
    fleet: Fleet, here: Path, home: Path, remote: Path, template: Path
) -> None:
    names = [f"p{number:02}" for number in range(70)]
    for name in names:
        put_project(here / "mono" / name, template)
    mono = start(here / "mono")
    git(mono, "push", "--quiet", str(remote), "main")
    first = fleet("update", f"file://{remote}", "--push")
    assert [each["state"] for each in first] == ["updated"] * 70
    made = tip(remote)
    again = fleet("update", f"file://{remote}", "--push", "--clones", "second")
    assert {each["earlier"] for each in again} == {True}
    assert tip(remote) == made


@pytest.fixture
def daemon(here: Path, environment: dict[str, str]) -> Iterator[str]:
    """git's own server on loopback, where everybody may push; gives its URL."""
    folder = here.parent / "remotes"
    folder.mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = ["--listen=127.0.0.1", f"--port={port}", f"--base-path={folder}"]
    command = ["git", "daemon", *where, "--export-all", "--enable=receive-pack", "--verbose"]
    log = (folder / "log").open("wb")
    with log, subprocess.Popen(command, stderr=log, env=environment) as started:
        while b"Ready" not in (folder / "log").read_bytes():
            assert started.poll() is None
            time.sleep(0.02)
        yield f"git://127.0.0.1:{port}"
        started.terminate()


def test_over_the_network(fleet: Fleet, orders: Path, remote: Path, daemon: str, here: Path) -> None:
    (result,) = fleet("update", f"{daemon}/orders.git", "--push")
    assert (result["pushed"], tip(remote)) == (True, result["commit"])
    (again,) = fleet("update", f"{daemon}/orders.git", "--push", "--clones", "second")
    assert (again["earlier"], again["commit"]) == (True, result["commit"])
    (away,) = fleet("status", f"{daemon}/away.git", code=1)
    assert "git clone" in away["sentence"]
