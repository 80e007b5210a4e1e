"""The development container: what its file says, done with a real engine; and that the file says nothing else."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from garscaffold.sandbox import Sandbox
from tests.generated.combinations import PRIVATE
from tests.generated.conftest import PRIVATE_NAME, AsIdentity, Generate, Toolbox
from tests.generated.images import BASE, POETRY, SESSION, Engine
from tests.generated.matrix import texts

# Of npm's @devcontainers/cli.
CLI = "devcontainer"
RUN = {"poetry": "poetry run python", "uv": "uv run --locked python", "pip": ".venv/bin/python"}


def settings(project: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of a project's development container, with the values that editors give variables."""
    text = (project / ".devcontainer/devcontainer.json").read_text()
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value)
    return dict(json.loads(text))


def test_its_settings_are_those_of_the_project() -> None:
    """What may be set at all, test_matrix_judges.py has a schema for."""
    for project, _, text in texts(".devcontainer/devcontainer.json"):
        found = json.loads(text)
        assert f".devcontainer/{found['build']['dockerfile']}" in project.files
        # No port is open that the service does not listen on.
        assert found.get("forwardPorts", [8080]) == [8080]
        assert f'\nname = "{found["name"]}"\n' in project.files["pyproject.toml"]


def test_it_has_the_python_and_the_tools_of_the_image(generate: Generate, tmp_path: Path) -> None:
    for manager in ("poetry", "uv", "pip"):
        project = generate(tmp_path / manager, kind="service", package_manager=manager, python_version="3.12")
        ours, image = ((project / name).read_text() for name in (".devcontainer/Dockerfile", "Dockerfile"))
        assert "ARG PYTHON_IMAGE=python:3.12\n" in ours
        assert "ARG PYTHON_IMAGE=python:3.12-slim\n" in image
        tools = [re.findall(r'_REQUIREMENTS="(.*)"', text)[0].split() for text in (image, ours)]
        assert tools[1][: len(tools[0])] == tools[0]
        assert all("==" in tool for tool in tools[1])


def test_there_is_none_where_none_is_wanted(generate: Generate, tmp_path: Path) -> None:
    for kind in ("service", "package"):
        project = generate(tmp_path / kind, kind=kind, devcontainer=False)
        assert not (project / ".devcontainer").exists()
        assert "container" not in (project / "README.md").read_text().partition("## Authentication")[0]


class Container:
    """A project's development container, as an editor makes it: on a workstation with a home of its own."""

    def __init__(self, engine: Engine, sandbox: Sandbox, project: Path, home: Path) -> None:
        self.engine, self.sandbox, self.project, self.home = engine, sandbox, project, home
        self.image = f"{SESSION}-dev-{project.name}"
        self.inside = f"/workspaces/{project.name}"
        # Editors give the user the number of the one on the workstation (updateRemoteUserUID), who is not root.
        self.number = os.getuid() or 1000
        self.settings = settings(project, {"containerWorkspaceFolder": self.inside, "devcontainerId": SESSION})

    def build(self) -> None:
        # What the base image cannot know about the machine that tests run on.
        arguments = [f"--build-arg=PYTHON_IMAGE={BASE}", f"--build-arg=POETRY_REQUIREMENTS={POETRY}"]
        arguments += [f"--build-arg={name}={value}" for name, value in self.settings["build"].get("args", {}).items()]
        build = ["build", "--network=host", *arguments, "--tag", self.image, ".devcontainer"]
        self.engine.docker(*build, cwd=self.project)
        user, number = self.settings["remoteUser"], self.number
        aligned = f"FROM {self.image}\nRUN usermod --uid {number} {user} && chown -R {user} /home/{user}"
        # A Python that was not built in its image looks where it was built, which may be below here.
        aligned += " && chmod a+x /root\n"
        folder = self.home / "aligned"
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(aligned)
        self.engine.docker("build", "--network=host", "--tag", self.image, ".", cwd=folder)
        done = subprocess.run(
            self.settings["initializeCommand"],
            shell=True,
            cwd=self.project,
            env={**os.environ, "HOME": str(self.home)},
            check=False,
        )
        assert done.returncode == 0
        if os.getuid() == 0:
            for path in (self.project, self.home):
                subprocess.run(["chown", "-R", str(number), str(path)], check=True)

    def run(self, command: str, status: int = 0, **variables: str) -> str:
        mounts = [f"--mount={each.replace('${localEnv:HOME}', str(self.home))}" for each in self.settings["mounts"]]
        trusted = dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), "/bundle.pem")
        proxy = {"HTTPS_PROXY": self.sandbox.proxy_url, **trusted}
        environment = {**self.settings["containerEnv"], **proxy, **variables}
        return self.engine.docker(
            *("run", "--rm", "--network=host", "--user", self.settings["remoteUser"]),
            *("--volume", f"{self.project}:{self.inside}", "--volume", f"{self.sandbox.bundle_file}:/bundle.pem:ro"),
            *mounts,
            *(f"--env={name}={value}" for name, value in environment.items()),
            *("--workdir", self.inside, self.image, "sh", "-c", command),
            cwd=self.project,
            status=status,
        )

    def log_in(self, adc: Path) -> Path:
        """Put a login where gcloud writes it, for the user of the workstation alone."""
        login = self.home / ".config/gcloud/application_default_credentials.json"
        shutil.copy(adc, login)
        login.chmod(0o600)
        os.chown(login, self.number, -1)
        return login

    def remove(self) -> None:
        """Remove its volumes."""
        for mount in self.settings["mounts"]:
            parts = dict(part.partition("=")[::2] for part in mount.split(","))
            if parts["type"] == "volume":
                self.engine.docker("volume", "rm", parts["source"], cwd=self.home)


