"""One file of a project: looked at, replaced in one step, or taken away."""

import os
from collections.abc import Iterator
from pathlib import Path

from garscaffold.template.render import read_file
from garscaffold.tree import File, Kind


def look(folder: Path, path: str) -> File | None:
    """Return what is at a path of a project, None for nothing and for what is no file."""
    target = folder / path
    try:
        return read_file(target) if target.is_symlink() or target.is_file() else None
    except OSError:
        return None


def prepare(target: Path, draft: Path, file: File, *, mode: int | None = None) -> None:
    """Write a file that `place` then puts at `target`, which is not touched yet.

    Args:
        target: Where it will be.
        draft: Where it is written, on the same disk.
        file: What it holds.
        mode: Its permissions; those of the file that is at `target`, or git's, when None.
    """
    draft.unlink(missing_ok=True)
    if file.kind is Kind.SYMLINK:
        draft.symlink_to(os.fsdecode(file.data))
        return
    try:
        draft.write_bytes(file.data)
        there = draft.stat().st_mode
        if mode is None and target.is_file() and not target.is_symlink():
            there = target.stat().st_mode
        wished = (there | (there & 0o444) >> 2) if file.kind is Kind.EXECUTABLE else there & ~0o111
        draft.chmod((wished if mode is None else mode) & 0o7777)
    except BaseException:
        draft.unlink()
        raise


def place(target: Path, draft: Path) -> None:
    """Put what `prepare` wrote where it belongs, in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(target)


def remove(folder: Path, path: str) -> None:
    """Take a file of a project away, with the folders that are empty then: git would not keep them."""
    target = folder / path
    target.unlink(missing_ok=True)
    parent = target.parent
    while parent != folder and parent.is_dir() and not any(parent.iterdir()):
        parent.rmdir()
        parent = parent.parent


def folders_above(folder: Path, path: str) -> Iterator[Path]:
    """Give the folders in which a path of a project lies, the innermost first and the project's own last."""
    parent = (folder / path).parent
    while parent != folder:
        yield parent
        parent = parent.parent
    yield folder
