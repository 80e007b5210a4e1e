"""A version of a template rendered to files in memory, by ourselves or by Copier: the only module that imports it."""

import os
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from garscaffold.errors import GarscaffoldError
from garscaffold.template.config import NotPlainError, code_that_runs, config_name, load
from garscaffold.template.plain import PlainTemplate, Rendering, Wish, matcher
from garscaffold.template.questions import Questionnaire
from garscaffold.template.repository import KEPT, TemplateRepository, opened
from garscaffold.tree import File, Kind, Tree

ANSWERS_FILE = ".copier-answers.yml"
# Copier changes the working directory of the whole process while it renders, whichever template that is.
_COPIER = threading.Lock()


class Workshop:
    """Renders versions of one open template, for several threads, and keeps the last ones compiled.

    Args:
        repository: The open template.
    """

    def __init__(self, repository: TemplateRepository) -> None:
        self.repository = repository
        self._compiled: dict[str, PlainTemplate | None] = {}
        self._questionnaires: dict[str, Questionnaire | None] = {}
        self._lock = threading.RLock()

    def render(self, commit: str, wish: Wish) -> Rendering:
        """Render a project.

        Args:
            commit: The version's commit.
            wish: The answers, and what the project records as its template.

        Raises:
            GarscaffoldError: The template cannot be rendered with these answers, or it runs code.
        """
        with self._lock:
            template = self._template(commit)
            if template is not None:
                try:
                    return template.render(wish)
                except NotPlainError:
                    # Copier does what we do not, and says in its own words what is wrong with a template or an answer.
                    pass
            return _by_copier(self.repository, commit, wish)

    def excludes(self, commit: str) -> tuple[str, ...]:
        """Return the patterns of what a version does not render."""
        with self._lock:
            template = self._template(commit)
        if template is not None:
            return template.config.exclude
        return tuple(_settings(self.repository, commit).get("_exclude", ()))

    def questionnaire(self, commit: str) -> Questionnaire | None:
        """Return the questions of a version; None where Copier has to put them together from several files."""
        with self._lock:
            if commit not in self._questionnaires:
                self._questionnaires[commit] = _questionnaire(self.repository.tree(commit))
                while len(self._questionnaires) > KEPT:
                    del self._questionnaires[next(iter(self._questionnaires))]
            return self._questionnaires[commit]

    def _template(self, commit: str) -> PlainTemplate | None:
        if commit not in self._compiled:
            try:
                self._compiled[commit] = PlainTemplate(self.repository.tree(commit))
            except NotPlainError:
                self._compiled[commit] = None
            while len(self._compiled) > KEPT:
                del self._compiled[next(iter(self._compiled))]
        return self._compiled[commit]


def write_tree(files: Tree, destination: Path) -> None:
    """Write files into a folder; it and its folders are made."""
    destination.mkdir(parents=True, exist_ok=True)
    for folder in {(destination / name).parent for name in files}:
        folder.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        path = destination / name
        if file.kind is Kind.SYMLINK:
            path.symlink_to(os.fsdecode(file.data))
            continue
        path.write_bytes(file.data)
        if file.kind is Kind.EXECUTABLE:
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o444) >> 2)


def read_folder(folder: Path) -> dict[str, File]:
    """Return every file in a folder."""
    files = {}
    for base, folders, names in os.walk(folder):
        links = [name for name in folders if Path(base, name).is_symlink()]
        for path in (Path(base, name) for name in [*names, *links]):
            files[path.relative_to(folder).as_posix()] = read_file(path)
    return files


def read_file(path: Path) -> File:
    """Return the file at a path, a symbolic link as what it is."""
    if path.is_symlink():
        return File(os.fsencode(path.readlink()), Kind.SYMLINK)
    return File(path.read_bytes(), Kind.EXECUTABLE if path.stat().st_mode & 0o100 else Kind.FILE)


def _questionnaire(tree: Tree) -> Questionnaire | None:
    name = config_name(tree)
    if name is None:
        return None

    def macros(path: str) -> str | None:
        return tree[path].data.decode("utf-8") if path in tree else None

    try:
        return Questionnaire.parse(tree[name].data.decode("utf-8"), macros=macros)
    except (NotPlainError, yaml.YAMLError, GarscaffoldError):
        return None


def refuse_code(repository: TemplateRepository, commit: str, *, instead: str = "copier update --trust") -> None:
    """Refuse a version that runs code of its own: tasks, migrations or Jinja extensions.

    Args:
        repository: The open template.
        commit: The version's commit.
        instead: What does it all the same, for somebody who trusts the template.

    Raises:
        GarscaffoldError: It does.
    """
    code = code_that_runs(_settings(repository, commit))
    if code:
        raise GarscaffoldError(
            f"This template runs code of its own on this machine ({code}), which garscaffold never does.",
            mend=f"If you trust it: {instead}",
        )


def _by_copier(repository: TemplateRepository, commit: str, wish: Wish) -> Rendering:
    refuse_code(repository, commit)
    import copier
    from copier.errors import CopierError
    from jinja2 import TemplateError

    answers = {**wish.last, **wish.given}
    with _COPIER, tempfile.TemporaryDirectory(prefix="garscaffold-rendered-") as aside:
        destination = Path(aside) / wish.folder
        try:
            copier.run_copy(
                str(repository.folder),
                destination,
                data={name: value for name, value in answers.items() if not name.startswith("_")},
                vcs_ref=commit,
                exclude=wish.exclude,
                settings=copier.Settings(),
                defaults=True,
                overwrite=True,
                quiet=True,
            )
        except (CopierError, TemplateError, ValueError, TypeError, OSError) as error:
            raise GarscaffoldError(f"The template could not be rendered: {error}") from error
        files = read_folder(destination)
    recorded = files.get(ANSWERS_FILE)
    if recorded is not None:
        text = recorded.data.decode("utf-8")
        # Copier rendered from our copy of the template; the project records where the template really is.
        header = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
        document = {**yaml.safe_load(text), **wish.metadata}
        body = yaml.safe_dump(document, indent=4, allow_unicode=True, default_flow_style=False)
        files[ANSWERS_FILE] = File((header + body).encode(), recorded.kind)
    return Rendering(files, ANSWERS_FILE, matcher(_settings(repository, commit).get("_skip_if_exists", ())))


def _settings(repository: TemplateRepository, commit: str) -> Mapping[str, Any]:
    try:
        return load(repository.tree(commit))
    except NotPlainError:
        return {}
