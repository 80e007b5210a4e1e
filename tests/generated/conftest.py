"""Projects generated from the working tree's template, and the tools that they are proven with."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from copier import run_copy

from garscaffold.sandbox import Sandbox
from tests.generated.images import POETRY, SESSION, Credential, Engine
from tests.generated.pythons import ROOT, RUNNING_PYTHON, TOOLS, pythons
from tests.support.engine import CAN_RUN, NEEDS, OwnEngine, own_engine
from tests.support.imagescan import scan_image

# What has no default, and the Python that is there.
ANSWERS: Mapping[str, object] = {
    "author_name": "Ada Lovelace",
    "author_email": "ada@example.com",
    "gcp_project": "acme-prod",
    "python_version": RUNNING_PYTHON,
}
PRIVATE_NAME = "acme-greetings"
_CREDENTIALS = ("GAR_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "VIRTUAL_ENV")


AsIdentity = Callable[[str], dict[str, str]]


class Pushed(Protocol):
    """Holds a pipeline to what it said and to the image that it pushed; in no image may any of the secrets be."""

    def __call__(self, image: str, said: str, secrets: Mapping[str, bytes] | None = None) -> None: ...


class Generate(Protocol):
    """Renders the template into a folder and returns the folder."""

    def __call__(self, destination: Path, **answers: object) -> Path: ...


@dataclass(frozen=True)
class Toolbox:
    """Poetry, uv and keyring in an environment of their own, and the variables to run them with."""

    poetry: Path
    environment: Mapping[str, str]

    def run(
        self, *command: str | Path, cwd: Path, status: int = 0, variables: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in a project and return how it ended.

        Args:
            command: The program and its arguments.
            cwd: The project.
            status: What it has to end with.
            variables: On top of the toolbox's own environment.
        """
        if command[0] == "make" and shutil.which("make") is None:
            pytest.skip("no make here")
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env={**self.environment, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == status, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}"
        return done


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, as somebody, without the machine's own configuration."""
    identity = ["-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def commit(folder: Path, tag: str | None = None) -> None:
    """Commit everything in a folder, which becomes a repository if it is none."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "test: a state")
    if tag:
        git(folder, "tag", tag)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree's template as a git repository with one version."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copy(ROOT / "copier.yml", folder)
    shutil.copytree(ROOT / "template", folder / "template")
    commit(folder, tag="1.0.0")
    return folder


@pytest.fixture(scope="session")
def generate(template: Path) -> Generate:
    """Generate a project; answers that are not given have their defaults."""

    def run(destination: Path, **answers: object) -> Path:
        data: dict[str, Any] = {**ANSWERS, **answers}
        run_copy(str(template), destination, data=data, defaults=True, quiet=True)
        return destination

    return run


@pytest.fixture(scope="session")
def toolbox(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Toolbox:
    """Poetry with its plugins and the keyring backend, installed once and kept in pytest's cache."""
    cache = pytestconfig.cache.mkdir("garscaffold")
    key = hashlib.sha256(repr((TOOLS, sys.version)).encode()).hexdigest()[:12]
    tools = cache / f"tools-{key}"
    with _locked(cache / "tools.lock"):
        if not (tools / "complete").exists():
            shutil.rmtree(tools, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(tools)], check=True)
            subprocess.run([str(tools / "bin/pip"), "install", "--quiet", *TOOLS], check=True)
            (tools / "complete").touch()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _CREDENTIALS and not name.startswith(("POETRY_", "UV_"))
    }
    environment |= {
        "PATH": f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path_factory.mktemp("home")),
        "POETRY_CACHE_DIR": str(cache / "poetry"),
        "PIP_CACHE_DIR": str(cache / "pip"),
        "UV_CACHE_DIR": str(cache / "uv"),
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "POETRY_PYPI_MIRROR_URL": simple_url(tools / "bin/python"),
        # A quick no where there is no metadata server to ask for credentials.
        "NO_GCE_CHECK": "true",
    }
    return Toolbox(tools / "bin/poetry", environment)


