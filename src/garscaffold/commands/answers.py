"""Answers on a command line: an option for each question, `-d`, and files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from garscaffold.errors import usage_error
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


def question_options(questionnaire: Questionnaire) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option for each question."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for question in reversed(questionnaire.questions):
            if not question.is_computed and question.name != "kind":
                command = _option(questionnaire, question)(command)
        return command

    return add


def _option(questionnaire: Questionnaire, question: Question) -> Callable[[Callable[..., None]], Callable[..., None]]:
    written = isinstance(question.choices, str)
    values = [] if written else [str(choice.value) for choice in questionnaire.choices(question, {})]
    return click.option(
        question.flag,
        question.name,
        type=click.Choice(values) if values else click.STRING,
        multiple=question.is_list,
        help=questionnaire.help(question, {}) + (". Repeat it for more." if question.is_list else "."),
    )
