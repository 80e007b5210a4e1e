"""A sandbox, and Google's client on it as each identity; with `--live PROJECT` the real service as well.

`pytest tests/registry --live PROJECT [--live-location LOCATION]` runs the contract against real Artifact Registry with
this machine's own credentials, in repositories of its own names that it deletes again.
"""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from garscaffold.registry.gar import GoogleRegistry, connect
from garscaffold.sandbox import Sandbox

LOCATION = "europe-west1"
Connect = Callable[..., GoogleRegistry]


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox.start(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The one sandbox of the session, without faults."""
    shared_sandbox.forget_requests()
    yield shared_sandbox
    shared_sandbox.set_faults()


@pytest.fixture
def project() -> str:
    """A project that no other test has anything in."""
    return f"acme-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def act_as(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Connect:
    """Connect to the sandbox as an identity, with the variables that any client would have."""

    def connected(identity: str = "user", *, impersonate: str = "") -> GoogleRegistry:
        for name, value in sandbox.environment(identity).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HOME", str(tmp_path))
        return connect(impersonate=impersonate)

    return connected


@pytest.fixture
def registry(act_as: Connect) -> GoogleRegistry:
    """The registry, as somebody who may do everything."""
    return act_as("user")
