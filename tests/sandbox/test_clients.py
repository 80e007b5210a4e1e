"""The clients' own programs, unmodified, at the real URLs, with environment variables only."""

import base64
import json
import os
import shutil
import subprocess
import sys
import textwrap
import venv
from pathlib import Path
from urllib.parse import quote

import pytest

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.programs import run_in
from tests.sandbox.conftest import HOST, LOCATION, PROJECT, make_wheel

pytestmark = pytest.mark.clients

TOOLS = [
    "keyring==25.7.0",
    "keyrings.google-artifactregistry-auth==1.1.2",
    "pip==26.3",
    "poetry==2.5.1",
    "twine==7.0.0",
    "uv==0.13.8",
]
# What this machine's own configuration of the clients would add to a test.
CLEAN = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "UV_NO_CONFIG": "1",
}

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of programs: uv, twine, keyring with its backend, Poetry, pip."""
    folder = tmp_path_factory.mktemp("tools")
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", TOOLS[-1]], check=True)
    subprocess.run([str(folder / "bin" / "uv"), "pip", "install", "-q", "-p", python, *TOOLS], check=True)
    return folder / "bin"


@pytest.fixture(scope="session")
def repositories(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> None:
    """`libs` holds acme-lib 0.1.0, `pypi` is a remote, `all` a virtual repository over both."""
    sandbox.create_python_repository(PROJECT, LOCATION, "libs")
    sandbox.create_python_repository(PROJECT, LOCATION, "pypi", "remote")
    sandbox.create_python_repository(PROJECT, LOCATION, "all", "virtual", ["libs", "pypi"])
    sandbox.create_python_repository(PROJECT, LOCATION, "uploads")


@pytest.fixture
def wheel(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A wheel whose name belongs to one test."""
    name = request.node.name.replace("_", "-").replace("[", "-").rstrip("]").removeprefix("test-")
    return make_wheel(tmp_path / "dist", f"acme-{name}", "1.0.0")


@pytest.fixture
def empty(tmp_path: Path, tools: Path) -> Path:
    """An environment to install into."""
    folder = tmp_path / "venv"
    subprocess.run([str(tools / "uv"), "venv", "-q", "-p", sys.executable, str(folder)], check=True)
    return folder / "bin" / "python"


def run(sandbox: Sandbox, tools: Path, command: list[str], identity: str = "user", **environment: str) -> Done:
    """Run a program of `tools`, which are first on PATH."""
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    clean = {**CLEAN, "PATH": path, "UV_CACHE_DIR": str(tools.parent / "uv-cache")}
    clean["PIP_CACHE_DIR"] = str(tools.parent / "pip-cache")
    return run_in(
        sandbox, [str(tools / command[0]), *command[1:]], identity=identity, environment={**clean, **environment}
    )


def index(repository: str, user_info: str = "") -> str:
    return f"https://{user_info}{HOST}/{PROJECT}/{repository}/simple/"


def publish(sandbox: Sandbox, tools: Path, wheel: Path, identity: str = "user", **environment: str) -> Done:
    url = f"https://{HOST}/{PROJECT}/uploads/"
    command = ["twine", "upload", "--non-interactive", "--disable-progress-bar", "--repository-url", url, str(wheel)]
    return run(sandbox, tools, command, identity, **environment)


def said(done: Done) -> str:
    return " ".join((done.stdout + done.stderr).split())


def pip_install(python: Path, url: str, *packages: str) -> list[str]:
    return ["pip", "--python", str(python), "install", "-q", "--index-url", url, *packages]


def name_of(wheel: Path) -> str:
    return wheel.name.partition("-")[0].replace("_", "-")


# twine


@pytest.mark.parametrize("identity", ["user", "writer"])
def test_twine_publishes_by_keyring(
    sandbox: Sandbox, repositories: None, tools: Path, wheel: Path, identity: str
) -> None:
    done = publish(sandbox, tools, wheel, identity)
    assert done.returncode == 0, said(done)
    assert sandbox.store.file(f"projects/{PROJECT}/locations/{LOCATION}/repositories/uploads", wheel.name)


def test_twine_publishes_by_token(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path) -> None:
    token = sandbox.token("writer")
    done = publish(sandbox, tools, wheel, "anonymous", TWINE_USERNAME="oauth2accesstoken", TWINE_PASSWORD=token)
    assert done.returncode == 0, said(done)


def test_twine_publishes_by_json_key(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path) -> None:
    key = base64.b64encode(sandbox.key_file("writer").read_bytes()).decode()
    done = publish(sandbox, tools, wheel, "anonymous", TWINE_USERNAME="_json_key_base64", TWINE_PASSWORD=key)
    assert done.returncode == 0, said(done)


