"""The one door to git."""

from collections.abc import Mapping
from pathlib import Path

from garscaffold import process
from garscaffold.errors import GarscaffoldError


def is_inside_work_tree(folder: Path) -> bool:
    """Tell whether `folder`, which exists, lies in a git work tree."""
    return _git(folder, "rev-parse", "--is-inside-work-tree", check=False) == "true"


def start_repository(folder: Path, message: str, *, author_name: str, author_email: str) -> None:
    """Make `folder` a git repository and commit everything in it.

    The user's own identity, hooks and settings apply; the given identity only fills in where git has none.

    Raises:
        GarscaffoldError: git refused; what it said is part of the sentence.
    """
    identity = {}
    if not _git(folder, "config", "user.email", check=False):
        identity = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", author_name), ("EMAIL", author_email))
        }
    branch = _git(folder, "config", "init.defaultBranch", check=False) or "main"
    environment = {**identity, "GIT_TERMINAL_PROMPT": "0"}
    try:
        _git(folder, "init", "--quiet", f"--initial-branch={branch}")
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", f"--message={message}", environment=environment)
    except GarscaffoldError as error:
        raise GarscaffoldError(
            f"The first commit could not be made. {error.sentence}",
            mend="Mend what git says, or run the same command with --no-git and commit by hand.",
        ) from error


def _git(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, check: bool = True) -> str:
    return process.run(["git", *arguments], cwd=folder, environment=environment, check=check).stdout.strip()
