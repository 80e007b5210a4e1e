"""Answers completed as Copier completes them when it asks nobody (`_ask` and `Question` in Copier 9)."""

import json
from collections import ChainMap
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import yaml

from garscaffold.template.config import NotPlainError

MISSING = object()
WORDS = {
    **dict.fromkeys(("y", "yes", "t", "true", "on"), True),
    **dict.fromkeys(("", "n", "no", "f", "false", "off", "~", "null", "none"), False),
}
Render = Callable[[str, Mapping[str, Any]], str]
"""Renders a text over a context."""


class Beyond:
    """Something of Copier's context that differs from run to run or from machine to machine: whoever looks, stops us.

    Args:
        name: What templates call it.
        known: Its items that are the same everywhere.
    """

    def __init__(self, name: str, known: Mapping[str, Any] | None = None) -> None:
        self.__dict__.update(_name=name, _known=dict(known or {}))

    def __getitem__(self, key: Any) -> Any:
        if key in self._known:
            return self._known[key]
        return self._stop()

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def _stop(self, *arguments: Any, **options: Any) -> Any:
        raise NotPlainError(f"it uses {self._name}")

    __call__ = __str__ = __repr__ = __iter__ = __len__ = __bool__ = __contains__ = __eq__ = __hash__ = __html__ = _stop


