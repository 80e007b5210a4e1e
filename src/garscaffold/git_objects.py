"""Commits, trees and branches of a git repository, read and written without a work tree."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from garscaffold import git, process
from garscaffold.errors import ChangedMeanwhileError, GarscaffoldError
from garscaffold.line_ends import Settings
from garscaffold.tree import File, Kind

LONGEST = 4096
"""How many commits of a branch are looked at: it has one for each project of a repository."""


@dataclass(frozen=True)
class Entry:
    """What a tree has at a path: the kind, and the id of its content."""

    kind: Kind
    blob: str


@dataclass(frozen=True)
class Identity:
    """Who commits, as git writes it into commits, and whether their commits are signed."""

    author: str
    committer: str
    signs: bool


def list_tree(repository: Path, commit: str) -> dict[str, Entry]:
    """Return every path of a commit with what it has there."""
    entries = {}
    for line in git.read(repository, "ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0"):
        if line:
            fields, _, name = line.partition(b"\t")
            mode, _, blob = fields.decode().split()
            kind = Kind(mode.replace("100664", "100644"))
            entries[name.decode("utf-8", "surrogateescape")] = Entry(kind, blob)
    return entries


def read_entries(repository: Path, entries: Mapping[str, Entry]) -> dict[str, File]:
    """Return the files of a tree's entries."""
    blobs = _blobs(repository, [entry.blob for entry in entries.values() if entry.kind is not Kind.SUBMODULE])
    return {name: File(blobs.get(entry.blob, entry.blob.encode()), entry.kind) for name, entry in entries.items()}


def read_tree(repository: Path, commit: str) -> dict[str, File]:
    """Return every file of a commit."""
    return read_entries(repository, list_tree(repository, commit))


def line_end_settings(repository: Path) -> Settings:
    """Return the settings by which git converts line ends."""
    command = [*git.BARE, "config", "--get-regexp", r"^core\.(autocrlf|eol)$"]
    done = process.run(command, cwd=repository, environment=git.QUIET, check=False)
    found = dict(line.partition(" ")[::2] for line in done.stdout.lower().splitlines())
    autocrlf = found.get("core.autocrlf", "false")
    # A setting without a value is on.
    return Settings("true" if autocrlf in {"", "yes", "on", "1"} else autocrlf, found.get("core.eol", ""))


