"""The repositories of a fleet as places to read and to commit in: checkouts as they are, URLs as bare clones."""

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

from garscaffold import git, git_objects, git_remote
from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.targets import Target


@dataclass(frozen=True)
class Repository:
    """A repository that is here.

    Args:
        target: What was named.
        folder: Its work tree, or itself where it is bare.
        base: The id of the commit that an update starts from.
        branch: The branch which that is, as its remote calls it; '' for none.
        has_work_tree: Somebody may work in it.
    """

    target: Target
    folder: Path
    base: str
    branch: str
    has_work_tree: bool


def open_repository(target: Target, clones: Path) -> Repository:
    """Find a repository, or clone it; a clone from an earlier time is brought up to date.

    Args:
        target: What was named.
        clones: The folder of the clones.

    Raises:
        GarscaffoldError: It is not there, cannot be reached, or has nothing committed.
    """
    folder = _clone(target, clones) if target.is_remote else Path(target.place)
    if not folder.is_dir():
        raise GarscaffoldError(f"There is no folder {folder}.", mend="Correct the list of the fleet.")
    has_work_tree = not target.is_remote and git.is_inside_work_tree(folder)
    if not (has_work_tree or target.is_remote or git.is_bare(folder)):
        raise _no_repository(folder)
    wished = target.base or "HEAD"
    base = git.commit_of(folder, wished)
    if not base:
        what = f"no branch or commit {target.base}" if target.base else "nothing committed"
        raise GarscaffoldError(f"{target.place} has {what}.", mend="Name one that it has as base, or commit first.")
    return Repository(target, folder, base, target.base or git_objects.current_branch(folder), has_work_tree)


def _no_repository(folder: Path) -> GarscaffoldError:
    named = shlex.quote(str(folder))
    if (folder / ".git").exists() or (folder / "HEAD").exists():
        return GarscaffoldError(
            f"git cannot read the repository {folder}: {git.complaint(folder)}", mend=f"git -C {named} status"
        )
    return GarscaffoldError(
        f"{folder} is not in a git repository.",
        mend=f"cd {named} && git init && git add --all && git commit -m 'The project'",
    )


def _clone(target: Target, clones: Path) -> Path:
    # The end of the name tells apart two repositories that are called the same.
    folder = clones / f"{target.name}-{hashlib.sha256(target.place.encode()).hexdigest()[:10]}.git"
    if folder.is_dir() and git.is_bare(folder):
        git_remote.fetch_newest(folder)
    else:
        git_remote.clone_newest(target.place, folder)
    if target.base:
        git_remote.fetch_branch(folder, target.base)
    return folder
