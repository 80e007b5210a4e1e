"""Versions over projects: for each template a column a version, and where in it each project stands."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from packaging.version import InvalidVersion, Version

from garscaffold.fleet.results import Result, State

COLUMNS = 12
"""How many columns are readable side by side; what is older shares the first one."""


class Mark(StrEnum):
    """What a version is to a project; written as the page says it."""

    NONE = ""
    HERE = "here"
    BETWEEN = "between"
    NEXT = "next"
    BRANCH = "on a branch"


@dataclass(frozen=True)
class Row:
    """A project in a matrix.

    Args:
        number: Which of the given projects it is, from 0.
        marks: One for each column.
        place: The number of the column that it is in; -1 where nobody knows its version.
    """

    number: int
    marks: Sequence[Mark]
    place: int


@dataclass(frozen=True)
class Group:
    """The projects of one template.

    Args:
        template: What they record; '' where nobody knows.
        columns: What each column is headed with, oldest first.
        here: How many projects are at each.
        rows: The projects, in the order in which they were given.
    """

    template: str
    columns: Sequence[str]
    here: Sequence[int]
    rows: Sequence[Row]


def grouped(results: Iterable[Result]) -> list[Group]:
    """Return a matrix for each template: that of the most projects first, that of unknown ones last."""
    of: dict[str, list[tuple[int, Result]]] = {}
    for number, result in enumerate(results):
        of.setdefault(result.template, []).append((number, result))
    ordered = sorted(of.items(), key=lambda each: (not each[0], -len(each[1]), each[0]))
    return [_group(template, members) for template, members in ordered]


def _group(template: str, members: Sequence[tuple[int, Result]]) -> Group:
    known = {version for _, result in members for version in (result.version, result.target) if version}
    versions = sorted(known, key=_age)
    shared = versions[: max(0, len(versions) - COLUMNS + 1)] if len(versions) > COLUMNS else []
    columns = [f"≤ {shared[-1]}", *versions[len(shared) :]] if shared else versions
    places = {version: max(0, place - len(shared) + bool(shared)) for place, version in enumerate(versions)}
    rows = [Row(number, *_marks(result, places, len(columns))) for number, result in members]
    return Group(template, columns, [sum(row.place == place for row in rows) for place in range(len(columns))], rows)


def _marks(result: Result, places: Mapping[str, int], width: int) -> tuple[Sequence[Mark], int]:
    here, to = places.get(result.version, -1), places.get(result.target, -1)
    marks = [Mark.BETWEEN if -1 < here < place < to else Mark.NONE for place in range(width)]
    if to >= 0 and result.state is not State.CURRENT:
        marks[to] = Mark.BRANCH if result.state is State.UPDATED else Mark.NEXT
    if here >= 0:
        marks[here] = Mark.HERE
    return marks, here


def _age(version: str) -> tuple[bool, Version, str]:
    try:
        return True, Version(version), version
    except InvalidVersion:
        return False, Version("0"), version
