"""What an update does to each file: a pure function of three trees, the old version, the new one, and the project."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum

from garscaffold.errors import GarscaffoldError
from garscaffold.tree import File, Kind, Tree, is_binary

MergeText = Callable[[bytes, bytes, bytes], tuple[bytes, int]]
"""Takes base, ours and theirs; returns the merged text, with markers, and the number of conflicts."""


class Outcome(StrEnum):
    """What becomes of a file, in the words of the preview."""

    ADDED = "added"
    CHANGED = "changed"
    CONFLICTING = "conflicting"
    DELETED = "deleted"
    KEPT = "kept"


@dataclass(frozen=True)
class Stages:
    """The three sides of a conflict, as git's index records them; None where a side has no such file."""

    base: File | None
    ours: File | None
    theirs: File | None


@dataclass(frozen=True)
class FileChange:
    """What an update does to one file.

    Args:
        path: Its path in the project.
        outcome: What becomes of it.
        before: What the project has.
        after: What it will have.
        detail: What a person wants to know about it.
        stages: The sides of the conflict; None without one.
    """

    path: str
    outcome: Outcome
    before: File | None
    after: File | None
    detail: str = ""
    stages: Stages | None = None

    def to_json(self) -> dict[str, str]:
        """Return the change as `--json` shows it."""
        return {"path": self.path, "outcome": str(self.outcome), "detail": self.detail}


@dataclass(frozen=True)
class Obstacle:
    """What keeps a project from having a file at a path.

    Args:
        reason: What stands there, in words.
        files: The files that would have to go; empty for what no update takes away.
    """

    reason: str
    files: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Project:
    """The project's side of a merge.

    Args:
        files: What it has, of the paths that the template changed.
        obstacles: What keeps it from having files at other paths.
        ignored: Paths that git ignores; when one is missing, nobody decided that.
        owns: Tells which paths the template writes once and then leaves to the project (`_skip_if_exists`).
    """

    files: Tree
    obstacles: Mapping[str, Obstacle]
    ignored: frozenset[str]
    owns: Callable[[str], bool]


def touched(old: Tree, new: Tree) -> list[str]:
    """Return the paths at which two versions differ, and so all that an update can be about."""
    return sorted(path for path in {*old, *new} if old.get(path) != new.get(path))


def recreated(old: Tree, new: Tree, owns: Callable[[str], bool]) -> list[str]:
    """Return the paths that did not change but are written again where they are missing, as Copier does."""
    return sorted(path for path in new if old.get(path) == new[path] and owns(path))


def plan_changes(old: Tree, new: Tree, project: Project, merge: MergeText) -> tuple[FileChange, ...]:
    """Plan what an update does to the files of a project.

    Args:
        old: What the project's version renders to, with its answers.
        new: What the new version renders to.
        project: What the project has.
        merge: Merges texts.

    Raises:
        GarscaffoldError: Something stands where a new file has to go.
    """
    dropped = [_dropped(path, old[path], project) for path in sorted(old.keys() - new.keys())]
    gone = {change.path for change in dropped if change and change.outcome is Outcome.DELETED}
    paths = sorted(new.keys() & {*touched(old, new), *recreated(old, new, project.owns)})
    written = [_change(path, old.get(path), new[path], project, merge, gone) for path in paths]
    changes = [change for change in (*dropped, *written) if change is not None]
    return tuple(sorted(changes, key=lambda change: change.path))


def _change(
    path: str, old: File | None, new: File, project: Project, merge: MergeText, gone: AbstractSet[str]
) -> FileChange | None:
    obstacle = project.obstacles.get(path)
    if obstacle and not (obstacle.files and obstacle.files <= gone):
        return _obstructed(path, old, obstacle)
    mine = project.files.get(path)
    if mine is None:
        if old is None or project.owns(path) or path in project.ignored:
            return FileChange(path, Outcome.ADDED, None, new)
        return FileChange(path, Outcome.KEPT, None, None, "you deleted it; the template changed it")
    if project.owns(path) or mine == new:
        return None
    return _merged(path, old, mine, new, merge)


def _obstructed(path: str, old: File | None, obstacle: Obstacle) -> FileChange:
    if old is None and obstacle.files:
        raise GarscaffoldError(
            f"The template has a new file {path}, and {obstacle.reason}. Nothing was changed.",
            mend="Rename what is there, commit, then run it again.",
        )
    return FileChange(path, Outcome.KEPT, None, None, obstacle.reason)


def _dropped(path: str, old: File, project: Project) -> FileChange | None:
    mine = project.files.get(path)
    if mine is None:
        return None
    if _same(mine, old):
        return FileChange(path, Outcome.DELETED, mine, None)
    if project.owns(path):
        return FileChange(path, Outcome.KEPT, mine, mine, "the template has it no longer; it is yours")
    stages = Stages(old, mine, None)
    return FileChange(path, Outcome.CONFLICTING, mine, mine, "deleted in the template, changed by you", stages)


def _merged(path: str, old: File | None, mine: File, new: File, merge: MergeText) -> FileChange | None:
    base = old or File(b"", new.kind)
    if mine == base:
        return FileChange(path, Outcome.CHANGED, mine, new)
    conflict = FileChange(path, Outcome.CONFLICTING, mine, mine, "", Stages(old, mine, new))
    if not (base.is_regular and mine.is_regular and new.is_regular):
        return replace(conflict, detail="one side is a symbolic link; yours is kept")
    kind = new.kind if mine.kind is base.kind else mine.kind
    crlf = _is_crlf(mine.data) and not _is_crlf(base.data) and not _is_crlf(new.data)
    ours = mine.data.replace(b"\r\n", b"\n") if crlf else mine.data
    data, conflicts, detail = ours, 0, "merged with your changes"
    if base.data != new.data and ours != new.data:
        if ours == base.data:
            data, detail = new.data, ""
        elif any(is_binary(side) for side in (base.data, ours, new.data)):
            return replace(conflict, detail="binary; yours is kept")
        else:
            data, conflicts = merge(base.data, ours, new.data)
    after = File(data.replace(b"\n", b"\r\n") if crlf else data, kind)
    if conflicts:
        both = "both added it" if old is None else f"{conflicts} conflict{'s' if conflicts > 1 else ''}"
        return replace(conflict, after=after, detail=both)
    return FileChange(path, Outcome.CHANGED, mine, after, detail) if after != mine else None


def _same(mine: File, theirs: File) -> bool:
    if mine == theirs:
        return True
    crlf = mine.kind is theirs.kind is not Kind.SYMLINK and _is_crlf(mine.data) and not _is_crlf(theirs.data)
    return crlf and mine.data.replace(b"\r\n", b"\n") == theirs.data


def _is_crlf(data: bytes) -> bool:
    """Tell whether every line ends as on Windows: then that is how the team wants it."""
    lines = data.count(b"\n")
    return lines > 0 and lines == data.count(b"\r\n") and not is_binary(data)
