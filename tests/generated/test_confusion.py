"""The public index offers a higher version of a private name, and the same version too: they lose in every combination.

A virtual repository lists the versions of all its upstreams, and its priorities may be wrong. Private packages are
therefore never looked for in it: they come from the repository that holds them.
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
    """Our repository, one that is not ours, and a virtual one in front of both that prefers the other."""
    for name in ("ours", "theirs"):
        sandbox.create_python_repository("acme-prod", "us-central1", name)
    upstreams = ["theirs", "ours", "pypi"]
    sandbox.create_python_repository("acme-prod", "us-central1", "everything", mode="virtual", upstreams=upstreams)
    publish("ours", "0.1.0", OURS)
    for version in ("0.1.0", HIGHER):
        publish("theirs", version, THEIRS)


@pytest.fixture
def variables(as_identity: AsIdentity, public_index: str, tmp_path: Path) -> dict[str, str]:
    """A reader, for whom theirs is the public index, and one more index beside, with nothing remembered of another."""
    names = (
        *("UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL"),
        *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "POETRY_PYPI_MIRROR_URL"),
    )
    caches = {"UV_CACHE_DIR": str(tmp_path / "uv"), "POETRY_CACHE_DIR": str(tmp_path / "poetry")}
    return {**as_identity("reader"), **dict.fromkeys(names, public_index), **caches, "PIP_NO_CACHE_DIR": "1"}


@pytest.fixture
def lock(generate: Generate, toolbox: Toolbox, variables: dict[str, str], repositories: None, tmp_path: Path) -> Lock:
    """Generate a project that needs nothing but the private package, and lock it."""

    def run(manager: str, mode: str, **answers: object) -> Path:
        folder = generate(
            tmp_path / "project",
            package_manager=manager,
            index_mode=mode,
            python_repository="ours",
            python_index="everything" if mode == "virtual" else "ours",
            private_packages=[f"{PRIVATE_NAME}>=0.1,<0.2"],
            **answers,
        )
        definition = folder / "pyproject.toml"
        before, after = definition.read_text().split("dev = [\n")
        definition.write_text(f"{before}dev = [{after[after.index(']') :]}")
        toolbox.run("make", "lock", cwd=folder, variables=variables)
        return folder

    return run


def locked(project: Path) -> str:
    """Return the version of the private package that the lock names."""
    for name in ("poetry.lock", "uv.lock"):
        if (project / name).exists():
            packages = tomllib.loads((project / name).read_text())["package"]
            return next(str(package["version"]) for package in packages if package["name"] == PRIVATE_NAME)
    lines = (project / "requirements-dev.txt").read_text().splitlines()
    return next(line.split("==")[1].removesuffix(" \\") for line in lines if line.startswith(f"{PRIVATE_NAME}=="))


def installed(project: Path, manager: str, toolbox: Toolbox, variables: dict[str, str]) -> str:
    """Install what is locked, as an image build or a workstation does, and return whose package was taken."""
    if manager == "pip":
        toolbox.run("python3", "-m", "venv", ".venv", cwd=project)
        toolbox.run(".venv/bin/python", "-m", "pip", "install", "--quiet", "pip==26.3", cwd=project)
        install = [".venv/bin/pip", "install", "--no-input", "--keyring-provider", "subprocess", "--require-hashes"]
        toolbox.run(*install, "-r", "requirements-dev.txt", cwd=project, variables=variables)
    elif manager == "uv":
        sync = ["uv", "sync", "--locked", "--no-install-project", "--no-dev"]
        toolbox.run(*sync, cwd=project, variables=variables)
    else:
        toolbox.run("poetry", "install", "--only", "main", "--no-root", cwd=project, variables=variables)
    return whose(project, toolbox, next(project.glob(".venv/lib/*/site-packages")))


def whose(project: Path, toolbox: Toolbox, folder: Path) -> str:
    """Return whose package is in a folder of installed ones."""
    says = f"from importlib.metadata import metadata; print(metadata('{PRIVATE_NAME}')['Requires-Python'])"
    return toolbox.run("python3", "-c", says, cwd=project, variables={"PYTHONPATH": str(folder)}).stdout.strip()


@pytest.mark.parametrize("mode", ["explicit", "virtual"])
@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("kind", ["service", "package"])
def test_what_the_public_index_offers_loses(
    kind: str, manager: str, mode: str, lock: Lock, toolbox: Toolbox, variables: dict[str, str]
) -> None:
    answers = {"framework": "worker", "image_install": "workspace"} if kind == "service" else {}
    project = lock(manager, mode, kind=kind, **answers)
    assert locked(project) == "0.1.0"
    assert installed(project, manager, toolbox, variables) == OURS
    if kind == "service":
        shutil.rmtree(project / ".venv")
        toolbox.run("sh", "docker/install.sh", cwd=project, variables=variables)
        assert whose(project, toolbox, project / "installs") == OURS


def test_the_virtual_repository_does_offer_it(
    repositories: None, toolbox: Toolbox, variables: dict[str, str], tmp_path: Path
) -> None:
    """What the test above is worth: whoever asks the virtual repository for the private name gets theirs."""
    index = UPLOAD.format("everything") + "simple/"
    for requirement, version in ((f"{PRIVATE_NAME}>=0.1,<0.2", HIGHER), (f"{PRIVATE_NAME}==0.1.0", "0.1.0")):
        project = tmp_path / version
        project.mkdir()
        toolbox.run("uv", "venv", "--quiet", cwd=project)
        command = ["uv", "pip", "install", "--keyring-provider", "subprocess", "--default-index", f"all={index}"]
        alone = {**variables, "UV_EXTRA_INDEX_URL": "", "UV_INDEX_ALL_USERNAME": "oauth2accesstoken"}
        toolbox.run(*command, requirement, cwd=project, variables=alone)
        assert whose(project, toolbox, next(project.glob(".venv/lib/*/site-packages"))) == THEIRS


def test_who_installs_a_package_with_pip_as_its_readme_says_gets_ours(
    generate: Generate,
    repositories: None,
    toolbox: Toolbox,
    variables: dict[str, str],
    tmp_path: Path,
) -> None:
    project = generate(
        tmp_path / "project",
        kind="package",
        project_name=PRIVATE_NAME,
        index_mode="virtual",
        python_repository="ours",
        python_index="everything",
    )
    blocks = (project / "README.md").read_text().split("```sh\n")
    (commands,) = (block.partition("```")[0] for block in blocks if "--no-deps" in block)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_NO_CACHE_DIR"):
        del variables[name]
    script = f"python3 -m venv v\n. v/bin/activate\n{commands}"
    toolbox.run("sh", "-euc", script, cwd=tmp_path, variables=variables)
    assert whose(tmp_path, toolbox, next(tmp_path.glob("v/lib/*/site-packages"))) == OURS
