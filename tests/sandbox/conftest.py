"""A sandbox with the usual repositories, and distributions to put into it."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from garscaffold.sandbox import Sandbox

PROJECT = "acme-prod"
LOCATION = "europe-west3"
HOST = f"{LOCATION}-python.pkg.dev"


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One for all tests that leave it as it was, but for files in repositories of their own."""
    with Sandbox.start(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def own_sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """One that a test may spoil."""
    with Sandbox.start(tmp_path / "sandbox") as running:
        yield running


def client_of(sandbox: Sandbox, *, host: str = HOST, token: str | None = None) -> httpx.Client:
    """Return an HTTP client of one host, through the sandbox's proxy."""
    import ssl

    return httpx.Client(
        base_url=f"https://{host}",
        proxy=sandbox.proxy_url,
        verify=ssl.create_default_context(cafile=str(sandbox.bundle_file)),
        auth=("oauth2accesstoken", token) if token is not None else None,
        timeout=30,
    )


def make_wheel(
    folder: Path, name: str, version: str, *, requires: Sequence[str] = (), requires_python: str = ">=3.8"
) -> Path:
    """Write a wheel with one module that says its version."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        f"Requires-Python: {requires_python}",
        *(f"Requires-Dist: {each}" for each in requires),
    ]
    files = {
        f"{module}/__init__.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(inner, text)
    return path


def upload(client: httpx.Client, repository: str, wheel: Path, **changes: str) -> httpx.Response:
    """Upload a wheel with the form that twine sends."""
    name, version = wheel.name.split("-")[:2]
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": name.replace("_", "-"),
        "version": version,
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "requires_python": ">=3.8",
        **changes,
    }
    return client.post(f"/{PROJECT}/{repository}/", data=fields, files={"content": (wheel.name, wheel.read_bytes())})
