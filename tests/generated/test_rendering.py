"""What is generated, for every combination of answers: it parses, it is consistent, it stays where it belongs."""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from tests.generated.combinations import covering_combinations
from tests.generated.conftest import ROOT, Generate, files

Projects = Iterable[tuple[Mapping[str, Any], Path]]


@pytest.fixture(scope="module")
def projects(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> Projects:
    folder = tmp_path_factory.mktemp("every")
    return [(answers, generate(folder / str(n), **answers)) for n, answers in enumerate(covering_combinations())]


def services(projects: Projects) -> Projects:
    return [(answers, project) for answers, project in projects if answers["kind"] == "service"]


def of_manager(projects: Projects, manager: str) -> Projects:
    return [(answers, project) for answers, project in projects if answers.get("package_manager", "poetry") == manager]


def pyproject(project: Path) -> dict[str, Any]:
    return tomllib.loads((project / "pyproject.toml").read_text())


def test_every_file_parses(projects: Projects) -> None:
    for _, project in projects:
        for path in files(project):
            text = path.read_text()
            if path.suffix == ".py":
                ast.parse(text)
            elif path.suffix == ".toml":
                tomllib.loads(text)
            elif path.suffix in {".yaml", ".yml"}:
                yaml.safe_load(text)
            elif path.suffix == ".sh":
                subprocess.run(["sh", "-n", str(path)], check=True)


def test_every_target_of_the_makefile_is_a_command(projects: Projects) -> None:
    for answers, project in projects:
        targets = ["install", "lint", "test", "run", "build", "lock"]
        targets += ["publish"] if answers["kind"] == "package" else []
        if shutil.which("make") is None:
            pytest.skip("no make here")
        planned = subprocess.run(["make", "-n", *targets], cwd=project, stdout=subprocess.PIPE, text=True, check=True)
        lines = planned.stdout.splitlines()
        if answers.get("package_manager") == "pip":
            # An environment is made and filled in steps, after the lock that is not there yet.
            assert lines[0] == "python3 tools/lock.py"
            lines = [line for line in lines[1:] if not line.startswith((".venv/bin/pip", "rm -rf dist"))]
        assert len(lines) == len(targets)


def test_no_trace_of_the_template_is_left_in_the_text(projects: Projects) -> None:
    for _, project in projects:
        for path in files(project):
            text = path.read_text()
            # GitHub and CircleCI write expressions in braces, too.
            left = re.sub(r"\$\{\{.*?\}\}|\{\{ checksum .*?\}\}", "", text)
            assert not re.search(r"\{%|%\}|\{\{|\}\}|\{#|Undefined|\bNone\b(?! here:)", left) or path.suffix == ".py", (
                path
            )
            assert not re.search(r"[ \t]\n", text), f"{path} has blanks at the end of a line"
            assert not re.search(r"\n\n\n", text) or path.suffix == ".py", f"{path} has two empty lines"
            assert not text.startswith("\n"), path
            assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), path


def test_nothing_is_written_outside_the_project(generate: Generate, tmp_path: Path) -> None:
    for kind in ("service", "package"):
        generate(tmp_path / kind, kind=kind)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["package", "service"]


def test_the_same_answers_give_the_same_bytes(generate: Generate, tmp_path: Path) -> None:
    once, again = generate(tmp_path / "once"), generate(tmp_path / "again")
    assert [(path.relative_to(once), path.read_bytes()) for path in files(once)] == [
        (path.relative_to(again), path.read_bytes()) for path in files(again)
    ]


def test_no_file_knows_the_machine_it_was_made_on(projects: Projects, template: Path) -> None:
    for _, project in projects:
        for path in files(project):
            # The template's own address is what Copier was given: a released template has a portable one.
            text = path.read_text().replace(str(template), "")
            assert str(project) not in text
            assert str(ROOT) not in text


def test_requirements_and_pyproject_agree(projects: Projects) -> None:
    for answers, project in services(projects):
        if answers.get("package_manager") == "uv":
            # uv.lock says it all, the index of each package too, which requirements.txt cannot.
            assert not (project / "requirements.txt").exists()
            continue
        lines = (project / "requirements.txt").read_text().splitlines()
        declared = pyproject(project)["project"]["dependencies"]
        assert [line for line in lines if line and line[0] not in "#-"] == declared
        tool = pyproject(project)["tool"]
        source = tool["private-index"] if "private-index" in tool else tool["poetry"]["source"][0]
        option = "--index-url" if answers["index_mode"] == "virtual" else "--extra-index-url"
        assert f"{option} {source['url']}" in lines
        assert ("--require-hashes" in lines) == (answers["index_mode"] == "explicit")


