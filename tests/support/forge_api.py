"""A small GitHub and GitLab on loopback for the real `gh` and `glab`: what they ask to list and to make pull requests.

The programs reach it unmodified by `HTTPS_PROXY`: it takes CONNECT for any host, and answers there itself, with a
certificate of its own authority.
"""

import datetime
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

GITHUB, GITLAB = "github.acme.example", "gitlab.acme.example"


@dataclass
class Forge:
    """What the stand-in knows, and what was asked of it.

    Args:
        proxy: Its address.
        authority: The certificate to trust.
        requests: The pull requests that were made: host, repository, head, base, title, body.
        calls: Every call: method, path and, for GraphQL, the name of the operation.
        refuses: It answers that somebody may not make pull requests.
    """

    proxy: str
    authority: Path
    requests: list[dict[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    refuses: bool = False

    def environment(self) -> dict[str, str]:
        """Return the variables by which the programs find it, and are signed in."""
        return {
            "HTTPS_PROXY": self.proxy,
            "SSL_CERT_FILE": str(self.authority),
            "GH_ENTERPRISE_TOKEN": "gh-token",
            "GITLAB_TOKEN": "gl-token",
            "GITLAB_HOST": GITLAB,
        }

    def found(self, host: str, repository: str, head: str) -> list[dict[str, str]]:
        """Return the pull requests of a branch."""
        wanted = (host, repository, head)
        return [each for each in self.requests if (each["host"], each["repository"], each["head"]) == wanted]

    def make(self, host: str, repository: str, **said: str) -> dict[str, str]:
        """Keep a pull request."""
        path = "pull" if host == GITHUB else "-/merge_requests"
        number = len(self.requests) + 1
        made = {"host": host, "repository": repository, "url": f"https://{host}/{repository}/{path}/{number}", **said}
        self.requests.append({**made, "number": str(number)})
        return self.requests[-1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    forge: Forge
    context: ssl.SSLContext
    host = ""

    def do_CONNECT(self) -> None:
        self.host = self.path.partition(":")[0]
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        self.close_connection = False

    def do_GET(self) -> None:
        self._answer(*self._get())

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        self._answer(*(self._graphql(sent) if self.path.endswith("/graphql") else self._post(sent)))

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: `calls` has it."""

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _get(self) -> tuple[int, Any]:
        self.forge.calls.append(f"GET {self.path}")
        parts = urlsplit(self.path)
        found = re.fullmatch(r"/api/v4/projects/([^/]+)(/merge_requests)?", parts.path)
        if self.host != GITLAB or not found or self.headers.get("Private-Token") != "gl-token":
            return 404, {"message": "Not Found"}
        repository = unquote(found[1])
        if not found[2]:
            web = f"https://{GITLAB}/{repository}"
            return 200, {"id": 7, "path_with_namespace": repository, "web_url": web, "default_branch": "main"}
        (head,) = parse_qs(parts.query).get("source_branch", [""])
        return 200, [_merge_request(each) for each in self.forge.found(GITLAB, repository, head)]

    def _post(self, sent: dict[str, Any]) -> tuple[int, Any]:
        self.forge.calls.append(f"POST {self.path}")
        found = re.fullmatch(r"/api/v4/projects/([^/]+)/merge_requests", self.path)
        if self.host != GITLAB or not found:
            return 404, {"message": "Not Found"}
        if self.forge.refuses:
            return 403, {"message": "403 Forbidden"}
        made = self.forge.make(
            GITLAB,
            unquote(found[1]),
            head=sent["source_branch"],
            base=sent["target_branch"],
            title=sent["title"],
            body=sent["description"],
        )
        return 201, _merge_request(made)

    def _graphql(self, sent: dict[str, Any]) -> tuple[int, Any]:
        named = re.search(r"(?:query|mutation)\s+(\w+)", sent["query"])
        operation = named[1] if named else sent["query"]
        self.forge.calls.append(f"GraphQL {operation}")
        if self.host != GITHUB or self.headers.get("Authorization") != "token gh-token":
            return 401, {"message": "Bad credentials"}
        said = sent.get("variables", {})
        if operation == "PullRequestCreate":
            if self.forge.refuses:
                refusal = {"message": "Resource not accessible by personal access token", "type": "FORBIDDEN"}
                return 200, {"data": {"createPullRequest": None}, "errors": [refusal]}
            given = said["input"]
            made = self.forge.make(
                GITHUB,
                given["repositoryId"],
                head=given["headRefName"],
                base=given["baseRefName"],
                title=given["title"],
                body=given["body"],
            )
            return 200, {"data": {"createPullRequest": {"pullRequest": {"id": "P", "url": made["url"]}}}}
        if operation.startswith("PullRequest"):
            repository = f"{said.get('owner')}/{said.get('repo')}"
            head = said.get("headBranch") or said.get("headRefName") or ""
            found = self.forge.found(GITHUB, repository, head)
            nodes = [{"url": each["url"], "number": int(each["number"])} for each in found]
            listed = {"totalCount": len(nodes), "nodes": nodes, "pageInfo": {"hasNextPage": False, "endCursor": ""}}
            return 200, {"data": {"repository": {"pullRequests": listed, "defaultBranchRef": {"name": "main"}}}}
        if operation == "RepositoryInfo":
            owner, name = said["owner"], said["name"]
            whole = {"id": f"{owner}/{name}", "name": name, "owner": {"login": owner}, "viewerPermission": "ADMIN"}
            return 200, {"data": {"repository": {**whole, "defaultBranchRef": {"name": "main"}, "parent": None}}}
        return 200, {"data": {"viewer": {"login": "ada"}, "repository": None}}


def _merge_request(made: dict[str, str]) -> dict[str, Any]:
    return {
        "id": int(made["number"]),
        "iid": int(made["number"]),
        "web_url": made["url"],
        "title": made["title"],
        "source_branch": made["head"],
        "target_branch": made["base"],
        "state": "opened",
    }


@contextmanager
def running(folder: Path) -> Iterator[Forge]:
    """Run the stand-in until the end of the block."""
    authority, certificate = folder / "authority.pem", folder / "server.pem"
    _write_certificates(authority, certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["http/1.1"])
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        forge = Forge(f"http://127.0.0.1:{server.server_port}", authority)
        server.RequestHandlerClass = type("Handler", (_Handler,), {"forge": forge, "context": context})
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield forge
        finally:
            server.shutdown()
            thread.join()


def _write_certificates(authority: Path, certificate: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    issuer_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def signed(name: str, own: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")]))
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(extension, critical=False)
        )
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority.write_bytes(signed("tests", issuer_key, x509.BasicConstraints(ca=True, path_length=0)))
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in (GITHUB, GITLAB)])
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate.write_bytes(private + signed("server", key, names))
