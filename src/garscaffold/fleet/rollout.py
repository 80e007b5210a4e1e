"""The update of one repository of a fleet: a branch with a commit for each project, checked, pushed, proposed.

Nothing of it needs a work tree, so that nobody's unsaved work is touched; a check gets a repository of its own. The
next run goes on where one was cut off: what is done is read from the repository and its remote, and nowhere else.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from garscaffold import git, git_objects, git_remote
from garscaffold.errors import ChangedMeanwhileError, GarscaffoldError
from garscaffold.fleet.checks import run_check
from garscaffold.fleet.forges import Forge, Request, Stage
from garscaffold.fleet.messages import TRAILER, branch_for, message_for, versions_in
from garscaffold.fleet.proposals import decided, propose
from garscaffold.fleet.repositories import Repository
from garscaffold.fleet.results import Result, State, told
from garscaffold.fleet.survey import Settings, found_projects, look_ahead
from garscaffold.fleet.targets import Target
from garscaffold.update.planning import Update
from garscaffold.update.snapshot import Commit, Snapshot


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
    # What can be known before a push is: which forge it is, that somebody is signed in, what a team said before.
    host = rollout.forge.at(folder) if rollout.forge else None
    requests = host.requests(branch) if host else []
    if ended := decided(requests, repository, {each.update.end for each in planned}):
        return [_decided(each.result, ended, branch, repository) for each in planned]
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
    # Whoever went on from our commits pushes that, unless nobody has it yet.
    pushes = rollout.push and tip != remote and not (remote and chosen.foreign)
    try:
        if pushes:
            git_remote.push_branch(folder, branch, tip, expected=remote)
    except ChangedMeanwhileError:
        raise
    except GarscaffoldError as error:
        return [_spoiled(replace(each, branch=branch), error) if _is_done(each) else each for each in results]
    url, left = "", None
    try:
        if host:
            texts = _messages(repository, planned, tip)
            url, left = propose(host, requests, repository, branch, texts, is_new=pushes)
    except GarscaffoldError as error:
        failure = GarscaffoldError(f"The branch is pushed, and {error.sentence}", mend=error.mend)
        return [
            _spoiled(replace(each, branch=branch, pushed=True), failure) if _is_done(each) else each for each in results
        ]
    clone = str(folder) if repository.target.is_remote and not rollout.push else ""
    sentence, mend = (left.sentence, left.mend) if left else ("", "")
    return [
        replace(each, branch=branch, clone=clone, pushed=rollout.push, pull_request=url, sentence=sentence, mend=mend)
        if _is_done(each)
        else each
        for each in results
    ]


def _messages(repository: Repository, planned: Sequence[Planned], tip: str) -> list[str]:
    # The branch may have what earlier runs were told to update; or somebody put its commits together.
    found = [each for each in git_objects.messages(repository.folder, repository.base, tip) if versions_in(each)]
    return found or [message_for(each.update, each.project.prefix).strip() for each in planned]


def _decided(result: Result, request: Request, branch: str, repository: Repository) -> Result:
    left_alone = replace(result, branch=branch, pull_request=request.url)
    if request.stage is Stage.MERGED:
        return replace(
            left_alone,
            state=State.UPDATED,
            earlier=True,
            commit=request.merged_as,
            sentence=f"{request.url} was merged, and is not in this checkout yet.",
            mend=f"git -C {shlex.quote(str(repository.folder))} pull",
        )
    return replace(
        left_alone,
        sentence=f"{request.url} was closed without a merge, so it is not made again.",
        mend="Reopen it there, and run it again; or make another one: --branch NAME",
    )


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
