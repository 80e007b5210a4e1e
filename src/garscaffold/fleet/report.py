"""The page about a fleet: one HTML file that needs nothing else, neither the network nor a script to be read."""

import base64
import hashlib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from garscaffold import __version__
from garscaffold.fleet.matrix import Mark, grouped
from garscaffold.fleet.results import Result, State, counts
from garscaffold.fleet.shown import command_in, shown, web_link
from garscaffold.fleet.targets import is_url
from garscaffold.fleet.texts import names
from garscaffold.update.project import LABELS

SIGNS = {State.FAILED: "✕", State.CONFLICTS: "≠", State.BEHIND: "↑", State.UPDATED: "➜", State.CURRENT: "✓"}
"""What stands beside the colour of a state; in the order in which they need somebody."""
ANCHORS = {State.FAILED: "failures", State.CONFLICTS: "conflicts", State.UPDATED: "updates"}
SIDES = (
    (f"<<<<<<< {LABELS[0]}", "ours", "The project’s"),
    (f"||||||| {LABELS[1]}", "base", "Before both"),
    ("=======", "theirs", "The template’s"),
)


@dataclass(frozen=True)
class Occasion:
    """What a report is about, besides the projects.

    Args:
        written: When the page is made, with a time zone.
        looks: When the projects were looked at; none where nobody knows.
        files: How many result files it is made from; 0 where it was looked just now.
    """

    written: datetime
    looks: Sequence[datetime] = ()
    files: int = 0


@dataclass(frozen=True)
class Project:
    """One project on the page.

    Args:
        key: What its parts of the page are marked with.
        name: What it is called.
        result: What is known of it.
    """

    key: str
    name: str
    result: Result

    @property
    def link(self) -> str:
        """The address of its repository, where it has one on the web."""
        return web_link(self.result.repository).removesuffix(".git")

    @property
    def command(self) -> str:
        """What failed is mended by."""
        return command_in(self.result.mend)

    @property
    def update(self) -> str:
        """The command that updates it, with its conflicts."""
        result = self.result
        where = result.project if is_url(result.repository) else f"{result.repository}/{result.project}"
        command = " ".join(["garscaffold update", *([shlex.quote(where.rstrip("/"))] if where else [])])
        return command if shown(command) == command and "\n" not in command else "garscaffold update"


@dataclass(frozen=True)
class Side:
    """One side of a hunk.

    Args:
        kind: `ours`, `base`, `theirs`, or `both` where the hunk is none.
        title: Whose it is.
        lines: Its lines, each with whether only this side has it.
    """

    kind: str
    title: str
    lines: Sequence[tuple[str, bool]]


def report(results: Iterable[Result], occasion: Occasion) -> str:
    """Write the page.

    Args:
        results: What is known of each project.
        occasion: When and from what.
    """
    every = list(results)
    order = {state: number for number, state in enumerate(SIGNS)}
    named = sorted(
        zip(names(every), every, strict=True), key=lambda each: (order[each[1].state], each[0], each[1].project)
    )
    projects = [Project(f"p{number}", name, result) for number, (name, result) in enumerate(named, 1)]
    style, script = _part("report.css"), _part("report.js")
    return _template().render(
        projects=projects,
        groups=grouped(each.result for each in projects),
        counts=counts(every),
        occasion=occasion,
        style=style,
        script=script,
        policy=_policy(style, script),
        # What nobody looked at is not shown as nothing found.
        drift_known=any(result.drift is not None for result in every),
        work_trees_known=any(result.dirty is not None for result in every),
    )


def sides(conflict: str) -> list[Side]:
    """Divide a hunk with its markers into its sides.

    Args:
        conflict: The lines, from the first marker to the last.
    """
    lines = conflict.splitlines()
    starts: list[tuple[int, str, str]] = []
    for marker, kind, title in SIDES:
        begin = starts[-1][0] + 1 if starts else 0
        found = lines.index(marker, begin) if marker in lines[begin:] else None
        if found is not None:
            starts.append((found, kind, title))
    if [kind for _, kind, _ in starts if kind != "base"] != ["ours", "theirs"]:
        return [Side("both", "The file", [(line, False) for line in lines])]
    ends = [*(start for start, _, _ in starts[1:]), len(lines) - (lines[-1] == f">>>>>>> {LABELS[2]}")]
    bodies = {kind: lines[start + 1 : end] for (start, kind, _), end in zip(starts, ends, strict=True)}
    others = {"ours": set(bodies["theirs"]), "theirs": set(bodies["ours"])}
    return [
        Side(kind, title, [(line, kind in others and line not in others[kind]) for line in bodies[kind]])
        for _, kind, title in starts
    ]


def _moment(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


def _plural(count: int, word: str, many: str = "") -> str:
    return f"{count} {word if count == 1 else many or f'{word}s'}"


def _policy(*inline: str) -> str:
    style, script = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline)
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _part(name: str) -> str:
    return (files("garscaffold.fleet") / name).read_text(encoding="utf-8")


def _fit(value: Any) -> Any:
    return value if hasattr(value, "__html__") else shown(str(value))


@cache
def _template() -> Template:
    # What is put in is made visible by `finalize` first, and then escaped.
    page = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_fit,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page.globals.update(State=State, Mark=Mark, SIGNS=SIGNS, ANCHORS=ANCHORS, version=__version__)
    page.filters.update(moment=_moment, plural=_plural, sides=sides, web_link=web_link)
    return page.from_string(_part("report.html.jinja"))
