"""Where a template comes from: a bundle, a repository on this machine, or a URL, read version by version."""

import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import InvalidVersion, Version

from garscaffold import git, git_objects
from garscaffold.errors import GarscaffoldError
from garscaffold.git_words import advice
from garscaffold.process import StoppedError
from garscaffold.tree import Tree

ALIASES = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
KEPT = 8
"""How many versions of a template stay in memory: a fleet is rarely spread over more."""


def location_of(source: str) -> str:
    """Return what git reads for what a project records as its template, by Copier's rules (its `get_repo`)."""
    for alias, address in ALIASES.items():
        if source.startswith(alias):
            return f"{address}{source.removeprefix(alias).lstrip('/').removesuffix('.git')}.git"
    if source.startswith("git+"):
        return source.removeprefix("git+")
    if source.startswith("https://") and not source.endswith(".git"):
        return f"{source}.git" if re.match(r"https://(github|gitlab)\.com/", source) else source
    return str(Path(source).expanduser()) if source.startswith("~") else source


def version_of(description: str) -> Version | None:
    """Return the version that git's description of a commit stands for, None where it is none.

    A commit after a tag (`1.0.0-3-gabcdef`) is a post-release of it, as Copier takes it.
    """
    found = re.fullmatch(r"(.+)-(\d+)-g(\w+)", description)
    try:
        return Version(f"{found[1]}.post{found[2]}+{found[3]}" if found else description)
    except InvalidVersion:
        return None


def released_versions(location: str) -> dict[Version, str]:
    """Return the versions of a template with their tags, oldest first; without opening it.

    Raises:
        GarscaffoldError: It cannot be read.
    """
    try:
        tags = git.remote_tags(location)
    except GarscaffoldError as error:
        raise unreachable(location, error) from error
    found = {version: tag for tag in tags if (version := version_of(tag)) is not None}
    return dict(sorted(found.items()))


def unreachable(location: str, error: GarscaffoldError) -> GarscaffoldError:
    """Return the error for a template that cannot be read."""
    if isinstance(error, StoppedError):
        return StoppedError(error.sentence, mend=error.mend)
    if "://" in location or "@" in location:
        mend = f"{advice(error.sentence)}: git ls-remote {location}"
    else:
        mend = "Put it there; for the template that garscaffold carries: garscaffold template install"
    return GarscaffoldError(f"The template at {location} cannot be read: {error.sentence.rstrip('.')}.", mend=mend)


@dataclass
class TemplateRepository:
    """An open template, which stays open while several projects or versions are rendered from it, by several threads.

    Args:
        location: Where it was opened from.
        folder: The git repository that is read.
    """

    location: str
    folder: Path
    _trees: dict[str, Tree] = field(default_factory=dict, repr=False)
    _known: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    def commit(self, reference: str) -> str:
        """Return the id of the commit of a version.

        Raises:
            GarscaffoldError: The repository does not have it.
        """
        found = self._once("commit", git.commit_of, reference)
        if not found:
            shallow = git.is_shallow(self.folder)
            why = " It is a shallow clone, without the older versions." if shallow else ""
            raise GarscaffoldError(
                f"The template at {self.location} has no version {reference}.{why}",
                mend=f"git -C {self.location} fetch --unshallow --tags"
                if shallow
                else "If it was released since, put the newer template there: garscaffold template install, or git fetch.",
            )
        return found

    def describe(self, commit: str) -> str:
        """Return what a project records as `_commit` for a commit."""
        return self._once("description", git.describe, commit)

    def tree(self, commit: str) -> Tree:
        """Return the files of a commit; the last ones that were read stay in memory."""
        with self._lock:
            if commit in self._trees:
                self._trees[commit] = self._trees.pop(commit)
            else:
                self._trees[commit] = git_objects.read_tree(self.folder, commit)
                while len(self._trees) > KEPT:
                    del self._trees[next(iter(self._trees))]
            return self._trees[commit]

    def notes(self, tag: str) -> str:
        """Return the release notes of a version, from the message of its tag."""
        return self._once("notes", git.tag_notes, tag)

    def _once(self, what: str, ask: Callable[[Path, str], str], name: str) -> str:
        # While it is open, a template does not change: a fleet asks the same of it for every project.
        with self._lock:
            if (what, name) not in self._known:
                self._known[what, name] = ask(self.folder, name)
            return self._known[what, name]


@contextmanager
def opened(location: str) -> Iterator[TemplateRepository]:
    """Open a template for reading; a bundle or URL is copied for as long as it is open.

    Raises:
        GarscaffoldError: It cannot be read.
    """
    if Path(location).is_dir():
        yield TemplateRepository(location, Path(location).absolute())
        return
    with tempfile.TemporaryDirectory(prefix="garscaffold-template-") as aside:
        folder = Path(aside) / "template.git"
        try:
            git.clone_bare(str(Path(location).absolute()) if Path(location).exists() else location, folder)
        except GarscaffoldError as error:
            raise unreachable(location, error) from error
        yield TemplateRepository(location, folder)
