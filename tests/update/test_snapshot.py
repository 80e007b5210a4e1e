"""An update of what is committed beside the same update in a checkout that is then committed: the same tree."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from garscaffold.commands.update import UpdateRequest, bring_up
from garscaffold.console import Console
from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.results import Result, State
from garscaffold.fleet.rollout import Rollout, roll_out
from garscaffold.fleet.survey import Settings
from garscaffold.fleet.targets import Target
from garscaffold.fleet.templates import Templates
from tests.update.situations import SITUATIONS, Situation, both, put, replace
from tests.update.templates import (
    LINES,
    NEW,
    NEW_EXECUTABLE,
    OLD,
    OLD_EXECUTABLE,
    Content,
    changed,
    release,
    render,
    write,
)

pytestmark = pytest.mark.clients

STRANGE = ("tab\there", "\r", "back\\slash", "\\n", 'a "quote', "line\nbreak", " blank ", "-option", "日本", "\x01")
ATTRIBUTES = ".gitattributes"
WINDOWS = "core.autocrlf=true"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template of the differential tests, with names that a careless writer of streams would get wrong."""
    folder = tmp_path_factory.mktemp("snapshot") / "template"
    old: dict[str, Content] = {f"strange/{name}.txt": "".join(LINES[:12]) for name in STRANGE}
    new: dict[str, Content] = {f"strange/{name}.txt": changed(LINES[:12], _3="new\n") for name in STRANGE}
    new |= {f"stranger/{name}/{name}": "added\n" for name in STRANGE}
    old |= {"gone/\\ \n": "gone\n"}
    old |= {"windows.ps1": "one\r\ntwo\r\nthree\r\n", "auto.txt": "a\r\nb\r\n", "pic": b"\0\r\n"}
    new |= {"windows.ps1": "one\r\nTWO\r\nthree\r\n", "auto.txt": "a\r\nb\r\nc\r\n", "pic": b"\0\r\n\r\n"}
    new |= {"mixed.txt": "one\r\ntwo\n", "lone.txt": "one\rtwo\r\n"}
    release(folder, "1.0.0", {**OLD, **old}, executable=OLD_EXECUTABLE)
    release(folder, "1.1.0", {**NEW, **new}, executable=NEW_EXECUTABLE)
    return folder


