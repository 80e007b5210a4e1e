"""Clones of the repositories that are named by a URL: one garscaffold at a time works in one, and none stays broken."""

import fcntl
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from garscaffold import git, git_remote
from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.results import Result, State
from garscaffold.fleet.targets import Target

MOMENT = 0.2
"""Seconds between two looks whether a clone is free."""


def clone_of(target: Target, clones: Path) -> Path:
    """Return where the clone of a repository is, or will be.

    Args:
        target: A repository that is named by a URL.
        clones: The folder of the clones.
    """
    # The end of the name tells apart two repositories that are called the same.
    return clones / f"{target.name}-{hashlib.sha256(target.place.encode()).hexdigest()[:10]}.git"


@contextmanager
def held(clone: Path, *, wait: Callable[[], None], stop: threading.Event) -> Iterator[None]:
    """Keep every other garscaffold out of a clone; wait while one is in it.

    Args:
        clone: The clone, which need not be there yet.
        wait: Called once where there is something to wait for.
        stop: Set when nobody waits for the rest any more.

    Raises:
        GarscaffoldError: It was interrupted while it waited.
    """
    clone.parent.mkdir(parents=True, exist_ok=True)
    # Beside the clone, which may be replaced meanwhile. It stays: whoever deletes a lock may delete another's.
    with clone.with_suffix(".lock").open("a") as stream:
        if not _locked(stream):
            wait()
            while not _locked(stream):
                if stop.wait(MOMENT):
                    raise GarscaffoldError(
                        "It was interrupted while another garscaffold worked in the clone.",
                        mend="Run it again: it goes on.",
                    )
        yield


def in_clone(target: Target, clone: Path, work: Callable[[], list[Result]]) -> list[Result]:
    """Do work in a clone that is up to date; where it turns out broken, clone it anew and do it once more.

    What breaks a clone is a power cut, a full disk, a `kill -9` that leaves git's locks, somebody who cleaned up. The
    clone has to be held: then every lock of git's in it is one that was left.

    Args:
        target: The repository.
        clone: Where its clone is.
        work: What is done with it. It goes on where it was cut off.

    Raises:
        GarscaffoldError: The repository cannot be read, or the work failed.
    """
    is_new = _brought_up_to_date(target, clone)
    try:
        results = work()
    except GarscaffoldError:
        if is_new or git_remote.is_sound(clone):
            raise
    else:
        if is_new or not _has_failed(results) or git_remote.is_sound(clone):
            return results
    _clone_anew(target, clone)
    return work()


def _brought_up_to_date(target: Target, clone: Path) -> bool:
    """Clone a repository, or fetch its newest commits; tell whether the clone is new."""
    if clone.is_dir() and git.is_bare(clone):
        there = git_remote.look(target.place, target.base)
        try:
            git_remote.fetch_newest(clone, there)
            return False
        except GarscaffoldError:
            # The remote has just answered, so it is most likely the clone; if not, cloning says the same.
            pass
    _clone_anew(target, clone)
    return True


def _clone_anew(target: Target, clone: Path) -> None:
    git_remote.clone_newest(target.place, clone)
    if target.base:
        git_remote.fetch_branch(clone, target.base)


def _has_failed(results: Sequence[Result]) -> bool:
    return any(result.state is State.FAILED for result in results)


def _locked(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks: as before there were any.
        return True
    return True
