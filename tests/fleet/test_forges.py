"""Pull requests by the real `gh` and `glab`, against a stand-in for their hosts on loopback."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.forges import program_for, slug
from tests.fleet.conftest import BRANCH, Fleet, MakeProject, commit, tip
from tests.support.forge_api import GITHUB, GITLAB, Forge, running
from tests.template import forks
from tests.update.templates import git

HOSTS = {"gh": GITHUB, "glab": GITLAB}


@pytest.fixture
def forge(tmp_path: Path, environment: dict[str, str]) -> Iterator[Forge]:
    with running(tmp_path) as started:
        environment |= started.environment()
        yield started


@pytest.fixture(params=list(HOSTS))
def program(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here")
    return name


@pytest.fixture
def orders(make_project: MakeProject, home: Path, here: Path, program: str) -> Path:
    """A project whose remote is, by its URL, at the forge; what is pushed goes to a bare repository beside."""
    folder = make_project()
    remote = forks.bare(here.parent / "remotes" / "acme" / "orders.git")
    git(folder, "remote", "add", "origin", f"https://{HOSTS[program]}/acme/orders.git")
    with (home / ".gitconfig").open("a") as config:
        config.write(f'[url "file://{remote.parent.parent}/"]\ninsteadOf = https://{HOSTS[program]}/\n')
    git(folder, "push", "--quiet", str(remote), "main")
    return folder


@pytest.mark.clients
def test_a_pull_request_is_made_once(fleet: Fleet, forge: Forge, orders: Path, here: Path, program: str) -> None:
    remote = here.parent / "remotes" / "acme" / "orders.git"
    (result,) = fleet("update", "orders", "--pull-request", "auto")
    (made,) = forge.requests
    assert (result["state"], result["pushed"], result["pull_request"]) == ("updated", True, made["url"])
    assert tip(remote) == tip(orders) == result["commit"]
    assert made == {
        "host": HOSTS[program],
        "repository": "acme/orders",
        "url": made["url"],
        "head": BRANCH,
        "base": "main",
        "title": "chore: update from template 1.0.0 to 1.1.0",
        "body": "1.1.0\n\nAuthentication is mended.\n\nTemplate-Version: 1.1.0",
        "number": "1",
    }
    # Again, on the same machine and on one that has nothing yet; then with a new commit for the same request.
    (again,) = fleet("update", "orders", "--pull-request", program)
    assert (again["earlier"], again["pull_request"]) == (True, made["url"])
    (elsewhere,) = fleet("update", f"https://{HOSTS[program]}/acme/orders.git", "--pull-request", "auto")
    assert (elsewhere["earlier"], elsewhere["pull_request"]) == (True, made["url"])
    assert elsewhere["commit"] == result["commit"]
    commit(orders, "The base moves on")
    (moved,) = fleet("update", "orders", "--pull-request", "auto")
    assert (moved["earlier"], moved["pull_request"]) == (False, made["url"])
    assert tip(remote) == moved["commit"]
    assert len(forge.requests) == 1


@pytest.mark.clients
def test_a_forge_that_refuses_is_told_and_the_next_run_goes_on(
    fleet: Fleet, forge: Forge, orders: Path, program: str
) -> None:
    forge.refuses = True
    (result,) = fleet("update", "orders", "--pull-request", "auto", code=1)
    assert (result["state"], result["branch"]) == ("failed", BRANCH)
    assert result["sentence"].startswith(f"The branch is pushed, and `{program} ")
    reason = {"gh": "not accessible by personal access token", "glab": "403"}[program]
    assert reason in result["sentence"]
    assert f"{program} auth status" in result["mend"]
    forge.refuses = False
    (result,) = fleet("update", "orders", "--pull-request", "auto")
    assert (result["earlier"], result["pull_request"]) == (True, forge.requests[0]["url"])


@pytest.mark.clients
def test_a_pull_request_from_a_clone_of_a_url(fleet: Fleet, forge: Forge, orders: Path, program: str) -> None:
    (result,) = fleet("update", f"https://{HOSTS[program]}/acme/orders.git", "--pull-request", "auto")
    assert result["pull_request"] == forge.requests[0]["url"]
    assert forge.requests[0]["base"] == "main"
    assert tip(orders) == ""


def test_without_the_program_the_branch_is_pushed_and_that_is_said(
    fleet: Fleet, make_project: MakeProject, here: Path, tmp_path: Path
) -> None:
    orders = make_project()
    git(orders, "remote", "add", "origin", str(forks.bare(here.parent / "github.git")))
    few = tmp_path / "few"
    few.mkdir()
    for name in ("git", "sh"):
        (few / name).symlink_to(str(shutil.which(name)))
    (result,) = fleet("update", "orders", "--pull-request", "gh", code=1, PATH=str(few))
    assert "gh is not installed" in result["sentence"]
    assert "gh auth login" in result["mend"]
    (result,) = fleet("update", "orders", "--pull-request", "auto", code=1)
    assert "Nobody can tell" in result["sentence"]
    assert "--pull-request glab" in result["mend"]


@pytest.mark.parametrize(
    ("url", "program", "name"),
    [
        ("https://github.com/acme/orders.git", "gh", "github.com/acme/orders"),
        ("https://github.acme.example/acme/orders", "gh", "github.acme.example/acme/orders"),
        ("git@github.com:acme/orders.git", "gh", "github.com/acme/orders"),
        ("ssh://git@gitlab.acme.example:2222/team/sub/orders.git", "glab", "gitlab.acme.example/team/sub/orders"),
        ("gitlab.acme.example:team/orders.git", "glab", "gitlab.acme.example/team/orders"),
    ],
)
def test_a_remote_tells_its_program_and_its_name_there(url: str, program: str, name: str) -> None:
    assert (program_for(url), slug(url)) == (program, name)


@pytest.mark.parametrize("url", ["", "/srv/github/orders.git", "https://git.acme.example/github/x", "../x"])
def test_a_remote_that_tells_nothing_is_asked_about(url: str) -> None:
    with pytest.raises(GarscaffoldError, match="Nobody can tell"):
        program_for(url)
