"""`garscaffold update --template`: a project gets another template, and stays what its team made of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from garscaffold.template import bundle
from garscaffold.template.render import read_folder
from garscaffold.tree import File
from tests.conftest import Garscaffold
from tests.template import forks
from tests.update.templates import LINES, changed, git, release, render

NAME = "name: {type: str, default: orders}\n"
TEAM = "team: {type: str, help: Which team}\n"
OURS = {"copier.yml": NAME, "text.txt.jinja": "".join(LINES) + "{{ name }}\n", "dropped.txt": "dropped\n"}
THEIRS = {
    "copier.yml": NAME + TEAM,
    "text.txt.jinja": changed(LINES, _10="line 10 of acme\n") + "{{ name }}\n",
    "OWNERS.jinja": "{{ team }}\n",
}


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    folder = tmp_path / "ours"
    release(folder, "1.0.0", OURS, notes="The first.")
    release(folder, "1.1.0", {**OURS, "more.txt": "more\n"}, notes="More.")
    return folder


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """Another template, which has nothing in common with ours but what it renders."""
    folder = tmp_path / "acme"
    release(folder, "1.1.0", {**OURS, "more.txt": "more\n"}, notes="As before.")
    release(folder, "1.1.0+acme.1", {**THEIRS, "more.txt": "more\n"}, notes="Owners.")
    return folder


@pytest.fixture
def project(ours: Path, here: Path) -> Path:
    folder = here / "orders"
    render(ours, "1.1.0", {}, folder, source=str(ours))
    git(folder, "init", "--quiet")
    forks.commit(folder, "start")
    return folder


def edit(project: Path, old: str, new: str) -> None:
    path = project / "text.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    forks.commit(project, "edit")


def recorded(project: Path) -> dict[str, str]:
    document = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert isinstance(document, dict)
    return document


def tree(folder: Path) -> dict[str, File]:
    return {name: file for name, file in read_folder(folder).items() if not name.startswith(".git/")}


def copier_update(project: Path, environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "copier", "update", "--defaults", *arguments]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_project_of_ours_moves_to_a_fork_of_ours_and_goes_on_from_there(
    garscaffold: Garscaffold, here: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """The real template, a fork of it behind a URL, and plain Copier afterwards."""
    version = f"{forks.newest()}+acme.1"
    url = forks.fork(tmp_path / "acme.git", version, checkout=tmp_path / "checkout").as_uri()
    assert garscaffold("new", "service", "orders", "--defaults", "--gcp-project", "acme-prod").returncode == 0
    project = here / "orders"
    readme = project / "README.md"
    readme.write_text(readme.read_text() + "\nOur own words.\n")
    forks.commit(project, "words")

    done = garscaffold("update", "orders", "--template", url, "--team", "payments")
    assert done.returncode == 0, done.stderr
    assert "orders moves to another template:\n" in done.stderr
    assert f"  from  {bundle.SOURCE}  {forks.newest()}\n  to    {url}  {version}\n" in done.stderr
    assert "Every project has owners." in done.stderr
    assert git(project, "status", "--porcelain").splitlines() == ["M .copier-answers.yml", "?? OWNERS"]
    assert (project / "OWNERS").read_text() == "* @acme/payments\n"
    assert readme.read_text().endswith("Our own words.\n")
    assert (recorded(project)["_src_path"], recorded(project)["_commit"]) == (url, version)
    assert recorded(project)["gcp_project"] == "acme-prod"

    forks.commit(project, "moved")
    copier_update(project, environment)
    assert git(project, "status", "--porcelain") == ""
    assert garscaffold("update", "orders", "--template", url).stdout == f"orders is up to date: template {version}.\n"

    back = garscaffold("update", "orders", "--template", "default")
    assert back.returncode == 0, back.stderr
    assert not (project / "OWNERS").exists()
    assert recorded(project)["_src_path"] == bundle.SOURCE
    assert readme.read_text().endswith("Our own words.\n")


def test_edits_are_merged_and_a_preview_says_that_the_template_changes(
    garscaffold: Garscaffold, project: Path, acme: Path, ours: Path
) -> None:
    edit(project, "line 40\n", "forty\n")
    before = tree(project)
    dry = garscaffold("update", "orders", "--template", acme, "--team", "payments", "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    document = json.loads(dry.stdout)
    assert document["template"] == {
        "source": str(acme), "previous_source": str(ours), "from": "1.1.0", "to": "1.1.0+acme.1",
    }  # fmt: skip
    assert document["changelog"] == [{"version": "1.1.0+acme.1", "notes": "Owners."}]
    for line in (f"-_src_path: {ours}\n", f"+_src_path: {acme}\n", "+payments\n"):
        assert line in document["diff"]
    assert "moves to another template" in dry.stderr
    assert tree(project) == before

    done = garscaffold("update", "orders", "--template", acme, "--team", "payments")
    assert done.returncode == 0, done.stderr
    assert (project / "text.txt").read_text() == changed(LINES, _10="line 10 of acme\n", _40="forty\n") + "orders\n"
    assert not (project / "dropped.txt").exists()


def test_a_conflict_waits_with_the_old_template_until_finish_or_abort(
    garscaffold: Garscaffold, project: Path, acme: Path, ours: Path
) -> None:
    edit(project, "line 10\n", "ten\n")
    before = tree(project)
    move = ("update", "orders", "--template", acme, "--team", "payments")
    assert garscaffold(*move).returncode == 3
    assert recorded(project)["_src_path"] == str(ours)
    assert garscaffold("update", "orders", "--abort").returncode == 0
    assert tree(project) == before

    assert garscaffold(*move).returncode == 3
    (project / "text.txt").write_text(changed(LINES, _10="ten of acme\n") + "orders\n")
    git(project, "add", "text.txt")
    assert garscaffold("update", "orders", "--finish").returncode == 0
    assert (recorded(project)["_src_path"], recorded(project)["_commit"]) == (str(acme), "1.1.0+acme.1")


def test_the_version_of_the_same_name_changes_nothing_but_the_address(
    garscaffold: Garscaffold, project: Path, acme: Path
) -> None:
    done = garscaffold("update", "orders", "--template", acme, "--to", "1.1.0")
    assert done.returncode == 0, done.stderr
    assert git(project, "status", "--porcelain") == "M .copier-answers.yml"
    assert (recorded(project)["_src_path"], recorded(project)["_commit"]) == (str(acme), "1.1.0")


def test_a_template_that_is_gone_is_replaced_by_one_with_the_same_version(
    garscaffold: Garscaffold, project: Path, acme: Path, ours: Path
) -> None:
    """The host was changed, and nobody can read the old address any more."""
    ours.rename(ours.with_name("away"))
    done = garscaffold("update", "orders", "--template", acme, "--team", "payments")
    assert done.returncode == 0, done.stderr
    assert "the new template's 1.1.0 is taken for what you have" in done.stderr
    assert (project / "OWNERS").read_text() == "payments\n"

    git(project, "restore", ".")
    git(project, "clean", "--quiet", "--force")
    git(acme, "tag", "--delete", "1.1.0")
    done = garscaffold("update", "orders", "--template", acme, "--team", "payments")
    assert done.returncode == 1
    assert f"The template at {ours} cannot be read:" in done.stderr
    assert git(project, "status", "--porcelain") == ""


def test_a_lower_number_is_allowed_and_said(garscaffold: Garscaffold, project: Path, tmp_path: Path) -> None:
    release(tmp_path / "young", "0.1.0", OURS)
    done = garscaffold("update", "orders", "--template", tmp_path / "young")
    assert done.returncode == 0, done.stderr
    assert "warning: 0.1.0 is a lower number than 1.1.0" in done.stderr
    assert recorded(project)["_commit"] == "0.1.0"
    assert not (project / "more.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--template", "nowhere"), 1, "cannot be read"),
        (("--template", ""), 2, "The template's address is empty"),
        (("--template", "../acme", "--to", "7.0.0"), 2, "The template has no version 7.0.0."),
        (("--template", "../acme"), 2, "--team"),
        (("--template", "../unreleased"), 1, "The template has no released version."),
        (("--template", "../code"), 1, "runs code of its own on this machine (_tasks)"),
        (("--template", "https://ada:secret@git.example.com/t.git"), 1, "https://git.example.com/t.git"),
        (("--template", "../acme", "--finish"), 2, "stand alone"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_sentence_and_touches_nothing(
    garscaffold: Garscaffold,
    project: Path,
    acme: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    release(tmp_path / "unreleased", "1.0.0rc1", OURS)
    release(tmp_path / "code", "1.0.0", {**OURS, "copier.yml": NAME + "_tasks: [touch ran]\n"})
    done = garscaffold("update", "orders", *arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert git(project, "status", "--porcelain") == ""
