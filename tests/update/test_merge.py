"""The plan of an update, as a pure function of three trees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garscaffold.errors import GarscaffoldError
from garscaffold.tree import File, Kind, Tree
from garscaffold.update.merge import FileChange, Obstacle, Outcome, Project, plan_changes
from garscaffold.update.project import merge_with_git

NONE: dict[str, Obstacle] = {}
FILES = st.builds(
    File,
    st.sampled_from([b"", b"a\n", b"b\n", b"a\r\n", b"\0"]),
    st.sampled_from([Kind.FILE, Kind.EXECUTABLE, Kind.SYMLINK]),
)
TREES = st.dictionaries(st.sampled_from(["one", "two", "own"]), FILES)


def no_merge(base: bytes, ours: bytes, theirs: bytes) -> tuple[bytes, int]:
    return b"<<<" + ours + theirs, 1


def plan(old: Tree, new: Tree, mine: Tree) -> tuple[FileChange, ...]:
    return plan_changes(old, new, Project(mine, NONE, frozenset(), lambda path: path == "own"), no_merge)


@given(TREES, TREES)
def test_without_edits_the_project_becomes_what_the_new_version_renders_to(old: Tree, new: Tree) -> None:
    mine = dict(old)
    changes = plan(old, new, mine)
    assert not any(change.stages for change in changes)
    for change in changes:
        assert change.before == mine.pop(change.path, None)
        if change.after:
            mine[change.path] = change.after
    expected = dict(new)
    if "own" in old and "own" in new:
        expected["own"] = old["own"]
    assert mine == expected


@given(TREES, TREES)
def test_the_same_version_changes_nothing_but_what_the_project_owns_and_lost(old: Tree, mine: Tree) -> None:
    assert [change.path for change in plan(old, old, mine)] == [
        name for name in ["own"] if name in old and name not in mine
    ]


@given(TREES, TREES, TREES)
def test_nothing_of_the_teams_is_lost_without_a_conflict(old: Tree, new: Tree, mine: Tree) -> None:
    for change in plan(old, new, mine):
        if change.after is None and change.before is not None:
            assert change.before.data.replace(b"\r\n", b"\n") == old[change.path].data.replace(b"\r\n", b"\n")
        if change.outcome is Outcome.KEPT:
            assert change.before == change.after


@given(TREES, TREES)
def test_once_applied_the_next_plan_is_empty(old: Tree, new: Tree) -> None:
    mine = dict(new)
    if "own" in old and "own" not in new:
        mine.pop("own", None)
    assert [change for change in plan(new, new, mine) if change.path != "own"] == []


def test_the_executable_bit_and_the_text_are_merged_apart() -> None:
    old, new = File(b"a\n"), File(b"b\n")
    (change,) = plan({"one": old}, {"one": new}, {"one": File(b"a\n", Kind.EXECUTABLE)})
    assert change.after == File(b"b\n", Kind.EXECUTABLE)
    (change,) = plan({"one": old}, {"one": File(b"a\n", Kind.EXECUTABLE)}, {"one": File(b"mine\n")})
    assert change.after == File(b"mine\n", Kind.EXECUTABLE)


def test_something_in_the_way_of_a_new_file_is_an_error_and_of_a_replaced_one_is_kept() -> None:
    def owns(path: str) -> bool:
        return False

    project = Project({}, {"a/b": Obstacle("a is a file here", frozenset({"a"}))}, frozenset(), owns)
    with pytest.raises(GarscaffoldError, match="a is a file here"):
        plan_changes({}, {"a/b": File(b"1")}, project, no_merge)
    (change,) = plan_changes({"a/b": File(b"0")}, {"a/b": File(b"1")}, project, no_merge)
    assert (change.outcome, change.after) == (Outcome.KEPT, None)


def test_git_merges() -> None:
    assert merge_with_git(b"1\n2\n3\n", b"one\n2\n3\n", b"1\n2\nthree\n") == (b"one\n2\nthree\n", 0)
    merged, conflicts = merge_with_git(b"1\n", b"one\n", b"uno\n")
    assert (merged.count(b"<<<<<<< before updating\n"), conflicts) == (1, 1)
