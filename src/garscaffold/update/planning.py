"""From a project and a template to what an update would do: versions, answers, files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from garscaffold.errors import GarscaffoldError, usage_error
from garscaffold.template.interview import Ask, collect
from garscaffold.template.plain import Wish
from garscaffold.template.questions import Questionnaire
from garscaffold.template.render import Workshop
from garscaffold.template.repository import TemplateRepository, version_of
from garscaffold.tree import Tree
from garscaffold.update.merge import FileChange, Outcome, plan_changes, recreated, touched
from garscaffold.update.project import Recorded, merge_with_git


@dataclass(frozen=True)
class Release:
    """A version of a template, with what its author says about it."""

    version: str
    notes: str

    def to_json(self) -> dict[str, str]:
        """Return it as `--json` shows it."""
        return {"version": self.version, "notes": self.notes}


@dataclass(frozen=True)
class Route:
    """From which version to which.

    Args:
        start: The project's version, as git describes it.
        end: The tag of the version that it goes to.
        between: The tags after `start` up to `end`, the newest first.
    """

    start: str
    end: str
    between: tuple[str, ...]


@dataclass(frozen=True)
class Update:
    """What an update does to a project.

    Args:
        project: The project.
        start: Its version.
        end: The version that it goes to.
        changelog: What was released between them, the newest first.
        new_answers: Answers that it did not have.
        changed_answers: Answers that it had, each with the one that replaces it.
        changes: What becomes of each file, the answers file left out.
        answers: What becomes of the answers file.
        source: What it records as its template from then on.
    """

    project: Recorded
    start: str
    end: str
    changelog: tuple[Release, ...]
    new_answers: Mapping[str, Any]
    changed_answers: Mapping[str, tuple[Any, Any]]
    changes: tuple[FileChange, ...]
    answers: FileChange
    source: str

    @property
    def conflicts(self) -> tuple[FileChange, ...]:
        """The changes that need somebody to decide."""
        return tuple(change for change in self.changes if change.outcome is Outcome.CONFLICTING)

    @property
    def moves(self) -> bool:
        """Tell whether the project gets another template."""
        return self.source != self.project.source

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing at all would change, not even the recorded answers."""
        writes = any(change.before != change.after or change.stages for change in self.changes)
        return not writes and self.answers.before == self.answers.after


def choose_route(start: str, versions: Mapping[Version, str], wished: str | None) -> Route:
    """Choose the version to go to: the newest release, or the wished one.

    Args:
        start: What the project records as its version.
        versions: The template's versions with their tags, oldest first.
        wished: The version that was asked for, if any.

    Raises:
        GarscaffoldError: There is none, or it would be a downgrade.
    """
    began = version_of(start)
    if began is None:
        raise GarscaffoldError(
            f"The project's version {start} is no release, so that nobody can tell what is newer.",
            mend="Bring it to a release once with: copier update --vcs-ref VERSION",
        )
    end = _end(versions, wished)
    if wished is None and end < began and began.is_prerelease:
        end = began
    if end < began:
        raise GarscaffoldError(
            f"The project is at {start}, and {end} is older: there is no way back through an update.",
            mend="Revert the commit of that update, or, when the template here is too old, upgrade garscaffold.",
        )
    between = tuple(tag for version, tag in reversed(list(versions.items())) if began < version <= end)
    return Route(start, versions.get(end, start), between)


def choose_move(start: str, old: Mapping[Version, str], versions: Mapping[Version, str], wished: str | None) -> Route:
    """Choose the version of another template to go to, which counts its versions on its own.

    Args:
        start: What the project records as its version.
        old: The versions of its template with their tags.
        versions: Those of the other one, oldest first.
        wished: The version that was asked for, if any.

    Returns:
        The route; between are the releases up to its end that the project's template did not have yet.

    Raises:
        GarscaffoldError: There is none.
    """
    began, end = version_of(start), _end(versions, wished)
    known = {version for version in old if began is None or version <= began}
    between = [tag for version, tag in versions.items() if version <= end and version not in known]
    return Route(start, versions[end], tuple(reversed(between)))


