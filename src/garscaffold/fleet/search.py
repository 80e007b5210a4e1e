"""From a place that somebody named, a folder or a URL, to the repositories there."""

import os
from collections.abc import Iterator
from pathlib import Path

from garscaffold import git
from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.targets import Target
from garscaffold.template.render import ANSWERS_FILE
from garscaffold.template.repository import location_of
from garscaffold.template.source import refuse_credential

DEPTH = 6
"""How many levels below a folder repositories are looked for."""
PASSED_BY = frozenset({"node_modules", "site-packages", "venv"})


def remote(url: str) -> Target:
    """Return the repository at a URL.

    Raises:
        GarscaffoldError: It holds a credential.
    """
    refuse_credential(url, reader="every list and log")
    return Target(location_of(url))


def expanded(path: str) -> Path:
    """Return a path with its `~` replaced, where that means something."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        # ~somebody who is not here.
        return Path(path)


def found_at(path: Path) -> list[Target]:
    """Return the repositories in a folder, or the one that it is or lies in.

    A path at which nothing can be read is returned as it is: it fails by itself later, and is told.
    """
    try:
        return _in_folder(path) if path.is_dir() else [Target(str(path.absolute()))]
    except (OSError, GarscaffoldError):
        return [Target(str(path.absolute()))]


def _in_folder(folder: Path) -> list[Target]:
    there = git.work_tree(folder)
    if there is None:
        if git.is_bare(folder):
            return [Target(str(folder.absolute()))]
        return [target for path in _repositories(folder.absolute(), DEPTH) for target in _at_home(path)]
    own = [Target(str(there.top), there.prefix)]
    if git.tracks(folder, ANSWERS_FILE):
        return own
    # A home folder under git, or a repository that only gathers others: what counts is below.
    return [target for path in _below(folder.absolute(), DEPTH) for target in _at_home(path)] or own


def _at_home(path: Path) -> list[Target]:
    # A project without git is one that cannot be updated: it is found, so that it is told.
    return [Target(str(path))] if (path / ".git").exists() or git.work_tree(path) is None else _in_folder(path)


def _repositories(folder: Path, depth: int) -> Iterator[Path]:
    try:
        found = (folder / ".git").exists() or (folder / ANSWERS_FILE).exists()
    except OSError:
        return
    if found:
        yield folder
    elif depth:
        yield from _below(folder, depth)


def _below(folder: Path, depth: int) -> Iterator[Path]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".") and entry.name not in PASSED_BY:
            yield from _repositories(Path(entry.path), depth - 1)
