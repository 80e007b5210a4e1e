"""The released versions of a template, as its tags tell of them, and what is said between two of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.version import Version

from garscaffold import git
from garscaffold.errors import GarscaffoldError, usage_error
from garscaffold.template.repository import TemplateRepository, version_of


@dataclass(frozen=True)
class VersionTag:
    """A version of a template.

    Args:
        version: Its number.
        tag: How the tag spells it.
        date: The day on which it was released, as YYYY-MM-DD.
        notes: What its author says about it; '' for nothing.
    """

    version: Version
    tag: str
    date: str
    notes: str


def version_tags(repository: TemplateRepository) -> tuple[VersionTag, ...]:
    """Return the versions of an open template, oldest first.

    Raises:
        GarscaffoldError: It has none.
    """
    found = [
        VersionTag(version, name, date, notes)
        for name, date, notes in git.tags(repository.folder)
        if (version := version_of(name)) is not None
    ]
    if not found:
        raise GarscaffoldError(
            f"The template at {repository.location} has no version.", mend="Tag one there, such as 1.0.0."
        )
    return tuple(sorted(found, key=lambda each: each.version))


def newest_of(tags: Sequence[VersionTag]) -> VersionTag | None:
    """Return the version that projects go to by themselves: the newest one that is no pre-release."""
    return max((each for each in tags if not each.version.is_prerelease), key=lambda each: each.version, default=None)


def between(tags: Sequence[VersionTag], after: str | None, up_to: str | None) -> tuple[VersionTag, ...]:
    """Return the versions after one and up to another, newest first.

    Args:
        tags: All versions, oldest first.
        after: The version that one comes from; None for before the first.
        up_to: The version that one goes to; None for the newest, pre-releases included only where `after` is newer.

    Raises:
        GarscaffoldError: There is no such version, or they are the wrong way round.
    """
    start = find(tags, after).version if after is not None else None
    newest = newest_of(tags) or tags[-1]
    end = find(tags, up_to).version if up_to is not None else newest.version
    if start is not None and start > end:
        if up_to is None:
            end = tags[-1].version
        else:
            raise usage_error(
                f"{after} is newer than {up_to}, and nothing leads back.",
                mend=f"The other way round: garscaffold template changelog {up_to} {after}",
            )
    return tuple(each for each in reversed(tags) if (start is None or each.version > start) and each.version <= end)


def find(tags: Sequence[VersionTag], wished: str) -> VersionTag:
    """Return a version by its number, however that is spelled.

    Raises:
        GarscaffoldError: There is no such version.
    """
    asked = version_of(wished)
    for each in tags:
        if wished == each.tag or (asked is not None and asked == each.version):
            return each
    known = ", ".join(each.tag for each in tags)
    raise usage_error(f"The template has no version {wished}.", mend=f"It has: {known}.")