@pytest.fixture(autouse=True)
def own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody does: with the settings of the repository and of the home folder."""
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True).stdout.decode().strip()


def commit_all(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={message}")


def update_on_a_branch(repository: Path, prefix: str, given: Mapping[str, Any], tmp_path: Path) -> Result:
    with Templates() as templates:
        rollout = Rollout(Settings(templates, tmp_path / "clones", None, given=given), branch="updated")
        (result,) = roll_out(Target(str(repository), prefix), rollout)
    return result


def update_in_the_checkout(project: Path, given: Mapping[str, Any]) -> str:
    """Update a checkout; returns what stopped it, '' for nothing."""
    request = UpdateRequest(project, None, given, take_defaults=True, dry_run=False)
    try:
        bring_up(request, console=Console(quiet=True, assume_yes=True))
    except GarscaffoldError as error:
        return error.sentence
    return ""


def compare(repository: Path, folder: str, data: tuple[str, ...], tmp_path: Path) -> Result:
    """Update on a branch, then in the checkout, and hold the two against each other."""
    given = dict(pair.split("=", 1) for pair in data)
    prefix = f"{folder}/" if folder else ""
    result = update_on_a_branch(repository, prefix, given, tmp_path)
    stopped = update_in_the_checkout(repository / folder, given)
    if result.state is State.CONFLICTS:
        conflicts = [each.path for each in result.conflicts]
        assert f"meet in {', '.join(conflicts)}." in stopped
        return result
    assert (result.state, stopped) == (State.UPDATED, ""), result
    commit_all(repository, "updated in the checkout")
    difference = git(repository, "diff", "--raw", "HEAD", "updated")
    assert git(repository, "rev-parse", "HEAD^{tree}") == git(repository, "rev-parse", "updated^{tree}"), difference
    return result


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_a_branch_and_a_checkout_get_the_same_tree(template: Path, tmp_path: Path, situation: Situation) -> None:
    repository = tmp_path / "orders"
    project = repository / situation.folder
    render(template, "1.0.0", {}, project, source=str(template))
    git(repository, "init", "--quiet")
    commit_all(repository, "generated")
    situation.edit(project)
    commit_all(repository, "edited")
    if situation.refused:
        result = update_on_a_branch(repository, "", {}, tmp_path)
        assert result.state is State.FAILED
        assert situation.refused in result.sentence == update_in_the_checkout(repository, {})
        return
    if "ignored" not in situation.differs:
        compare(repository, situation.folder, situation.data, tmp_path)
        return
    # No commit has it: a branch cannot meet it, a checkout does.
    result = update_on_a_branch(repository, "", {}, tmp_path)
    assert result.state is State.UPDATED
    assert "settings.local" not in git(repository, "ls-tree", "-r", "updated")
    assert "meet in settings.local." in update_in_the_checkout(repository, {})


Prepare = Callable[[Path], None]


@dataclass(frozen=True)
class Peculiarity:
    """A repository with settings of its own.

    Args:
        name: What is peculiar.
        edit: What the team did, in the project's folder.
        config: Settings of the clone.
        init: Options for a new repository.
        folder: Where the project is.
        conflicts: In a checkout, too, the update meets the team's changes.
    """

    name: str
    edit: Prepare
    config: tuple[str, ...] = ()
    init: tuple[str, ...] = ()
    folder: str = ""
    conflicts: bool = False


def submodule(name: str) -> Prepare:
    def edit(project: Path) -> None:
        (project / name).mkdir(parents=True, exist_ok=True)
        other = project / name
        git(other, "init", "--quiet")
        commit_all(other, "other")
        (project / ".gitmodules").write_text(f'[submodule "{name}"]\n\tpath = {name}\n\turl = ./{name}\n')

    return edit


def many(project: Path) -> None:
    for number in range(40):
        write(project, f"more/{number}/ö {number}.txt", f"{number}\n", executable=number % 2 == 0)
    (project / "to-more").symlink_to("more")


def ignore(rules: str) -> Prepare:
    return replace(".gitignore", "*.local\n", f"{rules}*.local\n")


def delete(name: str) -> Prepare:
    return lambda project: (project / name).unlink()


EDITED = replace("text.txt", "line 5\n", "five\n")
PECULIARITIES = [
    Peculiarity("many files, executables and links", both(many, EDITED)),
    Peculiarity("ids of SHA-256", EDITED, init=("--object-format=sha256",)),
    Peculiarity("every text is text", both(put(ATTRIBUTES, "* text=auto\n"), EDITED), conflicts=True),
    Peculiarity("Windows line ends for some", both(put(ATTRIBUTES, "*.ps1 text eol=crlf\n*.txt eol=crlf\n"), EDITED)),
    Peculiarity("Unix line ends for all", both(put(ATTRIBUTES, "* text eol=lf\npic -text\n"), EDITED), conflicts=True),
    Peculiarity("no text at all", both(put(ATTRIBUTES, "* -text\n"), EDITED)),
    Peculiarity("binary by attribute", both(put(ATTRIBUTES, "* text=auto\n*.txt binary\n"), EDITED), conflicts=True),
    Peculiarity(
        "attributes of a folder above",
        both(put(f"../{ATTRIBUTES}", "*.ps1 eol=crlf\n"), EDITED),
        folder="services/orders",
    ),
    Peculiarity("Windows' git", EDITED, config=(WINDOWS,)),
    Peculiarity("every text is text, in Windows' git", both(put(ATTRIBUTES, "* text=auto\n"), EDITED), (WINDOWS,)),
    Peculiarity("line ends only on the way in", EDITED, config=("core.autocrlf=input",)),
    Peculiarity("Windows' line ends by setting", both(put(ATTRIBUTES, "* text=auto\n"), EDITED), ("core.eol=crlf",)),
    Peculiarity("a submodule beside", both(submodule("vendored"), EDITED)),
    Peculiarity("a submodule where a new file goes", both(submodule("added_folder"), EDITED)),
    Peculiarity("ignored by name, in a folder", both(ignore("added*\n!added.txt\n"), EDITED)),
    Peculiarity("ignored and taken back", both(put("added_folder/.gitignore", "*\n!new.txt\n"), EDITED)),
    Peculiarity("ignored folder, taken back in vain", both(ignore("added_folder/\n!added_folder/new.txt\n"), EDITED)),
    Peculiarity("ignored with strange lines", both(ignore("a\x0cadded.txt\n# \x85added_folder\n\\#x\n"), EDITED)),
    Peculiarity("an ignored file deleted", both(ignore("text.txt\n"), delete("text.txt"))),
]  # fmt: skip


@pytest.mark.parametrize("peculiarity", PECULIARITIES, ids=lambda each: each.name)
def test_and_so_it_is_in_peculiar_repositories(template: Path, tmp_path: Path, peculiarity: Peculiarity) -> None:
    first = tmp_path / "first"
    render(template, "1.0.0", {}, first / peculiarity.folder, source=str(template))
    git(first, "init", "--quiet", *peculiarity.init)
    peculiarity.edit(first / peculiarity.folder)
    commit_all(first, "generated")
    # A colleague's clone, in which git has written every file in its own way.
    repository = tmp_path / "orders"
    settings = [word for setting in peculiarity.config for word in ("-c", setting)]
    git(tmp_path, *settings, "clone", "--quiet", *settings, str(first), str(repository))
    assert git(repository, "status", "--porcelain") == ""
    result = compare(repository, peculiarity.folder, (), tmp_path)
    assert (result.state is State.CONFLICTS) is peculiarity.conflicts


@pytest.mark.parametrize("prefix", ["", "services/orders"])
def test_a_new_version_s_ignore_files_are_followed_at_once(tmp_path: Path, prefix: str) -> None:
    folder = tmp_path / "rules"
    old: dict[str, Content] = {".gitignore": "*.lock\nenv/\n", "docs/.gitignore": "*.html\n", "docs/a.txt": "a\n"}
    new: dict[str, Content] = {
        ".gitignore": "*.lock\n!uv.lock\n*.cache\n",
        "docs/a.txt": "a\n",
        "uv.lock": "locked\n",
        "other.lock": "never\n",
        "env/prod.txt": "free by now\n",
        "a.cache": "kept out from now on\n",
        "docs/index.html": "free, since that file is gone\n",
        "more/.gitignore": "*\n!b.txt\n",
        "more/a.txt": "kept out\n",
        "more/b.txt": "b\n",
    }
    release(folder, "1.0.0", {"copier.yml": "a: 1\n", **old})
    release(folder, "1.1.0", {"copier.yml": "a: 1\n", **new})
    repository = tmp_path / "orders"
    render(folder, "1.0.0", {}, repository / prefix, source=str(folder))
    git(repository, "init", "--quiet")
    commit_all(repository, "generated")
    assert compare(repository, prefix, (), tmp_path).state is State.UPDATED
    names = git(repository, "ls-tree", "-r", "--name-only", "updated").splitlines()
    added = {name.removeprefix(prefix).lstrip("/") for name in names}
    assert added >= {"uv.lock", "env/prod.txt", "docs/index.html", "more/b.txt"}
    assert not added & {"other.lock", "a.cache", "more/a.txt", "more/.gitignore"}


@pytest.mark.parametrize("attribute", ["filter=lfs", "ident", "working-tree-encoding=ISO-8859-1"])
def test_what_only_a_checkout_can_do_is_said(template: Path, tmp_path: Path, attribute: str) -> None:
    repository = tmp_path / "orders"
    render(template, "1.0.0", {}, repository, source=str(template))
    git(repository, "init", "--quiet")
    (repository / ATTRIBUTES).write_text(f"crlf.txt {attribute}\nsame.txt filter=lfs\n")
    git(repository, "config", "filter.lfs.clean", f"touch {tmp_path}/ran; cat")
    git(repository, "config", "filter.lfs.smudge", f"touch {tmp_path}/ran; cat")
    git(repository, "-c", "filter.lfs.clean=cat", "add", "--all")
    git(repository, "-c", "filter.lfs.clean=cat", "commit", "--quiet", "--message=generated")
    (tmp_path / "ran").unlink(missing_ok=True)
    result = update_on_a_branch(repository, "", {}, tmp_path)
    name = attribute.partition("=")[0]
    assert (result.state, result.branch) == (State.FAILED, "")
    assert result.sentence.startswith(f"crlf.txt goes through {name} on its way into a commit")
    assert "garscaffold update" in result.mend
    assert not (tmp_path / "ran").exists()
