"""What an update has to know of a project: its answers, its place in git, and the files that it is about."""

import shlex
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from garscaffold import git, yaml_text
from garscaffold.errors import GarscaffoldError
from garscaffold.template.plain import Match, remembered_answers
from garscaffold.template.render import ANSWERS_FILE, read_file
from garscaffold.tree import File
from garscaffold.update.merge import Obstacle, Project

LABELS = ("before updating", "last update", "after updating")
"""What conflict markers call the sides: the words of Copier, so that both leave the same files."""


@dataclass(frozen=True)
class Recorded(ABC):
    """A project that records which template it is from, wherever its files are.

    Args:
        name: What it is called: the name of its folder.
        answers: What its answers file records.
    """

    name: str
    answers: Mapping[str, Any]

    @property
    def source(self) -> str:
        """What it records as its template."""
        return str(self.answers["_src_path"])

    @property
    def version(self) -> str:
        """What it records as its version: a description of git's, most often a tag."""
        return str(self.answers["_commit"])

    @abstractmethod
    def side(self, paths: Iterable[str], owns: Match) -> Project:
        """Read its side of a merge.

        Args:
            paths: The paths that the template changed.
            owns: Tells which paths the template leaves to the project.
        """


@dataclass(frozen=True)
class Checkout(Recorded):
    """A project on this machine, with what is not committed.

    Args:
        folder: Where it is, absolute.
        work_tree: Where that is in git.
    """

    folder: Path
    work_tree: git.WorkTree

    def side(self, paths: Iterable[str], owns: Match) -> Project:
        """Read its side of a merge from its folder."""
        files: dict[str, File] = {}
        obstacles: dict[str, Obstacle] = {}
        for path in paths:
            obstacle = _obstacle(self.folder, path)
            target = self.folder / path
            if obstacle:
                obstacles[path] = obstacle
            elif target.is_symlink() or target.exists():
                files[path] = read_file(target)
        missing = [path for path in paths if path not in files and path not in obstacles]
        left_out = git.left_out(self.folder, missing)
        if left_out:
            raise GarscaffoldError(
                f"{left_out[0]} is committed but not checked out here, and the update changes it. Nothing was touched.",
                mend="Check out all of the project: git sparse-checkout disable",
            )
        return Project(files, obstacles, frozenset(git.ignored(self.folder, missing)), owns)


def open_checkout(folder: Path) -> Checkout:
    """Read a project.

    Raises:
        GarscaffoldError: It is none that can be updated.
    """
    folder = folder.absolute()
    if not folder.is_dir():
        raise GarscaffoldError(f"There is no folder {folder}.", mend="Name the folder of a project.")
    answers = _answers_of(folder)
    work_tree = find_work_tree(folder)
    if work_tree is None:
        raise GarscaffoldError(
            f"{folder} is not in a git repository, and an update has to be undoable.",
            mend=f"cd {folder} && git init && git add --all && git commit -m 'Before the update'",
        )
    return Checkout(folder.name or "project", answers, folder, work_tree)


def find_work_tree(folder: Path) -> git.WorkTree | None:
    """Return where a folder, which exists, stands in git, or None.

    Raises:
        GarscaffoldError: It stands in a repository that git refuses to read.
    """
    found = git.work_tree(folder)
    if found is None and (said := git.complaint(folder)) and "not a git repository" not in said:
        raise GarscaffoldError(
            f"git does not read {folder}: {said.removeprefix('fatal: ')}.",
            mend=f"See what git advises: git -C {shlex.quote(str(folder))} status",
        )
    return found


def refuse_under_way(checkout: Checkout) -> None:
    """Refuse a project in the middle of something of git's own.

    Raises:
        GarscaffoldError: There is a merge, a rebase or the like.
    """
    what = git.under_way(checkout.work_tree)
    if what:
        ends = "git bisect reset" if what == "bisect" else f"git {what} --continue, or: git {what} --abort"
        raise GarscaffoldError(
            f"A {what} is under way in {checkout.folder}, and an update does not belong into it. Nothing was touched.",
            mend=f"End it first: {ends}",
        )


def refuse_unsaved(checkout: Checkout) -> None:
    """Refuse a project with changes that are not committed.

    Raises:
        GarscaffoldError: It has some, or was never committed.
    """
    changed, untracked = git.status(checkout.folder)
    prefix = checkout.work_tree.prefix
    if f"{prefix}{ANSWERS_FILE}" in untracked:
        raise GarscaffoldError(
            f"{checkout.folder} was never committed.", mend="git add --all && git commit -m 'Before the update'"
        )
    if changed:
        listed = ", ".join(path.removeprefix(prefix) for path in changed[:5]) + (", …" if len(changed) > 5 else "")
        raise GarscaffoldError(
            f"{checkout.folder} has changes that are not committed: {listed}. Nothing was touched.",
            mend="Commit them, or put them aside with: git stash",
        )


def merge_with_git(base: bytes, ours: bytes, theirs: bytes) -> tuple[bytes, int]:
    """Merge texts by `git merge-file`."""
    with tempfile.TemporaryDirectory(prefix="garscaffold-merge-") as aside:
        sides = [Path(aside) / name for name in ("base", "ours", "theirs")]
        for path, data in zip(sides, (base, ours, theirs), strict=True):
            path.write_bytes(data)
        return git.merge(sides[0], sides[1], sides[2], labels=LABELS)


def _obstacle(folder: Path, path: str) -> Obstacle | None:
    *parents, _ = path.split("/")
    parent = folder
    for name in parents:
        parent /= name
        shown = parent.relative_to(folder).as_posix()
        if parent.is_symlink():
            return Obstacle(f"{shown} is a symbolic link here")
        if parent.exists() and not parent.is_dir():
            return Obstacle(f"{shown} is a file here", frozenset({shown}))
        if (parent / ".git").exists():
            return Obstacle(f"{shown} is a repository of its own here")
    target = folder / path
    if target.is_symlink() or not target.is_dir():
        return None
    inside = frozenset(each.relative_to(folder).as_posix() for each in target.rglob("*") if not each.is_dir())
    return Obstacle(f"{path} is a folder here", inside or frozenset({path}))


def _answers_of(folder: Path) -> dict[str, Any]:
    path = folder / ANSWERS_FILE
    try:
        return parse_answers(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise GarscaffoldError(
            f"{folder} was not made from a template: it has no {ANSWERS_FILE}.",
            mend="Name the project's own folder: garscaffold update PATH",
        ) from error


def parse_answers(text: bytes, path: str) -> dict[str, Any]:
    """Return what an answers file records.

    Args:
        text: What is in it.
        path: What an error calls it.

    Raises:
        GarscaffoldError: It cannot be read, or does not say where the project is from.
    """
    try:
        document = yaml_text.load(text.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise GarscaffoldError(
            f"{path} cannot be read: {str(error).splitlines()[0]}.",
            mend=f"Take the committed one: git checkout HEAD -- {ANSWERS_FILE}",
        ) from error
    if not isinstance(document, dict) or not {"_src_path", "_commit"} <= document.keys():
        raise GarscaffoldError(
            f"{path} does not say which template and version the project is from.",
            mend="Restore its lines _src_path and _commit from the project's history.",
        )
    return remembered_answers(document)
