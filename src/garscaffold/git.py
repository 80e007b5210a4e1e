"""The one door to git."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from garscaffold import process
from garscaffold.errors import GarscaffoldError
from garscaffold.git_words import NO_END, telling

# No questions, and no index rewritten just because somebody looked. ssh asks in the terminal whatever git is told, for
# several repositories over each other: from OpenSSH 8.4 on it asks a program instead, which never has an answer here
# (ssh(1), SSH_ASKPASS_REQUIRE). A server that says nothing at all for two minutes is given up: git's own keep alive
# every five seconds (git-config, uploadpack.keepAlive).
QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "SSH_ASKPASS": "false",
    "SSH_ASKPASS_REQUIRE": "force",
    "GIT_HTTP_LOW_SPEED_LIMIT": os.environ.get("GIT_HTTP_LOW_SPEED_LIMIT", "1"),
    "GIT_HTTP_LOW_SPEED_TIME": os.environ.get("GIT_HTTP_LOW_SPEED_TIME", "120"),
}
UNDER_WAY = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
"""What git has under way, by the file or folder that says so (git's wt-status.c)."""
BARE = ("git", "-c", "safe.bareRepository=all")
"""git where a repository may be bare: it was named by the user, or is our own, so git's guard is not meant."""
UNREACHED = 128
"""How git ends where it could not read from or write to another repository."""
MERGE_FAILED = 128
"""`git merge-file` ends with the number of conflicts, or with more than this when it could not work."""


@dataclass(frozen=True)
class WorkTree:
    """Where a folder stands in a git repository.

    Args:
        top: The root of the work tree.
        prefix: The folder's path in it with a slash at the end, or '' for the root itself.
        private: The work tree's own folder in `.git`.
    """

    top: Path
    prefix: str
    private: Path


@dataclass(frozen=True)
class IndexEntry:
    """One stage of a path in the index: 0, or 1 (base), 2 (ours), 3 (theirs) of a conflict."""

    mode: str
    blob: str
    stage: int
    path: str


def refuse_missing() -> None:
    """Refuse to go on where there is no git.

    Raises:
        GarscaffoldError: It is not installed.
    """
    if process.find("git") is None:
        raise GarscaffoldError("git is not installed, or not on PATH.", mend="Install git, then run it again.")


def is_inside_work_tree(folder: Path) -> bool:
    """Tell whether `folder`, which exists, lies in a git work tree."""
    return _git(folder, "rev-parse", "--is-inside-work-tree", check=False) == "true"


def start_repository(folder: Path, message: str, *, author_name: str, author_email: str) -> None:
    """Make `folder` a git repository and commit everything in it.

    The user's own identity, hooks and settings apply; the given identity only fills in where git has none.

    Raises:
        GarscaffoldError: git refused; what it said is part of the sentence.
    """
    identity = {}
    if not _git(folder, "config", "user.email", check=False):
        identity = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", author_name), ("EMAIL", author_email))
        }
    branch = _git(folder, "config", "init.defaultBranch", check=False) or "main"
    environment = {**identity, "GIT_TERMINAL_PROMPT": "0"}
    try:
        _git(folder, "init", "--quiet", f"--initial-branch={branch}")
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", f"--message={message}", environment=environment)
    except GarscaffoldError as error:
        raise GarscaffoldError(
            f"The first commit could not be made. {error.sentence}",
            mend="Mend what git says, or run the same command with --no-git and commit by hand.",
        ) from error


def _git(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, check: bool = True) -> str:
    return process.run(["git", *arguments], cwd=folder, environment=environment, check=check).stdout.strip()


def work_tree(folder: Path) -> WorkTree | None:
    """Return where `folder`, which exists, stands in a git work tree, or None."""
    # No --path-format: git learned that only in 2.31. --absolute-git-dir is older.
    command = ["git", "rev-parse", "--is-inside-work-tree", "--show-toplevel", "--absolute-git-dir", "--show-prefix"]
    done = process.exchange(command, cwd=folder)
    lines = done.stdout.decode("utf-8", "surrogateescape").split("\n")
    if done.exit_code != 0 or lines[0] != "true":
        return None
    if len(lines) != len(command) - 1:
        # A folder has a line break in its name: one by one it is plain where each path ends.
        lines[1:] = [_line(folder, "rev-parse", option) for option in command[3:]]
    return WorkTree(Path(lines[1]), lines[3], Path(lines[2]))


def complaint(folder: Path) -> str:
    """Return why git cannot read a repository, in its own words and in English; '' where it can."""
    environment = {**QUIET, "LC_ALL": "C"}
    done = process.run(["git", "rev-parse", "--git-dir"], cwd=folder, environment=environment, check=False)
    said = done.stderr.strip().splitlines() if done.exit_code != 0 else []
    return said[0] if said else ""


