"""Conflicts as they are kept for a whole fleet: whole where they are short, cut where they are not, and said so."""

import pytest

from garscaffold.fleet import hunks
from garscaffold.fleet.hunks import hunks_of
from garscaffold.fleet.report import sides


def conflict(ours: str, theirs: str) -> str:
    return f"<<<<<<< before updating\n{ours}=======\n{theirs}>>>>>>> after updating\n"


def test_short_hunks_are_whole_and_what_is_between_them_is_left_out() -> None:
    first, second = conflict("a\n", "b\nc\n"), conflict("", "x\n")
    assert hunks_of(f"text\n{first}text\n{second}") == [first.rstrip("\n"), second.rstrip("\n")]
    assert hunks_of("text\n") == hunks_of("") == []


def test_what_nobody_closed_is_no_hunk() -> None:
    assert hunks_of("<<<<<<< before updating\na\n=======\n") == []


@pytest.mark.parametrize(("ours", "theirs"), [(1000, 2), (2, 1000), (1000, 1000)])
def test_each_side_is_cut_and_says_how_much_is_missing(ours: int, theirs: int) -> None:
    (hunk,) = hunks_of(conflict("".join(f"ours {n}\n" for n in range(ours)), "theirs\n" * theirs))
    found = {side.kind: [line for line, _ in side.lines] for side in sides(hunk)}
    for kind, count in (("ours", ours), ("theirs", theirs)):
        cut = count > hunks.LINES
        assert len(found[kind]) == (hunks.LINES + 1 if cut else count)
        assert (found[kind][-1] == f"… {count - hunks.LINES} more lines") is cut


def test_long_lines_and_many_hunks_stay_small() -> None:
    text = conflict("x" * 1_000_000 + "\n", "y\n") + conflict("z" * 200 + "\n", "y\n") * 500
    found = hunks_of(text)
    assert found[0].splitlines()[1] == "x" * hunks.WIDTH + "…"
    assert len(found) <= hunks.HUNKS + 1
    assert found[-1] == f"… and {501 - (len(found) - 1)} more conflicts in this file"
    assert sum(map(len, found)) < 2 * hunks.SIZE
