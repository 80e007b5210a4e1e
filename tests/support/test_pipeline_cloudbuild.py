from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.engine import OwnEngine
from tests.support.pipeline_cloudbuild import Build, CloudBuild, in_order

# No engine runs: what is asked of these comes before the first container.
WHERE = CloudBuild(OwnEngine(Path("nowhere"), {}), {}, {}, {})


def build(**substitutions: str) -> Build:
    return Build(WHERE, "name", [], substitutions)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${_IMAGE}:${BUILD_ID}", "image:7"),
        ("$_IMAGE/$BUILD_ID", "image/7"),
        ("PATH=/opt:$$PATH $$(cat file)", "PATH=/opt:$PATH $(cat file)"),
        ("$$$BUILD_ID", "$7"),
        ('[ -z "${TAG_NAME}" ]', '[ -z "" ]'),
    ],
)
def test_substitutions(text: str, expected: str) -> None:
    assert build(_IMAGE="image", BUILD_ID="7", TAG_NAME="").substitute(text) == expected


@pytest.mark.parametrize("text", ["${_OTHER}", "$HOME", "$(cat file)", "${NAME:-x}", "costs 5 $"])
def test_what_the_service_would_not_know_is_an_error(text: str) -> None:
    with pytest.raises(AssertionError):
        build(NAME="x").substitute(text)


def steps(*waits: Sequence[str] | None) -> list[dict[str, Any]]:
    return [{"id": "abcd"[number], **({} if wait is None else {"waitFor": wait})} for number, wait in enumerate(waits)]


@pytest.mark.parametrize(
    ("waits", "order"),
    [
        ([None, None, None], "abc"),
        ([None, ["-"], None], "bac"),
        ([None, ["a"], ["a"], ["b", "c"]], "acbd"),
        ([["-"], ["-"], ["-"]], "cba"),
    ],
)
def test_the_last_step_that_may_be_next_is_next(waits: list[Any], order: str) -> None:
    assert "".join(step["id"] for step in in_order(steps(*waits))) == order


@pytest.mark.parametrize("waits", [[["z"]], [["b"], ["a"]]])
def test_steps_that_wait_in_vain_are_an_error(waits: list[Any]) -> None:
    with pytest.raises(AssertionError):
        list(in_order(steps(*waits)))


@pytest.mark.parametrize(
    ("definition", "given"),
    [
        ({"steps": [], "artifact": {}}, {}),
        ({"steps": []}, {"_OTHER": "x"}),
        ({"steps": [], "substitutions": {}}, {"_A": ""}),
    ],
)
def test_nothing_in_a_file_is_passed_over(tmp_path: Path, definition: dict[str, Any], given: dict[str, str]) -> None:
    (tmp_path / "cloudbuild.yaml").write_text(yaml.safe_dump(definition))
    with pytest.raises(AssertionError), WHERE.run(tmp_path, **given):
        pass


def test_a_step_has_no_field_that_is_not_known() -> None:
    with pytest.raises(AssertionError, match="allowFailure"):
        build().step({"name": "image", "allowFailure": True})