def simple_url(python: Path) -> str:
    """Return the simple URL of the index that this machine installs public packages from."""
    if url := os.environ.get("PIP_INDEX_URL"):
        return url
    asked = subprocess.run(
        [str(python), "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    if asked.returncode == 0 and asked.stdout.strip():
        return asked.stdout.strip()
    default = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    return subprocess.run([str(python), "-c", default], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Artifact Registry on loopback, with the repositories that the answers' defaults name."""
    with Sandbox.start(tmp_path_factory.mktemp("sandbox") / "state") as running:
        running.create_python_repository("acme-prod", "us-central1", "python")
        running.create_python_repository("acme-prod", "us-central1", "pypi", mode="remote")
        running.create_python_repository(
            "acme-prod", "us-central1", "python-virtual", mode="virtual", upstreams=["python", "pypi"]
        )
        yield running


@pytest.fixture(scope="session")
def as_identity(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> AsIdentity:
    """The variables with which clients reach the stand-in as one of its identities."""
    # Poetry remembers an index's releases for good, and another stand-in has others under the same URL.
    cache = tmp_path_factory.mktemp("poetry-cache")
    caches = {"POETRY_CACHE_DIR": str(cache), "UV_CACHE_DIR": str(cache), "PIP_CACHE_DIR": str(cache / "pip")}
    return lambda identity: {**sandbox.environment(identity), **caches}


@pytest.fixture(scope="session")
def package(
    generate: Generate, toolbox: Toolbox, as_identity: AsIdentity, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A generated package that its own command has published, and what that command said."""
    folder = generate(tmp_path_factory.mktemp("package") / "project", kind="package", project_name=PRIVATE_NAME)
    for target in ("lock", "install"):
        toolbox.run("make", target, cwd=folder)
    done = toolbox.run("make", "publish", cwd=folder, variables=as_identity("writer"))
    return folder, done.stdout


@pytest.fixture(scope="session")
def pipeline_engine(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    """An engine that reaches the stand-in, so that pipelines push to it; it has the image of the running Python."""
    if not CAN_RUN:
        pytest.skip(NEEDS)
    sandbox.create_repository("acme-prod", "us-central1", "docker", format="DOCKER")
    with own_engine(sandbox, tmp_path_factory.mktemp("engine")) as engine:
        engine.take_image(f"python:{RUNNING_PYTHON}-slim")
        yield engine


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
    """The engine, with an image of each Python of this machine, in which Poetry knows this machine's index."""
    folder = tmp_path_factory.mktemp("base")
    mirror = toolbox.environment["POETRY_PYPI_MIRROR_URL"]
    environment = {**docker_environment, "HOME": str(tmp_path_factory.mktemp("nobody"))}
    bases = {version: f"{SESSION}-base:{version}" for version in pythons()}
    made = Engine(
        environment,
        {"HTTPS_PROXY": sandbox.proxy_url, "POETRY_REQUIREMENTS": POETRY},
        sandbox.bundle_file,
        bases,
    )
    for version, base in bases.items():
        # A layer of this session's own: what an earlier one left in the engine's cache must not stand for a build.
        lines = f"FROM python:{version}-slim\nLABEL {SESSION}=1\nENV POETRY_PYPI_MIRROR_URL={mirror}\n"
        lines += f"RUN echo {SESSION} >/etc/session\n"
        (folder / "Dockerfile").write_text(lines)
        made.docker("build", "--network=host", "--tag", base, ".", cwd=folder)
    yield made
    listed = made.docker("image", "ls", "--quiet", "--filter", f"reference={SESSION}-*", cwd=folder)
    if images := sorted(set(listed.split())):
        made.docker("image", "rm", "--force", *images, cwd=folder)
    # What later builds took the name from; the label comes with the base image.
    made.docker("image", "prune", "--force", "--filter", f"label={SESSION}=1", cwd=folder)


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


@pytest.fixture
def pushed(pipeline_engine: OwnEngine, sandbox: Sandbox) -> Pushed:
    """What every pipeline of a service promises: it has tested, searched the image, and pushed it as it should be."""

    def run(image: str, said: str, secrets: Mapping[str, bytes] | None = None) -> None:
        assert " passed" in said
        assert f"{image}: no credential in its layers" in said
        host = image.split("/")[0]
        login = ["login", "--username", "oauth2accesstoken", "--password-stdin", f"https://{host}"]
        greet = ["run", "--rm", "--network=none", image, "python", "-c"]
        # Whoever reads it has it from the registry.
        for command, stdin, wanted in (
            (["rmi", image], "", "Deleted"),
            (login, sandbox.token("reader"), "Login Succeeded"),
            (["pull", image], "", image),
            (["logout", f"https://{host}"], "", ""),
            ([*greet, "import acme_greetings; print(acme_greetings.greet('Ada'))"], "", "Hello, Ada!"),
        ):
            done = pipeline_engine.docker(*command, stdin=stdin)
            assert done.returncode == 0, done.stderr
            assert wanted in done.stdout
        # A token that the pipeline got itself is known to nobody here: what each begins with is looked for.
        looked_for = {"any token": sandbox.token("writer")[:18].encode(), **(secrets or {})}
        base = f"python:{RUNNING_PYTHON}-slim"
        assert scan_image(image, looked_for, environment=pipeline_engine.environment, base=base) == []

    return run


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time into the block."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def files(folder: Path) -> Iterator[Path]:
    """Yield the files of a project, git's own and installed ones aside."""
    skipped = {".git", ".venv", "dist", ".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__"}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not skipped & set(path.relative_to(folder).parts):
            yield path
