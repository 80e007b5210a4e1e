"""Which repositories a fleet has: from folders, from a file, from standard input."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from garscaffold import git
from garscaffold.errors import GarscaffoldError, usage_error
from garscaffold.fleet.fleet_file import EXAMPLE, FLEET_FILE, parse_fleet_file
from garscaffold.fleet.search import expanded, found_at, remote
from garscaffold.fleet.targets import Target, is_url


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


def _from_lines(lines: Iterable[str]) -> Iterator[Target]:
    for line in lines:
        place = line.strip()
        if place and not place.startswith("#"):
            yield from _from_place(place)


def _from_word(word: str) -> list[Target]:
    if is_url(word):
        return [remote(word)]
    path = expanded(word)
    if path.is_file():
        try:
            return parse_fleet_file(path.read_text(encoding="utf-8"), path.parent, name=word)
        except UnicodeDecodeError as error:
            raise GarscaffoldError(f"{word} cannot be read: it is not UTF-8.", mend=EXAMPLE) from error
    if not path.is_dir():
        raise usage_error(
            f"There is no folder or file {word}.", mend="Name folders with repositories, a fleet.toml, URLs, or -."
        )
    return found_at(path)


def _from_place(place: str) -> list[Target]:
    return [remote(place)] if is_url(place) else found_at(expanded(place))
