"""Pull requests for the updates of a fleet: one for each branch; what a team decided about an earlier one counts."""

import re
from collections.abc import Sequence
from dataclasses import replace

from garscaffold import git_objects, git_remote
from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.forges import Host, Proposal, Request, Stage, newest_ended
from garscaffold.fleet.messages import PREFIX, is_older, project_of, request_text, versions_in
from garscaffold.fleet.repositories import Repository

REPLACES = re.compile(r"^It replaces .+$", re.MULTILINE)


def decided(requests: Sequence[Request], repository: Repository, versions: set[str]) -> Request | None:
    """Return the pull request by which a team decided about an update, None where it is still to be made or open.

    Args:
        requests: Those of the update's branch, the newest first.
        repository: The repository.
        versions: The versions that the update goes to.
    """
    ended = newest_ended(requests)
    if ended is None:
        return None
    told = versions_in(ended.body)
    if told and not told & versions:
        # A branch that somebody named is used for one version after the other.
        return None
    if ended.stage is Stage.CLOSED:
        return ended
    # A clone is what the remote has: whoever merged it and is behind all the same has taken it back, or wants more.
    is_here = repository.target.is_remote or git_objects.is_ancestor(
        repository.folder, ended.merged_as, repository.base
    )
    return None if is_here else ended


def propose(
    host: Host,
    requests: Sequence[Request],
    repository: Repository,
    branch: str,
    messages: Sequence[str],
    *,
    is_new: bool,
) -> tuple[str, GarscaffoldError | None]:
    """Make the pull request for a pushed branch, or bring the one that it has up to date.

    Args:
        host: The forge.
        requests: The pull requests of the branch.
        repository: The repository.
        branch: The branch.
        messages: What its commits say, the oldest first.
        is_new: The branch was pushed just now.

    Returns:
        Its address, and what could not be done about the one that it replaces.

    Raises:
        GarscaffoldError: The forge refuses.
    """
    title, body = request_text(messages)
    proposal = Proposal(title, body, branch, repository.branch)
    there = next((each for each in requests if each.stage is Stage.OPEN), None)
    if there is not None:
        if kept := REPLACES.search(there.body):
            proposal = replace(proposal, body=f"{kept[0]}\n\n{body}")
        if is_new and (there.title, there.body.replace("\r\n", "\n")) != (proposal.title, proposal.body):
            host.rewrite(there, proposal)
        return there.url, None
    older = _older(host, repository, branch, {project_of(each) for each in messages})
    if older:
        urls = " and ".join(each.url for each in older)
        proposal = replace(proposal, body=f"It replaces {urls}.\n\n{body}")
    made = host.create(proposal)
    try:
        for each in older:
            host.close(each, f"{made.url} replaces it, with a newer version of the template.")
    except GarscaffoldError as error:
        urls = ", ".join(each.url for each in older)
        return made.url, GarscaffoldError(
            f"{made.url} replaces an older one, which could not be closed: {error.sentence}", mend=f"Close it: {urls}"
        )
    return made.url, None


def _older(host: Host, repository: Repository, branch: str, projects: set[str | None]) -> list[Request]:
    """Return the open pull requests of ours for older versions, of which nothing but our commits would be lost."""
    if not branch.startswith(PREFIX):
        return []
    names = [name for name in git_remote.branches(repository.folder, f"{PREFIX}*") if is_older(name, branch)]
    return [
        request
        for name in names
        for request in host.requests(name)
        if request.stage is Stage.OPEN
        and request.base == (repository.branch or request.base)
        and _is_only_ours(host, request, projects)
    ]


def _is_only_ours(host: Host, request: Request, projects: set[str | None]) -> bool:
    commits = host.commits(request)
    ours = {project_of(each.message) for each in commits if each.is_first_hand and versions_in(each.message)}
    return (
        bool(commits) and all(each.is_first_hand and versions_in(each.message) for each in commits) and ours <= projects
    )
