"""The public index offers a higher version of a private name: what stops it, and what does not.

With an explicit source the higher version loses everywhere. A virtual repository lists the versions of all its
upstreams, so there a range takes the higher one when it is locked again; what is locked, and what is pinned, stays.
"""

import shutil
import threading
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from garscaffold.sandbox import Sandbox
from tests.generated.conftest import PRIVATE_NAME, AsIdentity, Generate, Toolbox
from tests.sandbox.conftest import make_wheel

pytestmark = [pytest.mark.generated, pytest.mark.clients]

MANAGERS = ["poetry", "uv", "pip"]
# What tells two packages of one name and version apart.
OURS, THEIRS = ">=3.8", ">=3.9"
HIGHER = "0.1.99"
UPLOAD = "https://us-central1-python.pkg.dev/acme-prod/{}/"

Publish = Callable[..., None]
Lock = Callable[..., Path]


@pytest.fixture(scope="module")
def publish(toolbox: Toolbox, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Publish:
    """Publish a version of the private name, which says whose it is, to a repository."""

    def run(repository: str, version: str, whose: str) -> None:
        wheel = make_wheel(tmp_path_factory.mktemp("dist"), PRIVATE_NAME, version, requires_python=whose)
        token = {"UV_PUBLISH_USERNAME": "oauth2accesstoken", "UV_PUBLISH_PASSWORD": sandbox.token("writer")}
        variables = {**sandbox.environment("anonymous"), **token}
        url = UPLOAD.format(repository)
        toolbox.run("uv", "publish", "--publish-url", url, wheel, cwd=wheel.parent, variables=variables)

    return run


@pytest.fixture(scope="module")
def public_index(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The public index as it would be if somebody had published the private name there."""
    wheel = make_wheel(tmp_path_factory.mktemp("public"), PRIVATE_NAME, HIGHER, requires_python=THEIRS)
    real = toolbox.environment["POETRY_PYPI_MIRROR_URL"].rstrip("/")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/").split("/")[-1]
            if name == PRIVATE_NAME:
                self.answer("text/html", f'<a href="/files/{wheel.name}">{wheel.name}</a>'.encode())
            elif name == wheel.name:
                self.answer("application/octet-stream", wheel.read_bytes())
            else:
                self.send_response(302)
                self.send_header("Location", f"{real}/{name}/")
                self.end_headers()

        def answer(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/simple/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def repositories(sandbox: Sandbox, publish: Publish) -> None:
    """Our repository, with the package that is ours."""
    sandbox.create_python_repository("acme-prod", "us-central1", "ours")
    publish("ours", "0.1.0", OURS)


@pytest.fixture
def lock(
    generate: Generate, toolbox: Toolbox, as_identity: AsIdentity, public_index: str, repositories: None, tmp_path: Path
) -> Lock:
    """Generate a service that needs nothing but the private package, and lock it."""

    def run(manager: str, mode: str, requirement: str, index: str = "ours") -> Path:
        variables = {**as_identity("reader"), **public(public_index if mode == "explicit" else None, tmp_path)}
        folder = tmp_path / "project"
        if not folder.exists():
            answers = {"kind": "service", "framework": "worker", "package_manager": manager, "index_mode": mode}
            generate(folder, **answers, python_index=index, private_packages=[requirement])
            definition = folder / "pyproject.toml"
            before, after = definition.read_text().split("dev = [\n")
            definition.write_text(f"{before}dev = [{after[after.index(']') :]}")
        else:
            for name in ("poetry.lock", "uv.lock", "requirements.txt"):
                (folder / name).unlink(missing_ok=True)
        toolbox.run("make", "lock", cwd=folder, variables=variables)
        return folder

    return run


def public(url: str | None, folder: Path) -> dict[str, str]:
    """The variables by which each manager takes this for the public index, with nothing remembered of another."""
    names = ("UV_DEFAULT_INDEX", "PIP_INDEX_URL", "POETRY_PYPI_MIRROR_URL")
    return {
        **(dict.fromkeys(names, url) if url else {}),
        "PIP_EXTRA_INDEX_URL": "",
        "UV_CACHE_DIR": str(folder / "uv"),
        "POETRY_CACHE_DIR": str(folder / "poetry"),
        "PIP_NO_CACHE_DIR": "1",
    }


def locked(project: Path) -> str:
    """Return the version of the private package that the lock names."""
    for name in ("poetry.lock", "uv.lock"):
        if (project / name).exists():
            packages = tomllib.loads((project / name).read_text())["package"]
            return next(str(package["version"]) for package in packages if package["name"] == PRIVATE_NAME)
    lines = (project / "requirements.txt").read_text().splitlines()
    return next(line.split("==")[1].removesuffix(" \\") for line in lines if line.startswith(f"{PRIVATE_NAME}=="))


def whose(project: Path, toolbox: Toolbox, variables: dict[str, str]) -> str:
    """Install what is locked, and return whose package was taken."""
    shutil.rmtree(project / ".venv", ignore_errors=True)
    manager = next((name for name in ("poetry", "uv") if (project / f"{name}.lock").exists()), "pip")
    if manager == "pip":
        toolbox.run("python3", "-m", "venv", ".venv", cwd=project)
        toolbox.run(".venv/bin/python", "-m", "pip", "install", "--quiet", "pip==26.3", cwd=project)
        install = [".venv/bin/pip", "install", "--no-input", "--keyring-provider", "subprocess", "--require-hashes"]
        toolbox.run(*install, "-r", "requirements.txt", cwd=project, variables=variables)
    elif manager == "uv":
        sync = ["uv", "sync", "--locked", "--no-install-project", "--no-dev"]
        toolbox.run(*sync, cwd=project, variables=variables)
    else:
        toolbox.run("poetry", "install", "--only", "main", "--no-root", cwd=project, variables=variables)
    says = f"from importlib.metadata import metadata; print(metadata('{PRIVATE_NAME}')['Requires-Python'])"
    return toolbox.run(".venv/bin/python", "-c", says, cwd=project).stdout.strip()


@pytest.mark.parametrize("manager", MANAGERS)
def test_with_an_explicit_source_the_higher_public_version_loses(
    manager: str, lock: Lock, toolbox: Toolbox, as_identity: AsIdentity, public_index: str, tmp_path: Path
) -> None:
    project = lock(manager, "explicit", f"{PRIVATE_NAME}>=0.1,<0.2")
    assert locked(project) == "0.1.0"
    variables = {**as_identity("reader"), **public(public_index, tmp_path)}
    assert whose(project, toolbox, variables) == OURS


@pytest.mark.parametrize("manager", MANAGERS)
def test_with_a_virtual_repository_what_is_locked_or_pinned_stays_and_a_range_moves(
    manager: str,
    lock: Lock,
    publish: Publish,
    sandbox: Sandbox,
    toolbox: Toolbox,
    as_identity: AsIdentity,
    tmp_path: Path,
) -> None:
    theirs = f"theirs-{manager}"
    sandbox.create_python_repository("acme-prod", "us-central1", theirs)
    upstreams = ["ours", theirs, "pypi"]
    name = f"virtual-{manager}"
    sandbox.create_python_repository("acme-prod", "us-central1", name, mode="virtual", upstreams=upstreams)
    variables = {**as_identity("reader"), **public(None, tmp_path)}

    def at(requirement: str) -> Path:
        project = tmp_path / "project"
        if project.exists():
            definition = project / "pyproject.toml"
            definition.write_text(definition.read_text().replace(f"{PRIVATE_NAME}>=0.1,<0.2", requirement))
        return lock(manager, "virtual", requirement, name)

    project = at(f"{PRIVATE_NAME}>=0.1,<0.2")
    publish(theirs, HIGHER, THEIRS)
    publish(theirs, "0.1.0", THEIRS)
    assert whose(project, toolbox, variables) == OURS

    assert locked(at(f"{PRIVATE_NAME}>=0.1,<0.2")) == HIGHER, "the limit that the README states is gone: say so there"

    project = at(f"{PRIVATE_NAME}==0.1.0")
    assert locked(project) == "0.1.0"
    assert whose(project, toolbox, variables) == OURS
