"""The covering set at work: each project locks, installs, checks and builds by its own commands, and services serve.

Every two choices that can be made together are made together in one of these projects. A service's image is built and
run with a real engine, every second one with a token in the place of the file that a login writes.
"""

import http.client
import json
import time
from pathlib import Path

import pytest

from garscaffold.sandbox import Sandbox
from tests.generated.combinations import KEYLESS, Answers, covering_combinations, name_of
from tests.generated.conftest import PRIVATE_NAME, AsIdentity, Generate, Toolbox
from tests.generated.images import Credentials, Engine, image_of, leaks
from tests.generated.pythons import python_folder, pythons
from tests.generated.serving import free_port, health
from tests.sandbox.conftest import make_wheel

pytestmark = [pytest.mark.engine, pytest.mark.generated]

COMBINATIONS = list(covering_combinations())
UPLOAD = "https://us-central1-python.pkg.dev/acme-prod/python/"
# What installs, and what only develops: none of it is in an image.
TOOLS = {"pip", "poetry", "uv", "keyring", "keyrings.google-artifactregistry-auth", "pytest", "mypy", "ruff"}
INSTALLED = """
import importlib.metadata, sys
folders = [folder for folder in sys.path if folder.startswith("/app/")]
print(*(found.name for found in importlib.metadata.distributions(path=folders)))
"""
IMPORTED = "import acme_greetings, acme_models, idna; print(acme_greetings.greet('Ada'), acme_models.VERSION)"


def short(answers: Answers) -> str:
    """Return a name to tell a test by."""
    named = {key: "private" if key == "private_packages" else value for key, value in answers.items() if value}
    return name_of({key: value for key, value in named.items() if key not in KEYLESS})


@pytest.fixture(scope="module")
def private_packages(
    package: object, toolbox: Toolbox, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Beside the package that a project made, one whose extra needs a public package."""
    folder = tmp_path_factory.mktemp("models")
    wheel = make_wheel(folder, "acme-models", "1.4.2", requires=['idna>=3; extra == "http"'], extras=["http"])
    token = {"UV_PUBLISH_USERNAME": "oauth2accesstoken", "UV_PUBLISH_PASSWORD": sandbox.token("writer")}
    variables = {**sandbox.environment("anonymous"), **token}
    toolbox.run("uv", "publish", "--publish-url", UPLOAD, wheel, cwd=folder, variables=variables)


@pytest.mark.parametrize("number", range(len(COMBINATIONS)), ids=[short(answers) for answers in COMBINATIONS])
def test_a_project_of_the_covering_set_works(
    generate: Generate,
    toolbox: Toolbox,
    engine: Engine,
    as_identity: AsIdentity,
    credentials: Credentials,
    secrets: dict[str, bytes],
    private_packages: None,
    tmp_path: Path,
    number: int,
) -> None:
    answers = dict(COMBINATIONS[number])
    if answers["python_version"] not in pythons():
        # With another one in its place, the pairs that only this combination holds would be missing unseen.
        pytest.skip(f"no Python {answers['python_version']} here")
    name = f"covered-{number}"
    project = generate(tmp_path / name, project_name=name, **answers)
    python = python_folder(tmp_path / "python", str(answers["python_version"]))
    variables = {"PATH": f"{python}:{toolbox.environment['PATH']}", "UV_PYTHON_DOWNLOADS": "never"}
    reader = {**as_identity("reader"), **variables}
    for target in ("lock", "install"):
        toolbox.run("make", target, cwd=project, variables=reader)
    said = toolbox.run("make", "check", cwd=project, variables=reader).stdout
    assert " passed" in said
    assert "skipped" not in said
    if answers["kind"] == "package":
        toolbox.run("make", "build", cwd=project, variables=reader)
        assert sorted(path.suffix for path in (project / "dist").glob("*-0.1.0*")) == [".gz", ".whl"]
        return

    credential = credentials["token" if number % 2 else "adc"]
    # The client finds the engine, and nothing of the login that the project was installed with.
    client = {**engine.environment, **engine.compose_variables(project), **credential.variables}
    said = toolbox.run("make", "build", cwd=project, variables={**client, **variables, "HTTPS_PROXY": ""}).stdout
    for secret in secrets.values():
        assert secret.decode() not in said
    look_inside(engine, project, private=bool(answers["private_packages"]))
    serve(engine, project)
    assert leaks(engine, project, secrets) == []


def look_inside(engine: Engine, project: Path, *, private: bool) -> None:
    """Compare what an image holds with what it may hold."""
    run = ["run", "--rm", "--network=none", image_of(project), "python", "-c"]
    installed = set(engine.docker(*run, INSTALLED, cwd=project).split())
    assert (PRIVATE_NAME in installed) == private
    assert not TOOLS & installed
    if private:
        assert engine.docker(*run, IMPORTED, cwd=project) == "Hello, Ada! 1.4.2\n"
    config = json.loads(engine.docker("image", "inspect", image_of(project), cwd=project))[0]["Config"]
    assert config["User"] == "10001:10001"
    secret = ("POETRY_HTTP", "POETRY_KEYRING", "UV_INDEX", "GAR_", "GOOGLE_", "HTTPS_PROXY")
    assert not [variable for variable in config["Env"] if variable.startswith(secret)]


def serve(engine: Engine, project: Path) -> None:
    """Bring a service up as its compose.yaml says, ask for its health from outside and inside, and stop it."""
    number = free_port()
    port = {"PORT": str(number)}
    try:
        engine.compose(project, "up", "--no-build", "--detach", variables=port)
        assert health(number, until=time.monotonic() + 60) == http.client.OK
        inside = ["exec", "--no-TTY", project.name]
        assert engine.compose(project, *inside, "id", "-u", variables=port) == "10001\n"
        module = project.name.replace("-", "_")
        engine.compose(project, *inside, "python", "-m", f"{module}.healthcheck", variables=port)
        # One that does not end when it is asked to is killed after ten seconds, which is no exit code of 0.
        engine.compose(project, "stop", variables=port)
        state = engine.compose(project, "ps", "--all", "--format", "{{.ExitCode}} {{.State}}", variables=port)
        assert state == "0 exited\n"
    finally:
        engine.compose(project, "down", "--timeout", "1", variables=port)
