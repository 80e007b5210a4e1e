"""Images of generated services, built and run with a real engine; what they need is on Artifact Registry's stand-in."""

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from garscaffold.sandbox import Sandbox
from tests.generated.combinations import main_combinations
from tests.generated.conftest import PRIVATE_NAME, RUNNING_PYTHON, TOOLS, AsIdentity, Generate, Toolbox
from tests.generated.serving import free_port, health
from tests.support.imagescan import Finding, scan_image

pytestmark = [pytest.mark.engine, pytest.mark.generated]

# Several runs may share an engine.
SESSION = f"garscaffold-test-{uuid4().hex[:8]}"
BASE = f"{SESSION}-base:{RUNNING_PYTHON}"
POETRY = " ".join(tool for tool in TOOLS if not tool.startswith(("poetry-plugin-export", "uv=")))
MEND = "gcloud auth application-default login && docker compose build"


@dataclass(frozen=True)
class Credential:
    """One credential, as `docker build` takes it and as Compose finds it in its environment."""

    option: str
    variables: Mapping[str, str]


Credentials = Mapping[str, Credential]

# Each manager in each mode, and with each credential.
MANAGERS = [
    ("uv", "explicit", "adc"),
    ("uv", "virtual", "token"),
    ("pip", "explicit", "token"),
    ("pip", "virtual", "adc"),
]


@dataclass(frozen=True)
class Engine:
    """A Docker engine, and what a build on this machine needs to reach its networks."""

    environment: Mapping[str, str]
    arguments: Mapping[str, str]
    ca_bundle: Path

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
        arguments = [f"--build-arg={name}={value}" for name, value in self.arguments.items()]
        trusted = f"--secret=id=ca_bundle,src={self.ca_bundle}"
        command = ["build", "--progress=plain", "--network=host", trusted, *arguments, *options, "."]
        return self.docker(*command, cwd=project, status=status)

    def compose(self, project: Path, *command: str, variables: Mapping[str, str] | None = None) -> str:
        """Run docker compose in a project, with the networks of this machine; return what it said."""
        services = yaml.safe_load((project / "compose.yaml").read_text())["services"]
        override: dict[str, Any] = {
            project.name: {
                "image": image_of(project),
                "build": {"network": "host", "args": dict(self.arguments)},
                "network_mode": "host",
                "environment": {"LISTEN_HOST": "127.0.0.1", "PORT": "${PORT:-8080}"},
            },
            "install": {
                "image": BASE,
                "network_mode": "host",
                "environment": {"HTTPS_PROXY": self.arguments["HTTPS_PROXY"]},
            },
        }
        kept = {name: override[name] for name in services}
        (project / "override.yaml").write_text(yaml.safe_dump({"services": kept}))
        files = ["-f", "compose.yaml", "-f", "override.yaml"]
        return self.docker(
            "compose",
            "--progress=plain",
            *files,
            *command,
            cwd=project,
            variables={
                "CA_BUNDLE": str(self.ca_bundle),
                "COMPOSE_PROJECT_NAME": image_of(project),
                **(variables or {}),
            },
        )


