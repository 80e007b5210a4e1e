"""The public index offers a higher version of a private name, and the same version too: they lose in every combination.

A virtual repository lists the versions of all its upstreams, and its priorities may be wrong. Private packages are
therefore never looked for in it: they come from the repository that holds them.
"""

import re
import shutil
import threading
import tomllib
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from garscaffold.sandbox import Sandbox
from tests.generated.conftest import PRIVATE_NAME, AsIdentity, Generate, Toolbox
from tests.generated.images import SESSION, Credentials, Engine, image_of
from tests.sandbox.conftest import make_wheel

pytestmark = [pytest.mark.generated, pytest.mark.clients]

MANAGERS = ["poetry", "uv", "pip"]
# What tells two packages of one name and version apart.
OURS, THEIRS = ">=3.8", ">=3.9"
HIGHER = "0.1.99"
# A private package, and one that it needs.
NEEDING, NEEDED = "acme-letters", "acme-alphabet"
REQUIREMENT = f"{NEEDED}>=0.1,<0.2"
# What names the public index, and one more beside it.
INDEXES = (
    *("UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "POETRY_PYPI_MIRROR_URL"),
)
SAYS = "from importlib.metadata import metadata; print(metadata('{}')['Requires-Python'])"
UPLOAD = "https://us-central1-python.pkg.dev/acme-prod/{}/"

Publish = Callable[..., None]
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def publish(toolbox: Toolbox, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Publish:
    """Publish a version of a private name, which says whose it is, to a repository."""

    def run(repository: str, version: str, whose: str, name: str = PRIVATE_NAME, requires: Sequence[str] = ()) -> None:
        folder = tmp_path_factory.mktemp("dist")
        wheel = make_wheel(folder, name, version, requires=requires, requires_python=whose)
        token = {"UV_PUBLISH_USERNAME": "oauth2accesstoken", "UV_PUBLISH_PASSWORD": sandbox.token("writer")}
        variables = {**sandbox.environment("anonymous"), **token}
        url = UPLOAD.format(repository)
        toolbox.run("uv", "publish", "--publish-url", url, wheel, cwd=wheel.parent, variables=variables)

    return run


@pytest.fixture(scope="module")
def public_index(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The public index as it would be if somebody had published the private names there."""
    folder = tmp_path_factory.mktemp("public")
    wheels = {name: make_wheel(folder, name, HIGHER, requires_python=THEIRS) for name in (PRIVATE_NAME, NEEDED)}
    real = toolbox.environment["POETRY_PYPI_MIRROR_URL"].rstrip("/")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/").split("/")[-1]
            if name in wheels:
                file = wheels[name].name
                self.answer("text/html", f'<a href="/files/{file}">{file}</a>'.encode())
            elif (folder / name).is_file():
                self.answer("application/octet-stream", (folder / name).read_bytes())
            else:
                self.send_response(302)
                self.send_header("Location", f"{real}/{name}/")
                self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def answer(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
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
    publish("ours", "0.1.0", OURS, NEEDING, [REQUIREMENT])
    for name in (PRIVATE_NAME, NEEDED):
        publish("ours", "0.1.0", OURS, name)
        for version in ("0.1.0", HIGHER):
            publish("theirs", version, THEIRS, name)


@pytest.fixture
def variables(as_identity: AsIdentity, public_index: str, tmp_path: Path) -> dict[str, str]:
    """A reader, for whom theirs is the public index, and one more index beside, with nothing remembered of another."""
    caches = {"UV_CACHE_DIR": str(tmp_path / "uv"), "POETRY_CACHE_DIR": str(tmp_path / "poetry")}
    return {**as_identity("reader"), **dict.fromkeys(INDEXES, public_index), **caches, "PIP_NO_CACHE_DIR": "1"}


@pytest.fixture
def make(generate: Generate, repositories: None, tmp_path: Path) -> Make:
    """Generate a project that needs nothing but private packages: one, unless told otherwise."""

    def run(
        manager: str, mode: str, private: Sequence[str] = (f"{PRIVATE_NAME}>=0.1,<0.2",), **answers: object
    ) -> Path:
        folder = generate(
            tmp_path / f"project-{manager}",
            package_manager=manager,
            index_mode=mode,
            python_repository="ours",
            python_index="everything" if mode == "virtual" else "ours",
            private_packages=list(private),
            **answers,
        )
        definition = folder / "pyproject.toml"
        before, after = definition.read_text().split("dev = [\n")
        definition.write_text(f"{before}dev = [{after[after.index(']') :]}")
        return folder

    return run


def locked(project: Path, name: str = PRIVATE_NAME) -> str:
    """Return the version of a package that the lock names."""
    for lock in ("poetry.lock", "uv.lock"):
        if (project / lock).exists():
            packages = tomllib.loads((project / lock).read_text())["package"]
            return next(str(package["version"]) for package in packages if package["name"] == name)
    lines = (project / "requirements-dev.txt").read_text().splitlines()
    return next(line.split("==")[1].removesuffix(" \\") for line in lines if line.startswith(f"{name}=="))


def installed(
    project: Path, manager: str, toolbox: Toolbox, variables: dict[str, str], name: str = PRIVATE_NAME
) -> str:
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
    return whose(project, toolbox, next(project.glob(".venv/lib/*/site-packages")), name)


def whose(project: Path, toolbox: Toolbox, folder: Path, name: str = PRIVATE_NAME) -> str:
    """Return whose package is in a folder of installed ones."""
    command = ["python3", "-c", SAYS.format(name)]
    return toolbox.run(*command, cwd=project, variables={"PYTHONPATH": str(folder)}).stdout.strip()


@pytest.mark.parametrize("mode", ["explicit", "virtual"])
@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("kind", ["service", "package"])
def test_what_the_public_index_offers_loses(
    kind: str, manager: str, mode: str, make: Make, toolbox: Toolbox, variables: dict[str, str]
) -> None:
    answers = {"framework": "worker", "image_install": "workspace"} if kind == "service" else {}
    project = make(manager, mode, kind=kind, **answers)
    toolbox.run("make", "lock", cwd=project, variables=variables)
    assert locked(project) == "0.1.0"
    assert installed(project, manager, toolbox, variables) == OURS
    if kind == "service":
        shutil.rmtree(project / ".venv")
        toolbox.run("sh", "docker/install.sh", cwd=project, variables=variables)
        assert whose(project, toolbox, project / "installs") == OURS


@pytest.mark.engine
@pytest.mark.parametrize(("manager", "mode"), [("poetry", "virtual"), ("uv", "explicit"), ("pip", "explicit")])
def test_what_the_public_index_offers_loses_in_an_image_build(
    engine: Engine,
    credentials: Credentials,
    manager: str,
    mode: str,
    make: Make,
    toolbox: Toolbox,
    variables: dict[str, str],
    public_index: str,
) -> None:
    """By secret, from a base image whose public index is theirs. The workspace way is above."""
    project = make(manager, mode, [NEEDING, REQUIREMENT], kind="service", framework="worker")
    toolbox.run("make", "lock", cwd=project, variables=variables)
    base = project.with_name("base")
    base.mkdir()
    lines = [f"FROM {engine.arguments_of(project)['PYTHON_IMAGE']}", *(f"ENV {n}={public_index}" for n in INDEXES)]
    (base / "Dockerfile").write_text("\n".join(lines) + "\n")
    engine.docker("build", "--tag", f"{SESSION}-hostile", ".", cwd=base)
    arguments = [f"--build-arg=PYTHON_IMAGE={SESSION}-hostile", "--tag", image_of(project)]
    said = engine.build(project, credentials["adc"].option, *arguments)
    assert HIGHER not in said
    run = ["run", "--rm", "--network=none", image_of(project), "python", "-c"]
    assert [engine.docker(*run, SAYS.format(name), cwd=project) for name in (NEEDING, NEEDED)] == [f"{OURS}\n"] * 2


@pytest.mark.parametrize("mode", ["explicit", "virtual"])
@pytest.mark.parametrize("manager", MANAGERS)
def test_what_another_private_package_needs_is_ours_or_refused(
    manager: str, mode: str, make: Make, toolbox: Toolbox, variables: dict[str, str]
) -> None:
    """A manager heeds a source only for what the project itself depends on."""
    project = make(manager, mode, [NEEDING, REQUIREMENT], kind="package")
    definition = project / "pyproject.toml"
    text = definition.read_text()
    assert text.count(f'    "{REQUIREMENT}",\n') == 1
    definition.write_text(text.replace(f'    "{REQUIREMENT}",\n', ""))
    (check,) = re.findall(r"^\t(python3 .*)\n(?=\n*lint:)", (project / "Makefile").read_text(), re.MULTILINE)

    if manager == "pip":
        mend = "Write it into `dependencies` in pyproject.toml"
    else:
        # What the check is worth: the manager itself takes theirs.
        toolbox.run(manager, "lock", cwd=project, variables=variables)
        assert locked(project, NEEDED) == HIGHER
        mend = {"poetry": f"    poetry add --source gar-private {NEEDED}@latest", "uv": f"    uv add {NEEDED}"}[manager]
        said = toolbox.run("python3", "tools/check_sources.py", cwd=project, status=1).stdout
        assert f"{NEEDED} {HIGHER} is locked from " in said
    for command, status in ((["make", "lock"], 2), (check.split(), 1)):
        said = toolbox.run(*command, cwd=project, status=status, variables=variables).stdout
        assert NEEDED in said
        assert mend in said
        assert NEEDING not in said

    if manager == "pip":
        definition.write_text(text)
    else:
        toolbox.run(*mend.split(), cwd=project, variables=variables)
    toolbox.run("make", "lock", cwd=project, variables=variables)
    toolbox.run(*check.split(), cwd=project)
    assert locked(project, NEEDED) == "0.1.0"
    assert installed(project, manager, toolbox, variables, NEEDED) == OURS


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_marker_does_not_leave_a_private_name_to_the_public_index(
    manager: str, make: Make, toolbox: Toolbox, variables: dict[str, str]
) -> None:
    """Where the project needs it on another system alone, and another package needs it everywhere.

    Poetry and uv heed its source then, too. pip's marker keeps it from being fetched.
    """
    project = make(manager, "explicit", [NEEDING, REQUIREMENT], kind="package")
    definition = project / "pyproject.toml"
    text = definition.read_text()
    definition.write_text(text.replace(f'"{REQUIREMENT}"', f"\"{REQUIREMENT}; sys_platform == 'win32'\""))
    said = toolbox.run("make", "lock", cwd=project, status=2 if manager == "pip" else 0, variables=variables).stdout
    if manager == "pip":
        assert f"\n{NEEDED}: " in said
        assert "without a\nmarker" in said
    else:
        assert locked(project, NEEDED) == "0.1.0"


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
