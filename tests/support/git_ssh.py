"""git over ssh on loopback, for OpenSSH's own client: whoever has the key may read and push."""

import asyncio
import os
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

COMMANDS = ("git-upload-pack", "git-receive-pack")


@dataclass(frozen=True)
class Server:
    """Where repositories can be reached.

    Args:
        port: On loopback.
        key: The private key that is let in; it has a passphrase where one was asked for.
        known_hosts: A file that knows the server.
    """

    port: int
    key: Path
    known_hosts: Path

    def url(self, repository: Path) -> str:
        return f"ssh://git@127.0.0.1:{self.port}{repository}"

    def client(self, *options: str, known: bool = True) -> str:
        """Return the command that git shall call: with the key, without what the machine's user has set up."""
        hosts = self.known_hosts if known else os.devnull
        command = ["ssh", "-F", os.devnull, "-i", str(self.key), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]
        return shlex.join([*command, "-o", f"UserKnownHostsFile={hosts}", *options])


@contextmanager
def served(folder: Path, *, passphrase: str = "") -> Iterator[Server]:
    """Serve the repositories of this machine by their paths, at a free port.

    Args:
        folder: Where keys are put.
        passphrase: What the client's key is encrypted with; '' for nothing.
    """
    folder.mkdir(parents=True)
    host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    key = folder / "id"
    user.write_private_key(str(key))
    key.chmod(0o600)
    if passphrase:
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", str(key)], check=True)
    user.write_public_key(f"{key}.pub")
    allowed = folder / "authorized_keys"
    user.write_public_key(str(allowed))
    loop = asyncio.new_event_loop()
    listening = asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host],
        authorized_client_keys=str(allowed),
        process_factory=_git,
        encoding=None,
    )
    acceptor = loop.run_until_complete(listening)
    known = folder / "known_hosts"
    port = acceptor.get_port()
    known.write_bytes(b"[127.0.0.1]:%d %s" % (port, host.export_public_key()))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield Server(port, key, known)
    finally:
        asyncio.run_coroutine_threadsafe(_close(acceptor), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(acceptor: Any) -> None:
    acceptor.close()
    await acceptor.wait_closed()


async def _git(process: Any) -> None:
    command = shlex.split(process.command or "")
    if not command or command[0] not in COMMANDS:
        process.stderr.write(b"only git here\n")
        process.exit(1)
        return
    environment = {**os.environ, "GIT_PROTOCOL": process.env.get("GIT_PROTOCOL", "")}
    made = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await process.redirect(stdin=made.stdin, stdout=made.stdout, stderr=made.stderr)
    await process.stdout.drain()
    process.exit(await made.wait())
    await process.wait_closed()
