"""Projects as a commit has them: read and updated without a work tree, so that nobody's unsaved work is in the way."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from garscaffold import git, git_objects
from garscaffold.errors import GarscaffoldError
from garscaffold.git_objects import Entry
from garscaffold.line_ends import ATTRIBUTES, Conversion, Settings
from garscaffold.template.plain import Match
from garscaffold.template.render import ANSWERS_FILE
from garscaffold.tree import File, Kind
from garscaffold.update.merge import FileChange, Obstacle, Outcome, Project
from garscaffold.update.project import Recorded, parse_answers

GITATTRIBUTES, GITIGNORE = ".gitattributes", ".gitignore"
FILTERS = ("filter", "ident", "working-tree-encoding")
"""Attributes by which a checkout has something else than a commit, beside line ends."""


@dataclass(frozen=True)
class Treatment:
    """What git does with a file between a commit and a checkout.

    Args:
        conversion: What becomes of its line ends.
        filter: What else, by the name of the attribute; '' for nothing.
    """

    conversion: Conversion = field(default_factory=Conversion)
    filter: str = ""


@dataclass(frozen=True)
class Commit:
    """A commit and what it holds.

    Args:
        repository: A repository, bare or not.
        id: The commit's id.
        entries: Its paths.
    """

    repository: Path
    id: str
    entries: Mapping[str, Entry]

    @classmethod
    def read(cls, repository: Path, commit: str) -> "Commit":
        """Read what a commit holds."""
        return cls(repository, commit, git_objects.list_tree(repository, commit))

    @cached_property
    def settings(self) -> Settings:
        """The repository's settings for line ends."""
        return git_objects.line_end_settings(self.repository)

    @cached_property
    def folders(self) -> frozenset[str]:
        """Its folders."""
        return frozenset(str(parent) for path in self.entries for parent in PurePosixPath(path).parents)

    def projects(self, under: str = "") -> list[str]:
        """Return where its projects are: each folder's path with a slash at the end, '' for the root.

        Args:
            under: Look only into this folder, written the same way.
        """
        return sorted(
            path.removesuffix(ANSWERS_FILE)
            for path in self.entries
            if path.startswith(under) and PurePosixPath(path).name == ANSWERS_FILE
        )

    def file(self, path: str) -> File:
        """Return one file, which is there."""
        return git_objects.read_entries(self.repository, {path: self.entries[path]})[path]

    def has(self, path: str, file: File | None) -> bool:
        """Tell whether it has just this at a path."""
        return self.file(path) == file if path in self.entries else file is None

    def treatments(
        self, paths: Sequence[str], changed: Mapping[str, File | None] = MappingProxyType({})
    ) -> dict[str, Treatment]:
        """Return what git does with files.

        Args:
            paths: The files.
            changed: What an update changes, since a new `.gitattributes` is followed at once.
        """
        rules, fresh = self._rules(GITATTRIBUTES, changed)
        rules |= {path: Entry(file.kind, git.store_blob(self.repository, file.data)) for path, file in fresh.items()}
        if not paths or not (rules or self.settings.decide):
            return dict.fromkeys(paths, Treatment())
        found = git_objects.attributes(self.repository, rules, [*ATTRIBUTES, *FILTERS], paths)
        return {path: self._treatment(found[path]) for path in paths}

    def _treatment(self, attributes: Mapping[str, str]) -> Treatment:
        filters = [name for name in FILTERS if attributes.get(name, "unspecified") not in {"unspecified", "unset"}]
        return Treatment(Conversion.of(attributes, self.settings), " and ".join(filters))

    def ignored(
        self, paths: Sequence[str], changed: Mapping[str, File | None] = MappingProxyType({})
    ) -> frozenset[str]:
        """Return those of some paths that its `.gitignore` files keep out of it.

        Args:
            paths: The paths.
            changed: What an update changes, since a new `.gitignore` is followed at once.
        """
        folders = {parent for path in paths for parent in PurePosixPath(path).parents}
        entries, fresh = self._rules(GITIGNORE, changed)
        above = {path: entry for path, entry in entries.items() if PurePosixPath(path).parent in folders}
        rules = git_objects.read_entries(self.repository, above) | fresh
        if not rules:
            return frozenset()
        from pathspec import GitIgnoreSpec

        specs = {
            path.removesuffix(GITIGNORE): GitIgnoreSpec.from_lines(file.data.decode("utf-8", "replace").split("\n"))
            for path, file in rules.items()
        }

        def verdict(folder: str, name: str) -> bool | None:
            return specs[folder].check_file(name).include if folder in specs else None

        return frozenset(path for path in paths if _is_ignored(path, verdict))

    def _rules(self, name: str, changed: Mapping[str, File | None]) -> tuple[dict[str, Entry], dict[str, File]]:
        """Return the files of rules that stay as they are, and those that an update writes."""
        entries = {
            path: entry
            for path, entry in self.entries.items()
            if PurePosixPath(path).name == name and entry.kind is Kind.FILE and path not in changed
        }
        fresh = {
            path: file
            for path, file in changed.items()
            if PurePosixPath(path).name == name and file is not None and file.kind is Kind.FILE
        }
        return entries, fresh