def test_twine_says_why_a_duplicate_is_refused(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path) -> None:
    publish(sandbox, tools, wheel)
    done = publish(sandbox, tools, wheel)
    assert done.returncode == 1
    assert "400 Bad Request" in said(done)
    verbose = run(
        sandbox,
        tools,
        [
            "twine",
            "upload",
            "--verbose",
            "--non-interactive",
            "--repository-url",
            f"https://{HOST}/{PROJECT}/uploads/",
            str(wheel),
        ],
    )
    assert "Requested entity already exists." in said(verbose)


def test_twine_is_refused_without_the_role(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path) -> None:
    done = publish(sandbox, tools, wheel, "reader")
    assert done.returncode == 1
    assert "403 Forbidden" in said(done)


def test_twine_is_refused_with_an_expired_token(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path) -> None:
    token = sandbox.token("writer", lifetime=0)
    done = publish(sandbox, tools, wheel, "anonymous", TWINE_USERNAME="oauth2accesstoken", TWINE_PASSWORD=token)
    assert done.returncode == 1
    assert "401 Unauthorized" in said(done)


def test_twine_to_the_image_host_is_405(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path) -> None:
    url = f"https://{LOCATION}-docker.pkg.dev/{PROJECT}/uploads/"
    done = run(sandbox, tools, ["twine", "upload", "--non-interactive", "--repository-url", url, str(wheel)])
    assert "405 Method Not Allowed" in said(done)


# pip


def test_pip_installs_by_keyring(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path, empty: Path) -> None:
    publish(sandbox, tools, wheel)
    command = pip_install(empty, index("uploads"), name_of(wheel))
    done = run(sandbox, tools, command, "reader", PIP_KEYRING_PROVIDER="subprocess", PIP_NO_INPUT="1")
    assert done.returncode == 0, said(done)


def test_pip_installs_private_and_public_by_token(
    sandbox: Sandbox, repositories: None, tools: Path, tmp_path: Path, empty: Path
) -> None:
    lib = make_wheel(tmp_path / "lib", "acme-with-public", "0.1.0", requires=["six>=1.16"])
    url = f"https://{HOST}/{PROJECT}/libs/"
    assert run(sandbox, tools, ["twine", "upload", "--repository-url", url, str(lib)]).returncode == 0
    command = pip_install(empty, index("all", f"oauth2accesstoken:{sandbox.token('reader')}@"), "acme-with-public")
    done = run(sandbox, tools, command, "anonymous", PIP_NO_INPUT="1")
    assert done.returncode == 0, said(done)
    check = "import acme_with_public, six; print(acme_with_public.VERSION, six.__version__)"
    seen = subprocess.run([empty, "-c", check], capture_output=True, text=True, check=True).stdout
    assert seen.startswith("0.1.0 1.")


def test_pip_installs_by_json_key(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path, empty: Path) -> None:
    publish(sandbox, tools, wheel)
    key = base64.b64encode(sandbox.key_file("reader").read_bytes()).decode()
    command = pip_install(empty, index("uploads", f"_json_key_base64:{quote(key, safe='')}@"), name_of(wheel))
    done = run(sandbox, tools, command, "anonymous", PIP_NO_INPUT="1")
    assert done.returncode == 0, said(done)


@pytest.mark.parametrize("who", ["anonymous", "none", "expired"])
def test_pip_without_the_right_credentials_finds_no_version(
    sandbox: Sandbox, repositories: None, tools: Path, wheel: Path, empty: Path, who: str
) -> None:
    publish(sandbox, tools, wheel)
    token = {"anonymous": None, "none": sandbox.token("none"), "expired": sandbox.token("reader", lifetime=0)}[who]
    url = index("uploads", f"oauth2accesstoken:{token}@" if token else "")
    done = run(sandbox, tools, pip_install(empty, url, name_of(wheel)), "anonymous", PIP_NO_INPUT="1")
    assert done.returncode == 1
    assert f"No matching distribution found for {name_of(wheel)}" in said(done)
    assert "from versions: none" in said(done)


# uv


