"""Answers to every question, drawn at random: what its rule allows, and what somebody types who means harm."""

import re
from typing import Any

from hypothesis import strategies as st
from markdown_it import MarkdownIt

from garscaffold.template.questions import InvalidAnswerError, Question
from tests.generated.combinations import Answers, choices, questionnaire, subsets

HOSTILE = (
    'She said "hello" and left',
    "back\\slash, trailing \\",
    "'single' and ''double single''",
    "{{ 7 * 7 }} {% raw %} {# gone? #}",
    "${{ secrets.TOKEN }} $HOME $(id) `id` ${PATH}",
    "$(touch /tmp/owned); `touch /tmp/owned` && exit 1 | cat >/dev/null",
    "${_IMAGE} $$ $PROJECT_ID $1 << pipeline.id >> $[[ inputs.x ]]",
    "🦊 emoji, ünïcödé, 漢字, مرحبا",
    "# not a heading",
    "- not a list",
    "1. not a list, 2) either",
    "*bold* _under_ [link](x) <b>html</b> &amp; | pipe ~~gone~~ ```",
    "key: value # comment, !tag &anchor *alias @at %percent",
    "yes",
    "null",
    "1.0",
    "---",
    "=== +++ ###",
    "'''triple''' and \"\"\"triple\"\"\"",
    "\\u0041 \\n \\x41 %s %(name)s {name}",
    "https://example.com/?a=b&c=d and someone@example.com",
    "'; DROP TABLE projects; --",
    "x" * 300,
    "ab " * 100 + "end",
)
"""One line each, which a description may be."""
FORBIDDEN = (
    "two\nlines",
    "bell\a",
    "nul\0",
    "rtl \u202e override",
    "line\u2028separator",
    " blank",
    "",
    "x" * 600,
    "../..",
)
# What YAML 1.1 and TOML read as something else than a text, and what a file system has for itself.
WORDS = (
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "true",
    "false",
    "null",
    "none",
    "nan",
    "inf",
    "e1",
    "con",
    "install",
    "a" * 49,
    "z",
)

_LINES = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=300)
_VERSIONS = st.from_regex(
    r"([0-9]!)?[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?(\.post[0-9])?(\.dev[0-9])?", fullmatch=True
)
_NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,40}[A-Za-z0-9])?", fullmatch=True)


@st.composite
def requirements(draw: st.DrawFn) -> str:
    """Draw a requirement: a name, extras, bounds."""
    extras = draw(st.lists(_NAMES, max_size=2, unique=True))
    bounds = draw(st.lists(st.tuples(st.sampled_from(["==", ">=", "<", "<=", "!=", ">"]), _VERSIONS), max_size=2))
    separator = draw(st.sampled_from([",", ", ", " ,"]))
    named = draw(_NAMES) + (f"[{','.join(extras)}]" if extras else "")
    return named + draw(st.sampled_from(["", " "])) * bool(bounds) + separator.join(a + b for a, b in bounds)


def texts_for(question: Question) -> st.SearchStrategy[Any]:
    """Return texts and lists that a question without choices may take; some of them break its rule."""
    if question.type == "yaml":
        return st.one_of(st.none(), st.lists(requirements(), max_size=4))
    # The pattern that the rule compares with, as Jinja reads it; a rule that begins otherwise says what is forbidden.
    pattern = re.search(r"regex_search\('(\^.*?)'\)", question.validator)
    lines = st.one_of(st.sampled_from(HOSTILE), _LINES)
    return st.from_regex(pattern[1].replace("\\\\", "\\"), fullmatch=True) if pattern else lines


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    """Draw answers that break no rule: to every question that has no default, and to some of the others."""
    given: dict[str, Any] = {}
    known: dict[str, Any] = {}
    for question in questionnaire().questions:
        if not question.is_computed and questionnaire().applies(question, known):
            default = questionnaire().default(question, known)
            left = not (question.required or question.choices) and draw(st.sampled_from([True, False, False]))
            if not (left and _fits(question, default, known)):
                given[question.name] = known[question.name] = draw(_answers_to(question, known))
                continue
        known[question.name] = questionnaire().default(question, known)
    return given


@st.composite
def answers_with_one_hostile(draw: st.DrawFn) -> tuple[str, Answers]:
    """Draw answers of which one is a text that somebody means harm with, and the question that it answers."""
    given = dict(draw(answers()))
    name = draw(st.sampled_from([q.name for q in questionnaire().questions if not q.is_computed]))
    text = draw(st.one_of(st.sampled_from([*HOSTILE, *FORBIDDEN, *WORDS]), _LINES))
    question = questionnaire()[name]
    given[name] = [text] if question.is_list and draw(st.booleans()) else text
    return name, given


def _answers_to(question: Question, known: Answers) -> st.SearchStrategy[Any]:
    if question.multiselect:
        return st.sampled_from(subsets(choices(question)))
    if question.choices or question.type == "bool":
        return st.sampled_from(choices(question))
    words = [word for word in WORDS if question.type == "str" and _fits(question, word, known)]
    fitting = texts_for(question).filter(lambda answer: _fits(question, answer, known))
    return st.one_of(fitting, st.sampled_from(words)) if words else fitting


def _fits(question: Question, answer: Any, known: Answers) -> bool:
    try:
        questionnaire().check(question, answer, known)
    except InvalidAnswerError:
        return False
    return True


def first_broken_rule(given: Answers) -> tuple[str, str] | None:
    """Return the first question whose answer breaks its rule, and the rule, as the program says while it asks."""
    known: dict[str, Any] = {}
    for question in questionnaire().questions:
        applies = questionnaire().applies(question, known)
        try:
            if question.name in given:
                known[question.name] = questionnaire().check(question, given[question.name], known)
                continue
            known[question.name] = questionnaire().default(question, known)
            if applies:
                questionnaire().check(question, known[question.name], known)
        except InvalidAnswerError as error:
            return question.name, str(error)
    return None


def described_in(readme: str) -> str:
    """Return what a reader of the README sees below its title."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(readme[: readme.index("\n## ")])
    assert [token.type for token in tokens[3:]] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[4].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    return "".join(child.content for child in children)
