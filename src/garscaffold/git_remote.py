"""What goes between a git repository and its remote: clones, fetches, pushes."""

import re
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from garscaffold import git, process
from garscaffold.errors import GarscaffoldError
from garscaffold.git_words import advice, telling

REMOTE = "origin"
_GIT = ("git", "-c", "safe.bareRepository=all")


def clone_newest(url: str, destination: Path) -> None:
    """Clone the newest commit of a repository's default branch, without a work tree; all of it, or nothing.

    Raises:
        GarscaffoldError: It cannot be read; what git said is part of the sentence.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".clone-") as aside:
        draft = Path(aside) / "clone.git"
        # Whatever somebody else calls the first remote of a clone.
        settings = ["-c", f"clone.defaultRemoteName={REMOTE}"]
        command = ["clone", "--quiet", "--bare", "--depth=1", "--single-branch", "--", url, str(draft)]
        _remote(command, url, settings=settings)
        shutil.rmtree(destination, ignore_errors=True)
        draft.rename(destination)


def fetch_newest(clone: Path) -> None:
    """Bring the default branch of a clone to its newest commit.

    Raises:
        GarscaffoldError: The remote cannot be read.
    """
    # A default branch may be called otherwise since.
    told = _remote(["ls-remote", "--symref", "--", REMOTE, "HEAD"], REMOTE, cwd=clone)
    found = re.search(r"^ref: (refs/heads/\S+)\tHEAD$", told, re.MULTILINE)
    if found:
        _fetch(clone, f"+{found[1]}:{found[1]}")
        git.read(clone, "symbolic-ref", "HEAD", found[1])


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
        GarscaffoldError: The remote refused it.
    """
    lease = f"--force-with-lease=refs/heads/{branch}:{expected}"
    command = ["push", "--quiet", "--no-follow-tags", lease, REMOTE, f"{commit}:refs/heads/{branch}"]
    _remote(command, REMOTE, repository)


def remote_url(repository: Path) -> str:
    """Return the URL of the remote, '' where there is none."""
    command = [*_GIT, "config", "--get", f"remote.{REMOTE}.url"]
    return process.run(command, cwd=repository, environment=git.QUIET, check=False).stdout.strip()


def _fetch(clone: Path, refspec: str) -> None:
    _remote(["fetch", "--quiet", "--no-tags", "--depth=1", REMOTE, refspec], REMOTE, clone)


def _remote(command: list[str], place: str, cwd: Path | None = None, settings: Sequence[str] = ()) -> str:
    done = git.talk([*_GIT, *settings, *command], cwd)
    if done.exit_code != 0:
        where = f"-C {shlex.quote(str(cwd))} " if cwd is not None else ""
        raise GarscaffoldError(
            f"`git {command[0]}` with {place} failed: {telling(done.stderr)}",
            mend=f"{advice(done.stderr)}: git {where}ls-remote {shlex.quote(place)}",
        )
    return done.stdout