def is_branch_name(name: str) -> bool:
    """Tell whether a branch may be called so."""
    if name.startswith("-") or name == "HEAD":
        return False
    return process.exchange(["git", "check-ref-format", f"refs/heads/{name}"]).exit_code == 0


def is_bare(folder: Path) -> bool:
    """Tell whether `folder`, which exists, is a repository without a work tree."""
    command = [*BARE, "rev-parse", "--is-bare-repository"]
    done = process.exchange(command, cwd=folder, environment={**QUIET, "GIT_CEILING_DIRECTORIES": str(folder.parent)})
    return done.exit_code == 0 and done.stdout.strip() == b"true"


def head(folder: Path) -> str:
    """Return the id of the commit that is checked out, or '' where there is none yet."""
    return _git(folder, "rev-parse", "--verify", "--quiet", "HEAD", check=False)


def status(folder: Path) -> tuple[list[str], list[str]]:
    """Return what differs from the last commit in `folder`: tracked paths, and untracked ones, from the root.

    What is not committed inside a submodule is that one's own affair: nothing of it could be committed here.
    """
    options = ["--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=dirty"]
    output = _bytes(folder, "status", *options, "--", ".")
    tracked: list[str] = []
    untracked: list[str] = []
    for line in output.decode("utf-8", "surrogateescape").split("\0"):
        if line:
            (untracked if line.startswith("?? ") else tracked).append(line[3:])
    return tracked, untracked


def under_way(tree: WorkTree) -> str:
    """Return what git was told to do in a work tree and has not ended, '' for nothing."""
    return next((word for name, word in UNDER_WAY.items() if (tree.private / name).exists()), "")


def left_out(folder: Path, paths: Sequence[str]) -> list[str]:
    """Return those of `paths`, relative to `folder`, that are committed but not checked out (a sparse checkout)."""
    if not paths:
        return []
    output = _bytes(folder, "ls-files", "-t", "-z", "--", *[f":(literal){path}" for path in paths])
    lines = output.decode("utf-8", "surrogateescape").split("\0")
    return [line.removeprefix("S ") for line in lines if line.startswith("S ")]


def tracks(folder: Path, name: str) -> bool:
    """Tell whether git tracks a file of this name in `folder` or below."""
    return bool(_bytes(folder, "ls-files", "-z", "--", f":(glob)**/{name}"))


def ignored(folder: Path, paths: Iterable[str]) -> set[str]:
    """Return those of `paths`, relative to `folder`, that git ignores there and does not track."""
    names = "\0".join(paths).encode("utf-8", "surrogateescape")
    if not names:
        return set()
    done = process.exchange(["git", "check-ignore", "-z", "--stdin"], cwd=folder, stdin=names)
    return {name for name in done.stdout.decode("utf-8", "surrogateescape").split("\0") if name}


def index_entries(folder: Path, paths: Sequence[str] = (), *, unmerged: bool = False) -> list[IndexEntry]:
    """Return the index entries of `paths` in `folder`, or of all, or of those in conflict; paths are from the root."""
    chosen = ["--unmerged"] if unmerged else ["--stage"]
    literal = [f":(literal){path}" for path in paths] or ["."]
    output = _bytes(folder, "ls-files", "-z", "--full-name", *chosen, "--", *literal)
    entries = []
    for line in output.decode("utf-8", "surrogateescape").split("\0"):
        if line:
            fields, _, path = line.partition("\t")
            mode, blob, stage = fields.split()
            entries.append(IndexEntry(mode, blob, int(stage), path))
    return entries


def write_index(folder: Path, lines: Sequence[str]) -> None:
    """Put lines of `git update-index --index-info` into the index, in one go."""
    stdin = "".join(f"{line}\0" for line in lines).encode("utf-8", "surrogateescape")
    _bytes(folder, "update-index", "-z", "--index-info", stdin=stdin)


def store_blob(folder: Path, data: bytes) -> str:
    """Store `data` in the repository and return its id."""
    return _bytes(folder, "hash-object", "-w", "--stdin", stdin=data).decode().strip()


def empty_blob(folder: Path) -> str:
    """Return the id that stands for no blob, as long as the repository's ids are."""
    return "0" * len(_bytes(folder, "hash-object", "--stdin").decode().strip())


