"""The journal: all or nothing, whatever happens in between."""

from pathlib import Path

import pytest

from garscaffold import git as garscaffold_git
from garscaffold.errors import GarscaffoldError
from garscaffold.template.render import read_folder
from garscaffold.tree import File, Kind
from garscaffold.update.files import place, prepare, remove
from garscaffold.update.journal import Journal
from garscaffold.update.merge import FileChange, Outcome, Stages
from tests.update.templates import git

ANSWERS = FileChange("answers", Outcome.CHANGED, File(b"1\n"), File(b"2\n"))
CHANGES = (
    FileChange("changed", Outcome.CHANGED, File(b"old\n"), File(b"new\n", Kind.EXECUTABLE)),
    FileChange("dir/gone", Outcome.DELETED, File(b"gone\n"), None),
    FileChange("dir", Outcome.ADDED, None, File(b"a file now\n")),
    FileChange("made/by/us", Outcome.ADDED, None, File(b"made\n")),
    FileChange("link", Outcome.CHANGED, File(b"changed", Kind.SYMLINK), File(b"answers", Kind.SYMLINK)),
)


def put(folder: Path, path: str, file: File | None) -> None:
    if file is None:
        remove(folder, path)
        return
    target, draft = folder / path, folder / ".draft"
    prepare(target, draft, file)
    place(target, draft)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for name, data in (("changed", b"old\n"), ("dir/gone", b"gone\n"), ("answers", b"1\n")):
        put(folder, name, File(data))
    put(folder, "link", File(b"changed", Kind.SYMLINK))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=1")
    work_tree = garscaffold_git.work_tree(folder)
    assert work_tree is not None
    return Journal(folder, work_tree)


def tree(journal: Journal) -> dict[str, File]:
    return {name: file for name, file in read_folder(journal.folder).items() if not name.startswith(".git/")}


def apply(journal: Journal, *more: FileChange) -> None:
    journal.place.parent.mkdir(exist_ok=True)
    journal.apply([*CHANGES, *more], answers=ANSWERS, details={"from": "1", "to": "2"})


def test_applies_all_of_it_and_forgets(journal: Journal) -> None:
    apply(journal)
    assert tree(journal) == {
        "changed": File(b"new\n", Kind.EXECUTABLE),
        "dir": File(b"a file now\n"),
        "made/by/us": File(b"made\n"),
        "link": File(b"answers", Kind.SYMLINK),
        "answers": File(b"2\n"),
    }
    assert journal.read() is None
    assert list(journal.place.parent.iterdir()) == []


@pytest.mark.parametrize("done", range(7))
def test_a_crash_after_any_file_is_taken_back(journal: Journal, done: int) -> None:
    before = tree(journal)
    journal.place.parent.mkdir()
    written = sorted([*CHANGES, ANSWERS], key=lambda change: change.after is not None)
    journal._begin(written, [], ANSWERS, {"conflicts": []})
    for change in written[:done]:
        put(journal.folder, change.path, change.after)
    (journal.folder / ".garscaffold-root-4").write_text("half a file")
    assert journal.recover()
    assert tree(journal) == before
    assert git(journal.folder, "status", "--porcelain") == ""
    assert not journal.recover()


def test_an_error_in_the_middle_is_taken_back_at_once(journal: Journal) -> None:
    before = tree(journal)
    # Last in order, and it cannot be written: its folder is a file.
    with pytest.raises(OSError, match="changed"):
        apply(journal, FileChange("changed/inside", Outcome.ADDED, None, File(b"x")))
    assert tree(journal) == before
    assert git(journal.folder, "status", "--porcelain") == ""
    assert not (journal.folder / "made").exists()


def test_what_somebody_edited_after_a_crash_is_not_overwritten(journal: Journal) -> None:
    journal.place.parent.mkdir()
    journal._begin(CHANGES, [], ANSWERS, {"conflicts": []})
    (journal.folder / "changed").write_text("precious\n")
    with pytest.raises(GarscaffoldError, match="changed was changed since"):
        journal.recover()
    assert (journal.folder / "changed").read_text() == "precious\n"


def test_a_second_update_at_the_same_time_is_refused(journal: Journal) -> None:
    with journal.alone(), pytest.raises(GarscaffoldError, match="Another garscaffold"), journal.alone():
        pass


def test_a_plan_that_is_stale_is_refused(journal: Journal) -> None:
    (journal.folder / "changed").write_text("edited while somebody read the plan\n")
    before = tree(journal)
    with pytest.raises(GarscaffoldError, match="changed was changed"):
        apply(journal)
    assert tree(journal) == before


def test_gits_lock_is_respected(journal: Journal) -> None:
    mine = File(b"mine\n")
    put(journal.folder, "changed", mine)
    stages = Stages(File(b"old\n"), mine, File(b"new\n"))
    journal.place.parent.mkdir()
    conflict = FileChange("changed", Outcome.CONFLICTING, mine, File(b"<<<\n"), "", stages)
    journal.apply([conflict], answers=ANSWERS, details={})
    assert git(journal.folder, "ls-files", "--unmerged")
    lock = journal.work_tree.private / "index.lock"
    lock.touch()
    with pytest.raises(GarscaffoldError, match=r"index\.lock exists"):
        journal.roll_back()
    lock.unlink()
    journal.roll_back()
    assert git(journal.folder, "ls-files", "--unmerged") == ""
    assert tree(journal)["changed"] == mine


def test_permissions_of_a_file_survive(journal: Journal) -> None:
    path = journal.folder / "changed"
    path.chmod(0o640)
    put(journal.folder, "changed", File(b"x", Kind.EXECUTABLE))
    assert path.stat().st_mode & 0o777 == 0o750
    put(journal.folder, "changed", File(b"x"))
    assert path.stat().st_mode & 0o777 == 0o640
