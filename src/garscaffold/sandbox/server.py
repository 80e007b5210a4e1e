"""One process: the proxy, what stands behind it, the metadata servers and the control endpoint."""

import asyncio
import contextlib
import fcntl
import functools
import logging
import os
import re
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from garscaffold.errors import GarscaffoldError
from garscaffold.sandbox import identities
from garscaffold.sandbox.access import Access
from garscaffold.sandbox.admin import AdminApi
from garscaffold.sandbox.certificates import ensure_certificates, server_context
from garscaffold.sandbox.fault_effects import Call, suffer
from garscaffold.sandbox.faults import parse_fault
from garscaffold.sandbox.images import Images
from garscaffold.sandbox.metadata_server import MetadataServer
from garscaffold.sandbox.oauth import TokenEndpoints
from garscaffold.sandbox.proxy import Interception, ProxyConnection
from garscaffold.sandbox.python_index import PythonIndex
from garscaffold.sandbox.refusals import Refusal, not_played, unauthenticated
from garscaffold.sandbox.state import Running, StateDirectory, machine_bundle, write_private
from garscaffold.sandbox.store import EVERYWHERE, Store
from garscaffold.sandbox.upstream import Upstream

_log = logging.getLogger("garscaffold.sandbox")
_REMEMBERED_REQUESTS = 10_000
_REFRESH_TOKEN_SECONDS = 10 * 365 * 86400.0


@dataclass(frozen=True)
class ServerOptions:
    """How a server behaves.

    Args:
        state: Where it keeps its things.
        token_lifetime: Seconds after which access tokens expire.
        idle_timeout: Seconds without a connection after which it stops; None for never.
        with_parent: Stop when standard input ends, which it does when the parent is gone.
        index_url: The public index's simple URL; asked of pip when None.
        faults: Faults that are on from the start, as `parse_fault` reads them.
        default_grants: Give user, reader and writer their roles in every project.
    """

    state: StateDirectory
    token_lifetime: float = 3600
    idle_timeout: float | None = None
    with_parent: bool = False
    index_url: str | None = None
    faults: tuple[str, ...] = ()
    default_grants: bool = True


def prepare(options: ServerOptions) -> Store:
    """Bring a state directory in order: certificates, keys, credential files, first grants; and open its store."""
    state = options.state
    store = Store(state)
    for leftover in state.incoming.iterdir():
        leftover.unlink()
    ensure_certificates(state)
    write_private(state.bundle, machine_bundle().rstrip() + "\n" + state.authority.read_text("utf-8"))
    for public in (state.authority, state.bundle):
        # Containers mount these, and their users are others.
        public.chmod(0o644)
    _ensure_credentials(store)
    if options.default_grants and not store.setting("default-grants"):
        store.grant(EVERYWHERE, "roles/owner", identities.IDENTITIES["user"].member)
        store.grant(EVERYWHERE, "roles/artifactregistry.reader", identities.IDENTITIES["reader"].member)
        store.grant(EVERYWHERE, "roles/artifactregistry.writer", identities.IDENTITIES["writer"].member)
    store.set_setting("default-grants", True)
    for name in store.faults():
        store.clear_fault(name)
    for text in options.faults:
        store.set_fault(parse_fault(text))
    return store


def _ensure_credentials(store: Store) -> None:
    user = identities.IDENTITIES["user"]
    user_file = identities.credential_file(store.state, user)
    if not user_file.exists():
        token = store.mint(user.name, _REFRESH_TOKEN_SECONDS, kind="refresh")
        write_private(user_file, identities.authorized_user(token))
    for identity in identities.SERVICE_ACCOUNTS:
        key_file = identities.credential_file(store.state, identity)
        if key_file.exists():
            continue
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        key_id = secrets.token_hex(20)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        store.add_public_key(key_id, identity.name, public.decode())
        write_private(key_file, identities.service_account_key(identity, private_key=private.decode(), key_id=key_id))


