"""The whole story with real clients, as a newcomer runs it."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from garscaffold.commands.demo import MARK, worth_showing

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A demo that was played without Docker, so that it is the same on every machine."""
    folder = tmp_path_factory.mktemp("demo")
    environment = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    done = subprocess.run(
        [sys.executable, "-m", "garscaffold", "demo", "my demo", "--json"],
        cwd=folder,
        env={**environment, "DOCKER_HOST": "unix:///nowhere.sock"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return folder / "my demo", done


def test_every_stage_succeeds_and_is_told(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = played
    assert done.returncode == 0, done.stderr
    stages = [stage["stage"] for stage in json.loads(done.stdout)["stages"]]
    assert stages[0] == "Create the repositories"
    assert stages[-1] == "Look at the repository"
    for said in ("python-virtual is created", "passed", "published", "Hello, orders!", "Created orders"):
        assert said in done.stderr, said
    assert (folder / MARK).read_text().count("$ cd ") == 11


def test_the_service_installs_the_package_from_the_private_index(
    played: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = played
    lock = tomllib.loads((folder / "orders" / "poetry.lock").read_text())
    package = next(package for package in lock["package"] if package["name"] == "acme-lib")
    assert package["source"]["url"].startswith("https://europe-west1-python.pkg.dev/")
    assert package["files"][0]["hash"].startswith("sha256:")
    assert "ya29" not in (folder / "orders" / "poetry.lock").read_text()


def test_it_can_be_played_again_and_replaces_nothing_else(
    played: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-m", "garscaffold", "demo", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize(
    ("command", "said", "shown"),
    [
        (("garscaffold", "repo", "list"), "a\nb\n", "a\nb\n"),
        (("garscaffold", "new", "service"), "plan\nCreated orders. Next:\n  cd orders\n", "Created orders. Next:"),
        (("poetry", "run", "pytest"), "...\n=== 3 passed ===\n\n", "3 passed"),
        (("true",), "", ""),
    ],
)
def test_what_is_shown_of_each_command(command: tuple[str, ...], said: str, shown: str) -> None:
    assert worth_showing(command, said) == shown
