"""A service that is up: where to put it, and how to ask it."""

import http.client
import socket
import time


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def health(port: int, *, until: float) -> int:
    """Return the status that a service answers with, once it answers."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        finally:
            connection.close()
