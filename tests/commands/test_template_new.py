"""`garscaffold new` from a template of one's own, and what becomes of such a project."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from garscaffold.commands.demo import clean_environment
from garscaffold.template import bundle
from garscaffold.template.preference import VARIABLE, preferred
from garscaffold.template.render import read_folder
from garscaffold.tree import File
from tests.conftest import Garscaffold
from tests.template import forks
from tests.update.templates import git, release

PROVIDER = ("--wif-provider", "projects/1/locations/global/workloadIdentityPools/pool/providers/jenkins")
GIVEN = ("--defaults", "--gcp-project", "acme-prod")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return tmp_path / "checkout"


@pytest.fixture
def url(tmp_path: Path, checkout: Path) -> str:
    """A fork of ours, with a question, a choice and a file of its own."""
    fork = forks.bare(tmp_path / "acme.git")
    with bundle.packaged_bundle() as packaged:
        forks.clone(packaged, checkout)
    git(checkout, "remote", "set-url", "origin", str(fork))
    questions = checkout / "copier.yml"
    choice = "    GitHub Actions: github\n"
    text = questions.read_text()
    assert choice in text
    questions.write_text(text.replace(choice, f"{choice}    Jenkins: jenkins\n"))
    forks.add_own_parts(checkout, "7.0.0+acme.1")
    git(checkout, "push", "--quiet", "origin", "main", "7.0.0+acme.1")
    return fork.as_uri()


def tree(folder: Path) -> dict[str, File]:
    return {name: file for name, file in read_folder(folder).items() if not name.startswith(".git/")}


def answers(project: Path) -> dict[str, object]:
    document = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert isinstance(document, dict)
    return document


def copier(folder: Path, environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "copier", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_fork_makes_what_copier_makes_of_it(
    garscaffold: Garscaffold, here: Path, home: Path, url: str, environment: dict[str, str]
) -> None:
    assert garscaffold("template", "use", url).returncode == 0
    command = ("new", "service", "orders", *GIVEN, "--team", "payments", "--ci", "cloud-build", "--ci", "jenkins")
    # A CI outside Google Cloud signs in as somebody: the fork keeps our rules.
    refused = garscaffold(*command)
    assert refused.returncode == 2
    assert "A CI outside Google Cloud signs in as a service account" in refused.stderr
    done = garscaffold(*command, "--build-service-account", "ci@acme-prod.iam.gserviceaccount.com", *PROVIDER)
    assert done.returncode == 0, done.stderr
    assert f"A new service in orders, from template 7.0.0+acme.1 of {url}:" in done.stderr
    project = here / "orders"
    assert (project / "OWNERS").read_text() == "* @acme/payments\n"
    assert answers(project)["ci"] == ["cloud-build", "jenkins"]
    assert (answers(project)["_src_path"], answers(project)["_commit"]) == (url, "7.0.0+acme.1")
    assert git(project, "log", "--format=%s") == f"chore: start orders from {url}"
    assert not (home / ".local" / "share" / "garscaffold").exists()

    data = [
        f"--data={name}={json.dumps(value) if isinstance(value, list) else value}"
        for name, value in answers(project).items()
        if not name.startswith("_")
    ]
    copier(here, environment, "copy", "--quiet", "--defaults", *data, url, "by-copier")
    assert tree(project) == tree(here / "by-copier")


def test_a_fork_takes_over_a_newer_version_of_ours_and_its_projects_follow(
    garscaffold: Garscaffold, here: Path, tmp_path: Path, checkout: Path, environment: dict[str, str]
) -> None:
    """The way of the docs: a fork of 1.0.0, with its own tags only, merges the newest version from the bundle."""
    fork = forks.bare(tmp_path / "acme.git")
    with bundle.packaged_bundle() as packaged:
        forks.clone(packaged, checkout)
    git(checkout, "remote", "set-url", "origin", str(fork))
    git(checkout, "reset", "--quiet", "--hard", "1.0.0")
    forks.add_own_parts(checkout, "1.0.0+acme.1")
    git(checkout, "push", "--quiet", "origin", "main", "1.0.0+acme.1")
    command = ("new", "service", "orders", *GIVEN, "--team", "payments", "--template", fork)
    assert garscaffold(*command).returncode == 0
    project = here / "orders"
    assert answers(project)["_commit"] == "1.0.0+acme.1"
    git(here, "clone", "--quiet", "orders", "clone")

    version = forks.take_over(checkout, forks.newest())
    updated = garscaffold("update", "orders", "--defaults")
    assert updated.returncode == 0, updated.stderr
    assert f"Ours of {forks.newest()}, with owners." in updated.stderr
    copier(here / "clone", environment, "update", "--defaults")
    assert tree(project) == tree(here / "clone")
    assert answers(project)["_commit"] == version
    assert (project / "OWNERS").read_text() == "* @acme/payments\n"
    assert not git(project, "diff", "--name-only", "--diff-filter=U")


def test_who_says_which_template_goes_from_the_nearest_to_the_farthest(
    garscaffold: Garscaffold, here: Path, url: str, tmp_path: Path
) -> None:
    release(tmp_path / "other", "1.0.0", {"copier.yml": "project_name: {type: str}\n"})
    assert garscaffold("template", "use", url).returncode == 0

    def source(*arguments: str, **variables: str) -> str:
        command = ("new", *arguments, "--defaults", "--dry-run", "--json")
        done = garscaffold(*command, **variables)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["template"]["source"])

    ours = ("service", "orders", "--gcp-project", "acme-prod")
    assert source(*ours, "--team", "x") == url
    assert source(*ours, GARSCAFFOLD_TEMPLATE="default") == bundle.SOURCE
    assert source(*ours, "--template", "default") == bundle.SOURCE
    other = str(tmp_path / "other")
    assert source("orders", "--project-name=x", GARSCAFFOLD_TEMPLATE=other) == other
    assert source("orders", "--project-name=x", "--template=../other", GARSCAFFOLD_TEMPLATE=url) == other


def test_help_shows_the_questions_of_the_template_in_use(garscaffold: Garscaffold, url: str, tmp_path: Path) -> None:
    shown = garscaffold("new", "-h", "--template", url)
    assert shown.returncode == 0, shown.stderr
    assert "--team TEXT" in shown.stdout
    assert "jenkins" in shown.stdout
    assert "--team" not in garscaffold("new", "-h").stdout
    # A host that is away is no reason to show no help.
    away = garscaffold("new", "--help", GARSCAFFOLD_TEMPLATE=str(tmp_path / "away"))
    assert away.returncode == 0
    assert "--gcp-project" in away.stdout


def test_a_template_that_is_away_is_said_with_who_named_it(garscaffold: Garscaffold, here: Path) -> None:
    command = ("new", "service", "x", *GIVEN)
    done = garscaffold(*command, GARSCAFFOLD_TEMPLATE="http://127.0.0.1:1/t.git")
    assert done.returncode == 1
    assert "The template at http://127.0.0.1:1/t.git cannot be read: unable to access" in done.stderr
    assert "It is the template in use; so says GARSCAFFOLD_TEMPLATE." in done.stderr
    assert "git ls-remote http://127.0.0.1:1/t.git; or for once: --template default\n" in done.stderr
    assert "so says" not in garscaffold(*command, "--template", "nowhere").stderr
    assert list(here.iterdir()) == []
    quiet = garscaffold(*command, "-q", "--template", "nowhere")
    assert "Reading" not in quiet.stderr


def test_a_missing_answer_to_an_own_question_is_named_and_no_copy_is_left(
    garscaffold: Garscaffold, here: Path, url: str, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for wrong in (("--nope",), ("--ci", "nothing"), ()):
        command = ("new", "service", "orders", *GIVEN, "--template", url, *wrong)
        assert garscaffold(*command, TMPDIR=str(temporary)).returncode == 2
        assert list(temporary.iterdir()) == []
    done = garscaffold("new", "service", "orders", *GIVEN, "--template", url)
    assert done.returncode == 2
    assert "--team" in done.stderr
    broken = garscaffold("new", "service", "orders", *GIVEN, "--template", url, "--team", "Payments")
    assert broken.returncode == 2
    assert "A team is written in lower case." in broken.stderr
    assert list(here.iterdir()) == []


OTHER = """\
title: {type: str, help: "What is it called?"}
data: {type: str, default: a}
size: {type: int, choices: {small: 1, large: 2}, default: 2}
parts:
  type: str
  multiselect: true
  choices: {one: one, two: {value: two, validator: "{{ 'Not small.' if size == 1 }}"}}
  default: [one]
