"""Answers on a command line: an option for each question, `-d`, and files."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from garscaffold.errors import GarscaffoldError, usage_error
from garscaffold.template.questions import Question, Questionnaire


def read_data_file(path: Path) -> dict[str, Any]:
    """Return the answers in a YAML file.

    Raises:
        GarscaffoldError: It is not a mapping in YAML and UTF-8.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise usage_error(f"{path} is not YAML in UTF-8: {str(error).splitlines()[0]}.") from error
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise usage_error(f"{path} is not a mapping of answers.", mend="Write one `question: answer` a line.")
    return document


def read_data(pairs: Sequence[str]) -> dict[str, str]:
    """Return the answers in `KEY=VALUE` pairs; a later one wins.

    Raises:
        GarscaffoldError: One has no `=`.
    """
    answers = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise usage_error(f"{pair!r} is not KEY=VALUE.", mend="For example: -d framework=flask")
        answers[name] = value
    return answers


def question_options(questionnaire: Questionnaire, taken: Collection[str]) -> list[click.Option]:
    """Return one option for each question.

    Args:
        questionnaire: The questions.
        taken: Flags and names that the command has for itself; a question of such a name is answered by `-d`.
    """
    return [
        _option(questionnaire, question)
        for question in questionnaire.questions
        if not question.is_computed
        and question.name != "kind"
        and question.name.isidentifier()
        and not {question.flag, question.name}.intersection(taken)
    ]


def _option(questionnaire: Questionnaire, question: Question) -> click.Option:
    values = fixed_values(questionnaire, question)
    return click.Option(
        [question.flag, question.name],
        type=click.Choice(values) if values else click.STRING,
        multiple=question.is_list,
        help=_help(questionnaire, question) + (". Repeat it for more." if question.is_list else "."),
    )


def fixed_values(questionnaire: Questionnaire, question: Question) -> list[str]:
    """Return the choices, where they do not depend on other answers: those are checked when these are known."""
    raw = question.choices
    if isinstance(raw, str) or "{{" in str(raw) or "{%" in str(raw):
        return []
    return [str(choice.value) for choice in questionnaire.choices(question, {})]


def _help(questionnaire: Questionnaire, question: Question) -> str:
    try:
        return questionnaire.help(question, {}).rstrip(".")
    except GarscaffoldError:
        return question.name
