"""The CONNECT proxy: ends TLS for the hosts that are played, and tunnels every other one unchanged."""

import asyncio
import base64
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from garscaffold.sandbox.certificates import is_played

_HEAD_LIMIT = 32 << 10
_HEAD_SECONDS = 30
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_END_OF_HEAD = b"\r\n\r\n"
_log = logging.getLogger("garscaffold.sandbox")


@dataclass(frozen=True)
class Target:
    """Where a client asked to be connected to."""

    host: str
    port: int


@dataclass(frozen=True)
class Interception:
    """What is done with the hosts that are played.

    Args:
        serve: Makes the protocol that speaks HTTP inside the ended TLS.
        context: Ends TLS.
        touched: Called for every connection, so that an idle server can tell.
    """

    serve: Callable[[], asyncio.Protocol]
    context: ssl.SSLContext
    touched: Callable[[], None]


def read_connect(head: bytes) -> Target | None:
    """Return what a `CONNECT` request asks for, or None for any other request."""
    line = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(line) != 3 or line[0] != "CONNECT":
        return None
    host, _, port = line[1].rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        return None
    return Target(host.strip("[]"), int(port))


class ProxyConnection(asyncio.Protocol):
    """One client's connection, until its `CONNECT` has been read.

    Args:
        interception: What is done with the hosts that are played.
    """

    def __init__(self, interception: Interception) -> None:
        self._interception = interception
        self._head = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the head, but not for ever."""
        self._transport = cast("asyncio.Transport", transport)
        self._timeout = asyncio.get_running_loop().call_later(_HEAD_SECONDS, self._transport.close)
        self._interception.touched()

    def data_received(self, data: bytes) -> None:
        """Collect the head, then do what it asks for."""
        self._head += data
        if self._task is not None:
            return
        if _END_OF_HEAD in self._head:
            self._timeout.cancel()
            # What follows belongs to the client's TLS; it stays in the socket until somebody is there to read it.
            self._transport.pause_reading()
            self._task = asyncio.create_task(self._serve())
        elif len(self._head) > _HEAD_LIMIT:
            self._refuse("431 Request Header Fields Too Large", "The request is too long.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a client that left early."""
        self._timeout.cancel()

    async def _serve(self) -> None:
        target = read_connect(self._head)
        try:
            if target is None:
                self._refuse("405 Method Not Allowed", "This proxy serves CONNECT only, for https:// URLs.")
            elif is_played(target.host):
                self._transport.write(_ESTABLISHED)
                await self._end_tls()
            else:
                await self._tunnel(target)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError) as error:
            _log.debug("a connection ended: %s", error)
            self._transport.close()

    async def _end_tls(self) -> None:
        """Let the HTTP server's own protocol take the connection over: no second socket, no copying of every byte."""
        early = _Early()
        transport = await asyncio.get_running_loop().start_tls(
            self._transport,
            early,
            self._interception.context,
            server_side=True,
            ssl_handshake_timeout=_HEAD_SECONDS,
        )
        if transport is None:
            raise ConnectionAbortedError("the client left during the handshake")
        protocol = self._interception.serve()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if early.data:
            protocol.data_received(early.data)
        if early.left:
            transport.close()

    async def _tunnel(self, target: Target) -> None:
        near = _Half()
        far = _Half()
        try:
            await _connect(target, far)
        except OSError as error:
            self._refuse("502 Bad Gateway", f"{target.host}:{target.port} could not be reached: {error}")
            return
        near.join(far)
        self._transport.set_protocol(near)
        near.connection_made(self._transport)
        self._transport.write(_ESTABLISHED)
        self._transport.resume_reading()
        far.start()

    def _refuse(self, status: str, sentence: str) -> None:
        body = f"{sentence}\n".encode()
        self._transport.write(
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n".encode()
            + body
        )
        self._transport.close()


class _Early(asyncio.Protocol):
    """Keeps what a client sends between the end of its handshake and the moment when `start_tls` has returned."""

    def __init__(self) -> None:
        self.data = b""
        self.left = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> None:
        self.left = True


class _Half(asyncio.Protocol):
    """One end of a tunnel: what arrives here leaves at the other end, no faster than that end takes it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.head = b""
        self._other: _Half | None = None
        self._ended = False
        self._arrived = asyncio.Event()

    def join(self, other: "_Half") -> None:
        self._other, other._other = other, self

    def start(self) -> None:
        """Pass on what arrived before the two ends were joined."""
        assert self.transport is not None
        if self.head:
            self.data_received(self.head)
        self.transport.resume_reading()

    async def read_head(self) -> bytes:
        """Return the head of a proxy's answer; what follows it is kept for the client."""
        assert self.transport is not None
        while _END_OF_HEAD not in self.head:
            if self._ended or len(self.head) > _HEAD_LIMIT:
                raise ConnectionError("the machine's own proxy did not answer")
            self._arrived.clear()
            self.transport.resume_reading()
            await asyncio.wait_for(self._arrived.wait(), _HEAD_SECONDS)
        head, _, self.head = self.head.partition(_END_OF_HEAD)
        return head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self._other is None:
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self.head += data
            self._arrived.set()
        elif self._other.transport is not None:
            self._other.transport.write(data)

    def eof_received(self) -> bool:
        self._ended = True
        self._arrived.set()
        other = self._other
        if other is None or other._ended or other.transport is None or not other.transport.can_write_eof():
            return False
        other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if self._other is not None and self._other.transport is not None:
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and self._other.transport is not None:
            self._other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._arrived.set()
        if self._other is not None and self._other.transport is not None:
            self._other.transport.close()


async def _connect(target: Target, far: _Half) -> None:
    """Connect directly, or through the proxy that this machine needs to get out."""
    loop = asyncio.get_running_loop()
    proxy = getproxies().get("https")
    if not proxy or proxy_bypass(target.host):
        await loop.create_connection(lambda: far, target.host, target.port)
        return
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    transport, _ = await loop.create_connection(
        lambda: far, parts.hostname or "", parts.port or 3128, ssl=parts.scheme == "https" or None
    )
    head = f"CONNECT {target.host}:{target.port} HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n"
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        head += f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
    transport.write(f"{head}\r\n".encode())
    answer = await far.read_head()
    if answer.split(b" ", 2)[1:2] != [b"200"]:
        transport.close()
        raise ConnectionError(f"the machine's own proxy answered {answer.splitlines()[0].decode('latin-1')}")
