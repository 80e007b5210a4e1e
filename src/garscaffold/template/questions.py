"""The questions of a `copier.yml`: which apply, what their defaults are, and which answers are well.

Copier reads the same file by the same rules when it renders and updates (its documentation, "Configuring a template"),
so what is said here in advance, with the flag that mends it, is what Copier would say later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Any, Self

import yaml

from garscaffold import yaml_text
from garscaffold.errors import GarscaffoldError
from garscaffold.template.evaluation import WORDS, to_bool
from garscaffold.template.jinja import Renderer, Source

TYPES = ("str", "int", "float", "bool", "yaml", "json", "path")


class InvalidAnswerError(ValueError):
    """An answer breaks a rule; the message is the rule, in a sentence."""


@dataclass(frozen=True)
class Choice:
    """One of the answers that a question allows."""

    label: str
    value: Any


@dataclass(frozen=True)
class Question:
    """A question as `copier.yml` writes it; texts may hold Jinja over the answers before it.

    Args:
        name: The answer's name in the template and in the answers file.
        type: One of `TYPES`.
        help: What is asked, for a person.
        default: The default; None with `required` set means that there is none.
        required: There is no default.
        choices: The allowed answers as written: a list, or labels with their values; empty for any answer.
        multiselect: The answer is a list out of `choices`.
        when: Whether the question applies.
        validator: Renders to the broken rule, or to nothing.
        placeholder: An example shown where nothing is typed yet.
    """

    name: str
    type: str = "str"
    help: str = ""
    default: Any = None
    required: bool = False
    choices: Any = ()
    multiselect: bool = False
    when: Any = True
    validator: str = ""
    placeholder: str = ""

    @property
    def is_list(self) -> bool:
        """Tell whether the answer is a list, which a command line repeats a flag for."""
        return self.multiselect or (self.type in {"yaml", "json"} and self.default in ([], "[]"))

    @property
    def is_computed(self) -> bool:
        """Tell whether nobody is ever asked: a value that the template keeps for itself."""
        return self.when is False

    @property
    def flag(self) -> str:
        """The option of the command line that answers it."""
        return "--" + self.name.replace("_", "-")


@dataclass(frozen=True)
class Questionnaire:
    """The questions of one version of a template, in the order in which they are asked."""

    questions: tuple[Question, ...]
    _renderer: Renderer = field(compare=False, repr=False)

    @classmethod
    def read(cls, template: Traversable) -> Self:
        """Read the questions of the template in a folder.

        Raises:
            GarscaffoldError: Its `copier.yml` is not a mapping of questions.
        """
        return cls.parse((template / "copier.yml").read_text(encoding="utf-8"), macros=template)

    @classmethod
    def parse(cls, text: str, *, macros: Traversable | Source | None = None) -> Self:
        """Read the text of a `copier.yml`, whose texts may import from files in `macros`.

        Raises:
            GarscaffoldError: It is not a mapping of questions.
        """
        document = yaml_text.load(text)
        if not isinstance(document, dict):
            raise GarscaffoldError("The template's copier.yml is not a mapping of questions.")
        questions = tuple(_question(name, raw) for name, raw in document.items() if not name.startswith("_"))
        return cls(questions, Renderer(document.get("_envops", {}), macros))

    def __getitem__(self, name: str) -> Question:
        return next(question for question in self.questions if question.name == name)

    def applies(self, question: Question, answers: Mapping[str, Any]) -> bool:
        """Tell whether `question` is asked, after `answers` to the questions before it."""
        return to_bool(self._renderer.render(question.when, answers))

    def default(self, question: Question, answers: Mapping[str, Any]) -> Any:
        """Return the default after `answers`; None where `question.required`.

        Raises:
            InvalidAnswerError: The default does not fit the question's type.
        """
        if question.required:
            return None
        return self.parse_answer(question, self._renderer.render(question.default, answers))

    def help(self, question: Question, answers: Mapping[str, Any]) -> str:
        """Return what is asked, for a person."""
        return str(self._renderer.render(question.help, answers)).strip() or question.name

    def choices(self, question: Question, answers: Mapping[str, Any]) -> tuple[Choice, ...]:
        """Return the choices that are open after `answers`; empty when any answer is allowed."""
        raw = self._renderer.render(question.choices, answers)
        if isinstance(raw, str):
            raw = yaml.safe_load(raw)
        pairs = [
            pair if isinstance(pair, tuple | list) else (pair, pair)
            for pair in (raw.items() if isinstance(raw, dict) else raw)
        ]
        choices = []
        for label, value in pairs:
            if isinstance(value, dict):
                if self._renderer.render(value.get("validator", ""), answers):
                    continue
                value = value["value"]
            rendered = self._cast(question, self._renderer.render(value, answers))
            choices.append(Choice(str(self._renderer.render(label, answers)), rendered))
        return tuple(choices)

    def parse_answer(self, question: Question, answer: Any) -> Any:
        """Turn what was typed or given into a value of the question's type.

        Raises:
            InvalidAnswerError: It is not of that type.
        """
        if question.multiselect:
            items = _yaml(answer) if isinstance(answer, str) else answer
            if not isinstance(items, list | tuple):
                raise InvalidAnswerError(f"A list is expected, and {answer!r} is none.")
            return [self._cast(question, item) for item in items]
        return self._cast(question, answer)

    def check(self, question: Question, answer: Any, answers: Mapping[str, Any]) -> Any:
        """Return `answer` as a value of the question's type, checked.

        Args:
            question: What was asked.
            answer: What was typed, chosen or given.
            answers: The answers to the questions before it.

        Raises:
            InvalidAnswerError: The answer breaks a rule.
        """
        if question.type == "bool" and isinstance(answer, str) and answer.strip().lower() not in {*WORDS, "0", "1"}:
            # In a condition any other text means yes; from somebody who answers it is a slip.
            raise InvalidAnswerError(f"Yes or no is expected, and {answer!r} is neither.")
        value = self.parse_answer(question, answer)
        allowed = self.choices(question, answers)
        if allowed:
            values = [choice.value for choice in allowed]
            for item in value if question.multiselect else [value]:
                if item not in values:
                    raise InvalidAnswerError(f"{item!r} is none of: {', '.join(map(str, values))}.")
            if question.multiselect:
                value = [item for item in values if item in value]
        broken = str(self._renderer.render(question.validator, {**answers, question.name: value})).strip()
        if broken:
            raise InvalidAnswerError(broken)
        return value

    def _cast(self, question: Question, answer: Any) -> Any:
        try:
            match question.type:
                case "bool":
                    return to_bool(answer)
                case "int" | "float":
                    return {"int": int, "float": float}[question.type](answer)
                case "yaml" | "json":
                    return _yaml(answer) if isinstance(answer, str) else answer
                case _:
                    if not isinstance(answer, str | int | float):
                        raise InvalidAnswerError(f"A text is expected, and {answer!r} is none.")
                    return str(answer)
        except (TypeError, ValueError) as error:
            if isinstance(error, InvalidAnswerError):
                raise
            raise InvalidAnswerError(f"A value of type {question.type} is expected, and {answer!r} is none.") from error


def _question(name: str, raw: Any) -> Question:
    if not isinstance(raw, Mapping):
        return Question(name, type=_type_of(raw), default=raw)
    kind = raw.get("type") or _type_of(raw.get("default"))
    return Question(
        name,
        type=str(kind),
        help=str(raw.get("help", "")),
        default=raw.get("default"),
        required="default" not in raw,
        choices=raw.get("choices", ()),
        multiselect=bool(raw.get("multiselect", False)),
        when=raw.get("when", True),
        validator=str(raw.get("validator", "")),
        placeholder=str(raw.get("placeholder", "")),
    )


def _type_of(default: Any) -> str:
    name = type(default).__name__
    return name if name in TYPES else "yaml"


def _yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise InvalidAnswerError(f"This is not YAML: {problem}.") from error
