"""A commit as files in a repository of its own, which takes objects from another one and leaves that alone."""

import os
import re
from pathlib import Path

from garscaffold import git, process
from garscaffold.errors import GarscaffoldError

ATTRIBUTES = "info/attributes"
ALIKE = r"^(core\.(autocrlf|eol|attributesfile)|filter\..*)$"
"""What files look like when they are checked out, and whether git finds them changed, hangs on these settings."""


def check_out(repository: Path, commit: str, folder: Path) -> None:
    """Check a commit out into a new repository with its history, branches and tags.

    What is done there stays there: hooks, settings, branches and commits, and no remote is known. The files are what
    the other repository's settings make of them.

    Args:
        repository: The other repository, bare or not; its work tree, index, references and settings are not touched.
        commit: The id of a commit of its own.
        folder: The new one's place, which is not there yet.

    Raises:
        GarscaffoldError: git could not do it.
    """
    private = Path(os.fsdecode(git.read(repository, "rev-parse", "--absolute-git-dir")).removesuffix("\n"))
    shared = _shared(private)
    folder.mkdir()
    # By variables, since there are settings for all three.
    kind = {"GIT_DEFAULT_HASH": "sha256" if len(commit) == 64 else "sha1", "GIT_DEFAULT_REF_FORMAT": "files"}
    _run(folder, ["init", "--quiet", "--template="], kind)
    own = folder / ".git"
    (own / "objects/info").mkdir(exist_ok=True)
    objects = os.fsencode(shared / "objects")
    # Other readers than git know no quotes.
    (own / "objects/info/alternates").write_bytes((_quoted(objects) if b"\n" in objects else objects) + b"\n")
    for name in ("shallow", ATTRIBUTES):
        if (shared / name).is_file():
            (own / name).parent.mkdir(exist_ok=True)
            (own / name).write_bytes((shared / name).read_bytes())
    with (own / "config").open("ab") as config:
        config.write(_settings(repository))
    form = "--format=%(objectname) %(refname)"
    references = git.read(repository, "for-each-ref", "--sort=refname", form, "refs/heads", "refs/remotes", "refs/tags")
    (own / "packed-refs").write_bytes(b"# pack-refs with: sorted \n" + references)
    (own / "HEAD").write_text(f"{commit}\n")
    # By the other repository, since filters and partial clones may need more of it than is known here. Nothing of it is
    # read that is for its own work tree: hooks, the monitor, a choice of files; nor is its index split into two.
    there = {"GIT_DIR": str(private), "GIT_WORK_TREE": str(folder), "GIT_INDEX_FILE": str(own / "index")}
    off = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.sparseCheckout=false", "core.splitIndex=false")
    settings = [word for setting in off for word in ("-c", setting)]
    _run(folder, [*settings, "read-tree", "-m", "-u", "--no-recurse-submodules", commit], there)


def _shared(private: Path) -> Path:
    """Return what the work trees of a repository share (gitrepository-layout, commondir)."""
    try:
        return private / os.fsdecode((private / "commondir").read_bytes()).removesuffix("\n")
    except FileNotFoundError:
        return private


def _settings(repository: Path) -> bytes:
    command = [*git.BARE, "config", "-z", "--get-regexp", ALIKE]
    lines = []
    for setting in process.exchange(command, cwd=repository, environment=git.QUIET).stdout.split(b"\0"):
        name, equals, value = setting.partition(b"\n")
        found = re.fullmatch(rb"(?s)(\w+)(?:\.(.*))?\.([\w-]+)", name)
        if found:
            section, part, key = found.groups()
            heading = section if part is None else section + b' "%s"' % re.sub(rb'(["\\])', rb"\\\1", part)
            # A setting without a value is on.
            lines.append(b"[%s]\n\t%s%s\n" % (heading, key, b" = " + _quoted(value) if equals else b""))
    return b"".join(lines)


def _quoted(value: bytes) -> bytes:
    return b'"%s"' % re.sub(rb'(["\\])', rb"\\\1", value).replace(b"\n", b"\\n")


def _run(folder: Path, command: list[str], environment: dict[str, str]) -> None:
    done = process.run(["git", *command], cwd=folder, environment={**git.QUIET, **environment}, check=False)
    if done.exit_code != 0:
        said = (done.stderr.strip() or "it said nothing").splitlines()
        raise GarscaffoldError(f"The update could not be checked out for its check: {said[-1]}")
