"""`garscaffold update`, `--finish` and `--abort`, stopped before every single step that they take."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from garscaffold.template.render import read_folder
from tests.support.cut_off import CutOff, Run, ready
from tests.update.templates import LINES, changed, git, release, render

# A case is a step: what stops there is the same on every Python.
pytestmark = pytest.mark.clients

OLD: Mapping[str, str | bytes] = {
    "copier.yml": "name: {type: str, default: orders}\n",
    "text.txt": "".join(LINES),
    "logo.png": b"\0old",
    "gone.txt": "gone\n",
    "folder/dropped.txt": "dropped\n",
    "turned": "a file\n",
    ".gitignore": "*.local\n",
    "ignored.local": b"\0old",
}
NEW: Mapping[str, str | bytes] = {
    "copier.yml": OLD["copier.yml"],
    "text.txt": changed(LINES, _10="line 10 new\n"),
    "logo.png": b"\0new",
    "turned/inside.txt": "a folder\n",
    "added/deep/new.txt": "new\n",
    ".gitignore": "*.local\n",
    "ignored.local": b"\0new",
}
MINE = {"text.txt": changed(LINES, _10="ten\n").encode(), "logo.png": b"\0mine", "gone.txt": b"mine\n"}
ARGUMENTS = ("update", "--defaults", "-y", "-q")
Tree = dict[str, object]


@pytest.fixture
def program(environment: dict[str, str]) -> Iterator[CutOff]:
    with ready(environment) as found:
        yield found


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A project at 1.0.0 with an empty folder and a file that git does not know."""
    template, folder = tmp_path / "template", tmp_path / "clean"
    release(template, "1.0.0", OLD)
    release(template, "1.1.0", NEW)
    render(template, "1.0.0", {}, folder, source=str(template))
    git(folder, "init", "--quiet", "--template=")
    commit(folder)
    (folder / "notes").write_text("mine\n")
    (folder / "added").mkdir()
    (folder / "text.txt").chmod(0o640)
    return folder


@pytest.fixture
def edited(clean: Path) -> Path:
    """The same, with edits on all that the template changes."""
    for name, data in MINE.items():
        (clean / name).write_bytes(data)
    git(clean, "add", *MINE)
    git(clean, "commit", "--quiet", "--message=mine")
    (clean / "ignored.local").write_bytes(b"\0mine")
    return clean


@pytest.fixture
def conflicting(program: CutOff, edited: Path) -> Path:
    """The same, after an update that conflicts."""
    assert program(edited, *ARGUMENTS).exit_code == 3
    return edited


@pytest.fixture
def resolved(conflicting: Path) -> Path:
    """The same, with every conflict resolved as the template wants it."""
    git(conflicting, "checkout", "--theirs", "text.txt", "logo.png")
    git(conflicting, "add", "text.txt", "logo.png")
    git(conflicting, "rm", "--quiet", "gone.txt")
    (conflicting / "ignored.local").write_bytes(b"\0new")
    return conflicting


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=state")


def everything(folder: Path) -> Tree:
    """Files with their permissions, folders, what is staged, and what is under way."""
    files = {name: file for name, file in read_folder(folder).items() if not name.startswith(".git/")}
    folders = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_dir()]
    return {
        **{name: (file, (folder / name).lstat().st_mode) for name, file in files.items()},
        "(folders)": sorted(name for name in folders if not name.startswith(".git")),
        "(index)": git(folder, "ls-files", "--stage"),
        "(locks)": [path.name for path in (folder / ".git").glob("*.lock")],
        "(under way)": (folder / ".git" / "garscaffold" / "root").exists(),
    }


def at_every_step(program: CutOff, project: Path, *arguments: str, how: str) -> Iterator[tuple[Path, Run]]:
    """Give the project after a run that was cut off before its first step, before its second one, and so on."""
    aside = project.with_name("again")
    for step in range(1, 1000):
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(project, aside, symlinks=True)
        run = program(aside, *arguments, how=how, step=step)
        if not run.cut:
            assert step > 10, run.said
            return
        yield aside, run
    raise AssertionError("it never ends")


def after(program: CutOff, project: Path, *arguments: str) -> Tree:
    """Return the project after a run that nothing stops."""
    aside = project.with_name("whole")
    shutil.copytree(project, aside, symlinks=True)
    program(aside, *arguments)
    return everything(aside)


def test_a_killed_update_is_made_whole_by_the_next(program: CutOff, clean: Path) -> None:
    before, whole = everything(clean), after(program, clean, *ARGUMENTS)
    assert before != whole
    seen = []
    for project, run in at_every_step(program, clean, *ARGUMENTS, how="kill"):
        assert run.exit_code < 0
        seen.append(everything(project))
        again = program(project, *ARGUMENTS)
        assert again.exit_code == 0, again.said
        assert everything(project) == whole
    assert before in seen
    assert any(state["(under way)"] and state != before for state in seen)


