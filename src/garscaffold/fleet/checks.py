"""The user's own check of an update, in a repository that is made for it and goes away with it."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from garscaffold import git_aside, process
from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.shown import plain

PREFIX = "garscaffold-fleet-check-"
"""What the folders of checks are called in the system's temporary folder."""
PATIENCE = 30 * 60
"""How many seconds a check may take, where nobody says."""
SAID = 20
"""How many lines of what a check said are kept."""
LONGEST = 500
"""How many characters of a line of it are kept."""
TRIES = 5
"""How often the folder of a check is removed, where something goes on to write into it."""


def run_check(repository: Path, commit: str, prefix: str, command: str, seconds: int) -> None:
    """Run a check in a project of a commit.

    Args:
        repository: The repository; nothing in it is touched.
        commit: The id of the commit.
        prefix: The project's folder in it.
        command: The check, for a shell.
        seconds: How long it may take; 0 for the usual time.

    Raises:
        GarscaffoldError: It failed, took too long, or was interrupted.
    """
    limit = seconds or PATIENCE
    with _aside() as aside:
        folder = aside / "project"
        git_aside.check_out(repository, commit, folder)
        done = process.shell(command, cwd=folder / prefix, limit=limit)
    if done.stopped:
        raise GarscaffoldError(
            f"It was interrupted during the check `{command}`, so there is no branch.", mend="Run it again: it goes on."
        )
    if done.overdue:
        raise GarscaffoldError(
            f"The check `{command}` took more than {limit} seconds and was ended, so there is no branch"
            f"{_end_of(done.said)}",
            mend="See what it waits for, or give it more time: --check-timeout 2h",
        )
    if done.exit_code != 0:
        raise GarscaffoldError(
            f"The check `{command}` failed with exit code {done.exit_code}, so there is no branch{_end_of(done.said)}",
            mend="Update it by hand: garscaffold update, then see what the check says.",
        )


def _end_of(said: str) -> str:
    lines = plain(said).strip().splitlines()[-SAID:]
    cut = [line if len(line) <= LONGEST else f"{line[:LONGEST]}…" for line in lines]
    return ":\n" + "\n".join(cut) if cut else "."


def sweep() -> None:
    """Remove the folders of checks whose run was killed."""
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as listing:
        for entry in listing:
            mine = entry.name.startswith(PREFIX) and entry.stat(follow_symlinks=False).st_uid == os.getuid()
            if mine and entry.is_dir(follow_symlinks=False):
                with suppress(OSError), _locked(Path(entry.path), fcntl.LOCK_EX | fcntl.LOCK_NB):
                    _remove(Path(entry.path))


@contextmanager
def _aside() -> Iterator[Path]:
    """Give a folder that no sweep takes as long as it is in use; nothing is left of it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            with _locked(folder, fcntl.LOCK_SH):
                # A sweep may have been faster.
                if folder.is_dir():
                    yield folder
                    return
        finally:
            _remove(folder)


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    # By the kernel, which lets go of it whatever becomes of us.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    for attempt in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        # A check may make folders that nothing can be removed from, as Go does for its modules.
        for place, folders, _ in os.walk(folder):
            for name in folders:
                path = Path(place, name)
                if not path.is_symlink():
                    with suppress(OSError):
                        path.chmod(0o700)
        time.sleep(0.1 * attempt)
