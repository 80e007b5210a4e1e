"""Repositories behind ssh, by OpenSSH's own client: as most lists of a fleet name them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.commands.terminal import pseudo_terminal
from tests.fleet.conftest import Fleet, MakeProject, commit, tip
from tests.support import git_ssh
from tests.template import forks
from tests.update.templates import git

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here")


@pytest.fixture
def remote(make_project: MakeProject, here: Path) -> Path:
    """A repository that is only reached by its URL."""
    folder = make_project()
    bare = forks.bare(here.parent / "remotes" / "orders.git")
    git(folder, "push", "--quiet", f"file://{bare}", "main")
    return bare


@pytest.fixture
def server(tmp_path: Path) -> Iterator[git_ssh.Server]:
    with git_ssh.served(tmp_path / "ssh") as serving:
        yield serving


def test_a_repository_is_cloned_updated_pushed_and_followed(
    fleet: Fleet, remote: Path, server: git_ssh.Server, tmp_path: Path
) -> None:
    url, ssh = server.url(remote), server.client()
    (first,) = fleet("update", url, "--push", GIT_SSH_COMMAND=ssh)
    assert (first["state"], first["repository"], first["pushed"]) == ("updated", url, True)
    assert tip(remote) == first["commit"]
    (again,) = fleet("update", url, "--push", GIT_SSH_COMMAND=ssh)
    assert (again["earlier"], again["commit"]) == (True, first["commit"])
    git(tmp_path, "clone", "--quiet", f"file://{remote}", "colleague")
    base = commit(tmp_path / "colleague", "The base moves on")
    git(tmp_path / "colleague", "push", "--quiet", "origin", "main")
    (moved,) = fleet("update", url, "--push", GIT_SSH_COMMAND=ssh)
    assert git(remote, "rev-parse", f"{moved['branch']}^") == base


@pytest.mark.terminal
@pytest.mark.parametrize("lacks", ["known host", "passphrase"])
def test_in_a_terminal_ssh_asks_nothing_and_what_helps_is_said(
    environment: dict[str, str], here: Path, remote: Path, tmp_path: Path, lacks: str
) -> None:
    passphrase = "open sesame" if lacks == "passphrase" else ""
    with (
        git_ssh.served(tmp_path / "ssh", passphrase=passphrase) as server,
        pseudo_terminal(environment, here) as start,
    ):
        ssh = server.client(known=bool(passphrase))
        run = start("fleet", "status", server.url(remote), GIT_SSH_COMMAND=ssh)
        asked = run.expect(["continue connecting", "Enter passphrase", pexpect.EOF])
        run.close()
    assert (asked, run.exitstatus) == (2, 1)
    said = str(run.before)
    assert ("Host key verification failed" if lacks == "known host" else "Permission denied") in said
    assert ("Let ssh know the host" if lacks == "known host" else "ssh-add") in said
    assert f"ls-remote {server.url(remote)}" in said.replace("\r\n", "")
