"""The document that `--json` gives for a fleet, written and read again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from garscaffold import __version__
from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.results import Result, State, counts

FROM = "Give a file that one of these wrote: garscaffold fleet status --json, garscaffold fleet update --json"


@dataclass(frozen=True)
class Look:
    """What was found out at one time.

    Args:
        results: What is known of each project.
        moment: When that was, with a time zone; None where the document does not say.
    """

    results: Sequence[Result]
    moment: datetime | None = None

    @property
    def states(self) -> set[State]:
        """How projects stand."""
        return {result.state for result in self.results}


def to_document(look: Look) -> dict[str, Any]:
    """Return what `--json` shows."""
    return {
        "garscaffold": __version__,
        "looked_at": look.moment.isoformat(timespec="seconds") if look.moment else None,
        "projects": [result.to_json() for result in look.results],
        "summary": counts(look.results),
    }


def read_document(text: str, name: str) -> Look:
    """Read what `to_document` gave, of this version or one that wrote no time.

    Args:
        text: The document as JSON.
        name: What an error calls it.

    Raises:
        GarscaffoldError: It is something else.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        # Python's own sentence for an empty file explains nothing.
        why = f"is no JSON: {error}" if text.strip() else "is empty"
        raise GarscaffoldError(f"{name} {why}.", mend=FROM) from error
    projects = document.get("projects") if isinstance(document, Mapping) else None
    if not isinstance(projects, list):
        raise GarscaffoldError(f"{name} is JSON, and not of a fleet: it has no list of projects.", mend=FROM)
    try:
        return Look([Result.from_json(each) for each in projects], _moment(document.get("looked_at")))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise GarscaffoldError(f"{name} is not of a fleet, or of another version: {what}.", mend=FROM) from error


def joined(looks: Iterable[Look]) -> Look:
    """Return several looks as one, of the time of the oldest; of a project counts what was said last."""
    every = list(looks)
    found = {(result.repository, result.project): result for look in every for result in look.results}
    return Look(list(found.values()), min((look.moment for look in every if look.moment), default=None))


def _moment(written: Any) -> datetime | None:
    if not isinstance(written, str):
        return None
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        raise ValueError(f"the time {written} has no time zone")
    return moment
