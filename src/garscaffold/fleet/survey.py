"""A look at one repository of a fleet: its projects, what an update would do to them, what of their wiring drifted."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from garscaffold import git
from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.drift import find_drift, paths_of
from garscaffold.fleet.hunks import hunks_of
from garscaffold.fleet.repositories import Repository, at_repository
from garscaffold.fleet.results import Conflict, Drift, Result, State, told
from garscaffold.fleet.targets import Target
from garscaffold.fleet.templates import Template, Templates
from garscaffold.template.interview import MissingAnswersError, completed
from garscaffold.template.plain import Wish
from garscaffold.template.render import ANSWERS_FILE
from garscaffold.template.repository import version_of
from garscaffold.update.merge import FileChange
from garscaffold.update.planning import Route, Update, choose_move, choose_route, plan_update
from garscaffold.update.snapshot import Commit, Snapshot, snapshot

WIRING = "wiring"
"""The answer, computed by the template, that lists the files which carry authentication."""


@dataclass(frozen=True)
class Settings:
    """What is the same for every repository of a run.

    Args:
        templates: The open templates.
        clones: The folder of the clones.
        version: The version to go to; None for the newest.
        given: Answers to new questions, and other answers to old ones.
        moves_to: The template that every project moves to; None for its own.
        discards_clones: Remove each clone when its repository is done.
        stop: Set when nobody waits for the rest any more.
        tell: Is told what a run waits for, by any of its threads.
    """

    templates: Templates
    clones: Path
    version: str | None = None
    given: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    moves_to: str | None = None
    discards_clones: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[str], None] = lambda line: None

    def at(self, target: Target, work: Callable[[Repository], list[Result]]) -> list[Result]:
        """Do work on a repository; a clone of it is up to date, and nobody else's meanwhile.

        Raises:
            GarscaffoldError: It cannot be read, or the work failed.
        """
        return at_repository(target, self.clones, work, discard=self.discards_clones, tell=self.tell, stop=self.stop)


@dataclass(frozen=True)
class Prospect:
    """What an update would do to a project.

    Args:
        project: The project in the commit that the update starts from.
        template: The template that it goes to.
        former: The template that it is from, most often the same.
        route: From which version to which.
        update: The update; None when there is nothing to do.
    """

    project: Snapshot
    template: Template
    former: Template
    route: Route
    update: Update | None

    def result(self) -> Result:
        """Return what is known of the project so far."""
        update = self.update
        conflicts = tuple(_conflict(change) for change in update.conflicts) if update else ()
        return Result(
            repository="",
            project=self.project.prefix,
            state=State.CURRENT if update is None else State.CONFLICTS if conflicts else State.BEHIND,
            template=self.project.source,
            version=self.route.start,
            target=self.route.end,
            behind=len(self.route.between),
            changes=sum(change.before != change.after for change in update.changes) if update else 0,
            conflicts=conflicts,
        )


def survey(target: Target, settings: Settings) -> list[Result]:
    """Look at every project of a repository; nothing is written but a clone.

    Raises:
        GarscaffoldError: The repository cannot be read.
    """
    return settings.at(target, lambda repository: _surveyed(repository, settings))


def _surveyed(repository: Repository, settings: Settings) -> list[Result]:
    target = repository.target
    commit = Commit.read(repository.folder, repository.base)
    changed = git.status(repository.folder / target.under)[0] if repository.has_work_tree else None
    results = []
    for prefix in found_projects(repository, commit):
        dirty = None if changed is None else any(path.startswith(prefix) for path in changed)
        try:
            prospect = look_ahead(repository, commit, prefix, settings)
            found = replace(prospect.result(), repository=target.place, drift=_drift(prospect))
        except Exception as error:
            # One project of a repository never stops the others, whatever it is.
            sentence, mend = told(error)
            found = Result(target.place, prefix, State.FAILED, sentence=sentence, mend=mend)
        results.append(replace(found, dirty=dirty))
    return results


def found_projects(repository: Repository, commit: Commit) -> Iterator[str]:
    """Give where the projects of a repository are.

    Raises:
        GarscaffoldError: It has none.
    """
    projects = commit.projects(repository.target.under)
    if not projects:
        where = f"{repository.target.place}/{repository.target.under}".rstrip("/")
        raise GarscaffoldError(
            f"{where} has no project made from a template: no {ANSWERS_FILE} is committed.",
            mend="Take it off the list, or commit the project first.",
        )
    return iter(projects)


def look_ahead(repository: Repository, commit: Commit, prefix: str, settings: Settings) -> Prospect:
    """Plan the update of one project.

    Args:
        repository: Its repository.
        commit: The commit to start from.
        prefix: Its folder in the commit.
        settings: Those of the run.

    Raises:
        GarscaffoldError: It cannot be updated.
    """
    project = snapshot(commit, prefix, name=repository.target.name)
    source = settings.moves_to or project.source
    template = settings.templates.get(source)
    if source == project.source:
        former, route = template, choose_route(project.version, template.versions, settings.version)
        if not route.between and not settings.given:
            return Prospect(project, template, former, route, None)
    else:
        former = _former(project, template, settings.templates)
        route = choose_move(project.version, former.versions, template.versions, settings.version)
    try:
        update = plan_update(
            project,
            route,
            template.repository,
            template.workshop,
            given=settings.given,
            ask=None,
            take_defaults=True,
            former=former.workshop,
            source=source,
        )
    except MissingAnswersError as error:
        if not error.questions:
            raise
        # The options that one project has are none of a whole fleet.
        mend = f"Add {' '.join(f'-d {name}=…' for name in error.questions)}"
        raise GarscaffoldError(error.sentence, mend=mend) from error
    return Prospect(project, template, former, route, None if update.is_empty else update)


def _former(project: Snapshot, template: Template, templates: Templates) -> Template:
    """Return the template that a project moves away from, or the new one where only that has its version."""
    try:
        return templates.get(project.source)
    except GarscaffoldError:
        if version_of(project.version) not in template.versions:
            raise
        return template


def _drift(prospect: Prospect) -> tuple[Drift, ...] | None:
    project, template, former = prospect.project, prospect.template, prospect.former
    newest = template.workshop.questionnaire(template.repository.commit(prospect.route.end))
    wiring = completed(newest, project.answers).get(WIRING) if newest else None
    if not isinstance(wiring, list):
        return None
    recorded = {"_commit": project.version, "_src_path": project.source}
    start = former.repository.commit(prospect.route.start)
    made = former.workshop.render(start, Wish(project.answers, {}, recorded, folder=project.name)).files
    mine = project.side([path for path in paths_of(wiring) if path in made], lambda path: False)
    return find_drift(wiring, made, mine.files)


def _conflict(change: FileChange) -> Conflict:
    data = change.after.data if change.after else b""
    return Conflict(change.path, change.detail, tuple(hunks_of(data.decode("utf-8", "replace"))))
