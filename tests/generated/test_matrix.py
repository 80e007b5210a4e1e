"""What is generated, for every combination of answers: it parses, it is consistent, it stays where it belongs."""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import pytest
import yaml
from packaging.requirements import Requirement

from tests.generated.combinations import ROOT, covering_combinations, unusual_combinations
from tests.generated.conftest import Generate
from tests.generated.indexes import PRIVATE_NAMES, Indexes, indexes, pyproject
from tests.generated.matrix import Project, matrix, recorded, rendered, texts, write

# What is generated is the same on every Python.
pytestmark = pytest.mark.generated

PARSERS: Mapping[str, Callable[[str], object]] = {".py": ast.parse, ".toml": tomllib.loads, ".json": json.loads}
YAML = {".yaml", ".yml"}
# Files without a format that a program would refuse, and those with a test of their own.
PLAIN = {"", ".md", ".sh", ".txt", ".typed"}


def test_every_file_parses() -> None:
    for project, name, text in texts("*"):
        suffix = PurePosixPath(name).suffix
        if suffix in PARSERS:
            PARSERS[suffix](text)
        elif suffix in YAML:
            yaml.load(text, Loader=yaml.CSafeLoader)
        else:
            assert suffix in PLAIN, f"say how {name} of {project} is read"


def test_shell_is_posix(tmp_path: Path) -> None:
    for path in write(tmp_path, texts("*.sh")):
        subprocess.run(["sh", "-n", str(path)], check=True)


def test_every_target_of_the_makefile_is_a_command(tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("no make here")
    for project, path in zip((p for p, _, _ in texts("Makefile")), write(tmp_path, texts("Makefile")), strict=True):
        targets = ["install", "lint", "test", "run", "build", "lock"]
        targets += ["publish"] if project.answers["kind"] == "package" else []
        planned = subprocess.run(
            ["make", "-n", *targets], cwd=path.parent, stdout=subprocess.PIPE, text=True, check=True
        )
        lines = planned.stdout.splitlines()
        if project.answers["package_manager"] == "pip":
            # An environment is made and filled in steps, after the lock that is not there yet.
            assert lines[0] == "python3 tools/lock.py"
            lines = [line for line in lines[1:] if not line.startswith((".venv/bin/pip", "rm -rf dist"))]
        else:
            # What is installed is checked first.
            assert lines.pop(0) == "python3 tools/check_sources.py"
        assert len(lines) == len(targets)


def test_no_trace_of_the_template_is_left_in_the_text() -> None:
    for project, name, text in texts("*"):
        where = f"{name} of {project}"
        python = name.endswith(".py")
        # GitHub and CircleCI write expressions in braces, too.
        left = re.sub(r"\$\{\{.*?\}\}|\{\{ checksum .*?\}\}", "", text)
        assert python or not re.search(r"\{%|%\}|\{\{|\}\}|\{#|Undefined|\bNone\b(?! here:)", left), where
        assert not re.search(r"[ \t]\n", text), f"{where} has blanks at the end of a line"
        assert python or "\n\n\n" not in text, f"{where} has two empty lines"
        assert not text.startswith("\n"), where
        assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), where
        assert str(ROOT) not in text, where


def test_nothing_is_written_outside_the_project(generate: Generate, tmp_path: Path) -> None:
    for kind in ("service", "package"):
        generate(tmp_path / kind, kind=kind)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["package", "service"]


DIGEST = """
from tests.generated.test_matrix import digest
print(digest())
"""


def digest() -> str:
    """Return a digest of every byte of the covering set and of the unusual answers."""
    sha = hashlib.sha256()
    for answers in (*covering_combinations(), *unusual_combinations()):
        for name, file in rendered(answers).items():
            sha.update(repr((name, file.kind, file.data)).encode())
    return sha.hexdigest()


