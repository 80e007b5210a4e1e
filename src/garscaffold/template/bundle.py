"""The git bundle in which the released versions of the template travel.

The package carries it; projects refer to the copy in the home folder, whose path is the same for everybody, so that
plain `copier update` works on every machine that has it.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path

from packaging.version import InvalidVersion, Version

from garscaffold.errors import GarscaffoldError
from garscaffold.plan import Action, Change, Step

SOURCE = "~/.local/share/garscaffold/template.bundle"
"""What generated projects record as their template, `~` included."""


@contextmanager
def packaged_bundle() -> Iterator[Path]:
    """Give the path of the bundle that this version of garscaffold carries."""
    with as_file(files("garscaffold.template") / "template.bundle") as path:
        yield path


def released() -> Traversable:
    """Return the folder with the `copier.yml` of the newest released version and the macros that it uses."""
    return files("garscaffold.template") / "released"


def versions(bundle: Path) -> dict[Version, str]:
    """Return the released versions in a bundle, oldest first, each with the id of its tag.

    Reads the bundle's header (git's own documentation, "gitformat-bundle"), so that no git is needed.

    Raises:
        GarscaffoldError: The file is no git bundle.
    """
    found: dict[Version, str] = {}
    with bundle.open("rb") as stream:
        if not stream.readline().startswith(b"# v"):
            raise GarscaffoldError(
                f"{bundle} is not a git bundle.", mend="Delete it, then run: garscaffold template install"
            )
        for line in iter(stream.readline, b"\n"):
            if not line:
                break
            commit, _, reference = line.decode("utf-8", "replace").strip().partition(" ")
            if reference.startswith("refs/tags/"):
                try:
                    found[Version(reference.removeprefix("refs/tags/"))] = commit
                except InvalidVersion:
                    continue
    return dict(sorted(found.items()))


def newest(bundle: Path) -> Version:
    """Return the newest version in a bundle."""
    return max(versions(bundle))


def install_step(home: Path) -> Step | None:
    """Return the step that puts the packaged bundle into a home folder; None when one as new is there already."""
    target = home / SOURCE.removeprefix("~/")
    with packaged_bundle() as packaged:
        carried = versions(packaged)
        action = Action.CHANGE if target.is_file() else Action.CREATE
        if action is Action.CHANGE and _holds(target, carried):
            return None
        change = Change(action, "template", SOURCE, f"versions up to {max(carried)}, for copier update")
        return Step(f"Putting the template at {SOURCE}", (change,), lambda: _put(target))


def _holds(target: Path, carried: dict[Version, str]) -> bool:
    try:
        there = versions(target)
    except GarscaffoldError:
        return False
    return max(there, default=Version("0")) > max(carried) or there == carried


def _put(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with packaged_bundle() as packaged:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".template-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(packaged.read_bytes())
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
