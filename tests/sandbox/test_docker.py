"""A real Docker engine that reaches the sandbox: the daemon takes proxy and certificates at its start."""

import base64
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from garscaffold.sandbox import Sandbox
from tests.sandbox.conftest import LOCATION, PROJECT
from tests.support.engine import CAN_RUN, NEEDS, own_engine

HOST = f"{LOCATION}-docker.pkg.dev"
IMAGE = f"{HOST}/{PROJECT}/apps/orders:v1"

Docker = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not CAN_RUN, reason=NEEDS),
]


@pytest.fixture
def docker(own_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """Run the docker command against an engine of its own."""
    with own_engine(own_sandbox, tmp_path_factory.mktemp("engine")) as engine:
        yield engine.docker


def said(done: "subprocess.CompletedProcess[str]") -> str:
    return done.stdout + done.stderr


def test_docker_pushes_and_pulls_with_the_right_credentials_only(
    own_sandbox: Sandbox, docker: Docker, tmp_path: Path
) -> None:
    own_sandbox.create_repository(PROJECT, LOCATION, "apps", format="DOCKER")
    context = tmp_path / "context"
    context.mkdir()
    (context / "content").write_bytes(os.urandom(1_000_000))
    archive = tmp_path / "image.tar"
    subprocess.run(["tar", "-cf", str(archive), "-C", str(context), "."], check=True)
    imported = docker("import", str(archive), IMAGE)
    assert imported.returncode == 0, said(imported)

    def login(user: str, password: str) -> "subprocess.CompletedProcess[str]":
        return docker("login", "-u", user, "--password-stdin", f"https://{HOST}", stdin=password)

    denied = f'"artifactregistry.repositories.uploadArtifacts" on resource "projects/{PROJECT}'
    assert f"denied: Unauthenticated request. Unauthenticated requests do not have permission {denied}" in said(
        docker("push", IMAGE)
    )
    assert "unauthorized: The request does not have valid authentication credentials." in said(
        login("oauth2accesstoken", "wrong")
    )
    assert login("oauth2accesstoken", own_sandbox.token("reader")).returncode == 0
    assert 'denied: Permission "artifactregistry.repositories.uploadArtifacts" denied' in said(docker("push", IMAGE))
    assert login("_json_key", own_sandbox.key_file("writer").read_text()).returncode == 0
    pushed = docker("push", IMAGE)
    assert pushed.returncode == 0, said(pushed)
    assert docker("rmi", IMAGE).returncode == 0
    docker("logout", f"https://{HOST}")
    assert "downloadArtifacts" in said(docker("pull", IMAGE))
    key = base64.b64encode(own_sandbox.key_file("reader").read_bytes()).decode()
    assert login("_json_key_base64", key).returncode == 0
    pulled = docker("pull", IMAGE)
    assert pulled.returncode == 0, said(pulled)
