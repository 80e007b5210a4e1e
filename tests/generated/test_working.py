"""Generated projects at work, with their own tools: checked, locked, installed, linted, tested, built and run.

Here are names and texts that a tool could stumble over, and what each tool answers. Every two choices together are in
test_covering.py, which needs a Docker engine.
"""

import http.client
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests.generated.combinations import Answers, name_of
from tests.generated.conftest import Generate, Toolbox, commit, git
from tests.generated.serving import free_port, health

pytestmark = pytest.mark.generated

# The longest names are where a formatter would break lines, the text is where a quote would break a file.
TEXT = 'Says "yes" \\ to {{ braces }}, ${{ secrets }} and 🦊.'
LONGEST = "orders-" + "x" * 42
VARIANTS: list[Answers] = [
    {"kind": "package", "project_name": "acme-greetings", "description": TEXT},
    {"kind": "service", "framework": "flask", "project_name": LONGEST},
    {"kind": "package", "package_manager": "uv", "project_name": LONGEST, "description": TEXT},
    {"kind": "service", "package_manager": "uv", "framework": "fastapi", "module_name": "another_name"},
    {"kind": "service", "package_manager": "pip", "framework": "worker", "project_name": LONGEST, "description": TEXT},
]
RUN = {"poetry": ["poetry", "run"], "uv": ["uv", "run", "--locked"], "pip": []}
CHECK = {
    "poetry": ["poetry", "check", "--lock", "--strict"],
    "uv": ["uv", "lock", "--check"],
    "pip": ["python3", "tools/lock.py", "--check"],
}


@pytest.fixture(scope="module", params=VARIANTS, ids=name_of)
def answers(request: pytest.FixtureRequest) -> Answers:
    given: Answers = request.param
    return given


@pytest.fixture(scope="module")
def project(answers: Answers, generate: Generate, toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is locked and installed by its own commands, and committed."""
    folder = generate(tmp_path_factory.mktemp("working") / "project", **answers)
    if manager_of(answers) == "poetry":
        toolbox.run("poetry", "check", "--strict", cwd=folder)
    toolbox.run("make", "lock", cwd=folder)
    toolbox.run("make", "install", cwd=folder)
    commit(folder)
    return folder


def manager_of(answers: Answers) -> str:
    return str(answers.get("package_manager", "poetry"))


def in_project(project: Path, answers: Answers, program: str, *arguments: str) -> list[str]:
    """Return the command that runs a program of the project's own environment."""
    manager = manager_of(answers)
    return [*RUN[manager], f".venv/bin/{program}" if manager == "pip" else program, *arguments]


def module_of(project: Path) -> str:
    (module,) = (project / "src").iterdir()
    return module.name


def test_its_definition_and_its_lock_agree(project: Path, answers: Answers, toolbox: Toolbox) -> None:
    command = CHECK[manager_of(answers)]
    toolbox.run(*command, cwd=project)
    definition = project / "pyproject.toml"
    text = definition.read_text()
    definition.write_text(text.replace("pytest>=9.2,<10.0", "pytest>=9.1,<10.0"))
    try:
        toolbox.run(*command, cwd=project, status=1)
    finally:
        definition.write_text(text)


def test_lint(project: Path, toolbox: Toolbox) -> None:
    toolbox.run("make", "lint", cwd=project)


def test_its_own_tests_pass(project: Path, toolbox: Toolbox) -> None:
    done = toolbox.run("make", "test", cwd=project)
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_its_commit_hooks_change_nothing(project: Path, answers: Answers, toolbox: Toolbox) -> None:
    done = toolbox.run(*in_project(project, answers, "pre-commit", "run", "--all-files"), cwd=project)
    assert "Skipped" not in done.stdout
    assert git(project, "status", "--porcelain") == ""


def test_its_commit_hooks_refuse_a_credential(project: Path, answers: Answers, toolbox: Toolbox) -> None:
    leak = project / "leak.txt"
    leak.write_text('{"refresh_token": "1//0abc"}\n')
    git(project, "add", "--force", "leak.txt")
    done = toolbox.run(*in_project(project, answers, "pre-commit", "run", "credentials"), cwd=project, status=1)
    assert "leak.txt" in done.stdout
    git(project, "rm", "--quiet", "--force", "leak.txt")


def test_the_wheel_is_imported_elsewhere(project: Path, answers: Answers, toolbox: Toolbox, tmp_path: Path) -> None:
    if answers["kind"] == "package":
        toolbox.run("make", "build", cwd=project)
    elif manager_of(answers) == "poetry":
        toolbox.run("poetry", "build", "--clean", cwd=project)
    else:
        toolbox.run("uv", "build", "--clear", cwd=project)
    (wheel,) = (project / "dist").glob("*.whl")
    assert len(list((project / "dist").glob("*.tar.gz"))) == 1
    toolbox.run(sys.executable, "-m", "venv", tmp_path / "elsewhere", cwd=tmp_path)
    python = tmp_path / "elsewhere/bin/python"
    toolbox.run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    module = module_of(project)
    toolbox.run(python, "-c", f"import {module}", cwd=tmp_path)
    describe = f"from importlib.metadata import metadata; print(metadata({project_name(project)!r})['Summary'])"
    said = toolbox.run(python, "-c", describe, cwd=tmp_path, variables={"PYTHONUTF8": "1"}).stdout
    assert said == tomllib.loads((project / "pyproject.toml").read_text())["project"]["description"] + "\n"


def project_name(project: Path) -> str:
    name: str = tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"]
    return name


def test_the_lock_names_no_index_and_requirements_have_hashes(project: Path, answers: Answers) -> None:
    if manager_of(answers) == "uv":
        # The public index is in every lock of uv: credentials of it would be, too.
        assert "@" not in (project / "uv.lock").read_text()
        return
    if manager_of(answers) == "poetry":
        assert "\nurl = " not in (project / "poetry.lock").read_text()
    for lock in project.glob("requirements*.txt"):
        requirements = lock.read_text()
        assert "-index-url" not in requirements
        pinned = [line for line in requirements.splitlines() if "==" in line]
        assert all(line.endswith("\\") for line in pinned)
        assert requirements.count("--hash=sha256:") >= len(pinned)


def test_a_service_serves_and_stops_when_asked(project: Path, answers: Answers, toolbox: Toolbox) -> None:
    if answers["kind"] == "package":
        assert toolbox.run("make", "--silent", "run", cwd=project).stdout == "0.1.0\n"
        return
    port = free_port()
    service = subprocess.Popen(
        [project / ".venv/bin/python", "-m", module_of(project)],
        cwd=project,
        env={**toolbox.environment, "PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    try:
        assert health(port, until=time.monotonic() + 30) == http.client.OK
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=9) == 0
    finally:
        service.kill()
        service.wait()
