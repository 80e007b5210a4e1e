"""The template that garscaffold carries, brought to an organisation's own git host.

A version that is there is never rewritten, and a branch goes forward only: what the organisation made of it is theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.version import Version

from garscaffold import git_objects, git_publish
from garscaffold.errors import GarscaffoldError
from garscaffold.git_publish import Refs, Refusal
from garscaffold.git_words import NOTHING, is_meanwhile
from garscaffold.plan import Action, Change, Plan, Step
from garscaffold.template.repository import TemplateRepository, version_of

BRANCH = "main"


@dataclass(frozen=True)
class Publication:
    """What publishing does to a remote.

    Args:
        remote: The remote's address.
        branch: Its default branch.
        plan: What is pushed; empty when all of it is there.
        notes: What stays as it is, and why, a sentence each.
    """

    remote: str
    branch: str
    plan: Plan
    notes: tuple[str, ...] = ()


def plan_publication(repository: TemplateRepository, remote: str, *, with_branch: bool) -> Publication:
    """Plan to push the versions of our template to a remote; reads both and changes neither.

    Args:
        repository: Our template, open, in a copy that may be fetched into.
        remote: The address of the other repository.
        with_branch: Bring its default branch forward, too.

    Raises:
        GarscaffoldError: It cannot be read, holds something else, or would come to harm.
    """
    ours = git_publish.read_refs(str(repository.folder))
    theirs = _read(remote)
    _refuse_other_tags(ours, theirs, remote)
    branch = theirs.head or BRANCH
    fresh = [tag for tag in sorted(ours.tags, key=_order) if tag not in theirs.tags]
    refspecs = [f"refs/tags/{tag}" for tag in fresh]
    changes = [Change(Action.CREATE, "tag", tag) for tag in fresh]
    notes: list[str] = []
    commit, tip = ours.branches[BRANCH], theirs.branches.get(branch, "")
    move: Change | None = None
    if not tip:
        move = Change(Action.CREATE, "branch", branch, f"at {commit[:7]}")
    elif git_objects.is_ancestor(repository.folder, tip, commit):
        move = Change(Action.CHANGE, "branch", branch, f"{tip[:7]} → {commit[:7]}") if tip != commit else None
    else:
        notes += _what_they_have(repository, remote, branch, tip, commit)
    _refuse_to_overtake(fresh, ours.tags, theirs.tags, remote)
    if move and with_branch:
        refspecs.insert(0, f"{commit}:refs/heads/{branch}")
        changes.insert(0, move)
    if not changes:
        return Publication(remote, branch, Plan(), tuple(notes))
    step = Step(f"Pushing to {remote}", tuple(changes), lambda: _push(repository, remote, refspecs))
    return Publication(remote, branch, Plan((step,)), tuple(notes))


def head_is_missing(remote: str) -> bool:
    """Tell whether a clone of the remote would have nothing checked out: its HEAD names a branch that is not there."""
    return not _read(remote).head


def _read(remote: str) -> Refs:
    try:
        return git_publish.read_refs(remote)
    except GarscaffoldError as error:
        if "://" in remote or "@" in remote:
            mend = f"Make an empty repository there, or check your access with: git ls-remote {remote}"
        else:
            mend = f"Make it with: git init --bare {remote}"
        raise GarscaffoldError(f"{remote} cannot be read: {error.sentence}", mend=mend) from error


def _refuse_other_tags(ours: Refs, theirs: Refs, remote: str) -> None:
    other = [tag for tag in sorted(ours.tags, key=_order) if theirs.tags.get(tag, ours.tags[tag]) != ours.tags[tag]]
    if other:
        tags, hold = ("tag", "stands") if len(other) == 1 else ("tags", "stand")
        raise GarscaffoldError(
            f"At {remote} the {tags} {', '.join(other)} {hold} for something else than in this template, and a released "
            "version is never rewritten. Nothing was pushed.",
            mend="Publish to an empty repository.",
        )


def _what_they_have(repository: TemplateRepository, remote: str, branch: str, tip: str, commit: str) -> list[str]:
    """Return what to say about a branch with commits of its own.

    Raises:
        GarscaffoldError: It is no branch of this template.
    """
    git_publish.fetch_branch(repository.folder, remote, branch)
    if not git_publish.are_related(repository.folder, commit, tip):
        raise GarscaffoldError(
            f"{branch} at {remote} has no history in common with this template: it is another project. "
            "Nothing was pushed.",
            mend="Publish to an empty repository, made without a first commit (no README).",
        )
    own = git_publish.count_between(repository.folder, commit, tip)
    if git_objects.is_ancestor(repository.folder, commit, tip):
        return [f"{branch} at {remote} has all of it and {_commits(own)} on top, so it stays as it is."]
    lacking = git_publish.count_between(repository.folder, tip, commit)
    return [
        f"{branch} at {remote} has {_commits(own)} of its own, so it stays as it is; {_commits(lacking)} of ours "
        "can be merged into it."
    ]


def _refuse_to_overtake(
    fresh: list[str], ours: Mapping[str, str], theirs: Mapping[str, str], remote: str
) -> None:
    """Refuse to make a version of ours the newest one of a fork, which would take the fork's own parts away."""
    own = [version for tag in theirs if tag not in ours and (version := version_of(tag)) and not version.is_prerelease]
    if not own:
        return
    newer = [tag for tag in fresh if (version := version_of(tag)) and version > max(own)]
    if newer:
        raise GarscaffoldError(
            f"{remote} has versions of its own, up to {max(own)}, and {', '.join(newer)} would go before them: updates "
            "would take away what it adds. Nothing was pushed.",
            mend=f"Merge {newer[-1]} into it and release that first, as {newer[-1]}+yours.1 "
            "(docs/template-versions.md); then run it again.",
        )


def _push(repository: TemplateRepository, remote: str, refspecs: list[str]) -> None:
    refusal = git_publish.push(repository.folder, remote, refspecs)
    if refusal and refusal.not_atomic:
        refusal = git_publish.push(repository.folder, remote, refspecs, atomic=False)
        if refusal:
            raise _refused(remote, refusal, "What was not refused is there.")
    if refusal:
        raise _refused(remote, refusal, "Nothing was pushed.")


def _refused(remote: str, refusal: Refusal, outcome: str) -> GarscaffoldError:
    reasons = set(refusal.reasons.values())
    again = "Ask for the right to push there, then run it again."
    if is_meanwhile(refusal.reasons, refusal.said):
        return GarscaffoldError(f"{remote} was changed meanwhile. {outcome}", mend="Run the same command again.")
    if not reasons:
        return GarscaffoldError(f"{remote} cannot be pushed to: {refusal.said}. {outcome}", mend=again)
    if "branch is currently checked out" in reasons:
        return GarscaffoldError(
            f"{remote} is somebody's checkout, and a push would change it under their hands. {outcome}",
            mend="Publish to a repository without one: git init --bare FOLDER",
        )
    told = ", ".join(f"{name}: {reason}" for name, reason in refusal.reasons.items())
    said = f" It said: {refusal.said.rstrip('.')}." if refusal.said not in {*reasons, NOTHING} else ""
    return GarscaffoldError(
        f"{remote} refused the push ({told}).{said} {outcome}",
        mend=f"{again} Where only the branch is protected: garscaffold template publish {remote} --tags-only",
    )


def _commits(number: int) -> str:
    return "1 commit" if number == 1 else f"{number} commits"


def _order(tag: str) -> Version:
    return version_of(tag) or Version("0")
