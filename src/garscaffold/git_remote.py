"""What goes between a git repository and its remote: clones, fetches, pushes."""

import os
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from garscaffold import git, process
from garscaffold.errors import ChangedMeanwhileError, GarscaffoldError
from garscaffold.git_words import NOTHING, advice, is_meanwhile, refusals, telling

REMOTE = "origin"
REFUSED = 1
"""How `git push` ends where it was refused; where nothing could be reached, it is 128."""


@dataclass(frozen=True)
class Look:
    """What a remote has now.

    Args:
        head: Its default branch as a whole name; '' where its HEAD is on no branch.
        commit: The commit that HEAD stands for; '' for none.
        branch: The branch that was asked about; '' where none was.
    """

    head: str
    commit: str
    branch: str


def look(url: str, branch: str = "") -> Look:
    """Ask a remote which branch is its default one now, and whether it has another one.

    Raises:
        GarscaffoldError: It cannot be read, or has no such branch.
    """
    # By its URL and outside of any clone: what fails here is not the clone's fault.
    asked = ["HEAD", *([f"refs/heads/{branch}"] if branch else [])]
    told = _remote(["ls-remote", "--symref", "--", url, *asked], url)
    if branch and f"\trefs/heads/{branch}\n" not in told:
        raise GarscaffoldError(f"{url} has no branch {branch}.", mend="Name one that it has as base.")
    head = re.search(r"^ref: (refs/heads/\S+)\tHEAD$", told, re.MULTILINE)
    commit = re.search(r"^([0-9a-f]+)\tHEAD$", told, re.MULTILINE)
    return Look(head[1] if head else "", commit[1] if commit else "", branch)