def test_every_private_package_is_tied_to_its_index(projects: Projects) -> None:
    for answers, project in of_manager(projects, "poetry"):
        poetry = pyproject(project)["tool"]["poetry"]
        (source,) = poetry["source"]
        if answers["index_mode"] == "virtual":
            assert source["priority"] == "primary"
            assert "dependencies" not in poetry
        else:
            assert source["priority"] == "explicit"
            tied = {"acme-greetings", "acme-models"} if answers["private_packages"] else set()
            assert set(poetry.get("dependencies", {})) == tied
            assert all(entry == {"source": source["name"]} for entry in poetry.get("dependencies", {}).values())


def test_uv_ties_every_private_package_to_its_index(projects: Projects) -> None:
    for answers, project in of_manager(projects, "uv"):
        uv = pyproject(project)["tool"]["uv"]
        (index,) = uv["index"]
        assert (index["authenticate"], uv["keyring-provider"]) == ("always", "subprocess")
        if answers["index_mode"] == "virtual":
            # As the default it takes the place of the public index.
            assert index["default"]
            assert "sources" not in uv
        else:
            assert index["explicit"]
            tied = {"acme-greetings", "acme-models"} if answers["private_packages"] else set()
            assert uv.get("sources", {}) == {name: {"index": index["name"]} for name in tied}


def test_pip_locks_every_private_package_from_its_index(projects: Projects) -> None:
    for answers, project in of_manager(projects, "pip"):
        index = pyproject(project)["tool"]["private-index"]
        if answers["index_mode"] == "virtual":
            assert index["default"]
        else:
            tied = ["acme-greetings", "acme-models"] if answers["private_packages"] else []
            assert index["packages"] == tied


def test_dependencies_are_valid_requirements(projects: Projects) -> None:
    for _, project in projects:
        content = pyproject(project)
        for requirement in [*content["project"]["dependencies"], *content["dependency-groups"]["dev"]]:
            Requirement(requirement)


def test_cloud_build_refers_to_what_it_declares(projects: Projects) -> None:
    for answers, project in projects:
        if "cloud-build" not in answers["ci"]:
            assert not (project / "cloudbuild.yaml").exists()
            continue
        text = (project / "cloudbuild.yaml").read_text()
        build = yaml.safe_load(text)
        used = set(re.findall(r"(?<!\$)\$\{?(_?[A-Z][A-Z_]+)", text))
        builtin = {"PROJECT_ID", "BUILD_ID", "TAG_NAME"}
        assert used - builtin == set(build.get("substitutions", {})), project
        steps = build["steps"]
        assert len({step["id"] for step in steps}) == len(steps)
        mounted = [volume["name"] for step in steps for volume in step.get("volumes", [])]
        # Cloud Build refuses a volume that one step alone mounts.
        assert all(mounted.count(name) > 1 for name in mounted)
        assert not any(volume["path"].startswith("/workspace") for s in steps for volume in s.get("volumes", []))


def test_a_location_without_cloud_run_is_deployed_next_to_it(generate: Generate, tmp_path: Path) -> None:
    project = generate(tmp_path / "a", kind="service", location="europe", deploy="cloud-run")
    build = yaml.safe_load((project / "cloudbuild.yaml").read_text())
    assert build["substitutions"]["_REGION"] == "europe-west1"
    assert build["substitutions"]["_IMAGE"].startswith("europe-docker.pkg.dev/acme-prod/docker/")


def test_a_builder_of_ones_own_logs_to_cloud_logging(generate: Generate, tmp_path: Path) -> None:
    email = "builder@acme-prod.iam.gserviceaccount.com"
    build = yaml.safe_load((generate(tmp_path / "a", build_service_account=email) / "cloudbuild.yaml").read_text())
    assert build["serviceAccount"] == f"projects/acme-prod/serviceAccounts/{email}"
    assert build["options"] == {"logging": "CLOUD_LOGGING_ONLY"}


def test_the_template_runs_no_code_of_its_own(template: Path) -> None:
    questions = yaml.safe_load((template / "copier.yml").read_text())
    assert not {"_tasks", "_migrations", "_jinja_extensions"} & set(questions)
