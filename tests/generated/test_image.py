"""Images of generated services, built and run with a real engine; what they need is on Artifact Registry's stand-in.

Services of the covering set are built and run in test_covering.py. Here is each way to install with each credential,
and what a build says that lacks something.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from garscaffold.sandbox import Sandbox
from tests.generated.conftest import PRIVATE_NAME, AsIdentity, Generate, Toolbox
from tests.generated.images import BASE, SESSION, Credentials, Engine, greeting, image_of, leaks
from tests.generated.matrix import texts
from tests.generated.pythons import RUNNING_PYTHON
from tests.support.imagescan import scan_image

pytestmark = [pytest.mark.engine, pytest.mark.generated]

MEND = "gcloud auth application-default login && docker compose build"
# Each manager in each mode, and with each credential.
SECRETS = [
    ("poetry", "explicit", "adc"),
    ("poetry", "virtual", "token"),
    ("uv", "explicit", "adc"),
    ("uv", "virtual", "token"),
    ("pip", "explicit", "token"),
    ("pip", "virtual", "adc"),
]
WORKSPACES = [("poetry", "token"), ("uv", "adc"), ("uv", "token"), ("pip", "adc")]


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
    return service("orders", framework="worker")


def forget(project: Path) -> None:
    """Let the next build install again, as a changed lock does: secrets are no part of the build cache's key."""
    with (project / "poetry.lock").open("a") as lock:
        lock.write(f"# {time.monotonic_ns()}\n")


@pytest.mark.parametrize(("manager", "mode", "credential"), SECRETS)
def test_an_image_installs_with_either_secret_and_keeps_nothing_of_it(
    engine: Engine,
    service: Callable[..., Path],
    credentials: Credentials,
    secrets: dict[str, bytes],
    manager: str,
    mode: str,
    credential: str,
) -> None:
    project = service(f"{manager}-{mode}", package_manager=manager, index_mode=mode, framework="worker")
    said = engine.build(project, status=1)
    assert MEND in said
    assert "Installing" not in said
    said = engine.build(project, credentials[credential].option, "--tag", image_of(project))
    assert greeting(engine, project) == "Hello, Ada!\n"
    assert leaks(engine, project, secrets) == []
    for secret in secrets.values():
        assert secret.decode() not in said
    program = "from importlib.metadata import distributions; print(*(d.name for d in distributions(path=['%s'])))"
    found = f"/app/.venv/lib/python{RUNNING_PYTHON}/site-packages"
    run = ["run", "--rm", "--network=none", image_of(project), "python", "-c", program % found]
    assert engine.docker(*run, cwd=project).split() == [PRIVATE_NAME]


@pytest.mark.parametrize(("manager", "credential"), WORKSPACES)
def test_the_workspace_way_needs_no_secret_in_the_build(
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
    assert greeting(engine, project) == "Hello, Ada!\n"
    assert leaks(engine, project, secrets) == []


def test_compose_finds_the_file_that_gcloud_writes(
    engine: Engine, explicit: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    forget(explicit)
    (tmp_path / ".config/gcloud").mkdir(parents=True)
    shutil.copy(sandbox.adc_file("user"), tmp_path / ".config/gcloud/application_default_credentials.json")
    assert f"Installing {PRIVATE_NAME}" in engine.compose(explicit, "build", variables={"HOME": str(tmp_path)})


def test_a_build_without_a_lock_fails_at_once_with_the_command(
    engine: Engine, generate: Generate, tmp_path: Path
) -> None:
    project = generate(tmp_path / "unlocked", kind="service")
    assert "There is no poetry.lock. Write it with: make lock" in engine.build(project, status=1)


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
    found = scan_image(f"{SESSION}-leak", secrets, environment=engine.environment, base=BASE)
    assert {finding.secret for finding in found} == {"file", "refresh token"}
    assert all(finding.place.endswith("tmp/adc.json") for finding in found)


def test_docker_has_nothing_to_warn_about(engine: Engine, tmp_path: Path) -> None:
    """Each distinct Dockerfile of the full matrix, once."""
    found = list(texts("Dockerfile"))
    assert found
    base = f"--build-arg=PYTHON_IMAGE={BASE}"
    for _, _, text in found:
        (tmp_path / "Dockerfile").write_text(text)
        assert "no warnings found" in engine.docker("build", "--check", base, ".", cwd=tmp_path), text


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("COPY --from=build", "COPY --from=builder", "builder"),
        ("WORKDIR /app", "WORKDIR app", "WorkdirRelativePath"),
        (" AS build", " as build", "FromAsCasing"),
        ("\nENV PATH=", "\nENV GAR_TOKEN=x PATH=", "SecretsUsedInArgOrEnv"),
    ],
)
def test_docker_warns_about_a_fault(engine: Engine, tmp_path: Path, right: str, wrong: str, said: str) -> None:
    text = next(text for project, _, text in texts("Dockerfile") if project.answers.get("image_install") == "secret")
    assert right in text
    (tmp_path / "Dockerfile").write_text(text.replace(right, wrong))
    base = f"--build-arg=PYTHON_IMAGE={BASE}"
    assert said in engine.docker("build", "--check", base, ".", cwd=tmp_path, status=1)


def test_compose_takes_every_file(engine: Engine, tmp_path: Path) -> None:
    """Each distinct compose.yaml of the full matrix, once, with a file to log in with and with a token."""
    found = list(texts("compose.yaml"))
    assert found
    for _, _, text in found:
        (tmp_path / "compose.yaml").write_text(text)
        engine.docker("compose", "config", "--quiet", cwd=tmp_path)
        engine.docker("compose", "config", "--quiet", cwd=tmp_path, variables={"GAR_TOKEN": "a token"})


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("        - gar_token\n", "        - gar_tokens\n", "undefined build secret gar_tokens"),
        ("    ports:", "    port:", "additional properties 'port' not allowed"),
        ("${PORT:-8080}", "${PORT:8080}", "invalid interpolation format"),
    ],
)
def test_compose_refuses_a_fault(engine: Engine, tmp_path: Path, right: str, wrong: str, said: str) -> None:
    text = next(text for _, _, text in texts("compose.yaml") if right in text)
    (tmp_path / "compose.yaml").write_text(text.replace(right, wrong))
    assert said in engine.docker("compose", "config", "--quiet", cwd=tmp_path, status=1)
