"""What `--json` gives, read again: the same; and what is something else is said."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.documents import Look, joined, read_document, to_document
from garscaffold.fleet.results import State
from tests.fleet.fleets import BEHIND, EVERY, MOMENT, UPDATED, hostile


def test_what_is_written_is_read_the_same() -> None:
    look = Look([each for each in (*EVERY, *hostile()) if "hunter2" not in repr(each)], MOMENT)
    assert read_document(json.dumps(to_document(look)), "x.json") == look


def test_no_credential_is_written() -> None:
    look = Look(list(hostile()), MOMENT)
    assert "hunter2" in repr(look)
    written = json.dumps(to_document(look))
    assert "hunter2" not in written
    assert len(read_document(written, "x.json").results) == len(look.results)


def test_a_document_without_a_time_and_with_more_than_we_know_is_read() -> None:
    document = to_document(Look([BEHIND]))
    document["projects"][0]["invented_later"] = {"a": 1}
    del document["looked_at"]
    assert read_document(json.dumps(document), "x.json") == Look([BEHIND], None)


PROJECT = to_document(Look([BEHIND]))["projects"][0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "x.json is empty."),
        ("{", "x.json is no JSON: Expecting property name"),
        ("[" * 100_000, "x.json is no JSON"),
        ("[]", "x.json is JSON, and not of a fleet"),
        ('"projects"', "x.json is JSON, and not of a fleet"),
        ('{"repositories": []}', "x.json is JSON, and not of a fleet"),
        ('{"projects": {}}', "x.json is JSON, and not of a fleet"),
        ('{"projects": [1]}', "of another version"),
        ('{"projects": [{}]}', "of another version"),
        (json.dumps({"projects": [{**PROJECT, "state": "lost"}]}), "'lost' is not a valid State"),
        (json.dumps({"projects": [{**PROJECT, "repository": 7}]}), "repository is '7'"),
        (json.dumps({"projects": [{**PROJECT, "behind": "two"}]}), "behind is 'two'"),
        (json.dumps({"projects": [{**PROJECT, "behind": 1.5}]}), "behind is '1.5'"),
        (json.dumps({"projects": [{**PROJECT, "dirty": "no"}]}), "dirty is 'no'"),
        (json.dumps({"projects": [{**PROJECT, "conflicts": [{"path": "x"}]}]}), "detail"),
        (json.dumps({"projects": [{**PROJECT, "conflicts": ["x"]}]}), "of another version"),
        (
            json.dumps({"projects": [{**PROJECT, "conflicts": [{"path": "x", "detail": "", "hunks": "abc"}]}]}),
            "hunks are no list of texts",
        ),
        (json.dumps({"projects": [{**PROJECT, "drift": [{"path": None, "how": ""}]}]}), "path is 'None'"),
        (json.dumps({"projects": [{**PROJECT, "drift": True}]}), "of another version"),
        (json.dumps({"projects": [], "looked_at": "yesterday"}), "yesterday"),
        (json.dumps({"projects": [], "looked_at": "2026-11-21T08:00:00"}), "has no time zone"),
    ],
)
def test_something_else_is_said_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(GarscaffoldError, match=r"x\.json") as caught:
        read_document(text, "x.json")
    assert sentence in caught.value.sentence
    assert "fleet status --json" in caught.value.mend


def test_of_several_looks_the_last_word_counts_and_the_oldest_time() -> None:
    later = MOMENT + timedelta(hours=1)
    updated = [each for each in EVERY if each is not BEHIND]
    done = UPDATED.__class__(BEHIND.repository, BEHIND.project, State.UPDATED)
    found = joined([Look(EVERY, later), Look([done], MOMENT), Look([], None)])
    assert found.moment == MOMENT
    assert done in found.results
    assert BEHIND not in found.results
    assert len(found.results) == len(updated) + 1


def test_the_time_keeps_its_zone() -> None:
    look = Look([], datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC))
    assert to_document(look)["looked_at"] == "2026-11-21T08:00:00+00:00"