class Application:
    """The ASGI application behind the proxy: the request's host decides who answers.

    Args:
        store: What everything here is kept in.
        options: How the server behaves.
    """

    def __init__(self, store: Store, options: ServerOptions) -> None:
        self._store = store
        self.access = Access(store)
        self.upstream = Upstream(store, options.index_url)
        self._tokens = TokenEndpoints(store, self.access, options.token_lifetime)
        self._python = PythonIndex(store, self.access, self.upstream)
        self._admin = AdminApi(store, self.access)
        self.images = Images(store, self.access, options.token_lifetime)
        self.under_way = 0
        self.requests: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED_REQUESTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        host = request.headers.get("host", "").partition(":")[0].lower()
        began, status = time.time(), 0
        self.under_way += 1

        async def send_with_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            response = await self._answer(request, host)
            await response(scope, receive, send_with_status)
        finally:
            self.under_way -= 1
            self.requests.append(
                {
                    "time": round(began, 6),
                    "seconds": round(time.time() - began, 6),
                    "method": request.method,
                    "host": host,
                    "path": request.url.path,
                    "status": status,
                    "user_agent": request.headers.get("user-agent", ""),
                }
            )

    async def _answer(self, request: Request, host: str) -> Response:
        speaks_json = host.endswith(".googleapis.com")
        try:
            has_credentials = "authorization" in request.headers
            await suffer(self._store, Call(host, _resource(request, host), has_credentials), asyncio.sleep)
            return await self._route(request, host)
        except Refusal as refusal:
            return refusal.as_json() if speaks_json else refusal.as_text()

    async def _route(self, request: Request, host: str) -> Response:
        if host == "oauth2.googleapis.com":
            return await self._tokens.oauth2(request)
        if host == "sts.googleapis.com":
            return await self._tokens.sts(request)
        if host == "iamcredentials.googleapis.com":
            return await self._tokens.iam_credentials(request)
        if host == "cloudresourcemanager.googleapis.com":
            return self._project(request)
        if host == "artifactregistry.googleapis.com":
            return await self._admin.answer(request)
        location, _, format_name = host.removesuffix(".pkg.dev").rpartition("-")
        if format_name == "python":
            return await self._python.answer(request, location)
        if format_name == "docker" and request.url.path.startswith("/v2"):
            return await self.images.answer(request, location)
        if format_name == "docker":
            raise Refusal(405, "Method Not Allowed: this host serves images, not packages.")
        raise not_played(f"{host}{request.url.path}")

    def _project(self, request: Request) -> Response:
        """Name a project by its number, which google-auth asks for with credentials of a workload identity pool."""
        found = re.fullmatch(r"/v[13]/projects/([^/:]+)", request.url.path)
        if not found or request.method != "GET":
            raise not_played(f"{request.method} {request.url.path} of cloudresourcemanager.googleapis.com")
        if self.access.caller(request).identity is None:
            raise unauthenticated()
        project = identities.HOME_PROJECT if found[1].isdigit() else found[1]
        return JSONResponse({"projectId": project, "name": project, "state": "ACTIVE", "lifecycleState": "ACTIVE"})


def _resource(request: Request, host: str) -> str:
    """Return the repository or project that a request is about, for the words of a refusal."""
    parts = request.url.path.split("/")
    if host == "artifactregistry.googleapis.com":
        return "/".join(parts[2:]).partition(":")[0]
    location = host.removesuffix(".pkg.dev").rpartition("-")[0]
    return f"projects/{parts[1]}/locations/{location}/repositories/{parts[2]}" if len(parts) > 2 else ""


