"""What an update would do, written for a person and as a diff."""

import difflib
import json
import os
from collections.abc import Iterable, Iterator

import click

from garscaffold.git_words import without_credentials
from garscaffold.tree import File, Kind, is_binary
from garscaffold.update.merge import FileChange, Outcome
from garscaffold.update.planning import Update

STYLE = {
    Outcome.ADDED: "green",
    Outcome.CHANGED: "yellow",
    Outcome.CONFLICTING: "magenta",
    Outcome.DELETED: "red",
    Outcome.KEPT: "cyan",
}


def heading(update: Update) -> str:
    """Return what is updated, from where to where."""
    if update.moves:
        return (
            f"{update.project.name} moves to another template:\n"
            f"  from  {without_credentials(update.project.source)}  {update.start}\n"
            f"  to    {without_credentials(update.source)}  {update.end}\n"
        )
    if update.start == update.end:
        return f"{update.project.name} stays at template {update.end}, with other answers:"
    return f"{update.project.name} goes from template {update.start} to {update.end}:"


def changelog_text(update: Update) -> str:
    """Write what was released between the versions, the newest first; '' when nothing is said."""
    parts = []
    for release in update.changelog:
        lines = [f"    {line}".rstrip() for line in release.notes.splitlines()]
        parts.append("\n".join([f"  {click.style(release.version, bold=True)}", *lines]))
    return "\n\n".join(parts)


def answers_text(update: Update) -> str:
    """Write one line for each answer that changes or is new; '' for none."""
    lines = [f"  {name}: {_value(old)} → {_value(new)}" for name, (old, new) in update.changed_answers.items()]
    lines += [f"  {name}: {_value(value)} (new)" for name, value in update.new_answers.items()]
    return "\n".join(["Answers:", *lines]) if lines else ""


def _value(answer: object) -> str:
    return answer if isinstance(answer, str) and answer else json.dumps(answer, ensure_ascii=False, default=str)


def changes_text(update: Update) -> str:
    """Write one line a file."""
    changes = [*update.changes, update.answers] if update.answers.before != update.answers.after else update.changes
    if not changes:
        return "  no file changes"
    width = max(len(change.outcome) for change in changes)
    lines = []
    for change in changes:
        outcome = click.style(f"{change.outcome:<{width}}", fg=STYLE[change.outcome])
        lines.append(f"  {outcome}  {change.path}{f'  ({change.detail})' if change.detail else ''}")
    return "\n".join(lines)


def diff_text(changes: Iterable[FileChange]) -> str:
    """Write what changes as a unified diff, conflict markers included, and the credentials of URLs left out."""
    return without_credentials(
        "".join(line for change in changes if change.before != change.after for line in _diff(change))
    )


def _diff(change: FileChange) -> Iterator[str]:
    before, after = change.before, change.after
    yield f"diff --git a/{change.path} b/{change.path}\n"
    if before is None and after is not None:
        yield f"new file mode {after.kind}\n"
    elif after is None and before is not None:
        yield f"deleted file mode {before.kind}\n"
    elif before is not None and after is not None and before.kind is not after.kind:
        yield f"old mode {before.kind}\nnew mode {after.kind}\n"
    if any(side and side.kind is not Kind.SYMLINK and is_binary(side.data) for side in (before, after)):
        yield "Binary files differ\n"
        return
    old, new = (f"a/{change.path}" if before else os.devnull), (f"b/{change.path}" if after else os.devnull)
    for line in difflib.unified_diff(_lines(before), _lines(after), old, new):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(file: File | None) -> list[str]:
    if file is None:
        return []
    text = file.data.decode("utf-8", "backslashreplace")
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