def merge(base: Path, ours: Path, theirs: Path, *, labels: tuple[str, str, str]) -> tuple[bytes, int]:
    """Merge three files; returns the result, with markers where it conflicts, and the number of conflicts.

    Args:
        base: What both came from.
        ours: One side.
        theirs: The other side.
        labels: What markers call ours, base and theirs.
    """
    named = [word for label in labels for word in ("-L", label)]
    command = ["git", "merge-file", "-p", *named, str(ours), str(base), str(theirs)]
    done = process.exchange(command, cwd=base.parent)
    if done.exit_code >= MERGE_FAILED:
        raise GarscaffoldError(f"git could not merge: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout, done.exit_code


def remote_tags(source: str) -> list[str]:
    """Return the names of the tags in a repository or bundle, by its path or URL.

    Raises:
        GarscaffoldError: It cannot be read; what git said is the sentence.
    """
    output = _elsewhere("ls-remote", "--tags", "--refs", "--", source)
    return [line.partition("refs/tags/")[2] for line in output.splitlines() if "refs/tags/" in line]


def clone_bare(source: str, destination: Path) -> None:
    """Copy a repository or bundle without a work tree.

    Raises:
        GarscaffoldError: It cannot be read; what git said is the sentence.
    """
    _elsewhere("clone", "--quiet", "--bare", "--", source, str(destination))


def _elsewhere(*arguments: str) -> str:
    done = talk(["git", *arguments])
    if done.exit_code != 0:
        raise GarscaffoldError(telling(done.stderr))
    return done.stdout


def talk(
    command: Sequence[str], cwd: Path | None = None, environment: Mapping[str, str] = MappingProxyType({})
) -> process.Result:
    """Run a command of git's that talks to another machine, which may take its time, but not for ever.

    Args:
        command: The command, with its `git`.
        cwd: Where it runs.
        environment: Variables on top of this process's own and those that keep git quiet.

    Raises:
        StoppedError: Nobody waits for it any more.
    """
    try:
        return process.run(
            command, cwd=cwd, environment={**QUIET, **environment}, check=False, limit=process.patience()
        )
    except process.OverdueError:
        # As git ends where it could not reach anybody.
        return process.Result(UNREACHED, "", f"{NO_END} {process.patience()} seconds")


def commit_of(repository: Path, reference: str) -> str:
    """Return the id of the commit that a tag, branch or id stands for, or '' when the repository has no such."""
    # On standard input, where nothing can be taken for an option, and each line is asked about by itself.
    if "\n" in reference:
        return ""
    stdin = "".join(f"{name}^{{commit}}\n" for name in (reference, f"refs/remotes/origin/{reference}"))
    form = "--batch-check=%(objectname) %(objecttype)"
    for line in (
        read(repository, "cat-file", form, stdin=stdin.encode("utf-8", "surrogateescape")).decode().splitlines()
    ):
        commit, _, kind = line.partition(" ")
        if kind == "commit":
            return commit
    return ""


def describe(repository: Path, commit: str) -> str:
    """Return git's description of a commit: its tag, or the nearest one with the distance, or a short id."""
    return read(repository, "describe", "--tags", "--always", commit).decode().strip()


def is_shallow(repository: Path) -> bool:
    """Tell whether the history of a repository is cut off."""
    return read(repository, "rev-parse", "--is-shallow-repository").strip() == b"true"


def tag_notes(repository: Path, tag: str) -> str:
    """Return the message of an annotated tag without its first line; '' for any other tag."""
    form = "--format=%(objecttype)%00%(contents:body)"
    kind, _, body = (
        read(repository, "for-each-ref", form, f"refs/tags/{tag}").decode("utf-8", "replace").partition("\0")
    )
    return body.strip() if kind == "tag" else ""


def tags(repository: Path) -> list[tuple[str, str, str]]:
    """Return every tag with its day, as YYYY-MM-DD, and, for annotated ones, its message without the first line."""
    form = "--format=%(refname:strip=2)%00%(objecttype)%00%(creatordate:short)%00%(contents:body)%00"
    fields = read(repository, "for-each-ref", form, "refs/tags").decode("utf-8", "replace").split("\0")
    rows = zip(*[iter(fields[:-1])] * 4, strict=True)
    return [(name.lstrip("\n"), date, body.strip() if kind == "tag" else "") for name, kind, date, body in rows]


def read(repository: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run git in a repository that may be bare, and return what it wrote.

    Raises:
        GarscaffoldError: git failed; what it said is part of the sentence.
    """
    return _bytes(repository, *arguments, stdin=stdin, settings=BARE[1:])


def _line(folder: Path, *arguments: str) -> str:
    return _bytes(folder, *arguments).decode("utf-8", "surrogateescape").removesuffix("\n")


def _bytes(folder: Path, *arguments: str, stdin: bytes = b"", settings: Sequence[str] = ()) -> bytes:
    done = process.exchange(["git", *settings, *arguments], cwd=folder, environment=QUIET, stdin=stdin)
    if done.exit_code != 0:
        said = telling(done.stderr.decode(errors="replace"))
        raise GarscaffoldError(f"`git {arguments[0]}` failed with exit code {done.exit_code}: {said}")
    return done.stdout
