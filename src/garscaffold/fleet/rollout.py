"""The update of one repository of a fleet: a branch with a commit for each project, checked, pushed, proposed.

Nothing of it needs a work tree, so that nobody's unsaved work is touched; a check gets a repository of its own. The
next run goes on where one was cut off: what is done is read from the repository and its remote, and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from garscaffold import git, git_objects, git_remote
from garscaffold.errors import ChangedMeanwhileError, GarscaffoldError
from garscaffold.fleet.checks import run_check
from garscaffold.fleet.forges import Forge, Proposal
from garscaffold.fleet.repositories import Repository
from garscaffold.fleet.results import Result, State, told
from garscaffold.fleet.survey import Settings, found_projects, look_ahead
from garscaffold.fleet.targets import Target
from garscaffold.update.planning import Update
from garscaffold.update.snapshot import Commit, Snapshot

TRAILER = "Template-Version"
"""By this line of their message the commits of an update are known again."""


@dataclass(frozen=True)
class Rollout:
    """What is done with an update.

    Args:
        settings: Those of the run.
        branch: The branch; '' for one that is named after the version.
        check: A command that has to succeed in each updated project, in a shell; '' for none.
        check_limit: How many seconds it may take; 0 for the usual time.
        push: Push the branch.
        forge: Where a pull request is made; None for nowhere.
    """

    settings: Settings
    branch: str = ""
    check: str = ""
    check_limit: int = 0
    push: bool = False
    forge: Forge | None = None


@dataclass(frozen=True)
class Planned:
    """A project with an update that conflicts with nothing."""

    result: Result
    project: Snapshot
    update: Update


def roll_out(target: Target, rollout: Rollout) -> list[Result]:
    """Update every project of a repository.

    Raises:
        GarscaffoldError: The repository cannot be read.
    """
    return rollout.settings.at(target, lambda repository: _rolled_out(repository, rollout))


def _rolled_out(repository: Repository, rollout: Rollout) -> list[Result]:
    target = repository.target
    commit = Commit.read(repository.folder, repository.base)
    results: list[Result] = []
    planned: list[Planned] = []
    for prefix in found_projects(repository, commit):
        try:
            prospect = look_ahead(repository, commit, prefix, rollout.settings)
        except Exception as error:
            # One project of a repository never stops the others, whatever it is.
            results.append(_spoiled(Result(target.place, prefix, State.FAILED), error))
            continue
        found = replace(prospect.result(), repository=target.place)
        if found.state is State.BEHIND and prospect.update is not None:
            planned.append(Planned(found, prospect.project, prospect.update))
        else:
            results.append(found)
    if planned:
        try:
            results += _branched(repository, planned, rollout)
        except GarscaffoldError as error:
            results += [_spoiled(each.result, error) for each in planned]
    return sorted(results, key=lambda result: result.project)


def branch_for(updates: Sequence[Update]) -> str:
    """Return the name of the branch of an update, the same at every run."""
    versions = sorted({update.end for update in updates})
    return f"garscaffold/template-{'-'.join(versions)}"


def message_for(update: Update, prefix: str) -> str:
    """Return the message of an update's commit: what was released, and the line by which it is known again."""
    where = f" in {prefix.rstrip('/')}" if prefix else ""
    what = f"from template {update.start} to {update.end}"
    if update.moves:
        what = f"to template {update.end} of {update.source}"
    elif update.start == update.end:
        what = f"with other answers to template {update.end}"
    notes = [f"{release.version}\n\n{release.notes}".strip() for release in update.changelog]
    parts = [f"chore: update {what}{where}", *notes, f"{TRAILER}: {update.end}"]
    return "\n\n".join(parts) + "\n"


@dataclass(frozen=True)
class Standing:
    """What a branch has of an update.

    Args:
        tip: Where it ends; '' where it is not there, or has to be made again.
        foreign: Somebody went on from our commits, or made it for something else.
    """

    tip: str = ""
    foreign: bool = False


def _branched(repository: Repository, planned: Sequence[Planned], rollout: Rollout) -> Sequence[Result]:
    try:
        return _branched_once(repository, planned, rollout)
    except ChangedMeanwhileError:
        # Most often it is another run with the same update, which is done then.
        return _branched_once(repository, planned, rollout)