def clone_newest(url: str, destination: Path) -> None:
    """Clone the newest commit of a repository's default branch, without a work tree; all of it, or nothing.

    An older clone at the destination is replaced, and its branches are kept as far as they can be read.

    Args:
        url: The repository.
        destination: Where the clone will be; nobody else may be at work there.

    Raises:
        GarscaffoldError: It cannot be read; what git said is part of the sentence.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    # Always of the same name: what a run left that was killed here is swept by the next one.
    draft = destination.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        # Whatever somebody else calls the first remote of a clone.
        settings = ["-c", f"clone.defaultRemoteName={REMOTE}"]
        command = ["clone", "--quiet", "--bare", "--depth=1", "--single-branch", "--", url, str(draft)]
        _remote(command, url, settings=settings)
        if destination.is_dir():
            kept = ["fetch", "--quiet", "--no-tags", "--update-shallow", str(destination), "refs/heads/*:refs/heads/*"]
            process.run([*git.BARE, *kept], cwd=draft, environment=git.QUIET, check=False)
            shutil.rmtree(destination, ignore_errors=True)
        draft.rename(destination)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def fetch_newest(clone: Path, there: Look) -> None:
    """Bring a clone to what its remote has now: the default branch, or the commit that its HEAD is at, and the branch.

    Raises:
        GarscaffoldError: git cannot do it.
    """
    # A default branch may be called otherwise since.
    if there.head:
        _fetch(clone, f"+{there.head}:{there.head}")
        git.read(clone, "symbolic-ref", "HEAD", there.head)
    elif there.commit:
        _fetch(clone, "+HEAD")
        git.read(clone, "update-ref", "--no-deref", "HEAD", "FETCH_HEAD")
    else:
        # What a new clone has then: a branch that is not there yet.
        git.read(clone, "symbolic-ref", "HEAD", "refs/heads/none")
    if there.branch:
        fetch_branch(clone, there.branch)


def is_sound(clone: Path) -> bool:
    """Tell whether a clone in which nobody is at work has all its objects, and no lock that a killed git left."""
    if next(clone.rglob("*.lock"), None) is not None:
        return False
    command = [*git.BARE, "fsck", "--no-dangling", "--no-progress"]
    return process.run(command, cwd=clone, environment=git.QUIET, check=False).exit_code == 0


def fetch_branch(clone: Path, branch: str) -> None:
    """Bring a branch of the remote into a clone, under its own name.

    Raises:
        GarscaffoldError: The remote cannot be read, or has no such branch.
    """
    _fetch(clone, f"+refs/heads/{branch}:refs/heads/{branch}")


def remote_branch(repository: Path, branch: str) -> str:
    """Return the id of the commit that a branch has at the remote, '' where it is not there.

    Raises:
        GarscaffoldError: There is no remote, or it cannot be read.
    """
    if not remote_url(repository):
        raise GarscaffoldError(
            f"{repository} has no remote {REMOTE} to push to.",
            mend=f"git -C {shlex.quote(str(repository))} remote add {REMOTE} URL",
        )
    output = _remote(["ls-remote", "--", REMOTE, f"refs/heads/{branch}"], REMOTE, cwd=repository)
    return output.partition("\t")[0]


def fetch_commits(repository: Path, branch: str, *, depth: int = 0) -> None:
    """Bring the commits of a remote's branch here, under no name.

    Args:
        repository: The repository.
        branch: The branch.
        depth: How many are enough, for a clone of ours; 0 for all, since it would cut off the history of any other.

    Raises:
        GarscaffoldError: The remote cannot be read.
    """
    enough = [f"--depth={depth}"] if depth else []
    _remote(["fetch", "--quiet", "--no-tags", *enough, REMOTE, f"refs/heads/{branch}"], REMOTE, repository)


def push_branch(repository: Path, branch: str, commit: str, *, expected: str) -> None:
    """Push a commit as a branch, over nothing else than what is expected there.

    Args:
        repository: The repository.
        branch: The branch.
        commit: The commit's id.
        expected: The id of the commit that the remote has there; '' for none.

    Raises:
        ChangedMeanwhileError: The remote has something else there.
        GarscaffoldError: The remote refused it, or cannot be reached.
    """
    lease = f"--force-with-lease=refs/heads/{branch}:{expected}"
    command = ["push", "--quiet", "--porcelain", "--no-follow-tags", lease, REMOTE, f"{commit}:refs/heads/{branch}"]
    # What git writes is read here, so it has to be in English.
    done = git.talk([*git.BARE, *command], repository, {"LC_ALL": "C"})
    if done.exit_code != 0:
        raise _refused(repository, branch, done)


def remote_url(repository: Path) -> str:
    """Return the URL of the remote, '' where there is none."""
    command = [*git.BARE, "config", "--get", f"remote.{REMOTE}.url"]
    return process.run(command, cwd=repository, environment=git.QUIET, check=False).stdout.strip()


def _fetch(clone: Path, refspec: str) -> None:
    _remote(["fetch", "--quiet", "--no-tags", "--depth=1", REMOTE, refspec], REMOTE, clone)


def _refused(repository: Path, branch: str, done: process.Result) -> GarscaffoldError:
    reasons, said = refusals(done.stdout), telling(done.stderr)
    told = f": {said}" if said not in {*reasons.values(), NOTHING} else "."
    named = shlex.quote(str(repository))
    if is_meanwhile(reasons, said):
        return ChangedMeanwhileError(
            f"Somebody else pushed to the branch {branch} at {REMOTE} meanwhile, and nothing was pushed over it.",
            mend="Run it again: it looks at what is there.",
        )
    if reasons:
        return GarscaffoldError(
            f"{REMOTE} refused the branch {branch} ({', '.join(reasons.values())}){told}",
            mend="Ask there for the right to push it, or choose a name that is allowed: --branch NAME",
        )
    if done.exit_code == REFUSED and _has_hook(repository, "pre-push"):
        said = telling(f"{done.stderr}\n{done.stdout}")
        return GarscaffoldError(
            f"The hook pre-push of {repository} refused the branch {branch}: {said}",
            mend="Mend what it finds, then run it again.",
        )
    help_first = advice(done.stderr, otherwise="Ask for the right to push there, or check the network with")
    return GarscaffoldError(
        f"`git push` with {REMOTE} failed: {said}", mend=f"{help_first}: git -C {named} ls-remote {REMOTE}"
    )


def _has_hook(repository: Path, name: str) -> bool:
    path = git.read(repository, "rev-parse", "--git-path", f"hooks/{name}").decode("utf-8", "surrogateescape")
    return os.access(repository / path.removesuffix("\n"), os.X_OK)


def _remote(command: list[str], place: str, cwd: Path | None = None, settings: Sequence[str] = ()) -> str:
    done = git.talk([*git.BARE, *settings, *command], cwd)
    if done.exit_code != 0:
        where = f"-C {shlex.quote(str(cwd))} " if cwd is not None else ""
        raise GarscaffoldError(
            f"`git {command[0]}` with {place} failed: {telling(done.stderr)}",
            mend=f"{advice(done.stderr)}: git {where}ls-remote {shlex.quote(place)}",
        )
    return done.stdout
