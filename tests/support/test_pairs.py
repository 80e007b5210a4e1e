"""The pairs that chosen rows hold are all that there are, and few rows hold them."""

from itertools import product

import pytest

from tests.support.pairs import covering, pairs


def held(rows: list[tuple[object, ...]]) -> set[tuple[object, object]]:
    return {(a, b) for row in rows for i, a in enumerate(row) for b in row[i + 1 :]}


def test_the_pairs_of_a_row_keep_their_order() -> None:
    assert pairs(["c", "a", "b"]) == {("c", "a"), ("c", "b"), ("a", "b")}


@pytest.mark.parametrize(("factors", "most"), [((2, 2, 2), 4), ((3, 3, 3), 11), ((2,) * 10, 10), ((4, 3, 2, 2), 13)])
def test_few_rows_hold_every_pair(factors: tuple[int, ...], most: int) -> None:
    rows: list[tuple[object, ...]] = [tuple(enumerate(row)) for row in product(*(range(values) for values in factors))]
    chosen = covering(rows)
    assert held([rows[index] for index in chosen]) == held(rows)
    assert len(chosen) <= most
    assert chosen == sorted(set(chosen)) == covering(rows)


def test_a_pair_that_one_row_alone_holds_is_held() -> None:
    rows: list[tuple[object, ...]] = [("a", "b", "c"), ("a", "x"), ("a", "b"), ("b", "c")]
    assert covering(rows) == [0, 1]


def test_no_rows_hold_nothing() -> None:
    assert covering([]) == []
