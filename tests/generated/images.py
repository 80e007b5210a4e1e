"""A Docker engine for images of generated projects, and what their builds need on this machine."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from tests.generated.pythons import RUNNING_PYTHON, TOOLS
from tests.support.imagescan import Finding, scan_image

# Several runs may share an engine.
SESSION = f"garscaffold-test-{uuid4().hex[:8]}"
BASE = f"{SESSION}-base:{RUNNING_PYTHON}"
POETRY = " ".join(tool for tool in TOOLS if not tool.startswith(("poetry-plugin-export", "uv=")))


@dataclass(frozen=True)
class Credential:
    """One credential, as `docker build` takes it and as Compose finds it in its environment."""

    option: str
    variables: Mapping[str, str]


Credentials = Mapping[str, Credential]


@dataclass(frozen=True)
class Engine:
    """A Docker engine, and what a build on this machine needs to reach its networks.

    Attributes:
        environment: What its client runs with.
        arguments: Of every image build.
        ca_bundle: The certificates that builds have to trust.
        bases: The images that stand for `python:X-slim`, by their Python.
    """

    environment: Mapping[str, str]
    arguments: Mapping[str, str]
    ca_bundle: Path
    bases: Mapping[str, str]

    def docker(
        self, *command: str | Path, cwd: Path, status: int = 0, variables: Mapping[str, str] | None = None
    ) -> str:
        """Run docker in a project; return what it said."""
        done = subprocess.run(
            ["docker", *map(str, command)],
            cwd=cwd,
            env={**self.environment, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == status, f"docker {' '.join(map(str, command))}:\n{done.stdout}"
        return done.stdout

    def build(self, project: Path, *options: str | Path, status: int = 0) -> str:
        """Build a project's image as `docker build` does, with these options; return what it said."""
        arguments = [f"--build-arg={name}={value}" for name, value in self.arguments_of(project).items()]
        trusted = f"--secret=id=ca_bundle,src={self.ca_bundle}"
        command = ["build", "--progress=plain", "--network=host", trusted, *arguments, *options, "."]
        return self.docker(*command, cwd=project, status=status)

    def compose(self, project: Path, *command: str, variables: Mapping[str, str] | None = None) -> str:
        """Run docker compose in a project, with the networks of this machine; return what it said."""
        return self.docker(
            "compose",
            "--progress=plain",
            *command,
            cwd=project,
            variables={**self.compose_variables(project), **(variables or {})},
        )

    def compose_variables(self, project: Path) -> dict[str, str]:
        """Return the variables with which Compose finds the networks of this machine in a project's file."""
        services = yaml.safe_load((project / "compose.yaml").read_text())["services"]
        arguments = self.arguments_of(project)
        added: dict[str, Any] = {
            "install": {
                "image": arguments["PYTHON_IMAGE"],
                "network_mode": "host",
                "environment": {name: arguments[name] for name in ("HTTPS_PROXY", "POETRY_REQUIREMENTS")},
            },
        }
        for name in services:
            added.setdefault(
                name,
                {
                    "image": image_of(project),
                    "build": {"network": "host", "args": arguments},
                    "network_mode": "host",
                    "environment": {"LISTEN_HOST": "127.0.0.1", "PORT": "${PORT:-8080}"},
                },
            )
        override = project.with_name(f"{project.name}-networks.yaml")
        override.write_text(yaml.safe_dump({"services": {name: added[name] for name in services}}))
        return {
            "CA_BUNDLE": str(self.ca_bundle),
            "COMPOSE_FILE": f"compose.yaml:{override}",
            "COMPOSE_PROJECT_NAME": image_of(project),
        }

    def arguments_of(self, project: Path) -> dict[str, str]:
        """Return the arguments with which a project's image is built."""
        (version,) = re.findall(
            r"^ARG PYTHON_IMAGE=python:([\d.]+)-slim$", (project / "Dockerfile").read_text(), re.MULTILINE
        )
        return {**self.arguments, "PYTHON_IMAGE": self.bases[version]}


def image_of(project: Path) -> str:
    """Return the name of a project's image in this run."""
    return f"{SESSION}-{project.name}"


def leaks(engine: Engine, project: Path, secrets: Mapping[str, bytes]) -> list[Finding]:
    """Return what a project's image holds of the secrets."""
    base = engine.arguments_of(project)["PYTHON_IMAGE"]
    return scan_image(image_of(project), secrets, environment=engine.environment, base=base)


def greeting(engine: Engine, project: Path) -> str:
    """Return what the private package says inside a project's image."""
    program = "import acme_greetings; print(acme_greetings.greet('Ada'))"
    return engine.docker("run", "--rm", "--network=none", image_of(project), "python", "-c", program, cwd=project)
