"""A history brought to another repository, where nothing is ever rewritten: what is there, what is new, a push."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from garscaffold import git, process
from garscaffold.errors import GarscaffoldError
from garscaffold.git_words import refusals, telling

# What git writes is read below, so it has to be in English.
_ENVIRONMENT = {**git.QUIET, "LC_ALL": "C"}


@dataclass(frozen=True)
class Refs:
    """What a repository has.

    Args:
        head: The branch that a clone gets; '' where that does not exist yet, or the repository does not say.
        branches: The id of each branch's commit.
        tags: The id of each tag's commit.
    """

    head: str
    branches: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Refusal:
    """Why a push was refused.

    Args:
        reasons: For each branch and tag that was refused for itself, git's reason.
        said: What else git, ssh or the other side said, in one line.
        not_atomic: The other side cannot take several branches and tags as one.
    """

    reasons: Mapping[str, str]
    said: str
    not_atomic: bool = False


def read_refs(location: str) -> Refs:
    """Return what a repository has, by its path or URL.

    Raises:
        GarscaffoldError: It cannot be read; what was said is the sentence.
    """
    done = process.run([*git.BARE, "ls-remote", "--symref", "--", location], environment=_ENVIRONMENT, check=False)
    if done.exit_code != 0:
        raise GarscaffoldError(telling(done.stderr))
    head, branches, tags = "", {}, {}
    for line in done.stdout.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            head = value.removeprefix("ref: refs/heads/")
        elif name.startswith("refs/heads/"):
            branches[name.removeprefix("refs/heads/")] = value
        elif name.startswith("refs/tags/"):
            # The commit of an annotated tag follows it, as a line of its own.
            tags[name.removeprefix("refs/tags/").removesuffix("^{}")] = value
    return Refs(head if head in branches else "", branches, tags)


def fetch_branch(repository: Path, location: str, branch: str) -> None:
    """Bring a branch's history here, under no name.

    Raises:
        GarscaffoldError: It cannot be read; what was said is the sentence.
    """
    command = [*git.BARE, "fetch", "--quiet", "--no-tags", "--", location, f"refs/heads/{branch}"]
    done = process.run(command, cwd=repository, environment=_ENVIRONMENT, check=False)
    if done.exit_code != 0:
        raise GarscaffoldError(telling(done.stderr))


def are_related(repository: Path, one: str, other: str) -> bool:
    """Tell whether two commits that are here have any history in common."""
    command = [*git.BARE, "merge-base", one, other]
    return process.run(command, cwd=repository, environment=_ENVIRONMENT, check=False).exit_code == 0


def count_between(repository: Path, after: str, up_to: str) -> int:
    """Return how many commits one has that the other has not."""
    return int(git.read(repository, "rev-list", "--count", f"{after}..{up_to}"))


def push(repository: Path, location: str, refspecs: Sequence[str], *, atomic: bool = True) -> Refusal | None:
    """Push branches and tags without force: all of them, or none.

    Args:
        repository: Where they are.
        location: Where they go.
        refspecs: What goes where, as git writes it.
        atomic: All or none; without it, what is not refused goes.

    Returns:
        Why it was refused, None where it was not.
    """
    whole = ["--atomic"] if atomic else []
    command = [*git.BARE, "push", "--porcelain", *whole, "--", location, *refspecs]
    done = process.run(command, cwd=repository, environment=_ENVIRONMENT, check=False)
    if done.exit_code == 0:
        return None
    return Refusal(refusals(done.stdout), telling(done.stderr), "does not support --atomic push" in done.stderr)