"""


def test_a_template_with_nothing_of_ours_works_too(garscaffold: Garscaffold, here: Path, tmp_path: Path) -> None:
    files = {"copier.yml": OTHER, "all.txt.jinja": "{{ title }} {{ data }} {{ size }} {{ parts }}\n"}
    release(tmp_path / "other", "0.1.0", files)
    command = ("new", "x", "--template", "../other", "--title", "T", "-d", "data=b")
    done = garscaffold(*command, "--size", "2", "--parts", "two")
    assert done.returncode == 0, done.stderr
    assert (here / "x" / "all.txt").read_text() == "T b 2 ['two']\n"
    assert git(here / "x", "status", "--porcelain") == ""
    assert "\n  cd x\n" in done.stderr

    nowhere = garscaffold("new", "--template", "../other", "--title", "T", "--defaults")
    assert nowhere.returncode == 2
    assert "mend:  garscaffold new FOLDER" in nowhere.stderr
    bootstrap = garscaffold("new", "y", "--template", "../other", "--title", "T", "--defaults", "--bootstrap")
    assert bootstrap.returncode == 2
    assert "does not ask about repositories" in bootstrap.stderr


def test_a_mistake_in_somebody_elses_questions_is_not_ours(garscaffold: Garscaffold, tmp_path: Path) -> None:
    release(tmp_path / "other", "1.0.0", {"copier.yml": "a: {type: str, default: '{{ 1 / 0 }}'}\n"})
    done = garscaffold("new", "x", "--template", "../other", "--defaults")
    assert done.returncode == 1, done.stderr
    assert "The template's copier.yml cannot be rendered: division by zero, in '{{ 1 / 0 }}'." in done.stderr


def test_the_demo_plays_with_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "https://git.acme.example/template.git")
    environment = clean_environment(tmp_path, tmp_path)
    settings = Path(environment["HOME"]) / ".config" / "garscaffold" / "config.toml"
    assert preferred(None, environment, settings, home=tmp_path).is_ours
