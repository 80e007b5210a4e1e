"""What goes between a git repository and its remote: clones, fetches, pushes."""

import shutil
import tempfile
from pathlib import Path

from garscaffold import git, process
from garscaffold.errors import GarscaffoldError

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
        command = ["clone", "--quiet", "--bare", "--depth=1", "--single-branch", "--", url, str(draft)]
        _remote(command, url)
        shutil.rmtree(destination, ignore_errors=True)
        draft.rename(destination)


def fetch_newest(clone: Path) -> None:
    """Bring the default branch of a clone to its newest commit.

    Raises:
        GarscaffoldError: The remote cannot be read.
    """
    branch = git.read(clone, "symbolic-ref", "HEAD").decode().strip()
    _fetch(clone, f"+{branch}:{branch}")


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
    output = _remote(["ls-remote", "--", REMOTE, f"refs/heads/{branch}"], REMOTE, cwd=repository)
    return output.partition("\t")[0]


def fetch_commits(repository: Path, branch: str) -> None:
    """Bring the last commits of a remote's branch here, under no name.

    Raises:
        GarscaffoldError: The remote cannot be read.
    """
    # A depth would cut off the history of a whole clone.
    depth = ["--depth=64"] if git.is_shallow(repository) else []
    _remote(["fetch", "--quiet", "--no-tags", *depth, REMOTE, f"refs/heads/{branch}"], REMOTE, repository)


def push_branch(repository: Path, branch: str, *, expected: str) -> None:
    """Push a branch, over nothing else than what is expected there.

    Args:
        repository: The repository.
        branch: The branch.
        expected: The id of the commit that the remote has there; '' for none.

    Raises:
        GarscaffoldError: The remote refused it.
    """
    lease = f"--force-with-lease=refs/heads/{branch}:{expected}"
    name = f"refs/heads/{branch}"
    _remote(["push", "--quiet", lease, REMOTE, f"{name}:{name}"], REMOTE, repository)


def remote_url(repository: Path) -> str:
    """Return the URL of the remote, '' where there is none."""
    command = [*_GIT, "config", "--get", f"remote.{REMOTE}.url"]
    return process.run(command, cwd=repository, environment=git.QUIET, check=False).stdout.strip()


def _fetch(clone: Path, refspec: str) -> None:
    _remote(["fetch", "--quiet", "--no-tags", "--depth=1", REMOTE, refspec], REMOTE, clone)


def _remote(command: list[str], place: str, cwd: Path | None = None) -> str:
    done = process.run([*_GIT, *command], cwd=cwd, environment=git.QUIET, check=False)
    if done.exit_code != 0:
        said = [line for line in done.stderr.strip().splitlines() if line.strip()] or ["it said nothing"]
        told = next((line for line in said if line.startswith(("fatal:", "error:", " !", "remote:"))), said[-1])
        raise GarscaffoldError(
            f"`git {command[0]}` with {place} failed: {told.strip()}",
            mend=f"Check the network and your access with: git ls-remote {place}"
            + (f" (in {cwd})" if cwd is not None else ""),
        )
    return done.stdout
