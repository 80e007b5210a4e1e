"""A version of a template, compiled once and rendered in memory, byte for byte as Copier renders it.

For templates whose every setting is understood (`config`); anything else raises `NotPlainError`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from unicodedata import normalize

from garscaffold.template.config import Config, NotPlainError, read_config
from garscaffold.template.evaluation import evaluate
from garscaffold.template.jinja import environment
from garscaffold.tree import File, Kind, Tree

Match = Callable[[str], bool]


@dataclass(frozen=True)
class Wish:
    """What is rendered from a version.

    Args:
        given: Answers that win over the last ones and the defaults.
        last: Answers of the project so far.
        metadata: `_commit` and `_src_path` as the project records them.
        exclude: Patterns on top of the template's own.
        operation: What templates see as `_copier_operation` in their patterns: copy or update.
        folder: The name of the project's folder, for templates that look at it.
    """

    given: Mapping[str, Any]
    last: Mapping[str, Any]
    metadata: Mapping[str, str]
    exclude: tuple[str, ...] = ()
    operation: str = "copy"
    folder: str = "project"


@dataclass(frozen=True)
class Rendering:
    """A project in memory.

    Args:
        files: Its files.
        answers_file: The path among them at which the answers are recorded.
        skips: Tells which paths are left alone where they exist.
    """

    files: Tree
    answers_file: str
    skips: Match


class PlainTemplate:
    """One version of a template. It keeps what it compiled, so that rendering again costs next to nothing.

    Args:
        tree: Its files, `copier.yml` included.

    Raises:
        NotPlainError: Copier itself has to render it.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.config: Config = read_config(tree)
        self._environment = environment(self.config.envops, self._source)
        self._strings: dict[str, Any] = {}
        standard = self.config.envops.keys() <= {"keep_trailing_newline", "lstrip_blocks", "trim_blocks"}
        kept = self.config.envops["keep_trailing_newline"] is True
        # A text without any of these renders to itself.
        self._marks = re.compile(r"\{[{%#]|\r") if standard and kept else re.compile("")

    def render(self, wish: Wish) -> Rendering:
        """Render a project.

        Raises:
            NotPlainError: Copier itself has to render it, or to say what is wrong.
        """
        from jinja2 import TemplateError

        try:
            return self._render(wish)
        except (TemplateError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, LookupError) as error:
            raise NotPlainError(str(error)) from error

    def _render(self, wish: Wish) -> Rendering:
        questions = self.config.questions
        answers = evaluate(questions, self._text, given=wish.given, last=wish.last, metadata=wish.metadata)
        answers_file = str(PurePosixPath(self._text(self.config.answers_file, answers.context(questions))))
        context = answers.context(questions, answers_file)
        operation = {**context, "_copier_operation": wish.operation}
        patterns = [self._text(pattern, operation) for pattern in (*self.config.exclude, *wish.exclude)]
        excluded = matcher(line for pattern in patterns for line in re.split(r"\r\n|\r|\n", pattern))
        skips = matcher(self._text(pattern, context) for pattern in self.config.skip_if_exists)
        files: dict[str, File] = {}
        for source, path in self._paths(context, answers_file):
            if excluded(path):
                continue
            file = self._file(source, context)
            if files.setdefault(path, file) != file:
                raise NotPlainError(f"two files render to {path}")
        return Rendering(files, answers_file, skips)

    def _paths(self, context: Mapping[str, Any], answers_file: str) -> Iterable[tuple[str, str]]:
        """Give each file that is rendered, with the path that its name renders to."""
        root = PurePosixPath(self._text(self.config.subdirectory, context) or ".")
        if root.is_absolute() or ".." in root.parts:
            raise NotPlainError("its _subdirectory leads out of it")
        prefix = "" if root == PurePosixPath() else f"{root}/"
        there = self._names_and_folders()
        found = False
        suffix = self.config.suffix
        for source in self.tree:
            if not source.startswith(prefix):
                continue
            found = True
            relative = PurePosixPath(source.removeprefix(prefix))
            is_template = relative.name.endswith(suffix)
            if suffix and f"{prefix}{relative}{suffix}" in there:
                continue
            path = self._path(relative.with_suffix("") if suffix and is_template else relative, context, answers_file)
            if path and (is_template or f"{path}{suffix}" not in there):
                yield source, path
        if not found:
            raise NotPlainError("its _subdirectory is not there")

    def _path(self, path: PurePosixPath, context: Mapping[str, Any], answers_file: str) -> str:
        rendered: list[str] = []
        for part in path.parts:
            name = self._text(part, context)
            if not name:
                return ""
            if name == answers_file:
                return answers_file
            rendered.append(name)
        whole = PurePosixPath(*rendered)
        if whole.is_absolute() or ".." in whole.parts or ".git" in whole.parts:
            raise NotPlainError(f"{path} leads out of the project")
        return str(whole)

    def _file(self, source: str, context: Mapping[str, Any]) -> File:
        file = self.tree[source]
        if not source.endswith(self.config.suffix):
            return file
        if file.kind is Kind.SYMLINK:
            return File(self._text(file.data.decode(), context).encode(), file.kind)
        try:
            template = self._environment.get_template(source)
        except UnicodeDecodeError:
            if self.config.suffix:
                raise
            return file
        return File(template.render(context).encode(), file.kind)

    def _names_and_folders(self) -> set[str]:
        return {str(each) for name in self.tree for each in (name, *PurePosixPath(name).parents)}

    def _text(self, text: str, context: Mapping[str, Any]) -> str:
        if not self._marks.search(text):
            return text
        if text not in self._strings:
            self._strings[text] = self._environment.from_string(text)
        return str(self._strings[text].render(context))

    def _source(self, name: str) -> str | None:
        file = self.tree.get(name)
        if file is None:
            return None
        if not file.is_regular:
            raise NotPlainError(f"it imports the link {name}")
        # Python's universal newlines, with which Copier reads its files.
        return file.data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def matcher(patterns: Iterable[str]) -> Match:
    """Return what tells whether a path matches one of git's ignore patterns."""
    lines = [normalize("NFD", pattern) for pattern in patterns if pattern.strip()]
    if not lines:
        return lambda path: False
    from pathspec import PathSpec, __version__

    spec = PathSpec.from_lines("gitignore" if int(__version__.partition(".")[0]) >= 1 else "gitwildmatch", lines)
    return spec.match_file


def remembered_answers(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers in an answers file, without what other tools keep there."""
    return {
        name: value for name, value in document.items() if name in {"_src_path", "_commit"} or not name.startswith("_")
    }
