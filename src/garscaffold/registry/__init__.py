"""Artifact Registry behind one interface; `gar` is the one that talks to Google."""

from collections.abc import Callable, Sequence
from typing import Protocol

from garscaffold.errors import GarscaffoldError
from garscaffold.values import Policy, Repository

Report = Callable[[str], None]
"""Takes one line for a person about something that is under way."""

UNSET_POLICY = Policy(etag=b"\x00\x20\x01")
"""The policy of a resource on which none was ever set; every Google service gives it the etag ACAB (base64)."""


class RepositoryNotFound(GarscaffoldError):
    """There is no such repository, or none that the caller may see."""


class PermissionDenied(GarscaffoldError):
    """The caller lacks a permission."""


class PolicyChanged(GarscaffoldError):
    """Somebody else wrote the policy after it was read: read it again and repeat."""


class Registry(Protocol):
    """What garscaffold needs of Artifact Registry.

    Every method raises `GarscaffoldError` with a sentence and a mend for what a person can do something about:
    credentials, permissions, a disabled API, an unknown location, quota, certificates.
    """

    @property
    def calls(self) -> int:
        """How many calls were made so far."""
        ...

    def locations(self, project: str) -> list[str]:
        """Return every location that repositories of `project` can be in, sorted."""
        ...

    def repositories(self, project: str, location: str) -> list[Repository]:
        """Return the repositories in one location, sorted by name."""
        ...

    def everywhere(self, project: str) -> list[Repository]:
        """Return the repositories in all locations, sorted by name."""
        ...

    def repository(self, project: str, location: str, name: str) -> Repository:
        """Return one repository, with its size.

        Raises:
            RepositoryNotFound: There is none.
        """
        ...

    def create(self, repositories: Sequence[Repository], report: Report) -> None:
        """Create repositories, all at the same time, and return when they are there.

        One that is already there, or is being created by an earlier call, is waited for and taken as it is when it has
        the right format and mode.

        Args:
            repositories: What to create; none depends on another.
            report: Told as each of them is there.
        """
        ...

    def update(self, repository: Repository, fields: Sequence[str]) -> None:
        """Change the named fields of an existing repository to what `repository` says, and no others.

        Args:
            repository: With the new values.
            fields: Names of fields of `Repository`.
        """
        ...

    def policy(self, path: str) -> Policy:
        """Return the policy set on a repository, by its path."""
        ...

    def set_policy(self, path: str, policy: Policy) -> None:
        """Write a policy over the one that was read, by the repository's path.

        Raises:
            PolicyChanged: Another one is there by now.
        """
        ...
