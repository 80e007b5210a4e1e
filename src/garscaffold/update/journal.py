"""An update applied as one: what was there is written down first, and comes back when anything stops it.

The journal lies in the work tree's own folder in `.git`. It begins and ends by one rename each, so that a crash at any
moment leaves a project as it was, as it should be, or with a journal from which the next run takes it back.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from garscaffold import git
from garscaffold.errors import GarscaffoldError
from garscaffold.template.render import read_file
from garscaffold.tree import File, Kind
from garscaffold.update.merge import FileChange, Stages

APPLYING = "applying"
CONFLICTS = "conflicts"


@dataclass(frozen=True)
class Journal:
    """The place of a project's journal.

    Args:
        folder: The project.
        work_tree: Where it is in git.
    """

    folder: Path
    work_tree: git.WorkTree

    @property
    def place(self) -> Path:
        """The folder that holds it while an update is under way."""
        return self.work_tree.private / "garscaffold" / (quote(self.work_tree.prefix.rstrip("/"), safe="") or "root")

    def read(self) -> dict[str, Any] | None:
        """Return what is written down, or None when no update is under way."""
        try:
            document = json.loads((self.place / "journal.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        assert isinstance(document, dict)
        return document

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the project against a second update at the same time.

        Raises:
            GarscaffoldError: One is at work.
        """
        self.place.parent.mkdir(exist_ok=True)
        with self._beside(".lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise GarscaffoldError(
                    f"Another garscaffold is updating {self.folder}.", mend="Wait until it is done, then run it again."
                ) from error
            yield

    def apply(self, changes: Sequence[FileChange], *, answers: FileChange, details: dict[str, Any]) -> None:
        """Apply changes to the project: all of them, or none.

        With conflicts, the answers file stays as it is and the journal stays open, until `finish` or `abort`.

        Args:
            changes: What becomes of each file.
            answers: The answers file, which claims the new version.
            details: What a later finish or abort says about this update.

        Raises:
            GarscaffoldError: The project is not any more what the changes were planned for.
        """
        conflicts = [change for change in changes if change.stages]
        written = [change for change in changes if change.before != change.after]
        written += [] if conflicts else [answers]
        # Deletions first: a file may become a folder, or a folder a file.
        written.sort(key=lambda change: change.after is not None)
        self._refuse_stale([*written, *conflicts])
        self._begin(written, conflicts, answers, details)
        try:
            for change in written:
                put(self.folder, change.path, change.after)
            if conflicts:
                nothing = git.empty_blob(self.work_tree.top)
                # What git ignores stays out of its index: adding it there would have somebody commit it.
                outside = git.ignored(self.folder, [each.path for each in conflicts])
                lines = [
                    line
                    for each in conflicts
                    if each.path not in outside
                    for line in self._index_lines(each.path, each.stages, nothing)
                ]
                git.write_index(self.work_tree.top, lines)
                self._write(self.place, {**(self.read() or {}), "state": CONFLICTS})
            else:
                self._end()
        except BaseException:
            self.roll_back()
            raise

    def roll_back(self) -> None:
        """Bring back what was there, and forget the update."""
        document = self.read()
        if document is None:
            return
        # What was made goes first, as it may stand where something was.
        for number, entry in sorted(enumerate(document["files"]), key=lambda each: each[1]["before"] is not None):
            with suppress(OSError):
                temporary(self.folder / entry["path"]).unlink()
            before = self._stored("before", number, entry["before"])
            if look(self.folder, entry["path"]) != before:
                put(self.folder, entry["path"], before, mode=entry["mode"])
        for name in reversed(document["folders"]):
            with suppress(OSError):
                (self.folder / name).rmdir()
        self._restore_index()
        self._end()

    def recover(self) -> bool:
        """Take back an update that was cut off before it was whole; tells whether there was one.

        Raises:
            GarscaffoldError: Somebody changed one of its files since.
        """
        document = self.read()
        if document is None or document["state"] != APPLYING:
            return False
        for number, entry in enumerate(document["files"]):
            sides = [self._stored(side, number, entry[side]) for side in ("before", "after")]
            if look(self.folder, entry["path"]) not in sides:
                raise GarscaffoldError(
                    f"An update was cut off here, and {entry['path']} was changed since.",
                    mend=f"Save what you want to keep of {entry['path']}, then run: garscaffold update --abort",
                )
        self.roll_back()
        return True

    def finish(self, document: dict[str, Any]) -> None:
        """Claim the new version in the answers file, and forget the update.

        Args:
            document: What `read` returned.
        """
        entry = document["answers"]
        put(self.folder, entry["path"], self._stored("answers", 0, entry["after"]))
        self._end()

    def _refuse_stale(self, changes: Sequence[FileChange]) -> None:
        stale = [change.path for change in changes if look(self.folder, change.path) != change.before]
        if stale or self.place.exists():
            what = f"{stale[0]} was" if stale else "the project was"
            raise GarscaffoldError(f"While the update was planned, {what} changed.", mend="Run the same command again.")

    def _begin(
        self,
        written: Sequence[FileChange],
        conflicts: Sequence[FileChange],
        answers: FileChange,
        details: dict[str, Any],
    ) -> None:
        draft = self._beside(".new")
        shutil.rmtree(draft, ignore_errors=True)
        for side in ("before", "after", "answers"):
            (draft / side).mkdir(parents=True)
        entries = []
        for number, change in enumerate(written):
            path = self.folder / change.path
            mode = path.lstat().st_mode & 0o7777 if change.before else None
            entries.append(
                {
                    "path": change.path,
                    "before": _store(draft / "before" / str(number), change.before),
                    "after": _store(draft / "after" / str(number), change.after),
                    "mode": mode,
                }
            )
        with suppress(FileNotFoundError):
            shutil.copy2(self.work_tree.private / "index", draft / "index")
        document = {
            **details,
            "state": APPLYING,
            "head": git.head(self.folder),
            "files": entries,
            "folders": self._missing_folders(written),
            "conflicts": [change.path for change in conflicts],
            "answers": {"path": answers.path, "after": _store(draft / "answers" / "0", answers.after)},
        }
        self._write(draft, document)
        draft.rename(self.place)

    def _missing_folders(self, written: Sequence[FileChange]) -> list[str]:
        parents = {parent for change in written if change.after for parent in Path(change.path).parents}
        return sorted(str(parent) for parent in parents if not (self.folder / parent).exists())

    def _index_lines(self, path: str, stages: Stages | None, nothing: str) -> list[str]:
        assert stages is not None
        name = f"{self.work_tree.prefix}{path}"
        lines = [f"0 {nothing}\t{name}"]
        for number, file in enumerate((stages.base, stages.ours, stages.theirs), start=1):
            if file is not None:
                lines.append(f"{file.kind} {git.store_blob(self.work_tree.top, file.data)} {number}\t{name}")
        return lines

    def _restore_index(self) -> None:
        saved, index = self.place / "index", self.work_tree.private / "index"
        if not saved.exists() or (index.exists() and index.read_bytes() == saved.read_bytes()):
            return
        lock = index.with_name("index.lock")
        try:
            # git's own protocol: whoever creates the lock may replace the index, by renaming the lock.
            with lock.open("xb") as stream:
                stream.write(saved.read_bytes())
        except FileExistsError as error:
            raise GarscaffoldError(
                f"git is at work here, or was cut off: {lock} exists.",
                mend=f"Wait for it, or delete {lock}; then run: garscaffold update --abort",
            ) from error
        lock.rename(index)

    def _beside(self, suffix: str) -> Path:
        return self.place.with_name(self.place.name + suffix)

    def _stored(self, side: str, number: int, kind: str | None) -> File | None:
        return None if kind is None else File((self.place / side / str(number)).read_bytes(), Kind(kind))

    def _write(self, place: Path, document: dict[str, Any]) -> None:
        draft = place / "journal.json.new"
        with draft.open("w", encoding="utf-8") as stream:
            json.dump(document, stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.rename(place / "journal.json")

    def _end(self) -> None:
        done = self._beside(".done")
        shutil.rmtree(done, ignore_errors=True)
        self.place.rename(done)
        shutil.rmtree(done, ignore_errors=True)


def look(folder: Path, path: str) -> File | None:
    """Return what is at a path of a project, None for nothing and for what is no file."""
    target = folder / path
    try:
        return read_file(target) if target.is_symlink() or target.is_file() else None
    except OSError:
        return None


def put(folder: Path, path: str, file: File | None, *, mode: int | None = None) -> None:
    """Make a path hold `file`, or nothing, in one step.

    Args:
        folder: The project.
        path: The path in it.
        file: What it shall hold; None takes it away, with the folders that are empty then.
        mode: Its permissions; those of the file that is there, or git's, when None.
    """
    target = folder / path
    if file is None:
        target.unlink(missing_ok=True)
        _prune(folder, target.parent)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = temporary(target)
    draft.unlink(missing_ok=True)
    if file.kind is Kind.SYMLINK:
        draft.symlink_to(os.fsdecode(file.data))
    else:
        draft.write_bytes(file.data)
        there = draft.stat().st_mode
        if mode is None and target.is_file() and not target.is_symlink():
            there = target.stat().st_mode
        wished = (there | (there & 0o444) >> 2) if file.kind is Kind.EXECUTABLE else there & ~0o111
        draft.chmod((wished if mode is None else mode) & 0o7777)
    draft.replace(target)


def temporary(target: Path) -> Path:
    """Return where a file is written before it takes its place, beside it because a rename stays on one disk."""
    return target.with_name(f".garscaffold-{target.name}"[:200])


def _prune(folder: Path, parent: Path) -> None:
    while parent != folder and not any(_entries(parent)):
        parent.rmdir()
        parent = parent.parent


def _entries(parent: Path) -> Iterator[Path]:
    return parent.iterdir() if parent.is_dir() else iter([parent])


def _store(path: Path, file: File | None) -> str | None:
    if file is None:
        return None
    path.write_bytes(file.data)
    return str(file.kind)