@dataclass
class Answers:
    """What is answered, by where it comes from; an earlier one wins."""

    given: Mapping[str, Any]
    last: dict[str, Any]
    metadata: Mapping[str, str]
    decided: dict[str, Any] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)

    @property
    def combined(self) -> dict[str, Any]:
        """Every answer, in the order in which Copier has them."""
        return dict(ChainMap(self.decided, dict(self.given), dict(self.metadata), self.last))

    def remembered(self, questions: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is recorded in the answers file."""
        serializable = (dict, list, str, int, float, bool, type(None))
        return {
            **self.metadata,
            **{
                name: value
                for name, value in self.combined.items()
                if name in questions and name not in self.hidden and isinstance(value, serializable)
            },
        }

    def context(self, questions: Mapping[str, Any], answers_file: str = "") -> dict[str, Any]:
        """Return what texts and files are rendered over."""
        # A path and not a text, as in Copier: templates may ask for its parent.
        known = {"answers_file": PurePosixPath(answers_file), "sep": "/"} if answers_file else {}
        beyond = ("_external_data", "_folder_name", "_copier_python", "_copier_phase", "now", "make_secret")
        return {
            **{name: Beyond(name) for name in beyond},
            **self.combined,
            "_copier_answers": self.remembered(questions),
            "_copier_conf": Beyond("_copier_conf", known),
        }


def evaluate(
    questions: Mapping[str, Mapping[str, Any]],
    render: Render,
    *,
    given: Mapping[str, Any],
    last: Mapping[str, Any],
    metadata: Mapping[str, str],
) -> Answers:
    """Answer every question: from what is given, from the last answers, from the defaults.

    Args:
        questions: Their details as written in `copier.yml`, in order.
        render: Renders a text over a context.
        given: Answers that win, whether their question applies or not.
        last: Answers of the project so far; one that breaks a rule by now is left out.
        metadata: `_commit` and `_src_path`.

    Raises:
        NotPlainError: A text looks at something that only Copier knows.
        ValueError: An answer breaks a rule, or there is none.
    """
    answers = Answers(given, dict(last), metadata)
    for name, details in questions.items():
        question = _Question(name, details, answers, render, answers.context(questions))
        if name in answers.last and not question.accepts(answers.last[name]):
            del answers.last[name]
        if not question.applies():
            answers.hidden.add(name)
            answers.last.pop(name, None)
            if question.default() is MISSING:
                continue
        if name in given:
            answers.decided[name] = question.checked(given[name])
            continue
        default = question.default()
        if default is MISSING:
            raise ValueError(f'Question "{name}" is required')
        answers.decided[name] = default
    return answers


@dataclass(frozen=True)
class _Question:
    name: str
    details: Mapping[str, Any]
    answers: Answers
    render: Render
    context: Mapping[str, Any]

    def applies(self) -> bool:
        return to_bool(self._rendered(self.details.get("when", True)))

    def default(self) -> Any:
        for source in (self.answers.given, self.answers.last):
            if self.name in source:
                value = source[self.name]
                break
        else:
            value = self.details.get("default", MISSING)
            if value is MISSING:
                return MISSING
            if isinstance(value, str) and "UNSET" in value:
                raise NotPlainError("it uses UNSET")
            value = self._rendered(value)
        parsed = self.parsed(value)
        if self.applies():
            self._validate(parsed)
        return parsed

    def checked(self, answer: Any) -> Any:
        parsed = self.parsed(answer)
        self._validate(parsed)
        return parsed

    def accepts(self, answer: Any) -> bool:
        try:
            self.checked(answer)
        except NotPlainError:
            raise
        except Exception:
            # Whatever is wrong with it, Copier takes it for an answer that has to be given again.
            return False
        return True

    def parsed(self, answer: Any) -> Any:
        if self.details.get("multiselect", False):
            items = [self._parsed_item(item) for item in (_items(answer) if isinstance(answer, str) else answer)]
            return [value for value, _ in self._choices() if value in items]
        return self._parsed_item(answer)

    def _parsed_item(self, answer: Any) -> Any:
        value = self._cast(answer)
        choices = self._choices()
        if choices and not any(value == choice and not disabled for choice, disabled in choices):
            raise ValueError(f"Invalid choice for '{self.name}': {value!r}")
        return value

    def _choices(self) -> list[tuple[Any, str]]:
        choices = self.details.get("choices", [])
        if isinstance(choices, str):
            choices = yaml.safe_load(self._rendered(choices))
        found = []
        for choice in choices.items() if isinstance(choices, Mapping) else choices:
            value, disabled = choice, ""
            if isinstance(choice, tuple | list):
                _, value = choice
                if isinstance(value, dict):
                    disabled = self._rendered(value.get("validator", ""))
                    value = value["value"]
            found.append((self._cast(self._rendered(value)), disabled))
        return found

    def _validate(self, answer: Any) -> None:
        validator = self.details.get("validator", "")
        broken = self.render(str(validator), {**self.context, self.name: answer}).strip() if validator else ""
        if broken:
            raise ValueError(f"Validation error for question '{self.name}': {broken}")

    def _rendered(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._rendered(item) for item in value]
        return self.render(value, self.context) if isinstance(value, str) else value

    def _cast(self, answer: Any) -> Any:
        kind = self.details.get("type") or _type_of(self.details.get("default", MISSING))
        if kind not in CASTS:
            raise NotPlainError(f"its question {self.name} has the type {kind}")
        if kind in {"yaml", "json"}:
            return CASTS[kind](answer) if isinstance(answer, str) else answer
        if answer is None:
            raise ValueError(f"No answer to {self.name}")
        if self.details.get("multiselect") and isinstance(answer, list):
            return [CASTS[kind](item) for item in answer]
        return CASTS[kind](answer)


def to_bool(value: Any) -> bool:
    """Read anything as a condition, as Copier does: numbers, YAML's words, then Python's own truth."""
    with suppress(TypeError, ValueError):
        return bool(float(value))
    if isinstance(value, str):
        return WORDS.get(value.strip().lower(), bool(value))
    return bool(value)


def _to_str(value: Any) -> str:
    if isinstance(value, str | float | int | Decimal):
        return str(value)
    raise ValueError(f"Could not convert {value} to string")


def _type_of(default: Any) -> str:
    name = type(default).__name__
    return name if name in CASTS else "yaml"


def _items(text: str) -> list[str]:
    # Copier parses the outermost list only and casts the texts of its items.
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.nodes.SequenceNode):
        raise TypeError(f"Not a YAML list: {text!r}")
    items = []
    for item in node.value:
        raw = text[item.start_mark.index : item.end_mark.index].strip()
        if isinstance(item, yaml.nodes.ScalarNode) and item.style in {'"', "'"} and item.tag.endswith(":str"):
            raw = raw[1:-1]
        items.append(raw)
    return items


CASTS: Mapping[str, Callable[[Any], Any]] = {
    "bool": to_bool,
    "float": float,
    "int": int,
    "json": json.loads,
    "str": _to_str,
    "yaml": yaml.safe_load,
    "path": str,
}
