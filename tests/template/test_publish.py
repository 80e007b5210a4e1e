"""`garscaffold template publish` to real repositories, of which nothing is ever rewritten."""

import json
from pathlib import Path

import pytest

from garscaffold.errors import GarscaffoldError
from garscaffold.template import bundle
from garscaffold.template.publishing import plan_publication
from garscaffold.template.repository import opened
from tests.conftest import Garscaffold
from tests.support.git_http import served
from tests.template import forks
from tests.update.templates import git, write


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return forks.bare(tmp_path / "acme.git")


@pytest.fixture
def checkout(tmp_path: Path, remote: Path) -> Path:
    """A clone of our bundle, from which tests push to the remote what is to be there."""
    with bundle.packaged_bundle() as packaged:
        folder = forks.clone(packaged, tmp_path / "checkout")
    git(folder, "remote", "set-url", "origin", str(remote))
    return folder


def refs(repository: Path) -> dict[str, str]:
    """Return every branch and tag with its object."""
    lines = git(repository, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return {name: value for name, _, value in (line.partition(" ") for line in lines)}


def ours() -> dict[str, str]:
    with bundle.packaged_bundle() as packaged:
        lines = git(Path.cwd(), "ls-remote", "--refs", str(packaged)).splitlines()
    found = {name: value for value, _, name in (line.partition("\t") for line in lines)}
    return {name: value for name, value in found.items() if name != "HEAD"}


def versions() -> list[str]:
    with bundle.packaged_bundle() as packaged:
        return [str(version) for version in bundle.versions(packaged)]


def changes(output: str) -> list[tuple[str, str, str]]:
    return [(each["action"], each["kind"], each["name"]) for each in json.loads(output)["changes"]]


def test_an_empty_repository_gets_all_of_it_once(garscaffold: Garscaffold, remote: Path) -> None:
    url = remote.as_uri()
    everything = [("create", "branch", "main"), *(("create", "tag", version) for version in versions())]
    dry = garscaffold("template", "publish", url, "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    assert changes(dry.stdout) == everything
    assert refs(remote) == {}

    unasked = garscaffold("template", "publish", url)
    assert unasked.returncode == 2
    assert "Add -y to do it" in unasked.stderr
    assert refs(remote) == {}

    done = garscaffold("template", "publish", url, "-y")
    assert done.returncode == 0, done.stderr
    assert f"  create  tag     {versions()[0]}\n" in done.stderr
    assert f"Pushed. To make new projects from it: garscaffold template use {url}" in done.stderr
    assert "nothing checked out" not in done.stderr
    assert refs(remote) == ours()

    again = garscaffold("template", "publish", url, "-y", "--json")
    assert (changes(again.stdout), again.returncode) == ([], 0)
    assert garscaffold("template", "use", url).returncode == 0
    listed = json.loads(garscaffold("template", "versions", "--json").stdout)
    assert [row["version"] for row in listed["versions"]] == versions()


def test_what_is_there_stays_and_the_branch_goes_forward(
    garscaffold: Garscaffold, remote: Path, checkout: Path
) -> None:
    """An older garscaffold published 1.0.0, and somebody made the tag anew on the same commit."""
    git(checkout, "push", "--quiet", "origin", "1.0.0^{commit}:refs/heads/main", "1.0.0^{commit}:refs/tags/1.0.0")
    before = refs(remote)
    done = garscaffold("template", "publish", remote, "-y", "--json")
    assert done.returncode == 0, done.stderr
    assert changes(done.stdout) == [
        ("change", "branch", "main"),
        *(("create", "tag", version) for version in versions() if version != "1.0.0"),
    ]
    after = refs(remote)
    assert after == {**ours(), "refs/tags/1.0.0": before["refs/tags/1.0.0"]}
    assert changes(garscaffold("template", "publish", remote, "--dry-run", "--json").stdout) == []


def test_a_branch_that_the_organisation_moved_on_is_left_alone_and_said(
    garscaffold: Garscaffold, remote: Path, checkout: Path
) -> None:
    git(checkout, "checkout", "--quiet", "-b", "theirs", "1.0.0")
    write(checkout, "template/OWNERS", "@acme\n")
    forks.commit(checkout, "Owners")
    git(checkout, "push", "--quiet", "origin", "theirs:main", "1.0.0")
    before = refs(remote)
    done = garscaffold("template", "publish", remote, "-y", "--json")
    assert done.returncode == 0, done.stderr
    assert all(kind == "tag" for _, kind, _ in changes(done.stdout))
    assert f"main at {remote} has 1 commit of its own, so it stays as it is;" in done.stderr
    assert json.loads(done.stdout)["notes"][0] in done.stderr
    assert refs(remote) == {**ours(), "refs/heads/main": before["refs/heads/main"]}

    git(checkout, "merge", "--quiet", "--no-edit", versions()[-1])
    git(checkout, "push", "--quiet", "origin", "theirs:main")
    again = garscaffold("template", "publish", remote, "-y", "--json")
    assert changes(again.stdout) == []
    assert "has all of it and 2 commits on top, so it stays as it is." in again.stderr


def test_other_contents_under_the_same_tags_are_refused(
    garscaffold: Garscaffold, remote: Path, checkout: Path
) -> None:
    forks.commit(checkout, "Another history")
    git(checkout, "push", "--quiet", "origin", "main", "main:refs/tags/1.0.0", "main:refs/tags/1.1.0")
    before = refs(remote)
    for arguments in ((), ("--tags-only",), ("--dry-run",)):
        done = garscaffold("template", "publish", remote, "-y", *arguments)
        assert done.returncode == 1
        assert f"At {remote} the tags 1.0.0, 1.1.0 stand for something else" in done.stderr
        assert refs(remote) == before


def test_another_project_is_refused(garscaffold: Garscaffold, remote: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "application")
    forks.commit(tmp_path / "application", "Something else")
    git(tmp_path / "application", "push", "--quiet", str(remote), "HEAD:refs/heads/main")
    before = refs(remote)
    done = garscaffold("template", "publish", remote, "-y")
    assert done.returncode == 1
    assert f"main at {remote} has no history in common with this template" in done.stderr
    assert refs(remote) == before


def test_a_fork_is_never_overtaken_by_what_lacks_its_parts(
    garscaffold: Garscaffold, remote: Path, checkout: Path
) -> None:
    git(checkout, "checkout", "--quiet", "-b", "theirs", "1.0.0")
    write(checkout, "template/OWNERS", "@acme\n")
    forks.commit(checkout, "Owners")
    git(checkout, "tag", "1.0.0+acme.1")
    git(checkout, "push", "--quiet", "origin", "theirs:main", "1.0.0", "1.0.0+acme.1")
    before = refs(remote)
    done = garscaffold("template", "publish", remote, "-y")
    assert done.returncode == 1
    assert f"{remote} has versions of its own, up to 1.0.0+acme.1, and 1.1.0" in done.stderr
    assert refs(remote) == before

    newest = versions()[-1]
    git(checkout, "merge", "--quiet", "--no-edit", newest)
    git(checkout, "tag", f"{newest}+acme.1")
    git(checkout, "push", "--quiet", "origin", "theirs:main", f"{newest}+acme.1")
    assert garscaffold("template", "publish", remote, "-y").returncode == 0
    assert set(versions()) < {name.removeprefix("refs/tags/") for name in refs(remote)}
    listed = json.loads(garscaffold("template", "versions", "--template", remote, "--json").stdout)
    assert listed["newest"] == f"{newest}+acme.1"


def test_a_default_branch_of_another_name_is_the_one(garscaffold: Garscaffold, tmp_path: Path, checkout: Path) -> None:
    trunk = tmp_path / "trunk.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=trunk", str(trunk))
    empty = garscaffold("template", "publish", trunk, "-y")
    assert empty.returncode == 0, empty.stderr
    assert "tip: A clone of it has nothing checked out yet." in empty.stderr
    made = garscaffold("new", "service", "x", "--defaults", "--gcp-project", "acme-prod", "--template", trunk)
    assert made.returncode == 0, made.stderr

    git(trunk, "update-ref", "-d", "refs/heads/main")
    git(trunk, "tag", "--delete", versions()[-1])
    git(checkout, "push", "--quiet", str(trunk), "1.0.0^{commit}:refs/heads/trunk")
    done = garscaffold("template", "publish", trunk, "-y")
    assert done.returncode == 0, done.stderr
    found = ours()
    assert refs(trunk) == {"refs/heads/trunk": found.pop("refs/heads/main"), **found}


def hook(remote: Path, name: str, script: str) -> None:
    path = remote / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_hook_that_refuses_is_heard_and_nothing_is_pushed(garscaffold: Garscaffold, remote: Path) -> None:
    hook(remote, "pre-receive", "echo 'Pushes need a ticket.' >&2; exit 1")
    done = garscaffold("template", "publish", remote, "-y")
    assert done.returncode == 1
    assert f"error: {remote} refused the push (main: pre-receive hook declined, 1.0.0: pre" in done.stderr
    assert "It said: Pushes need a ticket. Nothing was pushed." in done.stderr
    assert refs(remote) == {}


@pytest.mark.parametrize("atomic", ["true", "false"])
def test_a_protected_branch_leaves_the_versions(garscaffold: Garscaffold, remote: Path, atomic: str) -> None:
    """Also where the host cannot take all of it or nothing."""
    git(remote, "config", "receive.advertiseAtomic", atomic)
    hook(remote, "update", 'case "$1" in refs/heads/*) echo "Protected." >&2; exit 1;; esac')
    done = garscaffold("template", "publish", remote, "-y")
    assert done.returncode == 1
    assert "refused the push (main: hook declined). It said: Protected." in done.stderr
    assert f"garscaffold template publish {remote} --tags-only" in done.stderr
    tags = {name: value for name, value in ours().items() if name.startswith("refs/tags/")}
    assert refs(remote) == ({} if atomic == "true" else tags)
    assert ("Nothing was pushed." in done.stderr) is (atomic == "true")
    assert garscaffold("template", "publish", remote, "-y", "--tags-only").returncode == 0
    assert refs(remote) == tags


def test_a_checkout_is_not_changed_under_somebodys_hands(
    garscaffold: Garscaffold, checkout: Path
) -> None:
    git(checkout, "reset", "--quiet", "--hard", "1.0.0")
    git(checkout, "tag", "--delete", versions()[-1])
    before = refs(checkout)
    done = garscaffold("template", "publish", checkout, "-y")
    assert done.returncode == 1
    assert f"{checkout} is somebody's checkout" in done.stderr
    assert refs(checkout) == before


def test_a_remote_that_changes_after_the_plan_is_not_overwritten(
    home: Path, monkeypatch: pytest.MonkeyPatch, remote: Path, checkout: Path
) -> None:
    monkeypatch.setenv("HOME", str(home))
    with bundle.packaged_bundle() as packaged, opened(str(packaged)) as repository:
        publication = plan_publication(repository, str(remote), with_branch=True)
        forks.commit(checkout, "Meanwhile")
        git(checkout, "push", "--quiet", "origin", "main", "main:refs/tags/1.0.0")
        before = refs(remote)
        with pytest.raises(GarscaffoldError, match="was changed meanwhile. Nothing was pushed.") as refused:
            publication.plan.steps[0].apply()
    assert refused.value.mend == "Run the same command again."
    assert refs(remote) == before


def test_a_second_publisher_at_the_same_moment_is_no_lack_of_rights(garscaffold: Garscaffold, remote: Path) -> None:
    assert garscaffold("template", "publish", remote, "-y").returncode == 0
    git(remote, "tag", "--delete", versions()[-1])
    # The other one's push is done while the host looks at ours.
    other = f"env -u GIT_QUARANTINE_PATH git update-ref refs/tags/{versions()[-1]} {ours()['refs/tags/' + versions()[-1]]}"
    hook(remote, "pre-receive", other)
    done = garscaffold("template", "publish", remote, "-y")
    assert done.returncode == 1
    assert f"{remote} was changed meanwhile. Nothing was pushed." in done.stderr
    assert "Run the same command again." in done.stderr
    assert garscaffold("template", "publish", remote, "-y").returncode == 0


def test_over_http_a_host_says_who_may_push(
    garscaffold: Garscaffold, remote: Path, home: Path, tmp_path: Path
) -> None:
    with served(tmp_path) as host:
        url = f"{host}/acme.git"
        denied = garscaffold("template", "publish", url, "-y")
        assert denied.returncode == 1
        assert f"{url} cannot be pushed to: unable to access" in denied.stderr
        assert "403" in denied.stderr
        assert "Ask for the right to push there" in denied.stderr
        assert refs(remote) == {}

        git(remote, "config", "http.receivepack", "true")
        done = garscaffold("template", "publish", url, "-y")
        assert done.returncode == 0, done.stderr
        assert refs(remote) == ours()
        missing = garscaffold("template", "publish", f"{host}/none.git", "-y")
        assert missing.returncode == 1
        assert f"repository '{host}/none.git/' not found" in missing.stderr

    with served(tmp_path, password="secret") as host:
        url = f"{host}/acme.git"
        unknown = garscaffold("template", "publish", url, "-y")
        assert unknown.returncode == 1
        assert "terminal prompts disabled" in unknown.stderr
        # As every person has it: git's own credential helper knows the password, and nobody else does.
        (home / ".git-credentials").write_text(url.replace("http://", "http://git:secret@").removesuffix("/acme.git"))
        git(home, "config", "--file", str(home / ".gitconfig"), "credential.helper", "store")
        assert garscaffold("template", "use", url).returncode == 0
        made = garscaffold("new", "package", "acme-lib", "--defaults", "--gcp-project", "acme-prod", "--json")
        assert made.returncode == 0, made.stderr
        assert json.loads(made.stdout)["template"]["source"] == url
        updated = garscaffold("update", "acme-lib")
        assert updated.stdout == f"acme-lib is up to date: template {versions()[-1]}.\n", updated.stderr


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ("nowhere", 1, "mend:  Make it with: git init --bare "),
        ("ssh://git@127.0.0.1:1/x.git", 1, "127.0.0.1"),
        ("http://127.0.0.1:1/x.git", 1, "mend:  Make an empty repository there, or check your access with: git ls-remote"),
        ("default", 2, "Name a repository of your own."),
        ("https://git:secret@git.acme.example/x.git", 1, "Leave it out: https://git.acme.example/x.git"),
    ],
)  # fmt: skip
def test_what_cannot_be_reached_is_a_sentence_and_a_mend(
    garscaffold: Garscaffold, address: str, code: int, said: str
) -> None:
    done = garscaffold("template", "publish", address, "-y")
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "secret" not in done.stderr
