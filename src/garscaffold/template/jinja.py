"""Jinja as Copier sets it up: its filters, its sandbox, its globals."""

from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.resources.abc import Traversable
from pathlib import PurePath, PurePosixPath
from typing import Any

from garscaffold.errors import GarscaffoldError

Source = Callable[[str], str | None]
"""Gives the text of a file of the template by its path, None where there is none."""


def environment(settings: Mapping[str, Any], source: Source) -> Any:
    """Return a Jinja environment that renders as Copier's does.

    Args:
        settings: The template's `_envops`.
        source: The files that templates may import and include.
    """
    from jinja2 import FunctionLoader, StrictUndefined, Undefined
    from jinja2.sandbox import SandboxedEnvironment

    class Sandbox(SandboxedEnvironment):
        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            # A path's `parser` is the module os.path, and with it everything.
            return not (isinstance(obj, PurePath) and attr == "parser") and super().is_safe_attribute(obj, attr, value)

    options = dict(settings)
    if "undefined" in options:
        options["undefined"] = {"jinja2.Undefined": Undefined, "jinja2.StrictUndefined": StrictUndefined}[
            options["undefined"]
        ]
    # The filters that Copier gives every template. What is rendered is no HTML, so nothing is escaped.
    filters = "jinja2_ansible_filters.AnsibleCoreFiltersExtension"
    made = Sandbox(loader=FunctionLoader(source), extensions=[filters], **options)
    made.globals["pathjoin"] = lambda *path: str(PurePosixPath(*path))
    return made


class Renderer:
    """Renders texts over answers.

    Args:
        settings: The template's `_envops`.
        macros: The template's folder, or what gives its files, from which texts may import; None where they import
            nothing.
    """

    def __init__(self, settings: Mapping[str, Any], macros: Traversable | Source | None = None) -> None:
        self._settings = settings
        self._macros = macros
        self._compiled: dict[str, Any] = {}

    def render(self, value: Any, answers: Mapping[str, Any]) -> Any:
        """Render a text, or each text of a list; anything else, and a text without Jinja, is returned as it is.

        Raises:
            GarscaffoldError: The template's author made a mistake in it.
        """
        if isinstance(value, list):
            return [self.render(item, answers) for item in value]
        if not isinstance(value, str) or not ("{{" in value or "{%" in value):
            return value
        from jinja2 import TemplateError

        try:
            if value not in self._compiled:
                self._compiled[value] = self._environment.from_string(value)
            return self._compiled[value].render(**answers)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise GarscaffoldError(
                f"The template's copier.yml cannot be rendered: {error}, in {value.strip()[:80]!r}.",
                mend="Tell whoever looks after the template.",
            ) from error

    @cached_property
    def _environment(self) -> Any:
        return environment(self._settings, self._source)

    def _source(self, name: str) -> str | None:
        if self._macros is None:
            return None
        if callable(self._macros):
            return self._macros(name)
        file = self._macros.joinpath(*name.split("/"))
        return file.read_text(encoding="utf-8") if file.is_file() else None
