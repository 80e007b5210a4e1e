"""Drift: files that carry authentication and are not what the template made of the project's answers."""

import tomllib
from collections.abc import Sequence
from typing import Any

from garscaffold.fleet.results import Drift
from garscaffold.tree import File, Tree

DELETED = "deleted"
EDITED = "edited"


def paths_of(wiring: Sequence[str]) -> list[str]:
    """Return the files that a list of wiring names, without the tables in them."""
    return list(dict.fromkeys(entry.partition("#")[0] for entry in wiring))


def find_drift(wiring: Sequence[str], made: Tree, project: Tree) -> tuple[Drift, ...]:
    """Compare the wiring of a project with what the template made.

    Args:
        wiring: Paths, and `path#dotted.table` for the part of a TOML file that carries authentication; those that the
            template did not make for this project say nothing.
        made: What the project's version of the template renders to with the project's answers.
        project: What the project has.
    """
    found = []
    for entry in wiring:
        path, _, table = entry.partition("#")
        mine, theirs = project.get(path), made.get(path)
        if theirs is None or mine == theirs:
            continue
        if mine is None:
            found.append(Drift(path, DELETED))
        elif table:
            wished = _table(theirs, table)
            if wished is not None and _table(mine, table) != wished:
                found.append(Drift(entry, EDITED if _table(mine, table) is not None else DELETED))
        elif mine.kind is not theirs.kind or _lines(mine) != _lines(theirs):
            found.append(Drift(path, _how_much(_lines(theirs), _lines(mine))))
    return tuple(dict.fromkeys(found))


def _how_much(theirs: list[bytes], mine: list[bytes]) -> str:
    from collections import Counter

    added, removed = Counter(mine) - Counter(theirs), Counter(theirs) - Counter(mine)
    if not added and not removed:
        return EDITED
    return f"{EDITED}: +{added.total()} −{removed.total()} lines"


def _lines(file: File) -> list[bytes]:
    # Windows' line ends are no edit.
    return file.data.replace(b"\r\n", b"\n").split(b"\n")


def _table(file: File, dotted: str) -> Any:
    try:
        found: Any = tomllib.loads(file.data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None
    for key in dotted.split("."):
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    return found