@pytest.mark.engine
@pytest.mark.generated
@pytest.mark.parametrize(("manager", "mode"), [("poetry", "virtual"), ("uv", "virtual"), ("pip", "explicit")])
def test_it_installs_with_the_login_of_the_workstation(
    engine: Engine,
    sandbox: Sandbox,
    generate: Generate,
    toolbox: Toolbox,
    as_identity: AsIdentity,
    package: object,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    manager: str,
    mode: str,
) -> None:
    answers = {"kind": "service", "framework": "worker", "package_manager": manager, "index_mode": mode}
    project = generate(tmp_path / f"dev-{manager}", **answers, private_packages=[f"{PRIVATE_NAME}>=0.1,<0.2"])
    definition = project / "pyproject.toml"
    lines = definition.read_text().splitlines(keepends=True)
    # What is installed to develop with takes a while, and is no part of this.
    lines = [line for line in lines if not re.match(r'    "(mypy|pre-commit|pytest|ruff)', line)]
    definition.write_text("".join(lines))
    toolbox.run("make", "lock", cwd=project, variables=as_identity("reader"))
    # What the workstation has there is of no use in the container, and stays.
    theirs = project / ".venv/bin/python"
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.unlink(missing_ok=True)
    theirs.symlink_to("/python/of/the/workstation")
    container = Container(engine, sandbox, project, tmp_path / "home")
    container.build()
    request.addfinalizer(container.remove)
    install = container.settings["postCreateCommand"]
    greet = f"{RUN[manager]} -c \"import acme_greetings; print(acme_greetings.greet('Ada'))\""

    said = container.run(install, status=1)
    assert said.endswith("    gcloud auth application-default login\n    sh .devcontainer/install.sh\n")

    adc = sandbox.adc_file("user")
    login = container.log_in(adc)
    secret = json.loads(adc.read_text())["refresh_token"]
    said = container.run(
        f"set -e\n{install}\n{greet}\nwhoami\n"
        f"grep -r -l -F '{secret}' /home /tmp /workspaces && exit 1\n"
        "touch /mnt/gcloud/mine 2>/dev/null && exit 1\nexit 0"
    )
    assert said.endswith("Hello, Ada!\ndev\n")
    assert secret not in said

    # Where there is no workstation: a token, and nothing to find.
    login.unlink()
    token = sandbox.token("reader")
    said = container.run(
        f"set -e\n{install}\n{greet}\ngrep -r -l -F '{token}' /home /tmp /workspaces && exit 1\nexit 0", GAR_TOKEN=token
    )
    assert said.endswith("Hello, Ada!\n")
    assert token not in said
    assert str(theirs.readlink()) == "/python/of/the/workstation"


def read_by_cli(engine: Engine, folder: Path, text: str, status: int = 0) -> dict[str, Any]:
    """Write a file's text into a folder, and return what the specification's own program makes of it.

    It looks at the image that the container is made from: the Dockerfile here names one that is there.
    """
    place = folder / ".devcontainer"
    place.mkdir(parents=True)
    (place / "devcontainer.json").write_text(text)
    (place / "Dockerfile").write_text(f"ARG PYTHON_IMAGE={BASE}\nFROM ${{PYTHON_IMAGE}}\n")
    command = [CLI, "read-configuration", "--workspace-folder", str(folder), "--include-merged-configuration"]
    done = subprocess.run(command, env=engine.environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    return dict(json.loads(done.stdout)) if done.stdout else {}


@pytest.mark.engine
@pytest.mark.generated
@pytest.mark.skipif(shutil.which(CLI) is None, reason=f"no {CLI} here")
def test_the_program_that_makes_containers_reads_every_file(engine: Engine, tmp_path: Path) -> None:
    """Each distinct file of the full matrix, once."""
    found = list(texts(".devcontainer/devcontainer.json"))
    assert found
    home = engine.environment["HOME"]
    for number, (project, _, text) in enumerate(found):
        read = read_by_cli(engine, tmp_path / f"{number}", text)
        inside = {"${localEnv:HOME}": home, "${containerWorkspaceFolder}": f"/workspaces/{number}"}
        for name, value in inside.items():
            text = text.replace(name, value)
        written = json.loads(text)
        assert read["configuration"] == {**written, "configFilePath": read["configuration"]["configFilePath"]}, project
        merged = read["mergedConfiguration"]
        assert merged["postCreateCommands"] == [written["postCreateCommand"]]
        assert merged["customizations"]["vscode"] == [written["customizations"]["vscode"]]
        assert merged["mounts"] == written["mounts"]
        assert merged["mounts"][0] == f"source={home}/.config/gcloud,target=/mnt/gcloud,type=bind,readonly"


@pytest.mark.engine
@pytest.mark.generated
@pytest.mark.skipif(shutil.which(CLI) is None, reason=f"no {CLI} here")
def test_the_program_that_makes_containers_refuses_a_file_that_is_not_there(engine: Engine, tmp_path: Path) -> None:
    text = next(text for _, _, text in texts(".devcontainer/devcontainer.json"))
    read_by_cli(engine, tmp_path / "right", text)
    assert '"Dockerfile"' in text
    read_by_cli(engine, tmp_path / "wrong", text.replace('"Dockerfile"', '"Containerfile"'), status=1)


def test_a_project_that_needs_no_credential_asks_for_none(generate: Generate, tmp_path: Path) -> None:
    for name, private in (("private", PRIVATE), ("public", [])):
        text = (generate(tmp_path / name, private_packages=private) / ".devcontainer/install.sh").read_text()
        assert ("Nobody has logged in" in text) == (name == "private")
