"""The proxy: hosts that are played, hosts that are tunnelled, and what it refuses."""

import http.server
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.certificates import ensure_certificates, is_played
from garscaffold.sandbox.proxy import Target, read_connect
from garscaffold.sandbox.state import StateDirectory
from tests.sandbox.conftest import LOCATION, PROJECT, client_of, make_wheel, upload


def test_only_googles_names_are_played() -> None:
    for host in ("europe-python.pkg.dev", "US-docker.pkg.dev", "oauth2.googleapis.com", "sts.googleapis.com"):
        assert is_played(host)
    for host in ("pkg.dev", "a.b.pkg.dev", "evilpkg.dev", "storage.googleapis.com", "pkg.dev.example.com", ""):
        assert not is_played(host)


def test_what_connect_asks_for() -> None:
    assert read_connect(b"CONNECT a.pkg.dev:443 HTTP/1.1\r\nHost: x\r\n\r\n") == Target("a.pkg.dev", 443)
    assert read_connect(b"CONNECT [::1]:8443 HTTP/1.1\r\n\r\n") == Target("::1", 8443)
    for head in (
        b"GET http://a/ HTTP/1.1",
        b"CONNECT a HTTP/1.1",
        b"CONNECT a:0 HTTP/1.1",
        b"CONNECT a:x HTTP/1.1",
        b"",
    ):
        assert read_connect(head) is None


class Far(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"far away " * 100_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def far(tmp_path: Path) -> Iterator[tuple[int, bytes]]:
    """A TLS server that is not played: its port, and its certificate."""
    state = StateDirectory(tmp_path)
    ensure_certificates(state)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Far)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state.server_certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield (
        server.server_address[1],
        ssl.PEM_cert_to_DER_cert(state.server_certificate.read_text().partition("END PRIVATE KEY-----\n")[2]),
    )
    server.shutdown()
    server.server_close()


def test_any_other_host_is_tunnelled_with_its_own_certificate(sandbox: Sandbox, far: tuple[int, bytes]) -> None:
    port, certificate = far
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with httpx.Client(proxy=sandbox.proxy_url, verify=context) as client:
        answer = client.get(f"https://127.0.0.1:{port}/")
        assert answer.content == b"far away " * 100_000
        stream = answer.extensions["network_stream"]
        assert stream.get_extra_info("ssl_object").getpeercert(True) == certificate
        sent = os.urandom(3_000_000)
        assert client.post(f"https://127.0.0.1:{port}/", content=sent).content == sent
    assert all(f":{port}" not in str(request) for request in sandbox.requests())


