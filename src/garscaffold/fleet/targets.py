"""One repository of a fleet, and the part of a fleet that is one shard's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from garscaffold.errors import usage_error
from garscaffold.template.repository import ALIASES


@dataclass(frozen=True)
class Target:
    """One repository of a fleet.

    Args:
        place: Its path, absolute, or its URL.
        under: The folder in it that the projects have to be in, with a slash at the end; '' for all of it.
        base: The branch or commit that an update starts from; '' for what is checked out, or the default branch.
        check: A command that has to succeed in an updated project; '' for none.
        check_limit: How many seconds it may take; 0 for the usual time.
    """

    place: str
    under: str = ""
    base: str = ""
    check: str = ""
    check_limit: int = 0

    @property
    def is_remote(self) -> bool:
        """Tell whether it has to be cloned."""
        return is_url(self.place)

    @property
    def name(self) -> str:
        """What people call it: the last part of its place."""
        place = self.place.rstrip("/")
        last = re.split(r"[/:]", place)[-1] if self.is_remote else Path(place).name
        return last.removesuffix(".git") or self.place


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a fleet, counted from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `I/N`.

        Raises:
            GarscaffoldError: It is none.
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise usage_error(f"{text!r} is no shard.", mend="A shard is I/N, from 1/N to N/N: --shard 2/8")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of_task(cls, environment: Mapping[str, str]) -> "Shard | None":
        """Return the shard of a Cloud Run task, by the variables that its jobs set; None outside of one.

        Index from 0 and count: https://cloud.google.com/run/docs/container-contract#jobs-env-vars
        """
        index, count = environment.get("CLOUD_RUN_TASK_INDEX"), environment.get("CLOUD_RUN_TASK_COUNT")
        if index is None or count is None:
            return None
        return cls.parse(f"{int(index) + 1}/{count}" if index.isdecimal() else f"{index}/{count}")

    def take(self, targets: Sequence[Target]) -> list[Target]:
        """Return this shard's targets; the same list gives the same parts everywhere, and a repository is in one."""
        places = list(dict.fromkeys(target.place for target in targets))
        mine = set(places[self.number - 1 :: self.count])
        return [target for target in targets if target.place in mine]


def is_url(place: str) -> bool:
    """Tell whether a place is a URL of git's, or its short form for ssh."""
    # Not what git calls a transport helper (`ext::COMMAND`), nor anything that looks like an option.
    url = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^-]", place)
    return bool(url or re.match(r"\w[\w.-]*@\w[\w.-]*:(?!:)", place)) or place.startswith(tuple(ALIASES))