def test_uv_publishes_and_installs_by_token(
    sandbox: Sandbox, repositories: None, tools: Path, wheel: Path, empty: Path
) -> None:
    url = f"https://{HOST}/{PROJECT}/uploads/"
    done = run(
        sandbox,
        tools,
        ["uv", "publish", "--publish-url", url, str(wheel)],
        "anonymous",
        UV_PUBLISH_USERNAME="oauth2accesstoken",
        UV_PUBLISH_PASSWORD=sandbox.token("writer"),
    )
    assert done.returncode == 0, said(done)
    done = run(
        sandbox,
        tools,
        ["uv", "pip", "install", "-p", str(empty), "--default-index", f"private={index('uploads')}", name_of(wheel)],
        "anonymous",
        UV_INDEX_PRIVATE_USERNAME="oauth2accesstoken",
        UV_INDEX_PRIVATE_PASSWORD=sandbox.token("reader"),
    )
    assert done.returncode == 0, said(done)


def test_uv_installs_by_keyring(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path, empty: Path) -> None:
    publish(sandbox, tools, wheel)
    url = index("uploads", "oauth2accesstoken@")
    command = ["uv", "pip", "install", "-p", str(empty), "--keyring-provider", "subprocess", "--default-index", url]
    done = run(sandbox, tools, [*command, name_of(wheel)], "reader")
    assert done.returncode == 0, said(done)


def test_uv_publishes_by_keyring_and_installs_by_json_key(
    sandbox: Sandbox, repositories: None, tools: Path, wheel: Path, empty: Path
) -> None:
    url = f"https://{HOST}/{PROJECT}/uploads/"
    command = ["uv", "publish", "--publish-url", url, "--keyring-provider", "subprocess", "-u", "oauth2accesstoken"]
    done = run(sandbox, tools, [*command, str(wheel)], "writer")
    assert done.returncode == 0, said(done)
    done = run(
        sandbox,
        tools,
        ["uv", "pip", "install", "-p", str(empty), "--default-index", f"private={index('uploads')}", name_of(wheel)],
        "anonymous",
        UV_INDEX_PRIVATE_USERNAME="_json_key_base64",
        UV_INDEX_PRIVATE_PASSWORD=base64.b64encode(sandbox.key_file("reader").read_bytes()).decode(),
    )
    assert done.returncode == 0, said(done)


def test_uv_says_401_and_403(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path, empty: Path) -> None:
    publish(sandbox, tools, wheel)
    command = ["uv", "pip", "install", "-p", str(empty), name_of(wheel), "--default-index"]
    anonymous = run(sandbox, tools, [*command, index("uploads")], "anonymous")
    assert "401 Unauthorized" in said(anonymous)
    without_role = index("uploads", f"oauth2accesstoken:{sandbox.token('none')}@")
    assert "403 Forbidden" in said(run(sandbox, tools, [*command, without_role], "anonymous"))


def test_uv_publish_repeats_what_the_host_says(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path) -> None:
    command = ["uv", "publish", "--publish-url", f"https://{HOST}/{PROJECT}/uploads/", str(wheel)]

    def published(token: str, user: str = "oauth2accesstoken") -> str:
        credentials = {"UV_PUBLISH_USERNAME": user, "UV_PUBLISH_PASSWORD": token}
        return said(run(sandbox, tools, command, "anonymous", **credentials))

    unauthenticated = "401 Unauthorized. Server says: The request does not have valid authentication credentials."
    assert 'Server says: Permission "artifactregistry.repositories.uploadArtifacts" denied' in published(
        sandbox.token("reader")
    )
    assert unauthenticated in published(sandbox.token("writer"), "__token__")
    assert unauthenticated in published(sandbox.token("writer", lifetime=0))
    published(sandbox.token("writer"))
    assert "400 Bad Request. Server says: Requested entity already exists." in published(sandbox.token("writer"))


# Poetry


@pytest.mark.parametrize("identity", ["anonymous", "none"])
def test_poetry_names_the_page_that_it_may_not_read(
    sandbox: Sandbox, repositories: None, tools: Path, tmp_path: Path, poetry_project: Path, identity: str
) -> None:
    environment = {"POETRY_VIRTUALENVS_IN_PROJECT": "true", "POETRY_CACHE_DIR": str(tmp_path / "cache")}
    if identity == "anonymous":
        environment["POETRY_KEYRING_ENABLED"] = "false"
    done = run(sandbox, tools, ["poetry", "-n", "-C", str(poetry_project), "lock"], identity, **environment)
    assert done.returncode == 1
    assert f"Source (acme): Authorization error accessing {index('all')}acme-poetry/" in said(done)


