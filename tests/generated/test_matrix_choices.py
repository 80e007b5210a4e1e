"""The combinations and `copier.yml` say the same: no choice and no question is forgotten."""

from collections.abc import Iterable
from itertools import chain
from random import Random
from typing import Any

import pytest
import yaml

from tests.generated.combinations import (
    FIXED,
    LEVELS,
    ROOT,
    UNUSUAL,
    VARIED,
    Answers,
    covering_combinations,
    every_combination,
    features,
    main_combinations,
)
from tests.generated.matrix import recorded, rendered
from tests.support.pairs import pairs


def asked() -> dict[str, dict[str, Any]]:
    """Return the questions that somebody is asked, as they are written."""
    document = yaml.safe_load((ROOT / "copier.yml").read_text())
    questions = {
        name: details if isinstance(details, dict) else {"default": details}
        for name, details in document.items()
        if not name.startswith("_")
    }
    return {name: details for name, details in questions.items() if details.get("when", True) is not False}


def allowed(details: dict[str, Any]) -> list[Any]:
    """Return the answers that a question counts: its choices, or yes and no."""
    if details.get("type", type(details.get("default")).__name__) == "bool":
        return [True, False]
    choices = details.get("choices", [])
    return list(choices.values() if isinstance(choices, dict) else choices)


def values(combinations: Iterable[Answers], name: str) -> set[Any]:
    """Return what is answered to a question, in any combination; of lists, what is in any of them."""
    answers = [combination[name] for combination in combinations if name in combination]
    return set(chain.from_iterable(each if isinstance(each, list) else [each] for each in answers))


COUNTED = {name: allowed(details) for name, details in asked().items() if allowed(details)}


def test_every_question_with_choices_is_varied_or_fixed_for_a_reason() -> None:
    assert {"kind", "ci", "python_version"} <= set(COUNTED)
    known = {*VARIED, *FIXED}
    assert set(COUNTED) <= known, "a question is new: say in combinations.py whether it is varied or fixed, and why"
    assert known <= set(COUNTED), "combinations.py has a question that copier.yml has no more"
    assert set(UNUSUAL) <= set(asked()) - set(COUNTED)
    assert set(LEVELS) <= set(asked()) - set(COUNTED)
    assert all(len(reason.split()) > 3 for reason in FIXED.values())


@pytest.mark.parametrize("name", COUNTED)
def test_every_choice_occurs(name: str) -> None:
    assert values(covering_combinations(), name) == set(COUNTED[name])
    if name in VARIED:
        assert values(every_combination(), name) == set(COUNTED[name])


@pytest.mark.parametrize("name", COUNTED)
def test_every_choice_is_in_a_main_combination(name: str) -> None:
    """Of what a reviewer is shown, with the answers that nobody gave."""
    made = [recorded(rendered({"python_version": "3.13", **answers})) for answers in main_combinations()]
    assert values(made, name) == set(COUNTED[name])


def test_the_matrix_has_every_combination_once() -> None:
    """Drawn at random from all that could be answered: what is left of it where it applies is in the matrix."""
    matrix = list(every_combination())
    assert len({repr(row) for row in matrix}) == len(matrix)
    lists = {"ci": [[], *([ci] for ci in COUNTED["ci"]), COUNTED["ci"]]}
    draw = Random(1)
    for _ in range(150):
        drawn: dict[str, Any] = {
            name: draw.choice(lists.get(name, COUNTED[name])) for name in COUNTED if name in VARIED
        }
        drawn |= {name: draw.choice(levels) for name, levels in LEVELS.items()}
        project = recorded(rendered({**matrix[-1], **drawn}))
        left = {name: project[name] for name in drawn if name in project}
        assert any(left.items() <= row.items() and not row.keys() & (drawn.keys() - left) for row in matrix), drawn


def test_every_pair_of_choices_is_in_the_covering_set() -> None:
    covered = set(chain.from_iterable(pairs(features(row)) for row in covering_combinations()))
    possible = set(chain.from_iterable(pairs(features(row)) for row in every_combination()))
    assert possible <= covered
    # By name, without the code that made them.
    rows: list[dict[str, Any]] = [dict(row) for row in covering_combinations()]
    for manager in COUNTED["package_manager"]:
        for version in COUNTED["python_version"]:
            assert any((row["package_manager"], row["python_version"]) == (manager, version) for row in rows)
        for framework in COUNTED["framework"]:
            assert any((row["package_manager"], row.get("framework")) == (manager, framework) for row in rows)
        for ci in COUNTED["ci"]:
            assert {ci in row["ci"] for row in rows if row["package_manager"] == manager} == {True, False}
        assert {row["kind"] for row in rows if row["package_manager"] == manager} == set(COUNTED["kind"])
    assert [] in [row["ci"] for row in rows]
    assert len(rows) < len(list(every_combination())) / 20


def test_what_does_not_apply_is_not_answered() -> None:
    for row in covering_combinations():
        project = recorded(rendered(row))
        assert {name: project[name] for name in COUNTED if name in project} == {
            name: value for name, value in row.items() if name in COUNTED
        }


def test_the_covering_set_can_have_one_answer_fixed() -> None:
    rows = list(covering_combinations(python_version="3.11"))
    assert {row["python_version"] for row in rows} == {"3.11"}
    assert values(rows, "framework") == set(COUNTED["framework"])
    assert rows == list(covering_combinations(python_version="3.11"))
