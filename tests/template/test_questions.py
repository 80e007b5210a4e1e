"""The rules by which Copier reads the same file are the oracle of `test_agrees_with_copier`."""

from pathlib import Path
from typing import Any

import copier
import pytest
import yaml

from garscaffold.errors import GarscaffoldError
from garscaffold.template.questions import InvalidAnswerError, Questionnaire

COPIER_YML = """
_subdirectory: template
kind:
  type: str
  choices: [service, package]
  help: Which one
name:
  type: str
  help: "The name of the {{ kind }}"
  validator: "{% if not name|regex_search('^[a-z]+$') %}Lower-case letters only.{% endif %}"
module:
  type: str
  default: "{{ name|replace('-', '_') }}"
framework:
  type: str
  when: "{{ kind == 'service' }}"
  choices:
    FastAPI, asynchronous: fastapi
    Flask: flask
  default: fastapi
tools:
  type: str
  multiselect: true
  choices: [a, b, c]
  default: [a]
packages:
  type: yaml
  default: []
workers:
  type: int
  default: 2
verbose:
  type: bool
  default: no
reserved:
  type: yaml
  when: false
  default: [class, def]
"""


@pytest.fixture
def questionnaire() -> Questionnaire:
    return Questionnaire.parse(COPIER_YML)


def check(questionnaire: Questionnaire, name: str, answer: Any, **before: Any) -> Any:
    return questionnaire.check(questionnaire[name], answer, before)


def test_reads_questions_in_order_without_the_settings(questionnaire: Questionnaire) -> None:
    assert [question.name for question in questionnaire.questions][:3] == ["kind", "name", "module"]


def test_help_and_default_are_rendered_with_the_answers_before(questionnaire: Questionnaire) -> None:
    assert questionnaire.help(questionnaire["name"], {"kind": "service"}) == "The name of the service"
    assert questionnaire.default(questionnaire["module"], {"name": "a-b"}) == "a_b"


def test_when_decides_whether_a_question_applies(questionnaire: Questionnaire) -> None:
    framework = questionnaire["framework"]
    assert questionnaire.applies(framework, {"kind": "service"})
    assert not questionnaire.applies(framework, {"kind": "package"})
    assert not questionnaire.applies(questionnaire["reserved"], {})


@pytest.mark.parametrize(
    ("rendered", "applies"),
    [("2", True), ("0", False), ("0.0", False), ("", False), ("None", False), ("no", False), ("[]", True), ("x", True)],
)
def test_a_condition_is_read_as_copier_reads_it(rendered: str, applies: bool) -> None:
    questions = Questionnaire.parse("tools: {type: str, when: '{{ before }}', default: x}")
    assert questions.applies(questions["tools"], {"before": rendered}) is applies


def test_a_validator_says_the_rule(questionnaire: Questionnaire) -> None:
    assert check(questionnaire, "name", "orders") == "orders"
    with pytest.raises(InvalidAnswerError, match="Lower-case letters only"):
        check(questionnaire, "name", "Orders")


def test_a_choice_out_of_the_list_names_the_list(questionnaire: Questionnaire) -> None:
    assert check(questionnaire, "framework", "flask") == "flask"
    with pytest.raises(InvalidAnswerError, match="'django' is none of: fastapi, flask"):
        check(questionnaire, "framework", "django")


def test_a_multiselect_keeps_the_order_of_the_choices(questionnaire: Questionnaire) -> None:
    assert check(questionnaire, "tools", ["c", "a"]) == ["a", "c"]
    assert check(questionnaire, "tools", "[b, a]") == ["a", "b"]
    assert check(questionnaire, "tools", []) == []
    with pytest.raises(InvalidAnswerError, match="'z' is none of"):
        check(questionnaire, "tools", ["a", "z"])


@pytest.mark.parametrize(
    ("name", "answer", "expected"),
    [
        ("workers", "3", 3),
        ("verbose", "Yes", True),
        ("verbose", "off", False),
        ("verbose", "1", True),
        ("verbose", "", False),
        ("packages", "[acme-lib]", ["acme-lib"]),
        ("packages", ["acme-lib"], ["acme-lib"]),
        ("module", "{{ 7 * 7 }}", "{{ 7 * 7 }}"),
    ],
)
def test_an_answer_becomes_a_value_of_its_type(
    questionnaire: Questionnaire, name: str, answer: Any, expected: Any
) -> None:
    assert check(questionnaire, name, answer) == expected


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("workers", "three"),
        ("packages", "[unclosed"),
        ("tools", "a: b"),
        ("module", None),
        ("verbose", "maybe"),
        ("verbose", "yes!"),
    ],
)
def test_an_answer_of_another_type_is_refused(questionnaire: Questionnaire, name: str, answer: Any) -> None:
    with pytest.raises(InvalidAnswerError):
        check(questionnaire, name, answer)


def test_a_file_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(GarscaffoldError, match="not a mapping"):
        Questionnaire.parse("- a\n- b\n")


def test_flags_and_lists(questionnaire: Questionnaire) -> None:
    assert Questionnaire.parse("gcp_project: {type: str}")["gcp_project"].flag == "--gcp-project"
    assert questionnaire["packages"].is_list
    assert questionnaire["tools"].is_list
    assert not questionnaire["name"].is_list
    assert questionnaire["reserved"].is_computed


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "service", "name": "orders"},
        {"kind": "package", "name": "lib", "tools": ["c", "b"], "packages": ["x>=1"], "workers": "7", "verbose": "on"},
        {"kind": "service", "name": "a", "framework": "flask", "tools": "[b]", "packages": "[y]"},
    ],
)
def test_agrees_with_copier(questionnaire: Questionnaire, given: dict[str, Any], tmp_path: Path) -> None:
    template = tmp_path / "source"
    (template / "template").mkdir(parents=True)
    (template / "copier.yml").write_text(COPIER_YML)
    (template / "template" / "{{_copier_conf.answers_file}}.jinja").write_text("{{ _copier_answers|to_nice_yaml }}")
    copier.run_copy(str(template), tmp_path / "made", data=given, defaults=True, quiet=True)
    by_copier = yaml.safe_load((tmp_path / "made" / ".copier-answers.yml").read_text())

    ours: dict[str, Any] = {}
    for question in questionnaire.questions:
        if questionnaire.applies(question, ours):
            answer = given.get(question.name, None if question.required else question.default)
            if question.name not in given:
                answer = questionnaire.default(question, ours)
            ours[question.name] = questionnaire.check(question, answer, ours)
    assert ours == {name: value for name, value in by_copier.items() if not name.startswith("_")}