@pytest.fixture
def poetry_project(tmp_path: Path) -> Path:
    """A project that installs acme-lib from an explicit-by-being-only source: the virtual repository."""
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        textwrap.dedent(f"""\
        [project]
        name = "orders"
        version = "0.1.0"
        requires-python = ">=3.11,<4"
        dependencies = ["acme-poetry (>=0.1,<0.2)"]
        [tool.poetry]
        package-mode = false
        [[tool.poetry.source]]
        name = "acme"
        url = "{index("all")}"
        priority = "primary"
        """)
    )
    return folder


def test_a_namesake_on_the_public_index_never_wins(layered: Sandbox, tools: Path, tmp_path: Path) -> None:
    """The public index, here the remote repository, has acme-lib 9.9; ours is 0.1."""
    ours = make_wheel(tmp_path / "ours", "acme-lib", "0.1", requires_python=">=3.11")
    url = f"https://{HOST}/{PROJECT}/libs/"
    assert run(layered, tools, ["twine", "upload", "--repository-url", url, str(ours)]).returncode == 0
    project = tmp_path / "service"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        textwrap.dedent(f"""\
        [project]
        name = "orders"
        version = "0.1.0"
        requires-python = ">=3.11,<4"
        dependencies = ["acme-lib>=0.1"]
        [tool.poetry]
        package-mode = false
        [tool.poetry.dependencies]
        acme-lib = {{ source = "private" }}
        [[tool.poetry.source]]
        name = "public"
        url = "{index("pypi")}"
        priority = "primary"
        [[tool.poetry.source]]
        name = "private"
        url = "{index("libs")}"
        priority = "explicit"
        [tool.uv.sources]
        acme-lib = {{ index = "private" }}
        [[tool.uv.index]]
        name = "private"
        url = "{index("libs")}"
        explicit = true
        [[tool.uv.index]]
        name = "public"
        url = "{index("pypi")}"
        default = true
        """)
    )
    environment = {"POETRY_CACHE_DIR": str(tmp_path / "cache"), "POETRY_VIRTUALENVS_IN_PROJECT": "true"}
    done = run(layered, tools, ["poetry", "-n", "-C", str(project), "lock"], "reader", **environment)
    assert done.returncode == 0, said(done)
    for name in ("PRIVATE", "PUBLIC"):
        environment[f"UV_INDEX_{name}_USERNAME"] = "oauth2accesstoken"
        environment[f"UV_INDEX_{name}_PASSWORD"] = layered.token("reader")
    lock = ["uv", "lock", "--project", str(project), "--python", sys.executable]
    done = run(layered, tools, lock, "anonymous", **{**environment, "UV_NO_CONFIG": "0"})
    assert done.returncode == 0, said(done)
    for file in ("poetry.lock", "uv.lock"):
        locked = (project / file).read_text()
        assert 'name = "acme-lib"\nversion = "0.1"' in locked, file
        assert "9.9" not in locked
        assert "ya29" not in locked


@pytest.mark.parametrize("way", ["keyring", "token", "json-key"])
def test_poetry_publishes_locks_and_installs(
    sandbox: Sandbox, repositories: None, tools: Path, tmp_path: Path, poetry_project: Path, way: str
) -> None:
    version = {"keyring": "0.1.1", "token": "0.1.2", "json-key": "0.1.3"}[way]
    project = tmp_path / "lib"
    (project / "src" / "acme_poetry").mkdir(parents=True)
    (project / "src" / "acme_poetry" / "__init__.py").write_text("")
    (project / "pyproject.toml").write_text(
        f'[project]\nname = "acme-poetry"\nversion = "{version}"\nrequires-python = ">=3.11"\n'
        'dependencies = ["six (>=1.16)"]\n'
        '[tool.poetry]\npackages = [{include = "acme_poetry", from = "src"}]\n'
        '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
    )
    environment = {
        "POETRY_REPOSITORIES_ACME_LIBS_URL": f"https://{HOST}/{PROJECT}/libs/",
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "POETRY_CACHE_DIR": str(tmp_path / "cache"),
        "POETRY_CONFIG_DIR": str(tmp_path / "config"),
    }
    identity = "writer"
    if way != "keyring":
        identity = "anonymous"
        user, password = {
            "token": ("oauth2accesstoken", sandbox.token("writer")),
            "json-key": ("_json_key_base64", base64.b64encode(sandbox.key_file("writer").read_bytes()).decode()),
        }[way]
        environment["POETRY_KEYRING_ENABLED"] = "false"
        for source in ("ACME", "ACME_LIBS"):
            environment[f"POETRY_HTTP_BASIC_{source}_USERNAME"] = user
            environment[f"POETRY_HTTP_BASIC_{source}_PASSWORD"] = password

    def poetry(folder: Path, *arguments: str) -> Done:
        return run(sandbox, tools, ["poetry", "-n", "-C", str(folder), *arguments], identity, **environment)

    done = poetry(project, "publish", "--build", "-r", "acme-libs")
    assert done.returncode == 0, said(done)
    for arguments in (["lock"], ["install"], ["run", "python", "-c", "import acme_poetry, six"]):
        done = poetry(poetry_project, *arguments)
        assert done.returncode == 0, (arguments, said(done))
    lock = (poetry_project / "poetry.lock").read_text()
    assert version in lock
    assert "ya29" not in lock
    assert "private_key" not in lock