def _branched_once(repository: Repository, planned: Sequence[Planned], rollout: Rollout) -> Sequence[Result]:
    branch = rollout.branch or branch_for([each.update for each in planned])
    folder = repository.folder
    if branch == repository.branch:
        raise GarscaffoldError(
            f"The branch {branch} is the one that the update starts from.", mend="Choose another name: --branch NAME"
        )
    remote = _fetched(repository, branch) if rollout.push else ""
    local = git.commit_of(folder, f"refs/heads/{branch}")
    here, there = _standing(repository, planned, local), _standing(repository, planned, remote)
    keeps = here.foreign and not (remote and git_objects.is_ancestor(folder, local, remote))
    chosen = here if keeps or not there.tip else there
    results, tip = _committed(repository, planned, chosen, branch, rollout)
    if tip == repository.base or not any(each.state is State.UPDATED for each in results):
        return results
    if tip != local and not here.foreign:
        git_objects.put_branch(folder, branch, tip, expected=local)
    try:
        # Whoever went on from our commits pushes that, unless nobody has it yet.
        if rollout.push and tip != remote and not (remote and chosen.foreign):
            git_remote.push_branch(folder, branch, tip, expected=remote)
        url = rollout.forge.propose(repository, _proposal(planned, branch, repository)) if rollout.forge else ""
    except ChangedMeanwhileError:
        raise
    except GarscaffoldError as error:
        return [_spoiled(replace(each, branch=branch), error) if _is_done(each) else each for each in results]
    return [
        replace(each, branch=branch, pushed=rollout.push, pull_request=url) if _is_done(each) else each
        for each in results
    ]


def _is_done(result: Result) -> bool:
    return result.state is State.UPDATED


def _fetched(repository: Repository, branch: str) -> str:
    remote = git_remote.remote_branch(repository.folder, branch)
    if remote and not git.commit_of(repository.folder, remote):
        # A depth is for our own clones. Our commits are as many as the projects.
        count = len(Commit.read(repository.folder, repository.base).projects())
        depth = 64 + count if repository.target.is_remote else 0
        git_remote.fetch_commits(repository.folder, branch, depth=depth)
    return remote


def _standing(repository: Repository, planned: Sequence[Planned], tip: str) -> Standing:
    if not tip:
        return Standing()
    ours, foot = git_objects.own_commits(repository.folder, tip, TRAILER, stop=repository.base)
    if foot == repository.base and not _is_stale(repository, planned, tip):
        return Standing(tip)
    # The base has moved on, or the branch is merged.
    if ours or git_objects.is_ancestor(repository.folder, tip, repository.base):
        return Standing()
    return Standing(tip, foreign=True)


def _is_stale(repository: Repository, planned: Sequence[Planned], tip: str) -> bool:
    """Tell whether the commits of a branch update a project in another way than now."""
    base, commit = (Commit.read(repository.folder, each) for each in (repository.base, tip))
    records = {f"{each.project.prefix}{each.update.answers.path}": each.update.answers.after for each in planned}
    return any(
        commit.entries.get(path) != base.entries.get(path) and not commit.has(path, wished)
        for path, wished in records.items()
    )


def _committed(
    repository: Repository, planned: Sequence[Planned], standing: Standing, branch: str, rollout: Rollout
) -> tuple[list[Result], str]:
    """Make the commits that a branch does not have yet; return all results, and where the branch ends then."""
    tip, results = standing.tip or repository.base, []
    base = planned[0].project.commit
    commit = base if tip == base.id else Commit.read(repository.folder, tip)
    who = None
    for each in planned:
        project, update = each.project, each.update
        try:
            if commit.has(f"{project.prefix}{update.answers.path}", update.answers.after):
                results.append(replace(each.result, state=State.UPDATED, earlier=True, commit=tip))
                continue
            if standing.foreign:
                raise GarscaffoldError(
                    f"The branch {branch} has commits of somebody else, and not the update.",
                    mend="Merge or delete it, or choose another name: --branch NAME",
                )
            if rollout.settings.stop.is_set():
                raise GarscaffoldError("It was interrupted before this project.", mend="Run it again: it goes on.")
            who = who or git_objects.identity(repository.folder)
            files = project.committed([*update.changes, update.answers])
            made = git_objects.commit_files(repository.folder, tip, files, message_for(update, project.prefix), who=who)
            if check := rollout.check or repository.target.check:
                limit = rollout.check_limit or repository.target.check_limit
                run_check(repository.folder, made, project.prefix, check, limit)
        except Exception as error:
            results.append(_spoiled(each.result, error))
            continue
        tip = made
        results.append(replace(each.result, state=State.UPDATED, commit=made))
    return results, tip


def _spoiled(result: Result, error: Exception) -> Result:
    sentence, mend = told(error)
    return replace(result, state=State.FAILED, sentence=sentence, mend=mend)


def _proposal(planned: Sequence[Planned], branch: str, repository: Repository) -> Proposal:
    prefix = planned[0].project.prefix if len(planned) == 1 else ""
    title, _, body = message_for(planned[0].update, prefix).partition("\n")
    return Proposal(title, body.strip(), branch, repository.branch)
