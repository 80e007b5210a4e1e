"""Texts of a `copier.yml` rendered as Copier renders them."""

from collections.abc import Mapping
from functools import cached_property
from importlib.resources.abc import Traversable
from typing import Any


class Renderer:
    """Renders texts over answers.

    Args:
        settings: The template's `_envops`.
        macros: The template's folder, from which texts may import; None where they import nothing.
    """

    def __init__(self, settings: Mapping[str, Any], macros: Traversable | None = None) -> None:
        self._settings = settings
        self._macros = macros
        self._compiled: dict[str, Any] = {}

    def render(self, value: Any, answers: Mapping[str, Any]) -> Any:
        """Render a text, or each text of a list; anything else, and a text without Jinja, is returned as it is."""
        if isinstance(value, list):
            return [self.render(item, answers) for item in value]
        if not isinstance(value, str) or not ("{{" in value or "{%" in value):
            return value
        if value not in self._compiled:
            self._compiled[value] = self._environment.from_string(value)
        return self._compiled[value].render(**answers)

    @cached_property
    def _environment(self) -> Any:
        from jinja2 import FunctionLoader
        from jinja2.sandbox import SandboxedEnvironment

        # The filters that Copier gives every template. What is rendered is no HTML, so nothing is escaped.
        filters = "jinja2_ansible_filters.AnsibleCoreFiltersExtension"
        return SandboxedEnvironment(loader=FunctionLoader(self._source), extensions=[filters], **self._settings)

    def _source(self, name: str) -> str | None:
        file = self._macros.joinpath(*name.split("/")) if self._macros else None
        return file.read_text(encoding="utf-8") if file and file.is_file() else None
