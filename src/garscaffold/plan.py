"""Plan, show, apply: the one shape of everything that changes the world.

A command computes a `Plan` from the present state, the console shows it, and `Plan.steps` are applied in order.
After that the next plan is empty.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What happens to a thing."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One thing that will be different.

    Args:
        action: What happens to it.
        kind: What it is, in the field's word: file, git repository, repository, grant.
        name: Which one; for a file its path relative to the plan's folder, with forward slashes.
        detail: What a person wants to know about it before saying yes.
    """

    action: Action
    kind: str
    name: str
    detail: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the change as `--json` shows it."""
        return {"action": str(self.action), "kind": self.kind, "name": self.name, "detail": self.detail}


@dataclass(frozen=True)
class Step:
    """Changes that are applied in one go: all of them or none.

    Args:
        title: What is being done, for progress ("Writing 31 files to orders").
        changes: What will be different afterwards; never empty.
        apply: Does it; raises `GarscaffoldError` and leaves nothing of the step behind when it cannot.
    """

    title: str
    changes: tuple[Change, ...]
    apply: Callable[[], None] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Plan:
    """Steps in the order in which they are applied; empty when the world is as it should be."""

    steps: tuple[Step, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every change of every step, in order."""
        return tuple(change for step in self.steps for change in step.changes)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the changes as `--json` shows them."""
        return [change.to_json() for change in self.changes]
