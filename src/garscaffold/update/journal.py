"""An update applied as one: what was there is written down first, and comes back when anything stops it.

The journal lies in the work tree's own folder in `.git`. It begins, goes on and ends by one rename each, so that a
crash at any moment leaves a project as it was, as it should be, or with a journal that says what has to be done next.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from garscaffold import git, process
from garscaffold.errors import GarscaffoldError
from garscaffold.tree import File, Kind
from garscaffold.update.files import folders_above, look, place, prepare, remove
from garscaffold.update.index import conflict_marks, restore_index
from garscaffold.update.merge import FileChange

APPLYING = "applying"
CONFLICTS = "conflicts"
FINISHING = "finishing"
ABORTING = "aborting"
STATES = (APPLYING, CONFLICTS, FINISHING, ABORTING)


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
        # Not the prefix itself: it may be longer than the name of a file, or no text.
        prefix = os.fsencode(self.work_tree.prefix.rstrip("/"))
        return self.work_tree.private / "garscaffold" / (sha256(prefix).hexdigest()[:16] if prefix else "root")

    def read(self) -> dict[str, Any] | None:
        """Return what is written down, with its `state`, or None when no update is under way."""
        try:
            document = json.loads((self.place / "journal.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        assert isinstance(document, dict)
        return {**document, "state": self._state()}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the project against a second update at the same time, and signals back until the block is left.

        It takes moments. A second Ctrl-C from somebody who is impatient must not stop what takes back the first.

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
            with process.signals_wait():
                yield

    def apply(self, changes: Sequence[FileChange], *, answers: FileChange, details: dict[str, Any]) -> None:
        """Apply changes to the project: all of them, or none.

        With conflicts, the answers file stays as it is and the journal stays open, until `finish` or `roll_back`.

        Args:
            changes: What becomes of each file.
            answers: The answers file, which claims the new version.
            details: What a later finish or abort says about this update.

        Raises:
            GarscaffoldError: The project is not any more what the changes were planned for.
        """
        conflicts = [change for change in changes if change.stages]
        written = [change for change in changes if change.before != change.after]
        # What stays as it is now, and changes while somebody resolves the conflicts, comes back, too.
        kept = [change for change in conflicts if change.before == change.after]
        (kept if conflicts else written).append(answers)
        # Deletions first: a file may become a folder, or a folder a file.
        written.sort(key=lambda change: change.after is not None)
        self._refuse_stale([*written, *kept])
        lines, unmarked = conflict_marks(self.folder, self.work_tree, conflicts)
        details = {**details, "conflicts": [change.path for change in conflicts], "unmarked": unmarked}
        try:
            self._begin(written, kept, answers, details)
            # All that needs room on the disk comes first, while the files are still as they were.
            drafts = {
                number: self._prepare(number, change.path, change.after)
                for number, change in enumerate(written)
                if change.after is not None
            }
            if lines:
                git.write_index(self.work_tree.top, lines)
            for number, change in enumerate(written):
                if number in drafts:
                    place(self.folder / change.path, drafts[number])
                else:
                    remove(self.folder, change.path)
            if conflicts:
                self._enter(CONFLICTS)
            else:
                self._end()
        except BaseException:
            self.roll_back()
            raise

    def roll_back(self) -> None:
        """Bring back what was there, and forget the update; what was begun before goes on.

        Raises:
            GarscaffoldError: It cannot be brought back yet.
        """
        document = self.read()
        if document is None:
            return
        try:
            self._bring_back(document)
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            raise GarscaffoldError(
                f"Files are half-written, and cannot be brought back now: {error.strerror or error}{where}.",
                mend="Mend that first (free some space, if it is space). Then run: garscaffold update --abort",
            ) from error
        self._end()

    def abort(self) -> None:
        """Do `roll_back` because somebody said so: when it is cut off, nothing but going on with it is right."""
        self._enter(ABORTING)
        self.roll_back()

    def recover(self) -> bool:
        """Take back an update that was cut off before it was whole; tells whether there was one.

        Raises:
            GarscaffoldError: Somebody changed one of its files since.
        """
        document = self.read()
        if document is None or document["state"] != APPLYING:
            return False
        for number, entry in enumerate(document["files"]):
            sides = [self._stored(side, number, entry[side]) for side in entry["sides"]]
            if look(self.folder, entry["path"]) not in sides:
                raise GarscaffoldError(
                    f"An update was cut off here, and {entry['path']} was changed since.",
                    mend=f"Save what you want to keep of {entry['path']}, then run: garscaffold update --abort",
                )
        self.roll_back()
        return True

    def finish(self, document: Mapping[str, Any]) -> None:
        """Claim the new version in the answers file, and forget the update.

        Args:
            document: What `read` returned.
        """
        entry = document["answers"]
        after = self._stored("answers", 0, entry["after"])
        assert after is not None
        number = len(document["files"])
        draft = self._prepare(number, entry["path"], after)
        self._enter(FINISHING)
        place(self.folder / entry["path"], draft)
        self._end()

    def before(self, document: Mapping[str, Any], path: str) -> File | None:
        """Return what was at a path before the update.

        Args:
            document: What `read` returned.
            path: The path of a file that the update changed, or in conflict.
        """
        number = next(number for number, entry in enumerate(document["files"]) if entry["path"] == path)
        return self._stored("before", number, document["files"][number]["before"])

    def _refuse_stale(self, changes: Sequence[FileChange]) -> None:
        stale = [change.path for change in changes if look(self.folder, change.path) != change.before]
        if stale or self.place.exists():
            what = f"{stale[0]} was" if stale else "the project was"
            raise GarscaffoldError(f"While the update was planned, {what} changed.", mend="Run the same command again.")

    def _begin(
        self,
        written: Sequence[FileChange],
        kept: Sequence[FileChange],
        answers: FileChange,
        details: dict[str, Any],
    ) -> None:
        draft = self._beside(".new")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            for side in ("before", "after", "answers"):
                (draft / side).mkdir(parents=True)
            entries = [self._entry(draft, number, change) for number, change in enumerate(written)]
            entries += [
                self._entry(draft, number, change, kept=True) for number, change in enumerate(kept, len(entries))
            ]
            with suppress(FileNotFoundError):
                shutil.copy2(self.work_tree.private / "index", draft / "index")
            document = {
                **details,
                "head": git.head(self.folder),
                "files": entries,
                "made": self._missing_folders(written),
                "folders": self._folders_of([change for change in (*written, *kept) if change.before]),
                "answers": {"path": answers.path, "after": _store(draft / "answers" / "0", answers.after)},
            }
            (draft / APPLYING).touch()
            with (draft / "journal.json").open("w", encoding="utf-8") as stream:
                json.dump(document, stream)
                stream.flush()
                os.fsync(stream.fileno())
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        draft.rename(self.place)

    def _entry(self, draft: Path, number: int, change: FileChange, *, kept: bool = False) -> dict[str, Any]:
        mode = (self.folder / change.path).lstat().st_mode & 0o7777 if change.before else None
        return {
            "path": change.path,
            "before": _store(draft / "before" / str(number), change.before),
            "after": None if kept else _store(draft / "after" / str(number), change.after),
            "sides": ["before"] if kept else ["before", "after"],
            "mode": mode,
        }

    def _missing_folders(self, written: Sequence[FileChange]) -> list[str]:
        parents = {parent for change in written if change.after for parent in folders_above(self.folder, change.path)}
        return sorted(parent.relative_to(self.folder).as_posix() for parent in parents if not parent.is_dir())

    def _folders_of(self, changes: Sequence[FileChange]) -> dict[str, int]:
        parents = {parent for change in changes for parent in folders_above(self.folder, change.path)} - {self.folder}
        return {
            parent.relative_to(self.folder).as_posix(): parent.stat().st_mode & 0o7777 for parent in sorted(parents)
        }

    def _prepare(self, number: int, path: str, file: File, *, mode: int | None = None) -> Path:
        # In the innermost folder that is there, since that is on the disk on which the file will be.
        nearest = next(parent for parent in folders_above(self.folder, path) if parent.is_dir())
        draft = nearest / self._draft_name(number)
        prepare(self.folder / path, draft, file, mode=mode)
        return draft

    def _draft_name(self, number: int) -> str:
        return f".garscaffold-{self.place.name}-{number}"

    def _bring_back(self, document: Mapping[str, Any]) -> None:
        """Make the files, folders and index what they were; whatever of it is done already stays done."""
        paths = [entry["path"] for entry in document["files"]]
        # First what needs no room, and so gives room to the rest.
        for number, path in enumerate([*paths, document["answers"]["path"]]):
            for parent in folders_above(self.folder, path):
                with suppress(FileNotFoundError, NotADirectoryError):
                    (parent / self._draft_name(number)).unlink()
        for entry in document["files"]:
            if entry["before"] is None and look(self.folder, entry["path"]) is not None:
                (self.folder / entry["path"]).unlink()
        for name in reversed(document["made"]):
            # What somebody put into it stays, and so does the folder.
            with suppress(OSError):
                (self.folder / name).rmdir()
        for name, mode in document["folders"].items():
            folder = self.folder / name
            if not folder.is_dir():
                folder.mkdir()
                folder.chmod(mode)
        for number, entry in enumerate(document["files"]):
            before = self._stored("before", number, entry["before"])
            if before is not None:
                self._put_back(number, entry["path"], before, entry["mode"])
        restore_index(self.work_tree, self.place / "index")

    def _put_back(self, number: int, path: str, before: File, mode: int) -> None:
        target = self.folder / path
        if look(self.folder, path) != before:
            target.parent.mkdir(parents=True, exist_ok=True)
            place(target, self._prepare(number, path, before, mode=mode))
        elif before.is_regular and target.stat().st_mode & 0o7777 != mode:
            target.chmod(mode)

    def _beside(self, suffix: str) -> Path:
        return self.place.with_name(self.place.name + suffix)

    def _stored(self, side: str, number: int, kind: str | None) -> File | None:
        return None if kind is None else File((self.place / side / str(number)).read_bytes(), Kind(kind))

    def _state(self) -> str:
        return next((state for state in STATES if (self.place / state).exists()), APPLYING)

    def _enter(self, state: str) -> None:
        """Write down that the next step begins: a rename, which also works where the disk is full."""
        (self.place / self._state()).replace(self.place / state)
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _end(self) -> None:
        done = self._beside(".done")
        shutil.rmtree(done, ignore_errors=True)
        self.place.rename(done)
        shutil.rmtree(done, ignore_errors=True)


def _store(path: Path, file: File | None) -> str | None:
    if file is None:
        return None
    path.write_bytes(file.data)
    return str(file.kind)