def _end(versions: Mapping[Version, str], wished: str | None) -> Version:
    """Return the newest release, or the wished version."""
    if wished is not None and versions:
        asked = version_of(wished)
        if asked is None or asked not in versions:
            known = ", ".join(str(version) for version in versions)
            raise usage_error(f"The template has no version {wished}.", mend=f"It has: {known}.")
        return asked
    released = [version for version in versions if not version.is_prerelease]
    if not released:
        raise GarscaffoldError("The template has no released version.", mend="Tag one, such as 1.0.0.")
    return max(released)


def plan_update(
    project: Recorded,
    route: Route,
    repository: TemplateRepository,
    workshop: Workshop,
    *,
    given: Mapping[str, Any],
    ask: Ask | None,
    take_defaults: bool,
    former: Workshop | None = None,
    source: str | None = None,
) -> Update:
    """Plan an update; writes nothing.

    Args:
        project: The project.
        route: From which version to which.
        repository: The open template.
        workshop: Renders its versions.
        given: Answers from options and files.
        ask: Puts a new question to a person; None when nobody is there.
        take_defaults: Take the default of new questions that are not given.
        former: Renders the versions of the template that the project is from; None when it is the same.
        source: What the project records as its template from then on; None for what it records now.

    Raises:
        GarscaffoldError: An answer is missing or wrong, or the template cannot be read or rendered.
    """
    former = former or workshop
    source = source or project.source
    start, end = former.repository.commit(route.start), repository.commit(route.end)
    last = project.answers
    answers = _answers(workshop.questionnaire(end), last, given=given, ask=ask, take_defaults=take_defaults)
    described = {"_commit": repository.describe(end), "_src_path": source}
    new = workshop.render(end, Wish(answers, last, described, operation="update", folder=project.name))
    # With what the new version excludes: a file that is the team's from now on is not deleted.
    exclude = workshop.excludes(end)
    recorded = {"_commit": project.version, "_src_path": project.source}
    old = former.render(start, Wish(last, {}, recorded, exclude=exclude, operation="update", folder=project.name))
    before, after = _without(old.files, new.answers_file), _without(new.files, new.answers_file)
    paths = [*touched(before, after), *recreated(before, after, new.skips)]
    side = project.side([*paths, new.answers_file], new.skips)
    changes = plan_changes(before, after, side, merge_with_git)
    own = side.files.get(new.answers_file)
    record = FileChange(new.answers_file, Outcome.CHANGED, own, new.files.get(new.answers_file, own), "the answers")
    changelog = tuple(Release(tag, repository.notes(tag)) for tag in route.between)
    fresh = {name: value for name, value in answers.items() if name not in last}
    others = {name: (last[name], value) for name, value in answers.items() if last.get(name, value) != value}
    return Update(project, route.start, route.end, changelog, fresh, others, changes, record, source)


def _answers(
    questionnaire: Questionnaire | None,
    last: Mapping[str, Any],
    *,
    given: Mapping[str, Any],
    ask: Ask | None,
    take_defaults: bool,
) -> dict[str, Any]:
    if questionnaire is None:
        # Copier takes the defaults of questions that only it can put together.
        return dict(given)
    return collect(
        questionnaire,
        given=_as_lists(questionnaire, given),
        recorded=last,
        suggested={},
        ask=ask,
        take_defaults=take_defaults,
    )


def _as_lists(questionnaire: Questionnaire, given: Mapping[str, Any]) -> dict[str, Any]:
    # An option that is given once, for a question whose answer is a list.
    lists = {question.name for question in questionnaire.questions if question.is_list}
    return {
        name: [value] if name in lists and isinstance(value, str) and not value.lstrip().startswith("[") else value
        for name, value in given.items()
    }


def _without(files: Tree, path: str) -> Tree:
    return {name: file for name, file in files.items() if name != path}