def test_a_killed_update_with_conflicts_is_taken_back_by_abort(program: CutOff, edited: Path) -> None:
    before, whole = everything(edited), after(program, edited, *ARGUMENTS)
    for project, _ in at_every_step(program, edited, *ARGUMENTS, how="kill"):
        left = everything(project)
        assert left["(under way)"] or left == before
        aborted = program(project, "update", "--abort")
        assert aborted.exit_code == (0 if left["(under way)"] else 1), aborted.said
        assert everything(project) == before
        assert program(project, *ARGUMENTS).exit_code == 3
        assert everything(project) == whole


def test_a_killed_abort_goes_on_and_nothing_else_does(program: CutOff, edited: Path, resolved: Path) -> None:
    half = everything(resolved)
    reference = resolved.with_name("reference")
    shutil.copytree(resolved, reference, symlinks=True)
    assert program(reference, "update", "--abort").exit_code == 0
    before = everything(reference)
    assert {name: (reference / name).read_bytes() for name in MINE} == MINE
    for project, _ in at_every_step(program, resolved, "update", "--abort", how="kill"):
        left = everything(project)
        if left["(under way)"] and left != half:
            for arguments in (ARGUMENTS, ("update", "--finish")):
                refused = program(project, *arguments)
                assert refused.exit_code == 1
                assert "`garscaffold update --abort` was cut off here" in refused.said
                assert everything(project) == left
        assert program(project, "update", "--abort").exit_code == (0 if left["(under way)"] else 1)
        assert everything(project) == before


@pytest.mark.parametrize("option", ["--finish", "--abort"])
def test_a_killed_finish_goes_on_or_is_taken_back(program: CutOff, resolved: Path, option: str) -> None:
    wanted = {each: after_copy(program, resolved, each) for each in ("--finish", "--abort")}
    for project, _ in at_every_step(program, resolved, "update", "--finish", how="kill"):
        left = everything(project)
        if not left["(under way)"]:
            assert left == wanted["--finish"]
            continue
        said = program(project, *ARGUMENTS)
        assert said.exit_code in {1, 3}
        assert option in said.said
        assert program(project, "update", option).exit_code == 0
        assert everything(project) == wanted[option]


def after_copy(program: CutOff, project: Path, option: str) -> Tree:
    aside = project.with_name(f"whole{option}")
    shutil.copytree(project, aside, symlinks=True)
    assert program(aside, "update", option).exit_code == 0
    return everything(aside)


@pytest.mark.parametrize("state", ["clean", "edited"])
def test_ctrl_c_leaves_an_update_undone_or_whole(program: CutOff, request: pytest.FixtureRequest, state: str) -> None:
    project: Path = request.getfixturevalue(state)
    before, whole = everything(project), after(program, project, *ARGUMENTS)
    for interrupted, run in at_every_step(program, project, *ARGUMENTS, how="interrupt"):
        assert run.exit_code == 130, run.said
        assert everything(interrupted) in (before, whole)


@pytest.mark.parametrize("option", ["--finish", "--abort"])
def test_ctrl_c_leaves_a_finish_and_an_abort_undone_or_whole(program: CutOff, resolved: Path, option: str) -> None:
    before, whole = everything(resolved), after_copy(program, resolved, option)
    for interrupted, run in at_every_step(program, resolved, "update", option, how="interrupt"):
        assert run.exit_code == 130, run.said
        assert everything(interrupted) in (before, whole)


@pytest.mark.parametrize("state", ["clean", "edited"])
def test_a_disk_that_gets_full_leaves_it_as_it_was_or_says_what_is_left(
    program: CutOff, request: pytest.FixtureRequest, state: str
) -> None:
    project: Path = request.getfixturevalue(state)
    before, whole = everything(project), after(program, project, *ARGUMENTS)
    for full, run in at_every_step(program, project, *ARGUMENTS, how="full"):
        # The limit on files that plays the full disk ends git by a signal, and so leaves what git takes away itself.
        (full / ".git" / "index.lock").unlink(missing_ok=True)
        left = everything(full)
        assert "Traceback" not in run.said
        if run.exit_code in {0, 3}:
            assert left == whole
        elif left["(under way)"]:
            assert "half-written" in run.said
            assert "garscaffold update --abort" in run.said
            assert program(full, "update", "--abort").exit_code == 0
            assert everything(full) == before
        else:
            assert run.exit_code == 1
            assert left == before
            assert not (full / ".git" / "garscaffold" / "root.new").exists()


def test_abort_and_finish_need_no_room_that_they_do_not_have(program: CutOff, resolved: Path) -> None:
    before = everything(resolved)
    for option in ("--finish", "--abort"):
        whole = after_copy(program, resolved, option)
        for full, run in at_every_step(program, resolved, "update", option, how="full"):
            left = everything(full)
            if run.exit_code == 0:
                assert left == whole
                continue
            assert left == before or "half-written" in run.said
            assert program(full, "update", option).exit_code == 0
            assert everything(full) == whole
