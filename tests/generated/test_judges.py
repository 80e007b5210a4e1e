"""Judges that know the formats: they accept what is generated."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.generated.combinations import main_combinations
from tests.generated.conftest import Generate

YAMLLINT = "{extends: default, rules: {line-length: {max: 140}, document-start: disable}}"


@pytest.fixture(scope="module")
def projects(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("judged")
    return [generate(folder / str(n), **answers) for n, answers in enumerate(main_combinations())]


def judge(program: str, *arguments: str, files: Sequence[Path]) -> None:
    """Run a judge, from the environment of these tests, on files of which there are some."""
    assert files
    command = [str(Path(sys.executable).parent / program), *arguments, *map(str, files)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def every(projects: Sequence[Path], pattern: str) -> list[Path]:
    return [path for project in projects for path in project.glob(pattern)]


def test_yamllint(projects: list[Path]) -> None:
    judge("yamllint", "--strict", "-d", YAMLLINT, files=every(projects, "*.yaml") + every(projects, ".pre-commit*"))


def test_schema_of_compose(projects: list[Path]) -> None:
    judge("check-jsonschema", "--builtin-schema", "vendor.compose-spec", files=every(projects, "compose.yaml"))


def test_schema_of_cloud_build(projects: list[Path]) -> None:
    judge("check-jsonschema", "--builtin-schema", "vendor.cloudbuild", files=every(projects, "cloudbuild.yaml"))


def test_hadolint(projects: list[Path]) -> None:
    judge("hadolint", "--failure-threshold", "style", files=every(projects, "Dockerfile"))


def test_shellcheck(projects: list[Path]) -> None:
    judge("shellcheck", files=every(projects, "docker/*.sh"))
