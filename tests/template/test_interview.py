from typing import Any

import pytest

from garscaffold.errors import ExitCode, GarscaffoldError
from garscaffold.template.interview import MissingAnswersError, Prompt, collect
from garscaffold.template.questions import Questionnaire

QUESTIONS = Questionnaire.parse("""
kind: {type: str, choices: [service, package]}
project: {type: str, validator: "{% if ' ' in project %}No spaces.{% endif %}"}
region: {type: str, default: us}
framework: {type: str, default: fastapi, choices: [fastapi, flask], when: "{{ kind == 'service' }}"}
manager: {type: str, default: poetry, choices: [poetry]}
secret_list: {type: yaml, default: [1], when: false}
""")


class Person:
    """Answers questions from a list and remembers what was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[Prompt] = []

    def __call__(self, prompt: Prompt) -> Any:
        self.asked.append(prompt)
        return self.answers.get(prompt.question.name, prompt.default)


def gather(given: dict[str, Any], *, ask: Person | None = None, defaults: bool = False, **suggested: Any) -> Any:
    return collect(QUESTIONS, given=given, suggested=suggested, ask=ask, take_defaults=defaults)


def test_given_answers_and_defaults_are_enough() -> None:
    assert gather({"kind": "package", "project": "acme"}, defaults=True) == {
        "kind": "package",
        "project": "acme",
        "region": "us",
        "manager": "poetry",
    }


def test_without_anybody_to_ask_every_missing_answer_is_named_with_its_flag() -> None:
    with pytest.raises(GarscaffoldError) as caught:
        gather({"kind": "service"})
    named = [line.split()[0] for line in caught.value.sentence.splitlines()[1:]]
    assert named == ["--project", "--region", "--framework"]
    assert caught.value.mend.startswith("Add --defaults --project …,")
    assert caught.value.exit_code == ExitCode.USAGE


def test_with_defaults_only_what_has_none_is_missing() -> None:
    with pytest.raises(GarscaffoldError, match="answers are missing:\\n  --project") as caught:
        gather({"kind": "service"}, defaults=True)
    assert caught.value.mend == "Add --project …"


def test_all_broken_rules_are_said_at_once() -> None:
    with pytest.raises(GarscaffoldError) as caught:
        gather({"kind": "service", "project": "a b", "framework": "django"}, defaults=True)
    assert "--project: No spaces." in caught.value.sentence
    assert "--framework: 'django' is none of: fastapi, flask." in caught.value.sentence


RECORDED = {"kind": "service", "project": "our project", "region": "eu", "framework": "fastapi", "manager": "pip"}


@pytest.mark.parametrize("defaults", [True, False])
def test_a_recorded_answer_that_breaks_a_rule_is_never_replaced_unasked(defaults: bool) -> None:
    with pytest.raises(MissingAnswersError) as caught:
        collect(QUESTIONS, given={}, recorded=RECORDED, suggested={}, ask=None, take_defaults=defaults)
    assert "  --project: 'our project' is recorded. No spaces." in caught.value.sentence
    assert "  --manager: 'pip' is recorded. 'pip' is none of: poetry." in caught.value.sentence
    assert caught.value.mend == "Add --project … --manager …"
    assert caught.value.questions == ("project", "manager")
    given = {"project": "ours", "manager": "poetry"}
    answers = collect(QUESTIONS, given=given, recorded=RECORDED, suggested={}, ask=None, take_defaults=defaults)
    assert answers == {**RECORDED, **given}


def test_a_person_is_asked_again_where_a_recorded_answer_breaks_a_rule() -> None:
    person = Person(project="ours")
    answers = collect(QUESTIONS, given={}, recorded=RECORDED, suggested={}, ask=person, take_defaults=False)
    assert [prompt.question.name for prompt in person.asked] == ["project"]
    assert answers == {**RECORDED, "project": "ours", "manager": "poetry"}


def test_an_unknown_question_suggests_the_one_that_was_meant() -> None:
    with pytest.raises(GarscaffoldError, match="no question 'projet'") as caught:
        gather({"projet": "x"})
    assert caught.value.mend == "Did you mean project?"


def test_a_computed_value_cannot_be_given() -> None:
    with pytest.raises(GarscaffoldError, match="no question 'secret_list'"):
        gather({"secret_list": [2]})


def test_a_person_is_asked_what_is_left_and_what_applies() -> None:
    person = Person(project="acme")
    answers = gather({"kind": "package"}, ask=person)
    assert [prompt.question.name for prompt in person.asked] == ["project", "region"]
    assert answers["project"] == "acme"
    assert "framework" not in answers


def test_a_question_with_one_choice_is_answered_and_not_asked() -> None:
    person = Person(project="acme")
    assert gather({"kind": "service"}, ask=person)["manager"] == "poetry"
    assert "manager" not in [prompt.question.name for prompt in person.asked]


def test_a_suggestion_is_a_better_default() -> None:
    person = Person()
    gather({"kind": "package"}, ask=person, project="from-gcloud", region="eu")
    assert [prompt.default for prompt in person.asked] == ["from-gcloud", "eu"]
    assert gather({"kind": "package"}, defaults=True, project="found")["project"] == "found"


def test_a_suggestion_that_breaks_a_rule_is_left_out() -> None:
    person = Person(project="acme")
    gather({"kind": "package"}, ask=person, project="not a project")
    assert person.asked[0].default is None


def test_a_prompt_checks_while_it_is_answered() -> None:
    person = Person(project="acme")
    gather({"kind": "package"}, ask=person)
    assert person.asked[0].check("a b") == "No spaces."
    assert person.asked[0].check("ab") == ""


def test_an_answer_to_a_question_that_does_not_apply_is_left_out() -> None:
    assert "framework" not in gather({"kind": "package", "project": "a", "framework": "flask"}, defaults=True)
