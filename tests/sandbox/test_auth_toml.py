"""Poetry's auth.toml as a build secret, as docs/authentication.md shows it, in a real image build."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from garscaffold.sandbox import Sandbox
from tests.sandbox.conftest import HOST, LOCATION, PROJECT, make_wheel
from tests.support.imagescan import scan_image

pytestmark = pytest.mark.engine

DOCS = Path(__file__).parents[2] / "docs" / "authentication.md"
IMAGE = "garscaffold-test-auth-toml"
BASE = "python:{}.{}-slim".format(*sys.version_info[:2])


@pytest.fixture
def project(tmp_path: Path, own_sandbox: Sandbox) -> Path:
    """A project that needs one private package, and the Dockerfile of the docs around the line that is shown."""
    own_sandbox.create_python_repository(PROJECT, LOCATION, "secrets")
    wheel = make_wheel(tmp_path / "dist", "acme-secret", "1.0.0")
    upload = [sys.executable, "-c", UPLOAD, f"https://{HOST}/{PROJECT}/secrets/", str(wheel)]
    environment = {**os.environ, **own_sandbox.environment(), "TOKEN": own_sandbox.token("writer")}
    subprocess.run(upload, env=environment, check=True)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "0"\nrequires-python = ">=3.11,<4"\ndependencies = ["acme-secret"]\n'
        "[tool.poetry]\npackage-mode = false\n"
        f'[[tool.poetry.source]]\nname = "gar-private"\nurl = "https://{HOST}/{PROJECT}/secrets/simple/"\n'
        'priority = "primary"\n'
    )
    shown = re.search(r"```dockerfile\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert shown
    (folder / "Dockerfile").write_text(
        f"FROM {BASE}\n"
        "RUN pip install --quiet poetry==2.5.1\n"
        "ARG REQUESTS_CA_BUNDLE=/certificates.pem\n"
        "COPY certificates.pem /certificates.pem\n"
        "WORKDIR /app\n"
        "COPY pyproject.toml ./\n"
        f"{shown[1]}"
        "RUN poetry run python -c 'import acme_secret'\n"
    )
    (folder / "certificates.pem").write_bytes(own_sandbox.bundle_file.read_bytes())
    (folder / ".dockerignore").write_text("auth.toml\n")
    return folder


UPLOAD = """
import os, sys, requests
url, path = sys.argv[1:]
with open(path, "rb") as wheel:
    requests.post(url, data={":action": "file_upload", "name": "acme-secret", "version": "1.0.0",
                             "filetype": "bdist_wheel", "protocol_version": "1"},
                  files={"content": (os.path.basename(path), wheel)},
                  auth=("oauth2accesstoken", os.environ["TOKEN"]), timeout=30).raise_for_status()
"""


def build(project: Path, own_sandbox: Sandbox, *options: str) -> "subprocess.CompletedProcess[str]":
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine answers")
    command = [
        "docker",
        "build",
        "--network=host",
        f"--build-arg=HTTPS_PROXY={own_sandbox.proxy_url}",
        f"--tag={IMAGE}",
    ]
    return subprocess.run([*command, *options, "."], cwd=project, capture_output=True, text=True, check=False)


def test_the_package_is_installed_and_nothing_stays(project: Path, own_sandbox: Sandbox) -> None:
    token = own_sandbox.token("reader")
    (project / "auth.toml").write_text(
        f'[http-basic.gar-private]\nusername = "oauth2accesstoken"\npassword = "{token}"\n'
    )
    try:
        done = build(project, own_sandbox, "--secret=id=auth_toml,src=auth.toml")
        assert done.returncode == 0, done.stderr[-3000:]
        assert scan_image(IMAGE, {"token": token.encode()}, environment=os.environ, base=BASE) == []
    finally:
        subprocess.run(["docker", "image", "rm", "--force", IMAGE], capture_output=True, check=False)


def test_without_the_secret_the_build_fails_at_once(project: Path, own_sandbox: Sandbox) -> None:
    done = build(project, own_sandbox)
    assert done.returncode != 0
    assert "secret auth_toml: not found" in done.stderr