class Server:
    """The listeners and the life of one process.

    Args:
        options: How it behaves.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._stop = asyncio.Event()
        self._last_touched = time.monotonic()
        self._control_token = secrets.token_urlsafe(32)
        self._states: list[ServerState] = []

    async def run(self, ready: Callable[[Running], None]) -> None:
        """Serve until told to stop.

        Args:
            ready: Called once everything listens.
        """
        store = prepare(self._options)
        state = self._options.state
        application = Application(store, self._options)
        self._application = application
        self._store = store
        interception = Interception(self._protocol(application), server_context(state), self._touch)
        loop = asyncio.get_running_loop()
        listeners = [await loop.create_server(lambda: ProxyConnection(interception), "127.0.0.1", 0, backlog=256)]
        control = await self._listen(self._control)
        listeners.append(control)
        metadata_ports: dict[str, int] = {}
        for identity in identities.IDENTITIES.values():
            answer = MetadataServer(store, identity, self._options.token_lifetime).answer
            listeners.append(await self._listen(functools.partial(_answer_plainly, answer)))
            metadata_ports[identity.name] = _port(listeners[-1])
        running = Running(os.getpid(), _port(listeners[0]), _port(control), self._control_token, metadata_ports)
        running.write(state.running)
        self._watch_signals()
        if self._options.with_parent:
            self._watch_parent()
        ticking = asyncio.create_task(self._tick())
        try:
            ready(running)
            await self._stop.wait()
        finally:
            state.running.unlink(missing_ok=True)
            for listener in listeners:
                listener.close()
            ticking.cancel()
            await self._drain()
            await application.upstream.close()
            await application.images.close()
            store.close()

    def _protocol(self, application: ASGIApp) -> Callable[[], asyncio.Protocol]:
        """Return what makes uvicorn's HTTP protocol for one connection."""
        config = Config(
            application,
            interface="asgi3",
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
        )
        config.load()
        server_state = ServerState()
        self._states.append(server_state)
        self._dates()
        protocol_class: Any = config.http_protocol_class
        return lambda: protocol_class(config=config, server_state=server_state, app_state={})

    async def _listen(self, application: ASGIApp) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(self._protocol(application), "127.0.0.1", 0)

    async def _tick(self) -> None:
        while not self._stop.is_set():
            self._dates()
            busy = any(server_state.tasks for server_state in self._states)
            if busy:
                self._touch()
            idle = time.monotonic() - self._last_touched
            if self._options.idle_timeout is not None and idle > self._options.idle_timeout:
                _log.info("stopping after %.0f s without a connection", idle)
                self._stop.set()
            await asyncio.sleep(1)

    def _dates(self) -> None:
        header = (b"date", formatdate(usegmt=True).encode())
        for server_state in self._states:
            server_state.default_headers = [header]

    def _touch(self) -> None:
        self._last_touched = time.monotonic()

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    def _watch_parent(self) -> None:
        """Stop when the other end of standard input is closed, which also happens when the parent is killed."""
        loop = asyncio.get_running_loop()

        def gone() -> None:
            if not os.read(sys.stdin.fileno(), 1024):
                loop.remove_reader(sys.stdin.fileno())
                self._stop.set()

        loop.add_reader(sys.stdin.fileno(), gone)

    async def _drain(self) -> None:
        """Let the answers under way end, for a few seconds."""
        deadline = time.monotonic() + 5
        while any(server_state.tasks for server_state in self._states) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for server_state in self._states:
            for connection in list(server_state.connections):
                with contextlib.suppress(Exception):
                    connection.transport.abort()

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(sent.encode(), self._control_token.encode()):
            await PlainTextResponse("Send the control token.\n", 403)(scope, receive, send)
            return
        await (await self._answer_control(request))(scope, receive, send)

    async def _answer_control(self, request: Request) -> Response:
        match request.method, request.url.path:
            case "GET", "/status":
                faults = [fault.__dict__ for fault in self._store.faults().values()]
                return JSONResponse(
                    {
                        "pid": os.getpid(),
                        "faults": faults,
                        "requests": len(self._application.requests),
                        "under_way": self._application.under_way,
                    }
                )
            case "GET", "/requests":
                return JSONResponse(list(self._application.requests))
            case "DELETE", "/requests":
                self._application.requests.clear()
                return JSONResponse({})
            case "POST", "/stop":
                self._stop.set()
                return JSONResponse({})
            case "PUT", "/faults":
                try:
                    faults_now = [parse_fault(text) for text in await request.json()]
                except GarscaffoldError as error:
                    return PlainTextResponse(f"{error.sentence} {error.mend}\n", 400)
                for name in self._store.faults():
                    self._store.clear_fault(name)
                for fault in faults_now:
                    self._store.set_fault(fault)
                return JSONResponse({})
        return PlainTextResponse("Not Found\n", 404)


async def _answer_plainly(answer: Callable[[Request], Response], scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await answer(Request(scope, receive))(scope, receive, send)


def _port(listener: asyncio.Server) -> int:
    return int(listener.sockets[0].getsockname()[1])


def serve(options: ServerOptions, ready: Callable[[Running], None]) -> None:
    """Run a server in this process until it is told to stop.

    Raises:
        GarscaffoldError: Another server runs on the same state.
    """
    options.state.create()
    with options.state.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GarscaffoldError(
                f"A sandbox is already running on {options.state.path}.",
                mend="Use it, stop it with `garscaffold sandbox stop`, or choose another --name.",
            ) from None
        asyncio.run(Server(options).run(ready))
