"""The template's versions: what is released, what is installed, and that updates work from there."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from garscaffold.errors import GarscaffoldError
from garscaffold.template import bundle
from tests.conftest import Garscaffold

REPOSITORY = Path(__file__).parent.parent.parent
SOURCES = ("copier.yml", "template")


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def contents(folder: Path) -> dict[str, tuple[str, bool]]:
    found = {}
    for source in SOURCES:
        path = folder / source
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                found[file.relative_to(folder).as_posix()] = (digest, bool(file.stat().st_mode & 0o100))
    return found


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the newest released version."""
    folder = tmp_path_factory.mktemp("released") / "checkout"
    with bundle.packaged_bundle() as packaged:
        git(Path.cwd(), "clone", "--quiet", "--branch", str(bundle.newest(packaged)), str(packaged), str(folder))
    return folder


def test_the_newest_release_is_the_working_tree(newest: Path) -> None:
    assert contents(newest) == contents(REPOSITORY), "run script/release-template with a new version"


def test_the_command_line_asks_the_questions_of_the_newest_release(newest: Path) -> None:
    released = Path(str(bundle.released()))
    for file in released.rglob("*"):
        if file.is_file():
            assert file.read_bytes() == (newest / file.relative_to(released)).read_bytes()
    assert (released / "copier.yml").is_file()


def test_every_release_is_a_tag_with_notes_from_the_changelog(newest: Path) -> None:
    changelog = (REPOSITORY / "docs" / "template-changelog.md").read_text()
    with bundle.packaged_bundle() as packaged:
        for version in bundle.versions(packaged):
            notes = git(newest, "tag", "--list", "--format=%(contents:body)", str(version)).strip()
            assert notes
            assert notes in changelog


def test_no_release_needs_trust(newest: Path) -> None:
    for forbidden in ("_tasks", "_migrations", "_jinja_extensions"):
        assert forbidden not in (newest / "copier.yml").read_text()


def test_a_release_command_adds_a_version_and_rewrites_none(tmp_path: Path) -> None:
    """The real command, on a copy of the project."""
    copy = tmp_path / "project"
    for name in ("copier.yml", "template", "docs", "script", "src/garscaffold/template"):
        source = REPOSITORY / name
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy / name) if source.is_dir() else shutil.copy(source, copy / name)
    git(tmp_path, "init", "--quiet", str(copy))
    release = copy / "script" / "release-template"
    packaged = copy / "src" / "garscaffold" / "template" / "template.bundle"
    before = bundle.versions(packaged)

    def run(version: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, release, version], capture_output=True, text=True, check=False)

    assert "no section" in run("99.0.0").stderr
    with (copy / "docs" / "template-changelog.md").open("a") as changelog:
        changelog.write("\n## 99.0.0\n\nA new file.\n\n## 0.0.1\n\nToo old.\n")
    assert "nothing to release" in run("99.0.0").stderr
    (copy / "template" / "NEW").write_text("new\n")
    assert "not newer" in run("0.0.1").stderr
    done = run("99.0.0")
    assert done.returncode == 0, done.stderr
    assert bundle.versions(packaged) == {**before, Version("99.0.0"): bundle.versions(packaged)[Version("99.0.0")]}
    (copy / "template" / "NEW").write_text("newer\n")
    assert "not newer" in run("99.0.0").stderr


def test_it_is_installed_without_git(garscaffold: Garscaffold, home: Path, tmp_path: Path) -> None:
    done = garscaffold("template", "install", "--json", PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["applied"] is True
    assert bundle.install_step(home) is None


def test_what_is_no_bundle_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.bundle").write_bytes(b"PK\x03\x04")
    with pytest.raises(GarscaffoldError, match="not a git bundle"):
        bundle.versions(tmp_path / "x.bundle")


def test_install_is_planned_once(home: Path) -> None:
    step = bundle.install_step(home)
    assert step is not None
    assert not (home / ".local").exists()
    step.apply()
    assert bundle.install_step(home) is None
    with bundle.packaged_bundle() as packaged:
        assert (home / ".local/share/garscaffold/template.bundle").read_bytes() == packaged.read_bytes()


@pytest.mark.parametrize("damage", [b"", b"not a bundle"])
def test_a_damaged_copy_is_replaced(home: Path, damage: bytes) -> None:
    target = home / ".local/share/garscaffold/template.bundle"
    target.parent.mkdir(parents=True)
    target.write_bytes(damage)
    step = bundle.install_step(home)
    assert step is not None
    step.apply()
    assert bundle.install_step(home) is None


def test_a_newer_copy_is_kept(home: Path) -> None:
    target = home / ".local/share/garscaffold/template.bundle"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"# v2 git bundle\n" + b"0" * 40 + b" refs/tags/99.0.0\n\nPACK")
    assert bundle.install_step(home) is None


def test_copier_update_works_for_another_user_on_another_machine(
    garscaffold: Garscaffold, tmp_path: Path, environment: dict[str, str]
) -> None:
    """A colleague clones the project, puts the template in place, and runs plain Copier with no --trust."""
    here = tmp_path / "here"
    assert garscaffold("new", "service", "orders", "--defaults", "--gcp-project", "acme-prod").returncode == 0
    colleague = tmp_path / "another home"
    colleague.mkdir()
    shutil.copy(tmp_path / "home" / ".gitconfig", colleague)
    git(tmp_path, "clone", "--quiet", str(here / "orders"), str(colleague / "orders"))
    theirs = {**environment, "HOME": str(colleague)}
    copier = [str(Path(sys.executable).with_name("copier")), "update", "--defaults"]

    before = subprocess.run(copier, cwd=colleague / "orders", env=theirs, capture_output=True, text=True, check=False)
    assert before.returncode != 0
    assert garscaffold("template", "install", HOME=str(colleague)).returncode == 0
    after = subprocess.run(copier, cwd=colleague / "orders", env=theirs, capture_output=True, text=True, check=False)
    assert after.returncode == 0, after.stderr
    assert git(colleague / "orders", "status", "--porcelain") == ""
