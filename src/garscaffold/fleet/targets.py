"""Which repositories a fleet has: from folders, from a file, from standard input; and which of them are one shard's."""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from garscaffold import git
from garscaffold.errors import GarscaffoldError, usage_error
from garscaffold.template.render import ANSWERS_FILE
from garscaffold.template.repository import ALIASES, location_of
from garscaffold.template.source import refuse_credential

FLEET_FILE = "fleet.toml"
KEYS = frozenset({"path", "url", "base", "check"})
DEPTH = 6
"""How many levels below a folder repositories are looked for."""
PASSED_BY = frozenset({"node_modules", "site-packages", "venv"})


@dataclass(frozen=True)
class Target:
    """One repository of a fleet.

    Args:
        place: Its path, absolute, or its URL.
        under: The folder in it that the projects have to be in, with a slash at the end; '' for all of it.
        base: The branch or commit that an update starts from; '' for what is checked out, or the default branch.
        check: A command that has to succeed in an updated project; '' for none.
    """

    place: str
    under: str = ""
    base: str = ""
    check: str = ""

    @property
    def is_remote(self) -> bool:
        """Tell whether it has to be cloned."""
        return is_url(self.place)

    @property
    def name(self) -> str:
        """What people call it: the last part of its place."""
        place = self.place.rstrip("/")
        last = re.split(r"[/:]", place)[-1] if self.is_remote else Path(place).name
        return last.removesuffix(".git") or self.place


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a fleet, counted from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `I/N`.

        Raises:
            GarscaffoldError: It is none.
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise usage_error(f"{text!r} is no shard.", mend="A shard is I/N, from 1/N to N/N: --shard 2/8")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of_task(cls, environment: Mapping[str, str]) -> "Shard | None":
        """Return the shard of a Cloud Run task, by the variables that its jobs set; None outside of one.

        Index from 0 and count: https://cloud.google.com/run/docs/container-contract#jobs-env-vars
        """
        index, count = environment.get("CLOUD_RUN_TASK_INDEX"), environment.get("CLOUD_RUN_TASK_COUNT")
        if index is None or count is None:
            return None
        return cls.parse(f"{int(index) + 1}/{count}" if index.isdecimal() else f"{index}/{count}")

    def take(self, targets: Sequence[Target]) -> list[Target]:
        """Return this shard's targets; the same list gives the same parts everywhere, and a repository is in one."""
        places = list(dict.fromkeys(target.place for target in targets))
        mine = set(places[self.number - 1 :: self.count])
        return [target for target in targets if target.place in mine]


def is_url(place: str) -> bool:
    """Tell whether a place is a URL of git's, or its short form for ssh."""
    # Not what git calls a transport helper (`ext::COMMAND`), nor anything that looks like an option.
    url = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^-]", place)
    return bool(url or re.match(r"\w[\w.-]*@\w[\w.-]*:(?!:)", place)) or place.startswith(tuple(ALIASES))


def read_targets(words: Sequence[str], lines: Iterable[str]) -> list[Target]:
    """Read what was named on the command line.

    Args:
        words: Folders, URLs, fleet files, `-` for `lines`; none for the fleet file or the folder where we are.
        lines: Paths and URLs, one a line; empty ones and those that begin with `#` say nothing.

    Raises:
        GarscaffoldError: One of them is nothing of that, or nothing was found.
    """
    if not words:
        words = [FLEET_FILE if Path(FLEET_FILE).is_file() else "."]
    found: dict[tuple[str, str], Target] = {}
    for word in words:
        named = _from_lines(lines) if word == "-" else _from_word(word)
        for target in named:
            found.setdefault((target.place, target.under), target)
    if not found:
        raise GarscaffoldError(
            f"No repository was found in {', '.join(repr(word) for word in words)}.",
            mend="Name folders with repositories, a fleet.toml, or - for a list on standard input.",
        )
    return _once(list(found.values()))


def _once(targets: list[Target]) -> list[Target]:
    """Leave out what another target has too: a folder in a named one, a second checkout of the same repository."""
    named = {(target.place, target.under) for target in targets}
    wider = [
        target
        for target in targets
        if not any(
            (target.place, under) in named
            for under in ("", *(f"{parent}/" for parent in Path(target.under).parents))
            if under != target.under
        )
    ]
    found: dict[tuple[Path, str], Target] = {}
    # A repository's own folder goes before checkouts that were added to it, which have the same branches.
    for target in sorted(wider, key=_is_linked):
        found.setdefault((_repository_of(target), target.under), target)
    chosen = set(found.values())
    return [target for target in wider if target in chosen]


