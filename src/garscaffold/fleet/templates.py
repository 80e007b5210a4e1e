"""The templates that the projects of a fleet are from: each is opened once, whatever the number of projects."""

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from packaging.version import Version

from garscaffold.errors import GarscaffoldError
from garscaffold.template.render import Workshop
from garscaffold.template.repository import TemplateRepository, opened, released_versions
from garscaffold.update.templates import template_at


@dataclass(frozen=True)
class Template:
    """An open template.

    Args:
        versions: Its released versions with their tags, oldest first.
        repository: The open repository.
        workshop: Renders its versions.
    """

    versions: dict[Version, str]
    repository: TemplateRepository
    workshop: Workshop


class Templates:
    """Opens templates when they are first asked for, by several threads, and closes them in the end."""

    def __init__(self) -> None:
        self._open: dict[str, Template | GarscaffoldError] = {}
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def get(self, source: str) -> Template:
        """Return the template that a project records.

        Raises:
            GarscaffoldError: It cannot be read; said again to every project, and tried once.
        """
        # One that nobody gets an answer from holds up its own projects, and no others.
        with self._lock:
            lock = self._locks.setdefault(source, threading.Lock())
        with lock:
            if source not in self._open:
                try:
                    self._open[source] = self._opened(source)
                except GarscaffoldError as error:
                    self._open[source] = error
            found = self._open[source]
        if isinstance(found, GarscaffoldError):
            raise GarscaffoldError(found.sentence, mend=found.mend, exit_code=found.exit_code)
        return found

    def _opened(self, source: str) -> Template:
        location, _ = self._stack.enter_context(template_at(source))
        versions = released_versions(location)
        repository = self._stack.enter_context(opened(location))
        return Template(versions, repository, Workshop(repository))
