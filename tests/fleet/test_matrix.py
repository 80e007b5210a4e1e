"""Versions over projects: a column a version, the older ones in one, and where each project stands."""

from dataclasses import replace

from garscaffold.fleet.matrix import COLUMNS, Mark, grouped
from garscaffold.fleet.results import Result, State
from tests.fleet.fleets import BEHIND, CARRIED, CURRENT, EVERY, FAILED, IN_CONFLICT, OWN, UPDATED


def at(version: str, target: str, state: State = State.BEHIND) -> Result:
    return replace(BEHIND, version=version, target=target, state=state)


def test_each_template_has_a_matrix_the_greatest_first_and_the_unknown_last() -> None:
    groups = grouped([FAILED, FAILED, FAILED, FAILED, IN_CONFLICT, CURRENT, BEHIND, UPDATED])
    assert [group.template for group in groups] == [CARRIED, OWN, ""]
    assert [[row.number for row in group.rows] for group in groups] == [[5, 6, 7], [4], [0, 1, 2, 3]]


def test_every_project_is_in_one_row() -> None:
    assert sorted(row.number for group in grouped(EVERY) for row in group.rows) == list(range(len(EVERY)))


def test_a_project_is_marked_where_it_is_and_where_it_goes() -> None:
    (group,) = grouped(
        [
            at("1.0.0", "1.10.0"),
            at("1.2.0", "1.10.0", State.CONFLICTS),
            at("1.9.0", "1.10.0", State.UPDATED),
            at("1.10.0", "1.10.0", State.CURRENT),
            at("", "", State.FAILED),
        ]
    )
    assert group.columns == ["1.0.0", "1.2.0", "1.9.0", "1.10.0"]
    here, between, to, none = Mark.HERE, Mark.BETWEEN, Mark.NEXT, Mark.NONE
    assert [row.marks for row in group.rows] == [
        [here, between, between, to],
        [none, here, between, to],
        [none, none, here, Mark.BRANCH],
        [none, none, none, here],
        [none, none, none, none],
    ]
    assert group.here == [1, 1, 1, 1]
    assert [row.place for row in group.rows] == [0, 1, 2, 3, -1]


def test_older_versions_share_a_column_where_there_are_too_many() -> None:
    (group,) = grouped([at(f"1.{minor}.0", "1.20.0") for minor in range(20)])
    assert len(group.columns) == COLUMNS
    assert group.columns[0] == "≤ 1.9.0"
    assert group.columns[1] == "1.10.0"
    assert group.columns[-1] == "1.20.0"
    assert group.here == [10, *[1] * 10, 0]
    assert group.rows[3].marks == [Mark.HERE, *[Mark.BETWEEN] * 10, Mark.NEXT]


def test_as_many_versions_as_fit_have_a_column_each() -> None:
    (group,) = grouped([at(f"1.{minor}.0", "1.11.0") for minor in range(COLUMNS)])
    assert group.columns == [f"1.{minor}.0" for minor in range(COLUMNS)]


def test_a_version_that_is_none_stands_before_the_others() -> None:
    (group,) = grouped([at("<script>", "1.0.0"), at("1.0.0.post3+gabc", "1.1.0")])
    assert group.columns == ["<script>", "1.0.0", "1.0.0.post3+gabc", "1.1.0"]


def test_nothing_gives_nothing() -> None:
    assert grouped([]) == []
