"""The one door to the terminal: questions, plans, progress, tips and results.

Standard output carries the result of a command and nothing else; questions, plans and progress go to standard error.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from garscaffold.plan import Action, Plan

Check = Callable[[Any], str]
"""Takes what was typed or chosen and returns the broken rule as a sentence, or '' when it is well."""

ACTION_STYLE = {Action.CREATE: "green", Action.CHANGE: "yellow", Action.DELETE: "red"}


@dataclass(frozen=True)
class Option:
    """One line of a list to choose from: what is shown, and the value that choosing it gives."""

    label: str
    value: Any


@dataclass(frozen=True)
class Console:
    """Where a command speaks and asks.

    Args:
        as_json: The result is one JSON document on standard output.
        quiet: Say nothing but errors and the result.
        assume_yes: Answer yes to what would be confirmed.
        interactive: Somebody is there to answer questions.
    """

    as_json: bool = False
    quiet: bool = False
    assume_yes: bool = False
    interactive: bool = False

    def say(self, line: str = "") -> None:
        """Tell the person something."""
        if not self.quiet:
            to_person(line)

    def complain(self, text: str) -> None:
        """Say what went wrong, to whoever wanted quiet as well."""
        to_person(text)

    def tip(self, line: str) -> None:
        """Suggest something that would help."""
        self.say(f"{click.style('tip:', fg='cyan', bold=True)} {line}")

    def warn(self, line: str) -> None:
        """Say that something is not as it should be, though the command goes on."""
        to_person(f"{click.style('warning:', fg='yellow', bold=True)} {line}")

    def result(self, text: str, document: Any) -> None:
        """Give the command's result on standard output: `document` as JSON where that was asked for, else `text`."""
        if self.as_json:
            click.echo(_encodable(json.dumps(document, indent=2, ensure_ascii=False, default=str)))
        elif text:
            click.echo(_encodable(text), color=_color())

    def confirm(self, question: str) -> bool:
        """Ask for a yes; without anybody to ask, or with `--yes`, the answer is yes."""
        if self.assume_yes or not self.interactive:
            return True
        import questionary

        return bool(questionary.confirm(question, default=True, output=_output()).unsafe_ask())

    def ask_text(self, question: str, *, default: str, check: Check, hint: str = "") -> str:
        """Ask for one line, checked while it is typed.

        The default stands there in grey until something is typed, and Enter takes it; `hint` stands there without one.
        """
        import questionary

        typed = questionary.text(
            question,
            validate=_validator(lambda line: check(line.strip() or default)),
            placeholder=[("fg:ansibrightblack", default or hint)],
            output=_output(),
        ).unsafe_ask()
        return str(typed).strip() or default

    def ask_choice(self, question: str, options: Sequence[Option], *, default: Any) -> Any:
        """Ask for one of `options`, chosen with the arrow keys; returns its value."""
        import questionary

        choices = [questionary.Choice(option.label, option.value) for option in options]
        chosen = next((choice for choice in choices if choice.value == default), None)
        return questionary.select(question, choices, default=chosen, output=_output()).unsafe_ask()

    def ask_many(self, question: str, options: Sequence[Option], *, default: Sequence[Any], check: Check) -> list[Any]:
        """Ask for any number of `options`, ticked with the space bar; returns their values."""
        import questionary

        choices = [
            questionary.Choice(option.label, option.value, checked=option.value in default) for option in options
        ]
        return list(questionary.checkbox(question, choices, validate=_validator(check), output=_output()).unsafe_ask())

    def ask_list(self, question: str, *, default: Sequence[str], check: Check) -> list[str]:
        """Ask for lines until an empty one; `check` sees the whole list with each new line."""
        lines = list(default)
        asked = question if not lines else f"{question} ({', '.join(lines)}; Enter to go on)"
        while line := self.ask_text(
            asked, default="", check=lambda typed: check([*lines, typed]) if typed else "", hint="Enter for none"
        ):
            lines.append(line)
            asked = "  and (Enter to go on)"
        return lines

    def show(self, plan: Plan, heading: str) -> None:
        """Show what a plan will do."""
        self.say(plan_text(plan, heading))

    def apply(self, plan: Plan) -> None:
        """Apply every step of `plan` in order, with progress."""
        for step in plan.steps:
            with self.progress(step.title):
                step.apply()

    def _say_each(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.say(line)

    @contextmanager
    def progress(self, title: str) -> Iterator[None]:
        """Show that `title` is under way: a spinner in a terminal, one line elsewhere."""
        if self.quiet or not sys.stderr.isatty() or not self.interactive:
            self.say(f"{title} …")
            yield
            return
        from rich.console import Console as Terminal

        with Terminal(stderr=True).status(title):
            yield

    @contextmanager
    def counting(self, title: str, total: int) -> Iterator[Callable[[Sequence[str]], None]]:
        """Show how many of `total` are done: a bar in a terminal, a line elsewhere.

        Gives what is called when one more is done, with the lines to say about it.
        """
        if self.quiet or not sys.stderr.isatty() or not self.interactive:
            self.say(f"{title} …")
            yield self._say_each
            return
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Terminal(stderr=True), transient=True) as progress:
            task = progress.add_task(title, total=total)

            def done(lines: Sequence[str]) -> None:
                self._say_each(lines)
                progress.advance(task)

            yield done


def is_interactive() -> bool:
    """Tell whether a person can answer questions: a terminal on both ends, and no CI system."""
    return sys.stdin.isatty() and sys.stderr.isatty() and os.environ.get("CI", "").lower() not in {"1", "true", "yes"}


def plan_text(plan: Plan, heading: str) -> str:
    """Write a plan for a person: a heading, one line a change, nothing hidden."""
    if not plan:
        return f"{heading}\n  nothing to do"
    width = max(len(change.kind) for change in plan.changes)
    lines = [click.style(heading, bold=True)]
    for change in plan.changes:
        action = click.style(str(change.action), fg=ACTION_STYLE[change.action])
        detail = f"  ({change.detail})" if change.detail else ""
        lines.append(f"  {action}  {change.kind:<{width}}  {change.name}{detail}")
    return "\n".join(lines)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns of even width, under a head where there is one."""
    every = [head, *rows] if head else list(rows)
    columns = zip(*every, strict=True)
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in columns]
    return "\n".join(
        "  ".join(
            cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in every
    )


def to_person(line: str) -> None:
    """Write a line to standard error, in colour where that is wanted."""
    # The stream of this moment, and not the one that click keeps: while a spinner turns, rich puts lines above it.
    click.echo(_encodable(line), file=sys.stderr, color=_color())


def _encodable(text: str) -> str:
    # A name of a file may be bytes that are no text. What stands for them is how JSON writes them, too.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _validator(check: Check) -> Callable[[Any], bool | str]:
    return lambda typed: check(typed) or True


def _output() -> Any:
    # Questions belong on standard error, so that a result can be redirected while somebody answers them.
    from prompt_toolkit.output import create_output

    return create_output(stdout=sys.stderr)


def _color() -> bool | None:
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None