# keyring, curl, gcloud


@pytest.mark.parametrize("identity", ["user", "reader", "writer", "none"])
def test_keyring_gives_a_token(sandbox: Sandbox, tools: Path, identity: str) -> None:
    done = run(sandbox, tools, ["keyring", "get", f"https://{HOST}/", "oauth2accesstoken"], identity)
    found = sandbox.store.bearer(done.stdout.strip())
    assert found is not None, said(done)
    assert found[0] == identity


def test_keyring_gives_a_token_on_googles_machines(sandbox: Sandbox, tools: Path) -> None:
    command = ["keyring", "get", f"https://{HOST}/", "oauth2accesstoken"]
    variables = sandbox.environment("reader", metadata=True)
    done = run(sandbox, tools, command, "anonymous", **variables)
    found = sandbox.store.bearer(done.stdout.strip())
    assert found is not None, said(done)
    assert found[0] == "reader"


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
def test_curl_reads_a_page_with_a_bearer_token(sandbox: Sandbox, repositories: None, tools: Path, wheel: Path) -> None:
    publish(sandbox, tools, wheel)
    url = f"{index('uploads')}{name_of(wheel)}/"
    command = ["curl", "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {sandbox.token('reader')}", url]
    done = run_in(sandbox, command, identity="anonymous")
    assert wheel.name in done.stdout


needs_gcloud = pytest.mark.skipif(not shutil.which("gcloud"), reason="no gcloud here")


@needs_gcloud
@pytest.mark.parametrize("metadata", [False, True])
def test_gcloud_creates_and_lists_repositories(own_sandbox: Sandbox, metadata: bool) -> None:
    def gcloud(*arguments: str) -> Done:
        command = ["gcloud", "-q", "artifacts", *arguments, "--project", PROJECT, "--location", LOCATION]
        return run_in(own_sandbox, command, environment=own_sandbox.environment("user", metadata=metadata))

    done = gcloud("repositories", "create", "made", "--repository-format", "python", "--description", "by gcloud")
    assert done.returncode == 0, said(done)
    listed = json.loads(gcloud("repositories", "list", "--format", "json").stdout)
    assert [each["name"].rpartition("/")[2] for each in listed] == ["made"]
    assert listed[0]["description"] == "by gcloud"


@needs_gcloud
@pytest.mark.parametrize("identity", ["user", "writer"])
def test_gcloud_prints_tokens_for_scripts(sandbox: Sandbox, identity: str) -> None:
    for command in (["auth", "print-access-token"], ["auth", "application-default", "print-access-token"]):
        found = sandbox.store.bearer(run_in(sandbox, ["gcloud", *command], identity=identity).stdout.strip())
        assert found is not None
        assert found[0] == identity


@needs_gcloud
def test_gcloud_print_settings_embeds_the_key_of_a_service_account(sandbox: Sandbox, repositories: None) -> None:
    command = ["gcloud", "-q", "artifacts", "print-settings", "python", "--repository", "uploads"]
    done = run_in(sandbox, [*command, "--project", PROJECT, "--location", LOCATION], identity="reader")
    assert done.returncode == 0, said(done)
    assert f"https://{HOST}/{PROJECT}/uploads/" in done.stdout


@needs_gcloud
def test_gclouds_docker_helper_gives_what_the_registry_takes(sandbox: Sandbox, tmp_path: Path) -> None:
    host = f"{LOCATION}-docker.pkg.dev"
    environment = {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path)}
    done = run_in(sandbox, ["gcloud", "auth", "configure-docker", host, "--quiet"], environment=environment)
    assert done.returncode == 0, said(done)
    assert json.loads((tmp_path / "config.json").read_text())["credHelpers"] == {host: "gcloud"}
    helper = f"echo https://{host} | docker-credential-gcloud get"
    done = run_in(sandbox, ["sh", "-c", helper], environment=environment)
    given = json.loads(done.stdout)
    assert given["Username"] == "_dcgcloud_token"
    assert given["Secret"].startswith("ya29.")