def test_other_hosts_are_reached_through_the_machines_own_proxy(
    own_sandbox: Sandbox, far: tuple[int, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, own_sandbox.proxy_url.replace("http://", "http://ada:secret@"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with Sandbox.start(tmp_path / "inner") as inner:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.delenv(name)
        with httpx.Client(proxy=inner.proxy_url, verify=context) as client:
            assert client.get(f"https://127.0.0.1:{far[0]}/").content == b"far away " * 100_000
        own_sandbox.stop()
        with (
            httpx.Client(proxy=inner.proxy_url, verify=context) as client,
            pytest.raises(httpx.ProxyError, match="502"),
        ):
            client.get(f"https://127.0.0.1:{far[0]}/")


def raw(sandbox: Sandbox, head: bytes) -> bytes:
    port = int(sandbox.proxy_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def test_what_is_no_connect_is_refused_with_a_sentence(sandbox: Sandbox) -> None:
    answer = raw(sandbox, b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"CONNECT only" in answer
    assert raw(sandbox, b"x" * 40_000).startswith(b"HTTP/1.1 431 ")


def test_a_host_that_cannot_be_reached_is_502(sandbox: Sandbox) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        answer = raw(sandbox, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"could not be reached" in answer


def test_a_client_that_does_not_trust_the_authority_only_hurts_itself(sandbox: Sandbox) -> None:
    with httpx.Client(proxy=sandbox.proxy_url) as client, pytest.raises(httpx.ConnectError):
        client.get(f"https://{LOCATION}-python.pkg.dev/")
    with client_of(sandbox) as trusting:
        assert trusting.get("/p/r/simple/x/").status_code == 401


def test_the_authority_cannot_sign_for_other_hosts(sandbox: Sandbox) -> None:
    from cryptography import x509

    authority = x509.load_pem_x509_certificate(sandbox.ca_file.read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert {name.value for name in constraints.value.permitted_subtrees or []} == {
        "pkg.dev",
        "artifactregistry.googleapis.com",
        "cloudresourcemanager.googleapis.com",
        "iamcredentials.googleapis.com",
        "oauth2.googleapis.com",
        "sts.googleapis.com",
    }
    assert not list(sandbox.state.path.glob("*key*"))


def test_it_listens_on_loopback_only(sandbox: Sandbox) -> None:
    listening = {
        parts[1].split(":")[0]
        for line in Path(f"/proc/{sandbox.pid}/net/tcp").read_text().splitlines()[1:]
        if (parts := line.split())[3] == "0A" and parts[9] in _sockets(sandbox.pid)
    }
    assert listening == {"0100007F"}


def _sockets(pid: int) -> set[str]:
    targets = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return {target[8:-1] for target in targets if target.startswith("socket:[")}


def test_fifty_clients_at_once(own_sandbox: Sandbox, tmp_path: Path) -> None:
    own_sandbox.create_python_repository(PROJECT, LOCATION, "crowd")
    token = own_sandbox.token("writer")
    wheels = [make_wheel(tmp_path, f"acme-crowd-{number}", "1.0") for number in range(50)]

    def work(wheel: Path) -> list[int]:
        with client_of(own_sandbox, token=token) as client:
            name = wheel.name.partition("-")[0].replace("_", "-")
            sent = upload(client, "crowd", wheel)
            page = client.get(f"/{PROJECT}/crowd/simple/{name}/")
            file = client.get(f"/{PROJECT}/crowd/{name}/{wheel.name}", follow_redirects=True)
            assert file.content == wheel.read_bytes()
            return [sent.status_code, page.status_code, file.status_code]

    with ThreadPoolExecutor(50) as crowd:
        assert list(crowd.map(work, wheels)) == [[200, 200, 200]] * 50


def test_fifty_clients_add_the_same_file_and_one_wins(own_sandbox: Sandbox, tmp_path: Path) -> None:
    own_sandbox.create_python_repository(PROJECT, LOCATION, "race")
    wheel = make_wheel(tmp_path, "acme-race", "1.0")
    token = own_sandbox.token("writer")

    def work(_: int) -> int:
        with client_of(own_sandbox, token=token) as client:
            return upload(client, "race", wheel).status_code

    with ThreadPoolExecutor(50) as crowd:
        assert sorted(crowd.map(work, range(50))) == [200] + [400] * 49


def test_an_acknowledged_upload_survives_kill_9(tmp_path: Path) -> None:
    acknowledged: list[Path] = []
    for turn in range(3):
        with Sandbox.start(tmp_path / "state") as running:
            if turn == 0:
                running.create_python_repository(PROJECT, LOCATION, "kept")
            token = running.token("writer")
            killer = threading.Timer(0.25 + 0.1 * turn, os.kill, (running.pid, signal.SIGKILL))
            killer.start()
            with client_of(running, token=token) as client:
                for number in range(1000):
                    wheel = make_wheel(tmp_path / "dist", f"acme-kept-{turn}-{number}", "1.0")
                    try:
                        if upload(client, "kept", wheel).status_code == 200:
                            acknowledged.append(wheel)
                    except httpx.HTTPError:
                        break
            killer.join()
    assert len(acknowledged) > 10
    with Sandbox.start(tmp_path / "state") as again, client_of(again, token=again.token("reader")) as client:
        for wheel in acknowledged:
            name = wheel.name.partition("-")[0].replace("_", "-")
            got = client.get(f"/{PROJECT}/kept/{name}/{wheel.name}", follow_redirects=True)
            assert got.content == wheel.read_bytes()
        assert list(again.state.incoming.iterdir()) == []


def test_it_stops_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    script = (
        "import sys, time; from garscaffold.sandbox import Sandbox\n"
        "print(Sandbox.start(sys.argv[1]).pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(pid)


def test_it_stops_when_idle(tmp_path: Path) -> None:
    running = Sandbox.start(tmp_path, detached=True, idle_timeout=0.2)
    assert gone(running.pid)
    running.stop()
    assert Sandbox.find(tmp_path) is None


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