def _is_linked(target: Target) -> bool:
    try:
        return not target.is_remote and Path(target.place, ".git").is_file()
    except OSError:
        return False


def _repository_of(target: Target) -> Path:
    place = Path(target.place)
    if not _is_linked(target):
        return place
    private = git.work_tree(place)
    shared = private.private.parent.parent if private and private.private.parent.name == "worktrees" else None
    return (shared.parent if shared.name == ".git" else shared) if shared else place


def parse_fleet_file(text: str, folder: Path, *, name: str = FLEET_FILE) -> list[Target]:
    """Read a fleet file.

    Args:
        text: What is in it: `repositories`, a list of paths and URLs; tables `[[repository]]` with `path` or `url`,
            and `base` and `check` for one of them; `base` and `check` at the top for all.
        folder: What its paths are relative to.
        name: What an error calls it.

    Raises:
        GarscaffoldError: It is no fleet file.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GarscaffoldError(f"{name} cannot be read: {error}.", mend=_EXAMPLE) from error
    tables: list[Any] = [{"url" if is_url(place) else "path": place} for place in _texts(document, name)]
    named = document.pop("repository", [])
    if not isinstance(named, list):
        raise GarscaffoldError(f"In {name}, repository is no list of tables.", mend="Write [[repository]].")
    tables += named
    common: dict[str, Any] = {key: document.pop(key) for key in ("base", "check") if key in document}
    if not all(isinstance(value, str) for value in common.values()):
        raise GarscaffoldError(f"In {name}, {' and '.join(common)} are texts.", mend='Such as: base = "main"')
    if document:
        raise GarscaffoldError(f"{name} has {', '.join(document)}, which means nothing here.", mend=_EXAMPLE)
    return [target for table in tables for target in _from_table({**common, **_table(table, name)}, folder, name)]


_EXAMPLE = 'A fleet file looks so: repositories = ["services/orders", "https://git.example.com/acme/billing.git"]'


def _texts(document: dict[str, Any], name: str) -> list[str]:
    places = document.pop("repositories", [])
    if not isinstance(places, list) or not all(isinstance(place, str) and place for place in places):
        raise GarscaffoldError(f"In {name}, repositories is no list of paths and URLs.", mend=_EXAMPLE)
    return places


def _table(table: Any, name: str) -> dict[str, str]:
    if not isinstance(table, dict) or ("path" in table) == ("url" in table):
        raise GarscaffoldError(f"In {name}, a repository has either a path or a url.", mend=_EXAMPLE)
    wrong = [key for key, value in table.items() if key not in KEYS or not isinstance(value, str)]
    if wrong:
        raise GarscaffoldError(
            f"In {name}, a repository has {', '.join(wrong)}.", mend=f"It has texts: {', '.join(sorted(KEYS))}."
        )
    if not (table.get("path") or table.get("url")):
        raise GarscaffoldError(f"In {name}, a repository has an empty path or url.", mend=_EXAMPLE)
    if "url" in table and not is_url(table["url"]):
        raise GarscaffoldError(
            f"In {name}, {table['url']!r} is no URL of git's.",
            mend="Such as https://git.example.com/acme/orders.git or git@git.example.com:acme/orders.git",
        )
    return table


def _from_table(table: Mapping[str, str], folder: Path, name: str) -> list[Target]:
    settings = {key: table[key] for key in ("base", "check") if key in table}
    if "url" in table:
        return [replace(_remote(table["url"]), **settings)]
    return [replace(target, **settings) for target in _at(folder / _expanded(table["path"]))]


def _from_lines(lines: Iterable[str]) -> Iterator[Target]:
    for line in lines:
        place = line.strip()
        if place and not place.startswith("#"):
            yield from _from_place(place)


def _from_word(word: str) -> list[Target]:
    if is_url(word):
        return [_remote(word)]
    path = _expanded(word)
    if path.is_file():
        try:
            return parse_fleet_file(path.read_text(encoding="utf-8"), path.parent, name=word)
        except UnicodeDecodeError as error:
            raise GarscaffoldError(f"{word} cannot be read: it is not UTF-8.", mend=_EXAMPLE) from error
    if not path.is_dir():
        raise usage_error(
            f"There is no folder or file {word}.", mend="Name folders with repositories, a fleet.toml, URLs, or -."
        )
    return _at(path)


def _from_place(place: str) -> list[Target]:
    return [_remote(place)] if is_url(place) else _at(_expanded(place))


def _remote(url: str) -> Target:
    refuse_credential(url, reader="every list and log")
    return Target(location_of(url))


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        # ~somebody who is not here.
        return Path(path)


def _at(path: Path) -> list[Target]:
    # One that is not there fails by itself, and the others go on.
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
