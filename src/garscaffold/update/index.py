"""git's index while an update is under way: conflicts marked in it, and what was there put back."""

from collections.abc import Sequence
from pathlib import Path

from garscaffold import git
from garscaffold.errors import GarscaffoldError
from garscaffold.update.merge import FileChange, Stages


def conflict_marks(
    folder: Path, work_tree: git.WorkTree, conflicts: Sequence[FileChange]
) -> tuple[list[str], dict[str, list[str] | None]]:
    """Return the lines that mark conflicts in the index, and the conflicts that nothing marks.

    Args:
        folder: The project.
        work_tree: Where it is in git.
        conflicts: The changes that need somebody to decide.

    Returns:
        The lines, and for each file without a mark the mode and blob that the template has, None for no file.

    Raises:
        GarscaffoldError: The index cannot be written now.
    """
    if not conflicts:
        return [], {}
    _refuse_lock(_lock(work_tree))
    nothing = git.empty_blob(work_tree.top)
    # What git ignores stays out of its index: adding it there would have somebody commit it.
    outside = git.ignored(folder, [each.path for each in conflicts])
    lines: list[str] = []
    unmarked: dict[str, list[str] | None] = {}
    for each in conflicts:
        assert each.stages is not None
        theirs = each.stages.theirs
        if each.path not in outside:
            lines += _lines(work_tree, each.path, each.stages, nothing)
        elif each.before == each.after:
            unmarked[each.path] = None if theirs is None else [theirs.kind, git.store_blob(work_tree.top, theirs.data)]
    return lines, unmarked


def restore_index(work_tree: git.WorkTree, saved: Path) -> None:
    """Make the index again what it was.

    Args:
        work_tree: Whose index it is.
        saved: The copy that was made of it; nothing is done where there is none.

    Raises:
        GarscaffoldError: git is writing it.
    """
    index, lock = work_tree.private / "index", _lock(work_tree)
    if not saved.exists() or (index.exists() and index.read_bytes() == saved.read_bytes()):
        return
    # git's own protocol: whoever creates the lock may replace the index, by renaming the lock. One that is the copy
    # itself was created by us, and cut off before it was renamed.
    if not (lock.exists() and lock.samefile(saved)):
        _refuse_lock(lock)
        try:
            lock.hardlink_to(saved)
        except OSError:
            # Not every disk has hard links.
            _write_lock(lock, saved.read_bytes())
    lock.rename(index)


def _write_lock(lock: Path, data: bytes) -> None:
    with lock.open("xb") as stream:
        try:
            stream.write(data)
            stream.flush()
        except BaseException:
            lock.unlink()
            raise


def _lines(work_tree: git.WorkTree, path: str, stages: Stages, nothing: str) -> list[str]:
    name = f"{work_tree.prefix}{path}"
    lines = [f"0 {nothing}\t{name}"]
    for number, file in enumerate((stages.base, stages.ours, stages.theirs), start=1):
        if file is not None:
            lines.append(f"{file.kind} {git.store_blob(work_tree.top, file.data)} {number}\t{name}")
    return lines


def _lock(work_tree: git.WorkTree) -> Path:
    return work_tree.private / "index.lock"


def _refuse_lock(lock: Path) -> None:
    if lock.exists():
        raise GarscaffoldError(
            f"git is at work here, or was cut off: {lock} exists.",
            mend=f"Wait for it, or delete {lock}; then run the same command again.",
        )
