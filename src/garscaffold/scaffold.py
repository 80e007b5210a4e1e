"""A new project, made aside and put into place in one step."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from garscaffold.errors import GarscaffoldError


def refuse_occupied(destination: Path) -> None:
    """Refuse a destination that holds anything but a `.git` folder.

    Raises:
        GarscaffoldError: It is occupied, or no folder.
    """
    if destination.is_symlink() or destination.exists():
        if not destination.is_dir():
            raise GarscaffoldError(f"{destination} is a file, not a folder.", mend="Name another folder.")
        entries = sorted(entry.name for entry in destination.iterdir() if entry.name != ".git")
        if entries:
            listed = ", ".join(entries[:3]) + (", …" if len(entries) > 3 else "")
            raise GarscaffoldError(
                f"{destination} is not empty: it holds {listed}. Nothing was written.",
                mend=f"Name another folder, for example {_free_name(destination)}, or empty this one.",
            )


@contextmanager
def staging(destination: Path) -> Iterator[Path]:
    """Give a path on the destination's disk for a project to be made at, and remove what is there afterwards.

    A project is finished there first, so that an error or Ctrl-C at any moment leaves nothing behind.
    """
    anchor = destination
    while not anchor.is_dir():
        anchor = anchor.parent
    outer = Path(tempfile.mkdtemp(prefix=".garscaffold-", dir=anchor))
    try:
        yield outer / (destination.name or "project")
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def move_into_place(staged: Path, destination: Path) -> None:
    """Move a finished project to its destination: all of it, or nothing.

    A missing destination appears in one rename. An existing empty one stays the folder that it is, since a shell may
    stand in it or a disk be mounted on it, and what was moved into it is taken back when a move fails.
    """
    if destination.is_dir():
        _move_children(staged, destination)
        return
    made = [parent for parent in destination.parents if not parent.exists()]
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.rename(destination)
    except BaseException:
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def _move_children(staged: Path, destination: Path) -> None:
    moved: list[Path] = []
    try:
        for child in sorted(staged.iterdir()):
            target = destination / child.name
            if target.exists():
                raise GarscaffoldError(f"{target} appeared meanwhile.", mend="Empty the folder and run it again.")
            moved.append(target)
            child.rename(target)
    except BaseException:
        for target in moved:
            with contextlib.suppress(OSError):
                target.rename(staged / target.name)
        raise


def _free_name(destination: Path) -> Path:
    return next(
        path
        for number in range(2, 1000)
        if not (path := destination.with_name(f"{destination.name}-{number}")).exists()
    )
