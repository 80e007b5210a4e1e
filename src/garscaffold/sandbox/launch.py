"""Starts, finds and steers a sandbox; what tests and the command line use."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Self

from garscaffold.errors import GarscaffoldError
from garscaffold.sandbox.environment import MARKER, OUTER, Surroundings, client_variables, outer, remember_outer
from garscaffold.sandbox.identities import ANONYMOUS, credential_file, find_identity, member_of
from garscaffold.sandbox.roles import full_role
from garscaffold.sandbox.state import Running, StateDirectory, write_private
from garscaffold.sandbox.store import EVERYWHERE, RepositoryRecord, Store, repository_name

_START_SECONDS = 60
_STOP_SECONDS = 15
_INSTALL = "pip install 'garscaffold[sandbox]'"


class Sandbox:
    """A running sandbox.

    Everything it gives (tokens, repositories, grants) works at once: it is written to the same store that the server
    reads. Use it as a context manager, or call `stop`.

    Args:
        state: The sandbox's directory.
        running: What the server wrote about itself.
        process: The server, when this object started it.
    """

    def __init__(
        self, state: StateDirectory, running: Running, process: "subprocess.Popen[bytes] | None" = None
    ) -> None:
        self.state = state
        self._running = running
        self._process = process
        self._store: Store | None = None

    @classmethod
    def start(
        cls,
        state: Path | str,
        *,
        token_lifetime: float = 3600,
        index_url: str | None = None,
        faults: Sequence[str] = (),
        default_grants: bool = True,
        idle_timeout: float | None = None,
        detached: bool = False,
    ) -> "Sandbox":
        """Start a sandbox in a process of its own and return once it answers.

        Args:
            state: Its directory; created, or taken up again as it was left.
            token_lifetime: Seconds after which access tokens expire.
            index_url: The public index's simple URL for remote repositories; asked of pip when None.
            faults: Faults that are on from the start: NAME, NAME=SECONDS or NAME:TIMES.
            default_grants: Let the user do everything, and give reader and writer their roles, in every project.
            idle_timeout: Seconds without a connection after which it stops by itself.
            detached: Let it go on after this process; otherwise it stops with this process, however that ends.

        Raises:
            GarscaffoldError: The extra is not installed, the state is in use, or the server does not come up.
        """
        directory = StateDirectory(Path(state).absolute())
        directory.create()
        options = {
            "state": str(directory.path),
            "token_lifetime": token_lifetime,
            "index_url": index_url,
            "faults": list(faults),
            "default_grants": default_grants,
            "idle_timeout": idle_timeout,
            "with_parent": not detached,
        }
        with directory.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "garscaffold.sandbox", json.dumps(options)],
                stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=outer(os.environ),
                start_new_session=True,
                cwd=directory.path,
            )
        assert process.stdout is not None
        try:
            running = _await_ready(process, process.stdout, directory)
        except BaseException:
            _end(process)
            raise
        process.stdout.close()
        return cls(directory, running, process)

    @classmethod
    def find(cls, state: Path | str) -> "Sandbox | None":
        """Return the sandbox that runs on a state directory, or None when none does."""
        directory = StateDirectory(Path(state).absolute())
        running = directory.read_running()
        if running is None:
            return None
        found = cls(directory, running)
        try:
            found.status()
        except GarscaffoldError:
            return None
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it; answers under way are finished first. What it stored stays in its directory."""
        if self._store is not None:
            self._store.close()
            self._store = None
        if self._process is not None and self._process.stdin is not None:
            _end(self._process)
            return
        with contextlib.suppress(GarscaffoldError):
            self._control("POST", "/stop")
        deadline = time.monotonic() + _STOP_SECONDS
        while self.state.running.exists() and self.state.read_running() == self._running:
            if time.monotonic() > deadline:
                raise GarscaffoldError(
                    f"The sandbox did not stop within {_STOP_SECONDS} s.", mend=f"End its process: kill {self.pid}"
                )
            time.sleep(0.02)
        if self._process is not None:
            self._process.wait(_STOP_SECONDS)

    # Where it is

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._running.pid

    @property
    def proxy_url(self) -> str:
        """The CONNECT proxy, for HTTPS_PROXY."""
        return f"http://127.0.0.1:{self._running.proxy_port}"

    @property
    def ca_file(self) -> Path:
        """The sandbox's certificate authority, alone."""
        return self.state.authority

    @property
    def bundle_file(self) -> Path:
        """The machine's own certificate bundle together with the sandbox's authority."""
        return self.state.bundle

    def metadata_address(self, identity: str = "writer") -> str:
        """Return `HOST:PORT` of the metadata server that speaks for an identity."""
        return f"127.0.0.1:{self._running.metadata_ports[find_identity(identity).name]}"

    # Credentials

    def adc_file(self, identity: str = "user") -> Path:
        """Return the file for GOOGLE_APPLICATION_CREDENTIALS: `authorized_user` for the user, a key otherwise."""
        return credential_file(self.state, find_identity(identity))

    def key_file(self, identity: str) -> Path:
        """Return a service account's JSON key.

        Raises:
            GarscaffoldError: The identity is a person, who has none.
        """
        found = find_identity(identity)
        if found.is_user:
            raise GarscaffoldError("A person has no JSON key.", mend="Use reader, writer or none.")
        return credential_file(self.state, found)

    def token(self, identity: str = "user", *, lifetime: float = 3600) -> str:
        """Return a new access token; a lifetime of 0 or less gives one that has expired."""
        return self.store.mint(find_identity(identity).name, lifetime)

    def subject_token(self, identity: str, *, subject: str = "") -> str:
        """Return what a CI provider's OIDC token would be: sts.googleapis.com exchanges it for an access token.

        Args:
            identity: Whose access token it becomes.
            subject: What the provider's attribute mapping makes of it as `google.subject`; one that is longer than
                Google takes is refused at the exchange.
        """
        return self.store.mint(find_identity(identity).name, 3600, kind="subject", subject=subject)

    def environment(self, identity: str = "user", *, metadata: bool = False) -> dict[str, str]:
        """Return the variables that make any client reach the sandbox as an identity.

        Args:
            identity: user, reader, writer, none, or anonymous for no credentials.
            metadata: Give the credentials through the metadata server, as on Google's machines, and not through a file.
        """
        found = None if identity == ANONYMOUS else find_identity(identity)
        directory = self.state.gcloud / (f"{identity}-metadata" if metadata else identity)
        directory.mkdir(exist_ok=True)
        if found is not None and not found.is_user and not metadata:
            # `gcloud artifacts print-settings` looks for an activated account's key there, and nowhere else.
            activated = directory / "legacy_credentials" / found.email
            activated.mkdir(parents=True, exist_ok=True)
            write_private(activated / "adc.json", self.key_file(identity).read_text("utf-8"))
        variables = client_variables(
            Surroundings(
                proxy_url=self.proxy_url,
                bundle=self.bundle_file,
                gcloud=directory,
                account=found.email if found else "",
                credentials=None if metadata or found is None else credential_file(self.state, found),
                metadata_address=self.metadata_address(found.name) if metadata and found else None,
            )
        )
        return {**variables, MARKER: str(self.state.path), OUTER: remember_outer(os.environ)}

    # What is in it

    @property
    def store(self) -> Store:
        """The store that the server works on, opened here as well."""
        if self._store is None:
            self._store = Store(self.state)
        return self._store

    def create_repository(self, project: str, location: str, name: str, **resource: Any) -> RepositoryRecord:
        """Create a repository.

        Args:
            project: The project's id.
            location: The region or multi-region.
            name: The repository's id.
            **resource: Further fields of the REST resource (`format`, `mode`, `labels`, …).
        """
        return self.store.create_repository({"name": repository_name(project, location, name), **resource})

    def create_python_repository(
        self,
        project: str,
        location: str,
        name: str,
        mode: str = "standard",
        upstreams: Iterable[str] = (),
    ) -> RepositoryRecord:
        """Create a Python repository.

        Args:
            project: The project's id.
            location: The region or multi-region.
            name: The repository's id.
            mode: standard, remote (of the public index) or virtual.
            upstreams: For a virtual one, ids or whole names of repositories, the most important first.
        """
        resource: dict[str, Any] = {"format": "PYTHON", "mode": f"{mode.upper()}_REPOSITORY"}
        if mode == "remote":
            resource["remoteRepositoryConfig"] = {"pythonRepository": {"publicRepository": "PYPI"}}
        if mode == "virtual":
            names = [each if "/" in each else repository_name(project, location, each) for each in upstreams]
            resource["virtualRepositoryConfig"] = {
                "upstreamPolicies": [
                    {"id": each.rpartition("/")[2], "repository": each, "priority": 100 * (len(names) - position)}
                    for position, each in enumerate(names)
                ]
            }
        return self.create_repository(project, location, name, **resource)

    def grant(self, project: str, location: str, repository: str, identity: str, role: str) -> None:
        """Grant a role on a repository.

        Args:
            project: The project's id.
            location: The region or multi-region.
            repository: The repository's id.
            identity: An identity's name, or any IAM member (`allUsers`, `user:a@example.com`).
            role: reader, writer, repoAdmin, admin, or a role's full name.
        """
        resource = repository_name(project, location, repository)
        self.store.grant(resource, full_role(role), member_of(identity))

    def revoke_default_grants(self) -> None:
        """Take away what `default_grants` gave; what is granted on repositories stays."""
        self.store.set_policy(EVERYWHERE, [])

    # Steering

    def status(self) -> dict[str, Any]:
        """Return the server's process, the faults that are on and how many requests it remembers.

        Raises:
            GarscaffoldError: It does not answer.
        """
        return dict(self._control("GET", "/status"))

    def requests(self) -> list[dict[str, Any]]:
        """Return the last requests to the hosts that are played, oldest first, without any credentials."""
        return list(self._control("GET", "/requests"))

    def forget_requests(self) -> None:
        """Forget the requests so far."""
        self._control("DELETE", "/requests")

    def set_faults(self, *faults: str) -> None:
        """Switch on these faults and no others: NAME, NAME=SECONDS or NAME:TIMES."""
        self._control("PUT", "/faults", list(faults))

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._running.control_port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._running.control_token}"},
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise GarscaffoldError(error.read().decode().strip() or str(error)) from None
        except (OSError, ValueError):
            raise GarscaffoldError(
                f"No sandbox answers for {self.state.path}.", mend="Start it with `garscaffold sandbox start`."
            ) from None


def _await_ready(process: "subprocess.Popen[bytes]", stdout: IO[bytes], directory: StateDirectory) -> Running:
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        arrived = selector.select(_START_SECONDS)
    line = stdout.readline() if arrived else b""
    said = json.loads(line) if line.startswith(b"{") else {}
    if "ready" in said:
        return Running(**said["ready"])
    if "sentence" in said:
        raise GarscaffoldError(said["sentence"], mend=said["mend"])
    log = directory.log.read_text("utf-8", errors="replace")
    if "ModuleNotFoundError" in log.rpartition("Traceback")[2]:
        raise GarscaffoldError("The sandbox's own dependencies are not installed.", mend=_INSTALL)
    raise GarscaffoldError(
        f"The sandbox did not start within {_START_SECONDS} s or ended with code {process.poll()}.",
        mend=f"Read {directory.log}.",
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
