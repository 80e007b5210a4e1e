"""A real Docker engine that reaches the sandbox: the daemon takes proxy and certificates at its start."""

import base64
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from garscaffold.process import find
from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.images import PROGRAM
from tests.sandbox.conftest import LOCATION, PROJECT

HOST = f"{LOCATION}-docker.pkg.dev"
IMAGE = f"{HOST}/{PROJECT}/apps/orders:v1"

Docker = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        not (find("dockerd") and find("docker") and find(PROGRAM)) or os.geteuid() != 0,
        reason=f"needs dockerd, docker and {PROGRAM}, and root",
    ),
]


@pytest.fixture
def docker(own_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """Run the docker command against an engine of its own."""
    folder = tmp_path_factory.mktemp("engine")
    variables = {**os.environ, **own_sandbox.environment("anonymous"), "DOCKER_CONFIG": str(folder / "config")}
    variables.pop("DOCKER_HOST", None)
    address = f"unix://{folder}/socket"
    places = [
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/pid",
        f"--host={address}",
    ]
    network = ["--iptables=false", "--ip6tables=false", "--ip-masq=false", "--bridge=none"]
    with (folder / "log").open("w") as log:
        engine = subprocess.Popen(["dockerd", *places, *network], env=variables, stdout=log, stderr=log)

    def run(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        command = ["docker", "--host", address, *arguments]
        return subprocess.run(command, env=variables, input=stdin, capture_output=True, text=True, check=False)

    try:
        deadline = time.monotonic() + 60
        while run("version").returncode != 0:
            assert engine.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield run
    finally:
        engine.terminate()
        engine.wait(30)
        # The engine leaves this mount behind, and then nobody could delete the folder.
        subprocess.run(["umount", str(folder / "exec" / "netns" / "default")], capture_output=True, check=False)


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
