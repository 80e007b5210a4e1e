"""A sandbox with the usual repositories, and distributions to put into it."""

import hashlib
import threading
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    requires_python: str = ">=3.8",
) -> Path:
    """Write a wheel with one module that says its version."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        f"Requires-Python: {requires_python}",
        *(f"Provides-Extra: {each}" for each in extras),
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


@pytest.fixture
def public(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """An index elsewhere with acme-lib 0.1 and 9.9, and what was asked of it."""
    asked: list[str] = []
    root = tmp_path / "public"
    (root / "simple" / "acme-lib").mkdir(parents=True)
    lines = []
    for version in ("0.1", "9.9"):
        wheel = make_wheel(root / "files", "acme-lib", version)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(
            f'<a href="../../files/{wheel.name}#sha256={digest}" data-requires-python="&gt;=3.8">{wheel.name}</a>'
        )
    lines.append('<a href="../../files/acme_lib-3.0-py3-none-any.whl#sha256=00">gone</a>')
    wheel = make_wheel(root / "files", "acme-lib", "4.0")
    lines.append(f'<a href="../../files/{wheel.name}#sha256={"1" * 64}">not what was promised</a>')
    (root / "simple" / "acme-lib" / "index.html").write_text("".join(lines))

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:
            asked.append(self.path)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/simple", asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def layered(public: tuple[str, list[str]], tmp_path: Path) -> Iterator[Sandbox]:
    """A standard, a remote and a virtual repository over both; the remote reads `public`."""
    with Sandbox.start(tmp_path / "layered", index_url=public[0]) as running:
        running.create_python_repository(PROJECT, LOCATION, "libs")
        running.create_python_repository(PROJECT, LOCATION, "pypi", "remote")
        running.create_python_repository(PROJECT, LOCATION, "all", "virtual", ["libs", "pypi"])
        yield running
