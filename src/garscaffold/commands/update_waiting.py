"""`garscaffold update --finish` and `--abort`, and what is said of an update that waits for one of them."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from garscaffold import git
from garscaffold.console import Console
from garscaffold.errors import ExitCode, GarscaffoldError
from garscaffold.tree import Kind
from garscaffold.update.files import look
from garscaffold.update.journal import ABORTING, APPLYING, FINISHING, Journal
from garscaffold.update.project import LABELS, find_work_tree, open_checkout

CUT_OFF = {ABORTING: "--abort", FINISHING: "--finish"}
"""The option that was cut off, by the state that it leaves."""


def finish(folder: Path, *, console: Console) -> None:
    """Claim the new version, once every conflict is resolved.

    Raises:
        GarscaffoldError: There is nothing to finish, or a conflict is left.
    """
    checkout = open_checkout(folder)
    journal = Journal(checkout.folder, checkout.work_tree)
    document = journal.read()
    if document is None or document["state"] == APPLYING:
        raise GarscaffoldError("No update waits to be finished here.", mend="Start one with: garscaffold update")
    if document["state"] == ABORTING:
        raise _cut_off(document)
    prefix = checkout.work_tree.prefix
    unmerged = {entry.path.removeprefix(prefix) for entry in git.index_entries(checkout.folder, unmerged=True)}
    marked = {path for path in document["conflicts"] if _has_markers(checkout.folder / path)}
    left = sorted(unmerged | marked)
    if left:
        raise GarscaffoldError(
            f"Conflicts are left in {', '.join(left)}.",
            mend=f"Resolve them, then: git add {' '.join(map(shlex.quote, left))} && garscaffold update --finish",
            exit_code=ExitCode.CONFLICT,
        )
    kept = [path for path in document["unmarked"] if look(checkout.folder, path) == journal.before(document, path)]
    with journal.alone():
        journal.finish(document)
    if kept:
        console.say(f"Yours is kept, as git ignores it and it was not changed since: {', '.join(kept)}")
    console.say(f"{checkout.folder.name} is at template {document['to']} now. Commit it: git add --all && git commit")
    console.result("", {"state": "finished", "from": document["from"], "to": document["to"], "kept": kept})


def abort(folder: Path, *, console: Console) -> None:
    """Bring a project back to what it was before the update.

    Raises:
        GarscaffoldError: No update is under way, or it was committed meanwhile.
    """
    folder = folder.absolute()
    work_tree = find_work_tree(folder) if folder.is_dir() else None
    journal = Journal(folder, work_tree) if work_tree else None
    document = journal.read() if journal else None
    if journal is None or document is None:
        raise GarscaffoldError(
            "No update is under way here.",
            mend="To undo one that is done and not committed: git restore . brings back what it changed or deleted;"
            "\n       what it added is in git status, as untracked, for you to delete.",
        )
    if git.head(folder) != document["head"]:
        raise GarscaffoldError(
            "There are commits since the update began, which --abort will not undo.",
            mend=f"git reset --soft {document['head'][:12]}, then: garscaffold update --abort",
        )
    with journal.alone():
        journal.abort()
    console.say(f"{folder.name} is as it was before the update.")
    console.result("", {"state": "aborted", "from": document["from"], "to": document["to"]})


def take_back(journal: Journal, *, dry_run: bool, console: Console) -> bool:
    """Take back an update that was cut off, and tell whether there was one; refuse to begin one where another waits.

    Args:
        journal: The project's.
        dry_run: Nothing may be touched.
        console: Says what was taken back.

    Raises:
        GarscaffoldError: One waits for somebody.
    """
    document = journal.read()
    if document is None:
        return False
    if document["state"] == APPLYING:
        if dry_run:
            raise GarscaffoldError("An update was cut off here.", mend="Take it back with: garscaffold update --abort")
        with journal.alone():
            journal.recover()
        console.say("An earlier update was cut off here; it was taken back first.")
        return True
    if document["state"] in CUT_OFF:
        raise _cut_off(document)
    raise GarscaffoldError(
        f"The update to {document['to']} has conflicts that are not resolved: {', '.join(document['conflicts'])}.",
        mend="Resolve them and run: garscaffold update --finish, or: garscaffold update --abort",
        exit_code=ExitCode.CONFLICT,
    )


def unmarked_text(document: Mapping[str, Any]) -> str:
    """Say what becomes of conflicts that neither a file nor git's index shows; '' where there are none.

    Args:
        document: What is written down of the update.
    """
    lines = []
    for path, theirs in document["unmarked"].items():
        name = shlex.quote(path)
        if theirs is None:
            takes = f"rm {name}"
        elif theirs[0] == Kind.SYMLINK:
            takes = f'ln -sf "$(git cat-file blob {theirs[1]})" {name}'
        else:
            takes = f"git cat-file blob {theirs[1]} > {name}"
        lines.append(f"git ignores {path}: yours is kept, unless you change it. The template's is taken by: {takes}")
    return "\n".join(lines)


def _cut_off(document: Mapping[str, Any]) -> GarscaffoldError:
    option = CUT_OFF[document["state"]]
    instead = ", or take everything back with: garscaffold update --abort" if option != "--abort" else ""
    return GarscaffoldError(
        f"`garscaffold update {option}` was cut off here.", mend=f"Go on with: garscaffold update {option}{instead}"
    )


def _has_markers(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    marks = {f"<<<<<<< {LABELS[0]}".encode(), f">>>>>>> {LABELS[2]}".encode()}
    return any(line.rstrip() in marks for line in path.read_bytes().splitlines())
