"""One process: the proxy, what stands behind it, the metadata servers and the control endpoint."""

import asyncio
import contextlib
import fcntl
import functools
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from garscaffold.errors import GarscaffoldError
from garscaffold.sandbox import identities
from garscaffold.sandbox.application import Application
from garscaffold.sandbox.certificates import server_context
from garscaffold.sandbox.faults import parse_fault
from garscaffold.sandbox.metadata_server import MetadataServer
from garscaffold.sandbox.preparation import ServerOptions, prepare
from garscaffold.sandbox.proxy import Interception, ProxyConnection
from garscaffold.sandbox.state import Running

_log = logging.getLogger("garscaffold.sandbox")


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
        answered = 0
        while not self._stop.is_set():
            self._dates()
            # Neither a long answer nor a request on a connection that was kept open is idleness.
            total = sum(server_state.total_requests for server_state in self._states)
            if total != answered or any(server_state.tasks for server_state in self._states):
                self._touch()
            answered = total
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