@dataclass(frozen=True)
class Snapshot(Recorded):
    """A project in a commit.

    Args:
        commit: The commit.
        prefix: The project's folder in it, with a slash at the end; '' for the root.
    """

    commit: Commit
    prefix: str

    def side(self, paths: Iterable[str], owns: Match) -> Project:
        """Read its side of a merge from the commit."""
        wanted = list(paths)
        obstacles = {path: obstacle for path in wanted if (obstacle := self._obstacle(path))}
        entries = {
            path: self.commit.entries[self.prefix + path]
            for path in wanted
            if path not in obstacles and self.prefix + path in self.commit.entries
        }
        files = git_objects.read_entries(self.commit.repository, entries)
        treatments = self.commit.treatments([self.prefix + path for path in files])
        # As a checkout has them: that is what an update is merged with.
        merged = {
            path: replace(file, data=treatments[self.prefix + path].conversion.checked_out(file.data))
            if file.is_regular
            else file
            for path, file in files.items()
        }
        # Nothing is known of files that no commit has: `committed` leaves out what git would not take.
        return Project(merged, obstacles, frozenset(), owns)

    def committed(self, changes: Iterable[FileChange]) -> dict[str, File | None]:
        """Return what a commit of these changes holds: paths from the root with their new content, None for none.

        Raises:
            GarscaffoldError: A file goes through a program on its way into a commit.
        """
        wanted = list(changes)
        files = {self.prefix + change.path: change.after for change in wanted if change.before != change.after}
        added = [self.prefix + change.path for change in wanted if change.outcome is Outcome.ADDED]
        for path in self.commit.ignored(added, files):
            files.pop(path, None)
        treatments = self.commit.treatments(list(files), files)
        converted = {
            path: entry
            for path in files
            if treatments[path].conversion.converts and (entry := self.commit.entries.get(path))
        }
        known = git_objects.read_entries(self.commit.repository, converted)
        return {
            path: file and _as_committed(path, file, treatments[path], known.get(path)) for path, file in files.items()
        }

    def _obstacle(self, path: str) -> Obstacle | None:
        entries = self.commit.entries
        for parent in _parents(path):
            entry = entries.get(self.prefix + parent)
            if entry is not None:
                return _blocking(parent, entry)
        entry = entries.get(self.prefix + path)
        if entry is not None and entry.kind is Kind.SUBMODULE:
            return Obstacle(f"{path} is a submodule here")
        if self.prefix + path not in self.commit.folders:
            return None
        inside = [name for name in entries if name.startswith(f"{self.prefix}{path}/")]
        return Obstacle(f"{path} is a folder here", frozenset(name.removeprefix(self.prefix) for name in inside))


def snapshot(commit: Commit, prefix: str, *, name: str) -> Snapshot:
    """Read a project in a commit.

    Args:
        commit: The commit.
        prefix: The project's folder in it, with a slash at the end; '' for the root.
        name: What the folder of the whole repository is called, or would be.

    Raises:
        GarscaffoldError: Its answers file cannot be read.
    """
    path = f"{prefix}{ANSWERS_FILE}"
    if not (entry := commit.entries.get(path)) or entry.kind not in {Kind.FILE, Kind.EXECUTABLE}:
        raise GarscaffoldError(
            f"{prefix or 'It'} was not made from a template: commit {commit.id[:12]} has no {path}.",
            mend="Name a repository whose projects were, or commit them first.",
        )
    answers = parse_answers(commit.file(path).data, path)
    return Snapshot(PurePosixPath(prefix).name or name, answers, commit, prefix)


def _as_committed(path: str, file: File, treatment: Treatment, before: File | None) -> File:
    if not file.is_regular:
        return file
    if treatment.filter:
        raise GarscaffoldError(
            f"{path} goes through {treatment.filter} on its way into a commit, which happens in a checkout only.",
            mend="Update it there: garscaffold update",
        )
    known = before.data if before is not None and before.is_regular else None
    return replace(file, data=treatment.conversion.committed(file.data, known))


def _is_ignored(path: str, rule: Callable[[str, str], bool | None]) -> bool:
    """Tell whether a path is ignored, where `rule` tells what the file of a folder says of a name below it."""
    parts = PurePosixPath(path).parts
    for depth in range(1, len(parts) + 1):
        verdict = None
        name = "/".join(parts[:depth]) + ("/" if depth < len(parts) else "")
        for folder in ["", *("/".join(parts[:level]) + "/" for level in range(1, depth))]:
            found = rule(folder, name.removeprefix(folder))
            verdict = verdict if found is None else found
        # What is in an ignored folder is ignored, whatever else is said of it.
        if verdict:
            return True
    return False


def _parents(path: str) -> Iterator[str]:
    return (str(parent) for parent in reversed(PurePosixPath(path).parents[:-1]))


def _blocking(path: str, entry: Entry) -> Obstacle:
    if entry.kind is Kind.SYMLINK:
        return Obstacle(f"{path} is a symbolic link here")
    if entry.kind is Kind.SUBMODULE:
        return Obstacle(f"{path} is a submodule here")
    return Obstacle(f"{path} is a file here", frozenset({path}))
