"""From what was given, found and asked to a complete set of answers, or to one error that names all that lacks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from garscaffold.errors import ExitCode, GarscaffoldError, usage_error
from garscaffold.template.questions import Choice, InvalidAnswerError, Question, Questionnaire


@dataclass(frozen=True)
class Prompt:
    """One question as a person sees it.

    Args:
        question: What `copier.yml` says.
        text: What is asked.
        default: The answer that Enter gives; None where there is none.
        choices: The open choices; empty for any answer.
        answers: The answers before it.
        check: Takes an answer and returns the broken rule, or ''.
    """

    question: Question
    text: str
    default: Any
    choices: tuple[Choice, ...]
    answers: Mapping[str, Any]
    check: Callable[[Any], str]


Ask = Callable[[Prompt], Any]


class MissingAnswersError(GarscaffoldError):
    """Answers break a rule, or are missing and nobody is there to ask.

    Args:
        sentence: What is wrong with which.
        mend: The options that mend it.
        questions: The names of the questions without an answer.
    """

    def __init__(self, sentence: str, mend: str, questions: Sequence[str]) -> None:
        super().__init__(sentence, mend=mend, exit_code=ExitCode.USAGE)
        self.questions = tuple(questions)


def collect(
    questionnaire: Questionnaire,
    *,
    given: Mapping[str, Any],
    suggested: Mapping[str, Any],
    ask: Ask | None,
    take_defaults: bool,
    recorded: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Answer every question that applies.

    Args:
        questionnaire: The questions.
        given: Answers from the command line and from files, by question.
        suggested: Better defaults than the template's, found where the command stands; one that breaks a rule is left
            out.
        ask: Puts a question to a person; None when nobody is there.
        take_defaults: Take the default of every question that was not given.
        recorded: Answers from an earlier time; taken without asking where they still keep the rules. One that does not
            is asked again, and never replaced by a default without a word.

    Returns:
        The answers to the questions that apply, checked, in the order of the questions.

    Raises:
        GarscaffoldError: Answers are missing, invalid, or to no question of the template; all are named at once.
    """
    _refuse_unknown(questionnaire, given)
    context: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    problems: list[str] = []
    missing: list[tuple[Question, Any]] = []
    stale: list[tuple[Question, str]] = []
    for question in questionnaire.questions:
        name = question.name
        if not questionnaire.applies(question, context):
            context[name] = _hidden(questionnaire, question, context)
            continue
        try:
            if name in given:
                context[name] = questionnaire.check(question, given[name], context)
            elif name in recorded and not (broken := _broken(questionnaire, question, recorded[name], context)):
                context[name] = questionnaire.check(question, recorded[name], context)
            elif name in recorded and ask is None:
                stale.append((question, f"{recorded[name]!r} is recorded. {broken}"))
                continue
            else:
                default = _default(questionnaire, question, context, suggested)
                prompt = _prompt(questionnaire, question, context, default)
                if not question.multiselect and [choice.value for choice in prompt.choices] == [default]:
                    context[name] = default
                elif take_defaults and default is not None:
                    context[name] = questionnaire.check(question, default, context)
                elif ask is not None:
                    context[name] = questionnaire.check(question, ask(prompt), context)
                else:
                    missing.append((question, default))
                    continue
        except InvalidAnswerError as error:
            problems.append(f"{question.flag}: {error}")
            continue
        answers[name] = context[name]
    _refuse(problems, missing, stale)
    return answers


def completed(questionnaire: Questionnaire, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return answers with the values of all other questions: defaults, and what the template computes for itself."""
    context: dict[str, Any] = {}
    for question in questionnaire.questions:
        if question.name in answers and not question.is_computed:
            context[question.name] = answers[question.name]
        else:
            context[question.name] = _hidden(questionnaire, question, context)
    return context


def _broken(questionnaire: Questionnaire, question: Question, answer: Any, context: Mapping[str, Any]) -> str:
    """Return the rule that an answer breaks, or ''."""
    try:
        questionnaire.check(question, answer, context)
    except InvalidAnswerError as error:
        return str(error)
    return ""


def _hidden(questionnaire: Questionnaire, question: Question, context: Mapping[str, Any]) -> Any:
    try:
        return questionnaire.default(question, context)
    except InvalidAnswerError:
        return None


def _default(
    questionnaire: Questionnaire, question: Question, context: Mapping[str, Any], suggested: Mapping[str, Any]
) -> Any:
    if question.name in suggested:
        try:
            return questionnaire.check(question, suggested[question.name], context)
        except InvalidAnswerError:
            pass
    return questionnaire.default(question, context)


def _prompt(questionnaire: Questionnaire, question: Question, context: Mapping[str, Any], default: Any) -> Prompt:
    before = dict(context)
    choices = questionnaire.choices(question, before)

    def check(answer: Any) -> str:
        return _broken(questionnaire, question, answer, before)

    return Prompt(question, questionnaire.help(question, before), default, choices, before, check)


def _refuse_unknown(questionnaire: Questionnaire, given: Mapping[str, Any]) -> None:
    known = [question.name for question in questionnaire.questions if not question.is_computed]
    for name in given:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            raise usage_error(
                f"The template has no question {name!r}.",
                mend=f"Did you mean {close[0]}?" if close else f"It asks: {', '.join(known)}.",
            )


def _refuse(
    problems: Sequence[str], missing: Sequence[tuple[Question, Any]], stale: Sequence[tuple[Question, str]]
) -> None:
    """Raise one error for all that is wrong.

    Args:
        problems: The rules that given answers break.
        missing: The questions without an answer, with the defaults that they have.
        stale: The questions whose recorded answer breaks a rule, with that answer and the rule.

    Raises:
        MissingAnswersError: Something is wrong.
    """
    if not problems and not missing and not stale:
        return
    lines = []
    if missing:
        width = max(len(question.flag) for question, _ in missing)
        lines.append("There is nobody to ask, and these answers are missing:")
        lines += [f"  {question.flag:<{width}}  {question.help}" for question, _ in missing]
    if stale:
        lines.append("These answers of the project break a rule of this version, and are not replaced unasked:")
        lines += [f"  {question.flag}: {why}" for question, why in stale]
    if problems:
        lines.append("These answers break a rule:")
        lines += [f"  {problem}" for problem in problems]
    flags = [f"{question.flag} …" for question, default in missing if default is None]
    flags += [f"{question.flag} …" for question, _ in stale]
    mend = f"Add {' '.join(flags)}" if flags else "Correct them."
    if any(default is not None for _, default in missing):
        mend = f"Add {' '.join(['--defaults', *flags])}, or answer each by its option."
    raise MissingAnswersError("\n".join(lines), mend, [question.name for question, _ in (*missing, *stale)])
