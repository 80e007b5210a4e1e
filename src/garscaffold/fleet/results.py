"""What is known of a project of a fleet after a look or an update, as plain values."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self, get_type_hints

from garscaffold import __version__
from garscaffold.errors import ExitCode, GarscaffoldError

PLAIN = (str, int, bool, bool | None)
"""The types of values that JSON holds as they are."""


class State(StrEnum):
    """How a project stands to its template."""

    CURRENT = "up to date"
    BEHIND = "behind"
    UPDATED = "updated"
    CONFLICTS = "conflicts"
    FAILED = "failed"


@dataclass(frozen=True)
class Conflict:
    """A file in which the team's changes and the template's meet.

    Args:
        path: The file, in its project.
        detail: What meets, in words.
        hunks: The lines between the markers, each hunk with its markers.
    """

    path: str
    detail: str
    hunks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drift:
    """A file that carries authentication and is not what the template made.

    Args:
        path: The file in its project, with `#table` for a part of a TOML file.
        how: What happened to it, in words.
    """

    path: str
    how: str


@dataclass(frozen=True)
class Result:
    """What is known of one project.

    Args:
        repository: The path or URL of its repository.
        project: Its folder in the repository, with a slash at the end; '' for the root.
        state: How it stands.
        template: What it records as its template.
        version: The version that it is at.
        target: The version that an update goes to.
        behind: How many releases lie between them.
        dirty: It has changes that are not committed; None where there is no checkout.
        changes: How many files an update changes.
        conflicts: Where it needs somebody.
        drift: What of its wiring was edited; None where the template does not say what that is.
        earlier: An earlier run made the update.
        branch: The branch that has the update.
        commit: The commit with the update.
        pushed: The branch was pushed.
        pull_request: The URL of the pull request.
        sentence: What failed.
        mend: What mends it.
    """

    repository: str
    project: str
    state: State
    template: str = ""
    version: str = ""
    target: str = ""
    behind: int = 0
    dirty: bool | None = None
    changes: int = 0
    conflicts: tuple[Conflict, ...] = ()
    drift: tuple[Drift, ...] | None = None
    earlier: bool = False
    branch: str = ""
    commit: str = ""
    pushed: bool = False
    pull_request: str = ""
    sentence: str = ""
    mend: str = ""

    @property
    def name(self) -> str:
        """What people call it: its folder, or the last part of its repository's place."""
        last = self.repository.rstrip("/").replace(":", "/").rsplit("/", 1)[-1].removesuffix(".git")
        return f"{last}/{self.project}".rstrip("/")

    def to_json(self) -> dict[str, Any]:
        """Return it as `--json` shows it."""
        return {**asdict(self), "state": str(self.state), "name": self.name}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        drift = document.get("drift")
        values = _plain(cls, document) | {
            "state": State(document["state"]),
            "conflicts": tuple(
                Conflict(**_plain(Conflict, each), hunks=_texts(each.get("hunks", ())))
                for each in document.get("conflicts", ())
            ),
            "drift": None if drift is None else tuple(Drift(**_plain(Drift, each)) for each in drift),
        }
        return cls(**values)


def told(error: Exception) -> tuple[str, str]:
    """Return what stopped the work on a project, and what mends it."""
    if isinstance(error, GarscaffoldError):
        return error.sentence, error.mend
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.", ""
    return (
        f"This is a defect of garscaffold {__version__}: {type(error).__name__}: {error}",
        "Please report it, with what `garscaffold update` says in that repository.",
    )


def _plain(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the texts, numbers and flags of a document, each of the type that it has in the dataclass."""
    values = {}
    for name, wished in get_type_hints(kind).items():
        if wished in PLAIN and name in document:
            if not isinstance(document[name], wished):
                raise TypeError(f"{name} is {str(document[name])[:40]!r}")
            values[name] = document[name]
    return values


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise TypeError("hunks are no list of texts")
    return tuple(values)


def counts(results: Iterable[Result]) -> dict[str, int]:
    """Return how many projects there are in each state, and in all."""
    found = Counter(result.state for result in results)
    return {**{str(state): found[state] for state in State}, "all": found.total()}


def exit_code(results: Iterable[Result]) -> ExitCode:
    """Return what the process ends with: a failure counts more than a conflict."""
    states = {result.state for result in results}
    if State.FAILED in states:
        return ExitCode.FAILED
    return ExitCode.CONFLICT if State.CONFLICTS in states else ExitCode.DONE


def summary(results: Iterable[Result]) -> str:
    """Return one line that says how many there are of what."""
    found = counts(results)
    words = {**{state: str(state) for state in State}, State.CONFLICTS: "in conflict"}
    parts = [f"{found[state]} {words[state]}" for state in State if found[state]]
    return f"{found['all']} project{'' if found['all'] == 1 else 's'}: {', '.join(parts) or 'none'}"
