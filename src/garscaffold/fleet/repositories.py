"""The repositories of a fleet as places to read and to commit in: checkouts as they are, URLs as bare clones."""

import shlex
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from garscaffold import git, git_objects
from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.clones import clone_of, held, in_clone
from garscaffold.fleet.results import Result, State
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


def at_repository(
    target: Target,
    clones: Path,
    work: Callable[[Repository], list[Result]],
    *,
    discard: bool,
    tell: Callable[[str], None],
    stop: threading.Event,
) -> list[Result]:
    """Do work on a repository, in the checkout that was named, or in a clone that is up to date.

    Args:
        target: What was named.
        clones: The folder of the clones.
        work: What is done with it.
        discard: Remove a clone afterwards, unless it has an update that was to stay in it.
        tell: Is told what it waits for.
        stop: Set when nobody waits for the rest any more.

    Raises:
        GarscaffoldError: It is not there, cannot be reached, or has nothing committed; or the work failed.
    """
    if not target.is_remote:
        return work(_opened(target, Path(target.place)))
    clone = clone_of(target, clones)

    def wait() -> None:
        tell(f"{target.name}: another garscaffold works in the clone of {target.place}; waiting for it …")

    with held(clone, wait=wait, stop=stop):
        results: list[Result] = []
        try:
            results = in_clone(target, clone, lambda: work(_opened(target, clone)))
        finally:
            if discard and not any(each.state is State.UPDATED and not each.pushed for each in results):
                shutil.rmtree(clone, ignore_errors=True)
        return results


def _opened(target: Target, folder: Path) -> Repository:
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