@pytest.fixture(scope="session")
def docker_environment() -> dict[str, str]:
    """The environment of the docker client: no credential, no home to find one in."""
    dropped = ("GAR_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "HTTPS_PROXY", "https_proxy")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment["DOCKER_CONFIG"] = os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))
    asked = None
    if shutil.which("docker", path=environment["PATH"]):
        asked = subprocess.run(["docker", "info"], env=environment, capture_output=True, text=True, check=False)
    if asked is None or asked.returncode:
        reason = f"no Docker engine answers: {asked.stderr.strip() if asked else 'there is no docker program'}"
        pytest.skip(reason)
    return environment


@pytest.fixture(scope="session")
def engine(
    docker_environment: dict[str, str], toolbox: Toolbox, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """The engine, with a Python image in which Poetry knows this machine's index."""
    folder = tmp_path_factory.mktemp("base")
    mirror = toolbox.environment["POETRY_PYPI_MIRROR_URL"]
    base = f"FROM python:{RUNNING_PYTHON}-slim\nLABEL {SESSION}=1\nENV POETRY_PYPI_MIRROR_URL={mirror}\n"
    (folder / "Dockerfile").write_text(base)
    environment = {**docker_environment, "HOME": str(tmp_path_factory.mktemp("nobody"))}
    arguments = {"PYTHON_IMAGE": BASE, "HTTPS_PROXY": sandbox.proxy_url, "POETRY_REQUIREMENTS": POETRY}
    made = Engine(environment, arguments, sandbox.bundle_file)
    made.docker("build", "--tag", BASE, ".", cwd=folder)
    yield made
    listed = made.docker("image", "ls", "--quiet", "--filter", f"reference={SESSION}-*", cwd=folder)
    made.docker("image", "rm", "--force", *sorted(set(listed.split())), cwd=folder)
    # What later builds took the name from; the label comes with the base image.
    made.docker("image", "prune", "--force", "--filter", f"label={SESSION}=1", cwd=folder)


def image_of(project: Path) -> str:
    return f"{SESSION}-{project.name}"


@pytest.fixture(scope="session")
def secrets(sandbox: Sandbox) -> dict[str, bytes]:
    """What no image may hold: the credentials that builds are given, and what is secret in the file by itself."""
    adc = sandbox.adc_file("user").read_bytes()
    refresh_token = json.loads(adc)["refresh_token"].encode()
    return {"token": sandbox.token("reader").encode(), "file": adc, "refresh token": refresh_token}


@pytest.fixture(scope="session")
def credentials(
    sandbox: Sandbox, secrets: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Credential]:
    """The two ways to give a build its credential."""
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_bytes(secrets["token"] + b"\n")
    adc = str(sandbox.adc_file("user"))
    return {
        "adc": Credential(f"--secret=id=gar_adc,src={adc}", {"GOOGLE_APPLICATION_CREDENTIALS": adc}),
        "token": Credential(f"--secret=id=gar_token,src={token}", {"GAR_TOKEN": secrets["token"].decode()}),
    }


@pytest.fixture(scope="session")
def service(
    generate: Generate,
    toolbox: Toolbox,
    as_identity: AsIdentity,
    package: object,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Path]:
    """Generate a service and lock it: one that needs the private package, unless told otherwise."""

    def run(name: str, **answers: object) -> Path:
        private = {"private_packages": [f"{PRIVATE_NAME}>=0.1,<0.2"]}
        folder = generate(
            tmp_path_factory.mktemp("image") / name, **{"kind": "service", "project_name": name, **private, **answers}
        )
        toolbox.run("make", "lock", cwd=folder, variables=as_identity("reader"))
        return folder

    return run


@pytest.fixture(scope="module")
def explicit(service: Callable[..., Path]) -> Path:
    return service("orders")


@pytest.fixture(scope="module")
def virtual(service: Callable[..., Path]) -> Path:
    return service("invoices", index_mode="virtual")


@pytest.fixture(scope="module")
def workspace(service: Callable[..., Path]) -> Path:
    return service("parcels", image_install="workspace")


def leaks(engine: Engine, image: str, secrets: Mapping[str, bytes]) -> list[Finding]:
    return scan_image(image, secrets, environment=engine.environment, base=BASE)


def greeting(engine: Engine, image: str, cwd: Path) -> str:
    """Return what the private package says inside an image."""
    program = "import acme_greetings; print(acme_greetings.greet('Ada'))"
    return engine.docker("run", "--rm", "--network=none", image, "python", "-c", program, cwd=cwd)


def forget(project: Path) -> None:
    """Let the next build install again, as a changed lock does: secrets are no part of the build cache's key."""
    with (project / "poetry.lock").open("a") as lock:
        lock.write(f"# {time.monotonic_ns()}\n")


@pytest.mark.parametrize("framework", ["fastapi", "flask", "worker"])
def test_a_service_comes_up_serves_and_stops(engine: Engine, service: Callable[..., Path], framework: str) -> None:
    project = service(f"public-{framework}", framework=framework, private_packages=[])
    number = free_port()
    port = {"PORT": str(number)}
    try:
        engine.compose(project, "up", "--build", "--detach", variables=port)
        assert health(number, until=time.monotonic() + 30) == http.client.OK
        inside = ["exec", "--no-TTY", project.name]
        assert engine.compose(project, *inside, "id", "-u", variables=port) == "10001\n"
        module = project.name.replace("-", "_")
        engine.compose(project, *inside, "python", "-m", f"{module}.healthcheck", variables=port)
        asked = time.monotonic()
        engine.compose(project, "stop", variables=port)
        assert time.monotonic() - asked < 9
        state = engine.compose(project, "ps", "--all", "--format", "{{.ExitCode}} {{.State}}", variables=port)
        assert state == "0 exited\n"
    finally:
        engine.compose(project, "down", "--timeout", "1", variables=port)


def test_the_final_image_has_no_tools_to_install(engine: Engine, explicit: Path, credentials: Credentials) -> None:
    engine.build(explicit, credentials["token"].option, "--tag", image_of(explicit))
    program = (
        "from importlib.metadata import distributions; print(*(d.name for d in distributions(path=sys.path[-1:])))"
    )
    run = ["run", "--rm", image_of(explicit), "python", "-c", f"import sys; {program}"]
    said = engine.docker(*run, cwd=explicit).split()
    assert PRIVATE_NAME in said
    assert not {"pip", "poetry", "keyring", "keyrings.google-artifactregistry-auth", "pytest", "mypy"} & set(said)
    config = json.loads(engine.docker("image", "inspect", image_of(explicit), cwd=explicit))[0]["Config"]
    assert config["User"] == "10001:10001"
    assert not [name for name in config["Env"] if name.startswith(("POETRY_HTTP", "POETRY_KEYRING", "HTTPS_PROXY"))]


@pytest.mark.parametrize("credential", ["adc", "token"])
@pytest.mark.parametrize("mode", ["explicit", "virtual"])
def test_docker_installs_with_either_secret_and_leaves_no_trace(
    engine: Engine,
    request: pytest.FixtureRequest,
    credentials: Credentials,
    secrets: dict[str, bytes],
    mode: str,
    credential: str,
) -> None:
    project: Path = request.getfixturevalue(mode)
    forget(project)
    said = engine.build(project, credentials[credential].option, "--tag", image_of(project))
    assert f"Installing {PRIVATE_NAME}" in said
    assert greeting(engine, image_of(project), project) == "Hello, Ada!\n"
    assert leaks(engine, image_of(project), secrets) == []
    for secret in secrets.values():
        assert secret.decode() not in said


@pytest.mark.parametrize("credential", ["adc", "token"])
def test_compose_builds_with_either_secret_and_leaves_no_trace(
    engine: Engine, explicit: Path, credentials: Credentials, secrets: dict[str, bytes], credential: str
) -> None:
    forget(explicit)
    said = engine.compose(explicit, "build", variables=credentials[credential].variables)
    assert f"Installing {PRIVATE_NAME}" in said
    assert greeting(engine, image_of(explicit), explicit) == "Hello, Ada!\n"
    assert leaks(engine, image_of(explicit), secrets) == []


@pytest.mark.parametrize(("manager", "mode", "credential"), MANAGERS)
def test_the_other_managers_install_with_a_secret_and_leave_no_trace(
    engine: Engine,
    service: Callable[..., Path],
    credentials: Credentials,
    secrets: dict[str, bytes],
    manager: str,
    mode: str,
    credential: str,
) -> None:
    project = service(f"{manager}-{mode}", package_manager=manager, index_mode=mode, framework="worker")
    begun = time.monotonic()
    assert MEND in engine.build(project, "--no-cache", status=1)
    assert time.monotonic() - begun < 20
    said = engine.build(project, credentials[credential].option, "--tag", image_of(project))
    assert greeting(engine, image_of(project), project) == "Hello, Ada!\n"
    assert leaks(engine, image_of(project), secrets) == []
    for secret in secrets.values():
        assert secret.decode() not in said
    program = "from importlib.metadata import distributions; print(*(d.name for d in distributions(path=['%s'])))"
    found = f"/app/.venv/lib/python{RUNNING_PYTHON}/site-packages"
    run = ["run", "--rm", "--network=none", image_of(project), "python", "-c", program % found]
    assert engine.docker(*run, cwd=project).split() == [PRIVATE_NAME]


@pytest.mark.parametrize(("manager", "credential"), [("uv", "adc"), ("uv", "token"), ("pip", "token")])
def test_the_other_managers_fill_the_workspace(
    engine: Engine,
    service: Callable[..., Path],
    credentials: Credentials,
    secrets: dict[str, bytes],
    manager: str,
    credential: str,
) -> None:
    answers = {"package_manager": manager, "framework": "worker", "image_install": "workspace"}
    project = service(f"{manager}-workspace-{credential}", **answers)
    engine.compose(project, "run", "--rm", "install", variables=credentials[credential].variables)
    engine.build(project, "--tag", image_of(project))
    assert greeting(engine, image_of(project), project) == "Hello, Ada!\n"
    assert leaks(engine, image_of(project), secrets) == []


def test_compose_finds_the_file_that_gcloud_writes(
    engine: Engine, explicit: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    forget(explicit)
    (tmp_path / ".config/gcloud").mkdir(parents=True)
    shutil.copy(sandbox.adc_file("user"), tmp_path / ".config/gcloud/application_default_credentials.json")
    assert f"Installing {PRIVATE_NAME}" in engine.compose(explicit, "build", variables={"HOME": str(tmp_path)})


def test_a_build_without_a_credential_fails_at_once_with_the_command(engine: Engine, explicit: Path) -> None:
    begun = time.monotonic()
    said = engine.build(explicit, "--no-cache", status=1)
    assert time.monotonic() - begun < 10
    assert MEND in said
    assert "Installing" not in said


def test_a_build_without_a_lock_fails_at_once_with_the_command(
    engine: Engine, generate: Generate, tmp_path: Path
) -> None:
    project = generate(tmp_path / "unlocked", kind="service")
    assert "There is no poetry.lock. Write it with: make lock" in engine.build(project, status=1)


@pytest.mark.parametrize("credential", ["adc", "token"])
def test_the_workspace_way_needs_no_secret_in_the_build(
    engine: Engine, workspace: Path, credentials: Credentials, secrets: dict[str, bytes], credential: str
) -> None:
    engine.compose(workspace, "run", "--rm", "install", variables=credentials[credential].variables)
    engine.build(workspace, "--tag", image_of(workspace))
    assert greeting(engine, image_of(workspace), workspace) == "Hello, Ada!\n"
    assert leaks(engine, image_of(workspace), secrets) == []


def test_the_search_finds_a_secret_that_was_copied(
    engine: Engine, secrets: dict[str, bytes], credentials: Credentials, tmp_path: Path
) -> None:
    """The recipe that circulates: the mount is gone after the build, the copy of it is not."""
    (tmp_path / "Dockerfile").write_text(
        f"FROM {BASE}\n"
        "ARG GOOGLE_APPLICATION_CREDENTIALS=/tmp/adc.json\n"
        "RUN --mount=type=secret,id=gar_adc cp /run/secrets/gar_adc ${GOOGLE_APPLICATION_CREDENTIALS}\n"
        "RUN rm /tmp/adc.json\n"
    )
    engine.docker(
        "build",
        "--no-cache",
        "--network=host",
        credentials["adc"].option,
        "--tag",
        f"{SESSION}-leak",
        ".",
        cwd=tmp_path,
    )
    found = leaks(engine, f"{SESSION}-leak", secrets)
    assert {finding.secret for finding in found} == {"file", "refresh token"}
    assert all(finding.place.endswith("tmp/adc.json") for finding in found)


def test_docker_has_nothing_to_warn_about(engine: Engine, generate: Generate, tmp_path: Path) -> None:
    for number, answers in enumerate(main_combinations()):
        if answers["kind"] == "service":
            project = generate(tmp_path / str(number), **answers)
            assert "no warnings found" in engine.docker("build", "--check", ".", cwd=project)
            engine.docker("compose", "config", "--quiet", cwd=project)
            engine.docker("compose", "config", "--quiet", cwd=project, variables={"GAR_TOKEN": "a token"})
