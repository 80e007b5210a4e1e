"""What is known of a fleet, written for a terminal."""

from collections import Counter
from collections.abc import Sequence

import click

from garscaffold.console import table
from garscaffold.fleet.results import Result, State, summary
from garscaffold.fleet.shown import shown

STYLE = {
    State.CURRENT: "green",
    State.BEHIND: "yellow",
    State.UPDATED: "green",
    State.CONFLICTS: "magenta",
    State.FAILED: "red",
}
HEAD = ("PROJECT", "VERSION", "STATE", "UPDATE", "CONFLICTS", "DRIFT", "UNSAVED")


def status_text(results: Sequence[Result]) -> str:
    """Write one line a project, then what needs somebody, then how many there are of what."""
    rows = [
        (
            name,
            result.version or "?",
            _state(result),
            f"{result.target}, {_plural(result.changes, 'file')}" if result.changes else "",
            str(len(result.conflicts) or ""),
            "?" if result.drift is None and result.version else str(len(result.drift or ()) or ""),
            "yes" if result.dirty else "",
        )
        for name, result in zip(names(results), results, strict=True)
    ]
    return "\n".join([table(HEAD, rows), *_details(results), "", summary(results)])


def update_text(results: Sequence[Result]) -> str:
    """Write what needs somebody after an update, then how many there are of what."""
    return "\n".join([*_details(results), "", summary(results)])


def line_for(name: str, result: Result) -> str:
    """Write one line about a project that was just updated."""
    name = one_line(name)
    state = _state(result)
    if result.state is State.UPDATED:
        state += " earlier" if result.earlier else ""
        where = result.pull_request or f"{'pushed ' if result.pushed else ''}{result.branch}"
        return f"{name}: {state} {result.version} → {result.target}, {_plural(result.changes, 'file')}: {where}"
    if result.state is State.CONFLICTS:
        return f"{name}: {state} in {', '.join(one_line(each.path) for each in result.conflicts)}"
    if result.state is State.FAILED:
        return f"{name}: {state}: {shown(result.sentence).splitlines()[0]}"
    return f"{name}: {state} ({result.version})"


def names(results: Sequence[Result]) -> list[str]:
    """Return what to call each project: its short name, or its whole place where two are called the same."""
    short = [result.name for result in results]
    count = Counter(short)
    return [
        one_line(name if count[name] == 1 else f"{result.repository} {result.project}".strip())
        for name, result in zip(short, results, strict=True)
    ]


def one_line(text: str) -> str:
    """Return a name as a line of a terminal can show it, whatever somebody put into it."""
    return shown(text).replace("\n", "\\n")


def _state(result: Result) -> str:
    text = str(result.state)
    if result.state is State.BEHIND:
        text = f"{result.behind} behind" if result.behind else "to change"
    return click.style(text, fg=STYLE[result.state])


def _details(results: Sequence[Result]) -> list[str]:
    lines: list[str] = []
    for name, result in zip(names(results), results, strict=True):
        found = [f"  conflict  {one_line(each.path)}  ({each.detail})" for each in result.conflicts]
        found += [f"  drift     {one_line(each.path)}  ({each.how})" for each in result.drift or ()]
        if result.sentence:
            found += [f"  {click.style('error:', fg='red', bold=True)} {shown(result.sentence)}"]
        if result.mend:
            found += [f"  {click.style('mend:', fg='green', bold=True)}  {shown(result.mend)}"]
        if found:
            lines += ["", click.style(name, bold=True), *found]
    return lines


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
