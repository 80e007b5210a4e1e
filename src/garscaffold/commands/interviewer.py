"""Puts the template's questions to a person, with the repositories that exist as choices."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from garscaffold.console import Console, Option
from garscaffold.errors import GarscaffoldError
from garscaffold.registry import Registry
from garscaffold.repository_choices import FITTING, fitting, somebody_is_logged_in
from garscaffold.template.interview import Prompt
from garscaffold.values import Repository

ANOTHER = object()
"""The choice of a name that is not in the list."""


class Interviewer:
    """Asks one question after another.

    Where somebody is logged in, it looks at the project's repositories once, before the first question about one. When
    that fails, it says why and asks for plain names.

    Args:
        console: Where the questions are asked.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._found: list[Repository] | None = None
        self._looked = False
        self.registry: Registry | None = None
        """Artifact Registry, where the repositories could be read; None where nobody asked or it refused."""

    def __call__(self, prompt: Prompt) -> Any:
        """Put one question and return the answer."""
        if prompt.question.name in FITTING and {"gcp_project", "location"} <= prompt.answers.keys():
            repositories = fitting(prompt.question.name, self._repositories(prompt.answers))
            if repositories:
                return self._choose(prompt, repositories)
        return self._ask(prompt)

    def _ask(self, prompt: Prompt) -> Any:
        question, console = prompt.question, self._console
        options = [Option(choice.label, choice.value) for choice in prompt.choices]
        if question.multiselect:
            return console.ask_many(prompt.text, options, default=prompt.default or [], check=prompt.check)
        if options:
            return console.ask_choice(prompt.text, options, default=prompt.default)
        if question.is_list:
            return console.ask_list(prompt.text, default=prompt.default or [], check=prompt.check)
        default = "" if prompt.default is None else str(prompt.default)
        return console.ask_text(prompt.text, default=default, check=prompt.check, hint=question.placeholder)

    def _choose(self, prompt: Prompt, repositories: Sequence[Repository]) -> Any:
        options = [Option(f"{each.name} ({each.mode} {each.format})", each.name) for each in repositories]
        if prompt.default not in [each.name for each in repositories]:
            options.append(Option(f"{prompt.default} (new)", prompt.default))
        options.append(Option("Another name …", ANOTHER))
        chosen = self._console.ask_choice(prompt.text, options, default=prompt.default)
        return self._ask(prompt) if chosen is ANOTHER else chosen

    def _repositories(self, answers: Mapping[str, Any]) -> list[Repository]:
        if not self._looked:
            self._looked = True
            if somebody_is_logged_in(os.environ, Path.home()):
                self._found = self._look(answers["gcp_project"], answers["location"])
        return self._found or []

    def _look(self, project: str, location: str) -> list[Repository] | None:
        # Here and not above: Google's client takes longer to load than all the rest.
        from garscaffold.registry.gar import connect

        try:
            with self._console.progress(f"Looking for repositories in {project}, {location}"):
                registry = connect()
                found = registry.repositories(project, location)
        except GarscaffoldError as error:
            self._console.tip(f"The repositories that exist cannot be offered. {error.sentence}")
            return None
        self.registry = registry
        return found
