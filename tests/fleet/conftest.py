"""A template with two versions, and projects made from it in repositories of their own."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Garscaffold
from tests.update.templates import LINES, changed, git, release, render

OLD = {
    "copier.yml": "name: {type: str, default: orders}\n",
    "text.txt.jinja": "".join(LINES) + "{{ name }}\n",
    "dropped.txt": "dropped\n",
    "run.sh": "echo\n",
}
NEW = {
    "copier.yml": "name: {type: str, default: orders}\nteam: {type: str, default: payments}\n",
    "text.txt.jinja": changed(LINES, _10="line 10 new\n") + "{{ name }}\n",
    "added/new.txt.jinja": "{{ team }}\n",
    "run.sh": "echo new\n",
}
BRANCH = "garscaffold/template-1.1.0"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1.0.0 and 1.1.0; for all tests, so nobody changes it."""
    folder = tmp_path_factory.mktemp("fleet") / "template"
    release(folder, "1.0.0", OLD, executable=("run.sh",))
    release(folder, "1.1.0", NEW, executable=("run.sh",), notes="Authentication is mended.")
    return folder


def put_project(folder: Path, template: Path, version: str = "1.0.0") -> Path:
    """Render a project, in no repository yet."""
    render(template, version, {}, folder, source=str(template))
    return folder


def commit(folder: Path, message: str = "state") -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={message}")
    return git(folder, "rev-parse", "HEAD")


def start(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def edit(folder: Path, old: str, new: str, name: str = "text.txt") -> None:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@dataclass(frozen=True)
class Fleet:
    """Runs the commands of the fleet, and gives what they say as JSON."""

    run: Garscaffold
    here: Path

    def __call__(self, command: str, *arguments: str | Path, code: int = 0, **variables: str) -> list[dict[str, Any]]:
        pushes = {"--push", "--pull-request"} & set(map(str, arguments))
        done = self.run("fleet", command, "--json", *arguments, *(["-y"] if pushes else []), **variables)
        assert done.returncode == code, done.stderr + done.stdout
        document = json.loads(done.stdout)
        assert document["summary"]["all"] == len(document["projects"])
        projects: list[dict[str, Any]] = document["projects"]
        return projects


@pytest.fixture
def fleet(garscaffold: Garscaffold, here: Path) -> Fleet:
    return Fleet(garscaffold, here)


MakeProject = Callable[..., Path]


@pytest.fixture
def make_project(here: Path, home: Path, template: Path) -> MakeProject:
    """Make a project at 1.0.0, committed, in a repository of its own."""

    def make(name: str = "orders", version: str = "1.0.0") -> Path:
        return start(put_project(here / name, template, version))

    return make


def tip(folder: Path, branch: str = BRANCH) -> str:
    """Return the id of the commit of a branch, '' where there is none."""
    command = ["git", "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout.strip()


def shown(folder: Path, path: str, branch: str = BRANCH) -> str:
    return git(folder, "show", f"{branch}:{path}")


def stray(folder: Path) -> list[str]:
    """Return what git finds wrong with a repository, and references and work trees of ours that were left."""
    left = git(folder, "for-each-ref", "--format=%(refname)", "refs/garscaffold").splitlines()
    trees = git(folder, "worktree", "list").splitlines()[1:]
    crashed = [path.name for path in folder.rglob("fast_import_crash*")]
    return [*left, *trees, *crashed, *git(folder, "fsck", "--no-dangling", "--strict").splitlines()]
