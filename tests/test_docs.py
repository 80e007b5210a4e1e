"""The docs say what the program does. `UPDATE_DOCS=1 pytest tests/test_docs.py` writes what is generated."""

import os
import re
from pathlib import Path

import click
import pytest

from garscaffold.cli import COMMANDS
from garscaffold.template.questions import Question, Questionnaire

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"


def question_table() -> str:
    questionnaire = Questionnaire.parse((REPOSITORY / "copier.yml").read_text())
    asked = [question for question in questionnaire.questions if not question.is_computed]
    rows = [f"| {' | '.join(_row(question))} |" for question in asked]
    return "\n".join(["| question | asked | default | rule or choices |", "|---|---|---|---|", *rows])


def _row(question: Question) -> list[str]:
    default = "none" if question.required else "empty" if question.default == "" else f"`{question.default}`"
    values = list(question.choices.values()) if isinstance(question.choices, dict) else list(question.choices)
    rules = re.findall(r"%\}\s*([^{%]*(?:\{\{.*?\}\}[^{%]*)?[.])\s*\{%", question.validator)
    rules = [re.sub(r"\{\{ (\w+) \}\}", r"`\1`", rule) for rule in rules]
    flag = "(argument)" if question.name == "kind" else f"`{question.flag}`"
    row = (
        f"`{question.name}`<br>{flag}",
        question.help + ("" if question.when is True else "<br>*asked where it applies*"),
        default,
        "<br>".join([f"`{value}`" for value in values] or rules),
    )
    return [cell.replace("|", "\\|") for cell in row]


def test_the_questions_are_documented_as_they_are() -> None:
    path = DOCS / "questions.md"
    text = path.read_text()
    written = re.sub(r"(?s)(<!-- generated -->\n).*(<!-- end -->)", lambda m: f"{m[1]}{question_table()}\n{m[2]}", text)
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(written)
    assert path.read_text() == written


@pytest.mark.parametrize("page", [*sorted(REPOSITORY.glob("*.md")), *sorted(DOCS.glob("*.md"))], ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_command_is_in_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    for name in COMMANDS:
        assert f"garscaffold {name}" in readme


@pytest.mark.parametrize("page", [REPOSITORY / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda p: p.name)
def test_every_option_that_is_shown_exists(page: Path) -> None:
    """Every `garscaffold …` line in a code block names commands and options that are there."""
    from garscaffold.cli import garscaffold as root

    text = "\n".join(re.findall(r"(?s)```sh\n(.*?)```", page.read_text())).replace("\\\n", " ")
    for line in re.findall(r"^garscaffold ([^#|&\n]+)", text, re.MULTILINE):
        words = line.split()
        command: click.Command = root
        context = click.Context(root)
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(context, words.pop(0))
            assert found is not None, line
            command = found
        options = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        for word in words:
            if word == "--":
                break
            if word.startswith("-"):
                assert word.partition("=")[0] in options | {"-h", "--help", "--version"}, f"{line}: {word}"
