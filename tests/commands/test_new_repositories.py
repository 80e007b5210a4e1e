"""`garscaffold new` with Artifact Registry at hand: repositories as choices, and new ones in the same plan."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pexpect
import pytest
import yaml

from garscaffold.sandbox import Sandbox
from tests.conftest import Garscaffold

PROJECT, LOCATION = "acme-prod", "europe-west1"
GIVEN = ("--defaults", "--gcp-project", PROJECT, "--location", LOCATION)
PARENT = f"projects/{PROJECT}/locations/{LOCATION}"
ENTER = "\r"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox.start(tmp_path / "sandbox") as started:
        yield started


def created(output: str) -> list[str]:
    changes = json.loads(output)["changes"]
    return [change["name"] for change in changes if change["kind"] == "repository"]


def test_bootstrap_creates_what_lacks_in_the_same_plan(garscaffold: Garscaffold, here: Path, sandbox: Sandbox) -> None:
    variables = sandbox.environment()
    options = (*GIVEN, "--bootstrap", "--index-mode", "virtual", "--json")
    dry = garscaffold("new", "service", "orders", *options, "--dry-run", **variables)
    assert dry.returncode == 0, dry.stderr
    assert created(dry.stdout) == ["python", "python-pypi", "docker", "python-virtual"]
    assert sandbox.store.repositories(PARENT) == []

    done = garscaffold("new", "service", "orders", *options, **variables)
    assert done.returncode == 0, done.stderr
    assert created(done.stdout) == created(dry.stdout)
    assert (here / "orders" / "pyproject.toml").is_file()

    again = garscaffold("new", "service", "payments", *options, **variables)
    assert again.returncode == 0, again.stderr
    assert created(again.stdout) == []


def test_a_package_needs_no_docker_repository_and_an_explicit_index_no_virtual_one(
    garscaffold: Garscaffold, sandbox: Sandbox
) -> None:
    options = (*GIVEN, "--bootstrap", "--python-repository", "libs", "--json")
    done = garscaffold("new", "package", "acme-lib", *options, **sandbox.environment())
    assert created(done.stdout) == ["libs"], done.stderr


def test_what_google_refuses_leaves_no_project(garscaffold: Garscaffold, here: Path, sandbox: Sandbox) -> None:
    sandbox.set_faults("api-disabled")
    done = garscaffold("new", "package", "acme-lib", *GIVEN, "--bootstrap", **sandbox.environment())
    assert done.returncode == 1
    assert "gcloud services enable artifactregistry.googleapis.com" in done.stderr
    assert list(here.iterdir()) == []


def test_bootstrap_without_credentials_says_how_to_log_in(garscaffold: Garscaffold, here: Path) -> None:
    done = garscaffold("new", "package", "acme-lib", *GIVEN, "--bootstrap", NO_GCE_CHECK="true")
    assert done.returncode == 1
    assert "gcloud auth application-default login" in done.stderr
    assert list(here.iterdir()) == []


@pytest.mark.terminal
class TestInATerminal:
    @pytest.fixture
    def program(self, environment: dict[str, str], here: Path, sandbox: Sandbox) -> Iterator["pexpect.spawn[str]"]:
        program = pexpect.spawn(
            sys.executable,
            [
                *("-m", "garscaffold", "new", "service", "orders", "--gcp-project", PROJECT, "--location", LOCATION),
                *("--project-name=orders", "--module-name=orders", "--description=Orders.", "--framework=worker"),
                *("--author-name=Ada", "--author-email=ada@example.com", "--source-name=gar-private"),
                *("--index-mode=explicit", "--python-version=3.13", "--image-install=secret", "--ci=cloud-build"),
                *("--package-manager=poetry", "--deploy=none", "-d", "build_service_account="),
                *("-d", "private_packages=[]", "-d", "devcontainer=true"),
            ],
            cwd=str(here),
            env=cast("Any", {**environment, **sandbox.environment()}),
            encoding="utf-8",
            dimensions=(50, 120),
            timeout=30,
        )
        yield program
        program.close(force=True)

    @pytest.fixture
    def sandbox(self, tmp_path: Path) -> Iterator[Sandbox]:
        with Sandbox.start(tmp_path / "sandbox") as started:
            started.create_python_repository(PROJECT, LOCATION, "libs")
            started.create_python_repository(PROJECT, LOCATION, "everything", "virtual", ["libs"])
            yield started

    def answers(self, here: Path) -> dict[str, object]:
        return dict(yaml.safe_load((here / "orders" / ".copier-answers.yml").read_text()))

    def test_repositories_that_exist_are_choices_and_new_ones_are_created(
        self, program: "pexpect.spawn[str]", here: Path, sandbox: Sandbox
    ) -> None:
        program.expect("libs .standard python")
        program.expect("python .new")
        program.send(ENTER)
        program.expect("everything .virtual python")
        program.send(ENTER)
        program.expect("Docker repository")
        program.send("images" + ENTER)
        program.expect("images .* not in Artifact Registry yet. Create what lacks")
        program.send(ENTER)
        program.expect("images +.standard docker")
        program.expect("Create it")
        program.send(ENTER)
        program.expect("Created orders")
        program.expect(pexpect.EOF)
        assert sandbox.store.repository(f"projects/{PROJECT}/locations/{LOCATION}/repositories/images")
        assert self.answers(here)["docker_repository"] == "images"

    def test_nothing_is_created_in_the_cloud_after_a_no(
        self, program: "pexpect.spawn[str]", here: Path, sandbox: Sandbox
    ) -> None:
        program.expect("libs .standard python")
        program.send(ENTER)
        program.expect("everything .virtual python")
        program.send(ENTER)
        program.expect("Docker repository")
        program.send(ENTER)
        program.expect("Create what lacks")
        program.send("n")
        program.expect("Create it")
        program.send(ENTER)
        program.expect("Created orders")
        program.expect(pexpect.EOF)
        assert len(sandbox.store.repositories(PARENT)) == 2


@pytest.mark.terminal
def test_where_google_refuses_plain_names_are_asked(environment: dict[str, str], here: Path, sandbox: Sandbox) -> None:
    sandbox.set_faults("permission-denied")
    program = pexpect.spawn(
        sys.executable,
        ["-m", "garscaffold", "new", "package", "lib", "--gcp-project", PROJECT, "--location", LOCATION,
         "--project-name=lib", "--module-name=lib", "--description=Lib.", "--author-name=A", "--author-email=a@b.c"],
        cwd=str(here), env=cast("Any", {**environment, **sandbox.environment()}), encoding="utf-8", timeout=30,
        dimensions=(50, 200),
    )  # fmt: skip
    program.expect("cannot be offered")
    program.expect("packages are published")
    program.close(force=True)
