"""What is said about an update of a fleet: the messages of its commits, and a pull request made of them."""

import re
from collections.abc import Sequence

from packaging.version import Version

from garscaffold.template.repository import version_of
from garscaffold.update.planning import Update

TRAILER = "Template-Version"
"""By this line of their message the commits of an update are known again."""
PREFIX = "garscaffold/template-"
"""How the branches begin that nobody named otherwise."""
SUBJECT = re.compile(r"chore: update (?P<what>.+?)(?: in (?P<where>.+))?")
LONGEST = 30_000
"""How many characters of a pull request's text are kept: GitHub takes 65,536, a program's argument 128 KiB."""


def branch_for(updates: Sequence[Update]) -> str:
    """Return the name of the branch of an update, the same at every run."""
    return f"{PREFIX}{'-'.join(sorted({update.end for update in updates}))}"


def message_for(update: Update, prefix: str) -> str:
    """Return the message of an update's commit: what was released, and the line by which it is known again."""
    where = f" in {prefix.rstrip('/')}" if prefix else ""
    what = f"from template {update.start} to {update.end}"
    if update.moves:
        what = f"to template {update.end} of {update.source}"
    elif update.start == update.end:
        what = f"with other answers to template {update.end}"
    notes = [f"{release.version}\n\n{release.notes}".strip() for release in update.changelog]
    parts = [f"chore: update {what}{where}", *notes, f"{TRAILER}: {update.end}"]
    return "\n\n".join(parts) + "\n"


def versions_in(text: str) -> set[str]:
    """Return the versions that a commit or a pull request of ours says it goes to; none where it is not ours."""
    return set(re.findall(rf"^{TRAILER}: (\S+)\s*$", text, re.MULTILINE))


def project_of(message: str) -> str | None:
    """Return the folder of the project that a commit of ours updates, '' for the root; None for any other commit."""
    found = SUBJECT.fullmatch(message.partition("\n")[0])
    return (found["where"] or "") if found and versions_in(message) else None


def request_text(messages: Sequence[str]) -> tuple[str, str]:
    """Return title and text of the pull request for commits of ours.

    Args:
        messages: Their messages, oldest first; one at least.
    """
    if len(messages) == 1:
        title, _, body = messages[0].partition("\n")
        return title, _cut(body.strip())
    found = [SUBJECT.fullmatch(message.partition("\n")[0]) for message in messages]
    whats = [
        each["what"] if each else message.partition("\n")[0] for each, message in zip(found, messages, strict=True)
    ]
    places = [(each["where"] if each else "") or "the root" for each in found]
    versions = sorted({version for message in messages for version in versions_in(message)})
    how = whats[0] if len(set(whats)) == 1 else f"to template {' and '.join(versions)}"
    projects = [f"- {place}: {what}" for place, what in zip(places, whats, strict=True)]
    # A project that comes from further back has the notes of another one among its own.
    told = sorted({_notes(message) for message in messages}, key=len, reverse=True)
    notes = [note for index, note in enumerate(told) if note and not any(note in longer for longer in told[:index])]
    trailers = "\n".join(f"{TRAILER}: {version}" for version in versions)
    return f"chore: update {len(messages)} projects {how}", _cut("\n\n".join(["\n".join(projects), *notes, trailers]))


def is_older(branch: str, than: str) -> bool:
    """Tell whether a branch is named for an older version of the same template as another one is."""
    ours, theirs = _versions(than), _versions(branch)
    if not ours or len(ours) != len(theirs) or ours == theirs:
        return False
    return all(old <= new for old, new in zip(theirs, ours, strict=True))


def _versions(branch: str) -> list[Version]:
    found = [version_of(part) for part in branch.removeprefix(PREFIX).split("-")] if branch.startswith(PREFIX) else []
    known = [version for version in found if version is not None]
    return sorted(known) if len(known) == len(found) else []


def _notes(message: str) -> str:
    body = message.partition("\n")[2]
    return re.sub(rf"^{TRAILER}: .*$", "", body, flags=re.MULTILINE).strip()


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    end = "\n".join(f"{TRAILER}: {version}" for version in sorted(versions_in(text)))
    return f"{text[:LONGEST]}\n\n…\n\n{end}"