def attributes(
    repository: Path, entries: Mapping[str, Entry], names: Sequence[str], paths: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return the attributes that files have by the `.gitattributes` of a tree, and not by what is checked out.

    Args:
        repository: The repository.
        entries: The `.gitattributes` files of the tree, by their paths.
        names: The attributes.
        paths: The files.
    """
    with tempfile.TemporaryDirectory(prefix="garscaffold-index-") as aside:
        environment = {**git.QUIET, "GIT_INDEX_FILE": str(Path(aside, "index"))}

        def ask(command: Sequence[str], lines: Iterable[str]) -> str:
            stdin = "".join(f"{line}\0" for line in lines).encode("utf-8", "surrogateescape")
            # It is an index of our own: no hook of the repository's has anything to do with it.
            quiet = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]
            whole = [*git.BARE, *quiet, *command]
            done = process.exchange(whole, cwd=repository, environment=environment, stdin=stdin)
            if done.exit_code != 0:
                raise GarscaffoldError(f"`git {command[0]}` failed: {done.stderr.decode(errors='replace').strip()}")
            return done.stdout.decode("utf-8", "surrogateescape")

        ask(
            ["update-index", "-z", "--index-info"],
            [f"{entry.kind} {entry.blob} 0\t{path}" for path, entry in entries.items()],
        )
        words = ask(["check-attr", "--cached", "-z", "--stdin", *names], paths).split("\0")
    found: dict[str, dict[str, str]] = {path: {} for path in paths}
    for path, name, value in zip(words[::3], words[1::3], words[2::3], strict=False):
        found[path][name] = value
    return found


def identity(repository: Path) -> Identity:
    """Return who commits in a repository.

    Raises:
        GarscaffoldError: git does not know.
    """
    try:
        # One by one: only so does git refuse a name that it made up from the machine's.
        author, committer = (
            git.read(repository, "var", name).decode("utf-8", "surrogateescape").strip()
            for name in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
        )
    except GarscaffoldError as error:
        raise GarscaffoldError(
            f"git does not know who commits here. {error.sentence}",
            mend="git config --global user.name 'Your Name' && git config --global user.email you@example.com",
        ) from error
    signs = git.read(repository, "config", "--type=bool", "--default=false", "--get", "commit.gpgSign")
    return Identity(author, committer, signs.strip() == b"true")


def commit_files(
    repository: Path, parent: str, files: Mapping[str, File | None], message: str, *, who: Identity
) -> str:
    """Store a commit that no branch has yet, and return its id.

    Args:
        repository: A repository, bare or not; its work tree and index are not touched.
        parent: The id of the commit that it follows.
        files: What it changes: paths with their new content, or None for a deletion.
        message: Its message.
        who: Who commits.

    Raises:
        GarscaffoldError: git could not store it.
    """
    # fast-import has to put it somewhere. What is there is taken back in the same stream, so that it never becomes a
    # reference, not even when somebody pulls the plug.
    reference = b"refs/garscaffold/update"
    people = f"author {who.author}\ncommitter {who.committer}\n"
    stream = [
        b"commit %s\nmark :1\n%s" % (reference, people.encode("utf-8", "surrogateescape")),
        _data(message.encode("utf-8", "surrogateescape")),
        f"from {parent}\n".encode(),
    ]
    # Deletions first: a file may become a folder.
    for path, file in sorted(files.items(), key=lambda item: item[1] is not None):
        stream.append(
            b"D %s\n" % _quoted(path)
            if file is None
            else b"M %s inline %s\n%s" % (file.kind.encode(), _quoted(path), _data(file.data))
        )
    stream.append(b"\nget-mark :1\nreset %s\nfrom %s\n\ndone\n" % (reference, b"0" * len(parent)))
    try:
        output = git.read(repository, "fast-import", "--quiet", "--force", "--done", stdin=b"".join(stream))
    except GarscaffoldError as error:
        raise GarscaffoldError(
            f"The commit could not be stored. {error.sentence}",
            mend="Where a hook refused it (reference-transaction), let it take refs/garscaffold/.",
        ) from error
    made = output.decode().strip()
    return _signed(repository, parent, made, message) if who.signs else made


def _signed(repository: Path, parent: str, made: str, message: str) -> str:
    """Return the id of a commit like `made`, signed."""
    stdin = message.encode("utf-8", "surrogateescape")
    command = ["commit-tree", "-S", "-p", parent, "-F", "-", f"{made}^{{tree}}"]
    try:
        return git.read(repository, *command, stdin=stdin).decode().strip()
    except GarscaffoldError as error:
        raise GarscaffoldError(
            f"The commit could not be signed. {error.sentence}",
            mend="Make `git commit -S` work without a question, or turn it off there: git config commit.gpgSign false",
        ) from error


def put_branch(repository: Path, branch: str, commit: str, *, expected: str) -> None:
    """Make a branch point to a commit, over nothing else than what is expected there.

    Args:
        repository: The repository.
        branch: The branch's name.
        commit: The commit.
        expected: The id of the commit that it has, which it may lose; '' where it is not there.

    Raises:
        ChangedMeanwhileError: It has another one.
        GarscaffoldError: It is checked out somewhere, or git cannot write it.
    """
    if not _has(repository, branch, expected):
        raise _changed_meanwhile(branch)
    try:
        git.read(repository, "branch", "--quiet", "--no-track", *(["--force"] if expected else []), branch, commit)
    except GarscaffoldError as error:
        if not _has(repository, branch, expected):
            raise _changed_meanwhile(branch) from error
        where = git.read(repository, "for-each-ref", "--format=%(worktreepath)", f"refs/heads/{branch}")
        if folder := where.decode("utf-8", "surrogateescape").strip():
            raise GarscaffoldError(
                f"The branch {branch} is checked out in {folder}, and has to be made again.",
                mend="Check out another one there, or choose another name: --branch NAME",
            ) from error
        raise GarscaffoldError(
            f"The branch {branch} could not be written. {error.sentence}",
            mend="Mend what git says, then run it again; or choose another name: --branch NAME",
        ) from error


def _has(repository: Path, branch: str, commit: str) -> bool:
    return git.commit_of(repository, f"refs/heads/{branch}") == commit


def _changed_meanwhile(branch: str) -> GarscaffoldError:
    return ChangedMeanwhileError(
        f"Somebody else wrote the branch {branch} meanwhile.", mend="Run it again: it looks at what is there."
    )


def own_commits(repository: Path, tip: str, trailer: str, *, stop: str) -> tuple[int, str]:
    """Follow a branch down for as long as its commits carry a trailer and are as they were first made.

    Args:
        repository: The repository.
        tip: Where the branch ends.
        trailer: The trailer in their message.
        stop: Where the branch begins, or an earlier one of the same kind went into history.

    Returns:
        How many such commits there are, and the first that is none or is `stop`; '' where history ends before.
    """
    form = f"--format=%H%x00%at%x00%ct%x00%(trailers:key={trailer},valueonly,separator=%x2C)"
    command = ["log", "--no-show-signature", "--first-parent", "-n", str(LONGEST), form, tip]
    count = 0
    for line in git.read(repository, *command).decode("utf-8", "replace").splitlines():
        commit, authored, committed, value = line.split("\0")
        # Whoever amends or rebases a commit gives it another time as its committer.
        if commit == stop or not value or authored != committed:
            return count, commit
        count += 1
    return count, ""


def messages(repository: Path, base: str, tip: str) -> list[str]:
    """Return the messages of the commits of a branch from its base on, the oldest first."""
    command = ["log", "--no-show-signature", "--first-parent", "--reverse", "-z", "--format=%B", f"{base}..{tip}"]
    output = git.read(repository, *command).decode("utf-8", "replace")
    return [message.strip() for message in output.split("\0") if message.strip()]


def is_ancestor(repository: Path, commit: str, other: str) -> bool:
    """Tell whether a commit, here or unknown, is in the history of one that is here, or is that."""
    command = [*git.BARE, "merge-base", "--is-ancestor", commit, other]
    return process.run(command, cwd=repository, check=False, environment=git.QUIET).exit_code == 0


def current_branch(repository: Path) -> str:
    """Return the name of the branch that HEAD names, '' for none."""
    command = [*git.BARE, "symbolic-ref", "--quiet", "--short", "HEAD"]
    return process.run(command, cwd=repository, check=False, environment=git.QUIET).stdout.strip()


def _blobs(repository: Path, ids: Sequence[str]) -> dict[str, bytes]:
    asked = list(dict.fromkeys(ids))
    if not asked:
        return {}
    output = git.read(repository, "cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in asked).encode())
    found, position = {}, 0
    for blob in asked:
        end = output.index(b"\n", position)
        size = int(output[position:end].split()[2])
        found[blob] = output[end + 1 : end + 1 + size]
        position = end + size + 2
    return found


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _quoted(path: str) -> bytes:
    # C's way, in which git's fast-import reads any byte.
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode("utf-8", "surrogateescape")
