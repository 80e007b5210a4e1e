"""Pull requests by the real `gh` and `glab`, against a stand-in for their hosts on loopback."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.forges import program_for, slug
from tests.conftest import Garscaffold
from tests.fleet.conftest import BRANCH, Fleet, MakeProject, commit, put_project, start, tip
from tests.support.forge_api import GITHUB, GITLAB, Forge, running
from tests.template import forks
from tests.update.templates import git, release

HOSTS = {"gh": GITHUB, "glab": GITLAB}


@pytest.fixture
def forge(tmp_path: Path, environment: dict[str, str]) -> Iterator[Forge]:
    with running(tmp_path, tmp_path / "remotes") as started:
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
        "state": "open",
        "merged_as": "",
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
    assert result["sentence"].startswith(f"The branch is pushed, and `{program} api` failed: ")
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


@pytest.mark.clients
def test_what_a_team_closed_is_not_made_again(
    fleet: Fleet, garscaffold: Garscaffold, forge: Forge, orders: Path, here: Path, program: str
) -> None:
    remote = here.parent / "remotes" / "acme" / "orders.git"
    fleet("update", "orders", "--pull-request", program)
    (made,) = forge.requests
    made["state"] = "closed"
    git(remote, "branch", "-D", BRANCH)
    commit(orders, "The base moves on")
    for place in ("orders", f"https://{HOSTS[program]}/acme/orders.git"):
        (result,) = fleet("update", place, "--pull-request", program, "--check", "exit 1")
        assert (result["state"], result["pull_request"], result["pushed"]) == ("behind", made["url"], False)
        assert result["sentence"] == f"{made['url']} was closed without a merge, so it is not made again."
        assert result["mend"] == "Reopen it there, and run it again; or make another one: --branch NAME"
    done = garscaffold("fleet", "update", "orders", "--pull-request", program, "-y")
    assert f"orders: 1 behind, left alone: {made['url']} was closed" in done.stderr
    assert f"note: {made['url']} was closed" in done.stderr
    assert (tip(remote), len(forge.requests), forge.comments) == ("", 1, [])
    (other,) = fleet("update", "orders", "--pull-request", program, "--branch", "other")
    assert other["pull_request"] == forge.requests[1]["url"]
    made["state"] = "open"
    (again,) = fleet("update", "orders", "--pull-request", program)
    assert (again["pull_request"], tip(remote)) == (made["url"], again["commit"])


@pytest.mark.clients
def test_what_was_merged_is_done(fleet: Fleet, forge: Forge, orders: Path, here: Path, program: str) -> None:
    remote = here.parent / "remotes" / "acme" / "orders.git"
    fleet("update", "orders", "--pull-request", program)
    (made,) = forge.requests
    git(here, "clone", "--quiet", str(remote), "colleague")
    git(here / "colleague", "merge", "--quiet", "--no-ff", "--no-edit", f"origin/{BRANCH}")
    git(here / "colleague", "push", "--quiet", "origin", "main", f":{BRANCH}")
    made |= {"state": "merged", "merged_as": git(remote, "rev-parse", "main")}
    (result,) = fleet("update", "orders", "--pull-request", program)
    assert (result["state"], result["earlier"], result["commit"]) == ("updated", True, made["merged_as"])
    assert result["sentence"] == f"{made['url']} was merged, and is not in this checkout yet."
    assert result["mend"] == f"git -C {orders} pull"
    assert (tip(remote), len(forge.requests)) == ("", 1)
    git(orders, "pull", "--quiet", str(remote), "main")
    assert fleet("update", "orders", "--pull-request", program)[0]["state"] == "up to date"
    # Taken back on purpose, it is proposed once more.
    git(orders, "revert", "--mainline=1", "--no-edit", "HEAD")
    git(orders, "push", "--quiet", str(remote), "main")
    fleet("update", "orders", "--pull-request", program)
    assert [each["state"] for each in forge.requests] == ["merged", "open"]


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A template with three versions."""
    folder = tmp_path / "newer"
    for number in range(3):
        files = {"copier.yml": "a: 1\n", "a.txt": f"{number}\n"}
        release(folder, f"1.{number}.0", files, notes=f"Change {number}.")
    return folder


def at_forge(folder: Path, home: Path, program: str) -> Path:
    """Give a repository a remote at the forge, with what it has."""
    remote = forks.bare(home.parent / "remotes" / "acme" / f"{folder.name}.git")
    git(folder, "remote", "add", "origin", f"https://{HOSTS[program]}/acme/{folder.name}.git")
    with (home / ".gitconfig").open("a") as config:
        config.write(f'[url "file://{remote.parent.parent}/"]\ninsteadOf = https://{HOSTS[program]}/\n')
    git(folder, "push", "--quiet", str(remote), "main")
    return remote