def test_the_same_answers_give_the_same_bytes() -> None:
    """In other processes, which hash otherwise, as somebody else, at another place."""
    here = digest()
    for seed, home in (("1", "/nowhere"), ("2", "/home/ada")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "HOME": home, "USER": home[-3:], "TZ": "Asia/Tokyo"}
        command = [sys.executable, "-c", DIGEST]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        assert done.stdout.strip() == here


def url(project: Project, repository: str) -> str:
    place = project.answers.get("location", "us-central1")
    return f"https://{place}-python.pkg.dev/acme-prod/{repository}/simple/"


def test_every_private_package_is_tied_to_its_index() -> None:
    for project in matrix():
        own = project.answers.get("python_repository", "python")
        private = PRIVATE_NAMES if project.answers["private_packages"] else ()
        if project.answers["index_mode"] == "explicit":
            index = url(project, project.answers.get("python_index", own))
            wanted = Indexes(dict.fromkeys(private, index), None)
        else:
            # Not the virtual one, which lists what the public index has under such a name, too.
            virtual = url(project, project.answers.get("python_index", f"{own}-virtual"))
            wanted = Indexes(dict.fromkeys(private, url(project, own)), virtual)
        assert indexes(project) == wanted, project


def test_requirements_and_pyproject_agree() -> None:
    seen = set()
    for project in matrix():
        # uv.lock says it all, the index of each package too, which requirements.txt cannot.
        has = project.answers["kind"] == "service" and project.answers["package_manager"] != "uv"
        assert ("requirements.txt" in project.files) == has, project
        if not has:
            continue
        lines = project.files["requirements.txt"].splitlines()
        declared = pyproject(project.files["pyproject.toml"])["project"]["dependencies"]
        assert [line for line in lines if line and line[0] not in "#-"] == declared, project
        found = indexes(project)
        assert [line for line in lines if line.startswith("--index-url")] == (
            [f"--index-url {found.others}"] if found.others else []
        ), project
        # Of two indexes pip takes the higher version, whoever published it.
        extra = any(line.startswith("--extra-index-url") for line in lines)
        assert "--require-hashes" in lines or not extra, project
        seen.add((extra, bool(found.others)))
    assert (True, False) in seen
    assert True in {virtual for _, virtual in seen}


def test_dependencies_are_valid_requirements() -> None:
    for _, _, text in texts("pyproject.toml"):
        content = pyproject(text)
        for requirement in [*content["project"]["dependencies"], *content["dependency-groups"]["dev"]]:
            Requirement(requirement)


def test_no_url_has_user_information() -> None:
    for project, name, text in texts("*"):
        assert not re.search(r"\w://[^/\s\"'`]*@", text), f"{name} of {project}"


def test_what_is_recorded_makes_the_same_project_again() -> None:
    for answers in (*covering_combinations(), *unusual_combinations()):
        project = rendered(answers)
        assert rendered(recorded(project)) == project


def test_a_location_without_cloud_run_is_deployed_next_to_it() -> None:
    build = yaml.safe_load(rendered({"location": "europe", "deploy": "cloud-run"})["cloudbuild.yaml"].data)
    assert build["substitutions"]["_REGION"] == "europe-west1"
    assert build["substitutions"]["_IMAGE"].startswith("europe-docker.pkg.dev/acme-prod/docker/")


def test_a_builder_of_ones_own_logs_to_cloud_logging() -> None:
    email = "builder@acme-prod.iam.gserviceaccount.com"
    build = yaml.safe_load(rendered({"build_service_account": email})["cloudbuild.yaml"].data)
    assert build["serviceAccount"] == f"projects/acme-prod/serviceAccounts/{email}"
    assert build["options"] == {"logging": "CLOUD_LOGGING_ONLY"}


def test_the_template_runs_no_code_of_its_own() -> None:
    questions = yaml.safe_load((ROOT / "copier.yml").read_text())
    assert not {"_tasks", "_migrations", "_jinja_extensions"} & set(questions)