@pytest.mark.clients
@pytest.mark.parametrize("theirs", [False, True], ids=["only ours", "with a commit of theirs"])
def test_the_pull_request_of_a_newer_version_replaces_the_older_one(
    fleet: Fleet, forge: Forge, newer: Path, here: Path, home: Path, program: str, theirs: bool
) -> None:
    folder = start(put_project(here / "billing", newer))
    remote = at_forge(folder, home, program)
    fleet("update", "billing", "--pull-request", program, "--to", "1.1.0")
    if theirs:
        git(here, "clone", "--quiet", "--branch", BRANCH, str(remote), "colleague")
        commit(here / "colleague", "Somebody's work")
        git(here / "colleague", "push", "--quiet", "origin", BRANCH)
    place = f"https://{HOSTS[program]}/acme/billing.git"
    (result,) = fleet("update", place, "--pull-request", program)
    older, made = forge.requests
    assert (result["pull_request"], made["head"]) == (made["url"], "garscaffold/template-1.2.0")
    assert older["state"] == ("open" if theirs else "closed")
    replaces = f"It replaces {older['url']}.\n\n"
    notes = "1.2.0\n\nChange 2.\n\n1.1.0\n\nChange 1.\n\nTemplate-Version: 1.2.0"
    assert made["body"] == ("" if theirs else replaces) + notes
    comment = f"{made['url']} replaces it, with a newer version of the template."
    assert forge.comments == ([] if theirs else [("1", comment)])
    # An older version that is asked for does not take the newer one away; what was replaced is not made again.
    (back,) = fleet("update", "billing", "--pull-request", program, "--to", "1.1.0")
    assert back["pull_request"] == older["url"]
    assert [each["state"] for each in forge.requests] == [older["state"], "open"]


@pytest.mark.clients
def test_a_pull_request_tells_of_all_projects_and_is_written_anew_with_its_branch(
    fleet: Fleet, forge: Forge, newer: Path, here: Path, home: Path, program: str
) -> None:
    mono = here / "mono"
    put_project(mono / "services/a", newer)
    put_project(mono / "b", newer, "1.1.0")
    at_forge(start(mono), home, program)
    (first,) = fleet("update", "mono/services/a", "--pull-request", program)
    (made,) = forge.requests
    assert made["title"] == "chore: update from template 1.0.0 to 1.2.0 in services/a"
    results = fleet("update", "mono", "--pull-request", program)
    assert {each["pull_request"] for each in results} == {made["url"]} == {first["pull_request"]}
    assert made["title"] == "chore: update 2 projects to template 1.2.0"
    assert made["body"] == (
        "- services/a: from template 1.0.0 to 1.2.0\n- b: from template 1.1.0 to 1.2.0\n\n"
        "1.2.0\n\nChange 2.\n\n1.1.0\n\nChange 1.\n\nTemplate-Version: 1.2.0"
    )
    # What somebody makes of it stays for as long as the branch does.
    made["title"] = "Please look at this"
    fleet("update", "mono", "--pull-request", program)
    assert made["title"] == "Please look at this"
    commit(mono, "The base moves on")
    fleet("update", "mono", "--pull-request", program)
    assert made["title"] == "chore: update 2 projects to template 1.2.0"


@pytest.mark.clients
def test_without_a_login_or_a_known_host_nothing_is_made_or_pushed(
    fleet: Fleet, forge: Forge, orders: Path, environment: dict[str, str], here: Path, program: str
) -> None:
    for name in ("GH_ENTERPRISE_TOKEN", "GITLAB_TOKEN"):
        del environment[name]
    (result,) = fleet("update", "orders", "--pull-request", program, code=1)
    said = {"gh": f"gh is not signed in at {GITHUB}.", "glab": "`glab api` failed: 401 Unauthorized (HTTP 401)"}
    assert result["sentence"] == said[program]
    assert f"{program} auth" in result["mend"]
    git(orders, "remote", "set-url", "origin", "https://ada:hunter2@git.acme.example/acme/orders.git")
    (result,) = fleet("update", "orders", "--pull-request", "auto", code=1)
    told = "Nobody can tell from https://…@git.acme.example/acme/orders.git whether it is GitHub or GitLab."
    assert (result["sentence"], result["mend"]) == (told, "Say it: --pull-request gh, or --pull-request glab")
    remote = here.parent / "remotes" / "acme" / "orders.git"
    assert (tip(remote), tip(orders), forge.requests) == ("", "", [])


def test_without_the_program_nothing_begins(
    garscaffold: Garscaffold, make_project: MakeProject, tmp_path: Path
) -> None:
    orders = make_project()
    git(orders, "remote", "add", "origin", str(forks.bare(tmp_path / "github.git")))
    few = tmp_path / "few"
    few.mkdir()
    for name in ("git", "sh"):
        (few / name).symlink_to(str(shutil.which(name)))
    for program, told in (
        ("gh", "gh is not installed, which makes pull requests."),
        ("glab", "glab is not installed, which makes pull requests."),
        ("auto", "gh and glab are not installed, which make pull requests."),
    ):
        done = garscaffold("fleet", "update", "orders", "--pull-request", program, "-y", PATH=str(few))
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {told}\nmend:  Install ")
        assert "auth login" in done.stderr
    assert tip(orders) == ""


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
