"""A small GitHub and GitLab on loopback for the real `gh` and `glab`: what they ask to list and to make pull requests.

The programs reach it unmodified by `HTTPS_PROXY`: it takes CONNECT for any host, and answers there itself, with a
certificate of its own authority.
"""

import datetime
import json
import re
import ssl
import subprocess
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
        repositories: The folder of the bare repositories, OWNER/NAME.git.
        requests: The pull requests that were made: host, repository, head, base, title, body, and what became of them.
        comments: What was said about them: the number, and the text.
        calls: Every call: method and path.
        refuses: It answers that somebody may not make pull requests.
    """

    proxy: str
    authority: Path
    repositories: Path
    requests: list[dict[str, str]] = field(default_factory=list)
    comments: list[tuple[str, str]] = field(default_factory=list)
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
        """Return the pull requests of a branch, the newest first."""
        wanted = (host, repository, head)
        return [each for each in reversed(self.requests) if (each["host"], each["repository"], each["head"]) == wanted]

    def commits(self, made: dict[str, str]) -> list[dict[str, str]]:
        """Return the commits of a pull request, the oldest first, as git has them."""
        between = f"refs/heads/{made['base']}..refs/heads/{made['head']}"
        command = ["git", "log", "--reverse", "-z", "--format=%H%x01%aI%x01%cI%x01%B", between]
        where = self.repositories / f"{made['repository']}.git"
        said = subprocess.run(command, cwd=where, capture_output=True, text=True, check=True).stdout
        fields = [each.split("\x01") for each in said.split("\0") if each]
        return [
            {"id": commit, "authored": authored, "committed": committed, "message": message.rstrip("\n")}
            for commit, authored, committed, message in fields
        ]

    def make(self, host: str, repository: str, **said: str) -> dict[str, str]:
        """Keep a pull request."""
        path = "pull" if host == GITHUB else "-/merge_requests"
        number = len(self.requests) + 1
        made = {"host": host, "repository": repository, "url": f"https://{host}/{repository}/{path}/{number}", **said}
        self.requests.append({**made, "number": str(number), "state": "open", "merged_as": ""})
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
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def do_PUT(self) -> None:
        self._respond()

    def do_PATCH(self) -> None:
        self._respond()

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

    def _respond(self) -> None:
        self.forge.calls.append(f"{self.command} {self.path}")
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        github = self.host == GITHUB
        signed_in = (
            self.headers.get("Authorization") == "token gh-token"
            if github
            else self.headers.get("Private-Token") == "gl-token"
        )
        if not signed_in:
            self._answer(401, {"message": "Bad credentials" if github else "401 Unauthorized"})
        elif self.forge.refuses and self.command != "GET":
            refusal = "Resource not accessible by personal access token" if github else "403 Forbidden"
            self._answer(403, {"message": refusal})
        else:
            self._answer(*(self._github(sent) if github else self._gitlab(sent)))

    def _github(self, sent: dict[str, Any]) -> tuple[int, Any]:
        """Answer as https://docs.github.com/rest/pulls/pulls says."""
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        found = re.fullmatch(r"/api/v3/repos/([^/]+/[^/]+)(?:/(pulls|issues)(?:/(\d+)(?:/(\w+))?)?)?", parts.path)
        if not found:
            return 404, {"message": "Not Found"}
        repository, kind, number, part = found.groups()
        if kind is None:
            return 200, {"full_name": repository, "default_branch": "main"}
        if number is None and self.command == "GET":
            owner, _, head = query["head"][0].partition(":")
            assert owner == repository.partition("/")[0]
            return 200, [_pull_request(each) for each in self._listed(repository, head, query["state"][0])]
        if number is None:
            if self._is_open(repository, sent["head"]):
                why = {"resource": "PullRequest", "code": "custom", "message": "A pull request already exists."}
                return 422, {"message": "Validation Failed", "errors": [why]}
            told = {name: sent[name] for name in ("head", "base", "title", "body")}
            return 201, _pull_request(self.forge.make(GITHUB, repository, **told))
        made = self.forge.requests[int(number) - 1]
        if part == "comments":
            self.forge.comments.append((number, sent["body"]))
            return 201, {"id": 1, "body": sent["body"]}
        if part == "commits":
            return 200, [
                {
                    "sha": each["id"],
                    "commit": {
                        "message": each["message"],
                        "author": {"date": each["authored"]},
                        "committer": {"date": each["committed"]},
                    },
                }
                for each in self.forge.commits(made)
            ]
        made.update(sent)
        return 200, _pull_request(made)

    def _gitlab(self, sent: dict[str, Any]) -> tuple[int, Any]:
        """Answer as https://docs.gitlab.com/api/merge_requests/ says."""
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        found = re.fullmatch(r"/api/v4/projects/([^/]+)(?:/(merge_requests)(?:/(\d+)(?:/(\w+))?)?)?", parts.path)
        if not found:
            return 404, {"message": "404 Not Found"}
        repository, kind, number, part = unquote(found[1]), *found.groups()[1:]
        if kind is None:
            return 200, {"id": 7, "path_with_namespace": repository, "default_branch": "main"}
        if number is None and self.command == "GET":
            head = query["source_branch"][0]
            return 200, [_merge_request(each) for each in self._listed(repository, head, query["state"][0])]
        if number is None:
            if self._is_open(repository, sent["source_branch"]):
                return 409, {"message": ["Another open merge request already exists for this source branch: !1"]}
            names = {"head": "source_branch", "base": "target_branch", "title": "title", "body": "description"}
            told = {ours: sent[theirs] for ours, theirs in names.items()}
            return 201, _merge_request(self.forge.make(GITLAB, repository, **told))
        made = self.forge.requests[int(number) - 1]
        if part == "notes":
            self.forge.comments.append((number, sent["body"]))
            return 201, {"id": 1, "body": sent["body"]}
        if part == "commits":
            names = {"id": "id", "message": "message", "authored_date": "authored", "committed_date": "committed"}
            return 200, [
                {theirs: each[ours] for theirs, ours in names.items()} for each in reversed(self.forge.commits(made))
            ]
        made["title"] = sent.get("title", made["title"])
        made["body"] = sent.get("description", made["body"])
        made["state"] = "closed" if sent.get("state_event") == "close" else made["state"]
        return 200, _merge_request(made)

    def _listed(self, repository: str, head: str, state: str) -> list[dict[str, str]]:
        assert state == "all"
        return self.forge.found(self.host, repository, head)

    def _is_open(self, repository: str, head: str) -> bool:
        return any(each["state"] == "open" for each in self.forge.found(self.host, repository, head))


def _pull_request(made: dict[str, str]) -> dict[str, Any]:
    return {
        "number": int(made["number"]),
        "html_url": made["url"],
        "state": "closed" if made["state"] == "merged" else made["state"],
        "merged_at": "2026-11-27T05:00:00Z" if made["state"] == "merged" else None,
        # Of one that is open, it is that of a trial.
        "merge_commit_sha": made["merged_as"] or "0" * 40,
        "title": made["title"],
        "body": made["body"],
        "head": {"ref": made["head"]},
        "base": {"ref": made["base"]},
    }


def _merge_request(made: dict[str, str]) -> dict[str, Any]:
    return {
        "iid": int(made["number"]),
        "web_url": made["url"],
        "state": "opened" if made["state"] == "open" else made["state"],
        "title": made["title"],
        "description": made["body"],
        "source_branch": made["head"],
        "target_branch": made["base"],
        "source_project_id": 8 if made.get("fork") else 7,
        "target_project_id": 7,
        "sha": "1" * 40,
        "squash_commit_sha": None,
        "merge_commit_sha": made["merged_as"] or None,
    }


@contextmanager
def running(folder: Path, repositories: Path) -> Iterator[Forge]:
    """Run the stand-in until the end of the block."""
    authority, certificate = folder / "authority.pem", folder / "server.pem"
    _write_certificates(authority, certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["http/1.1"])
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        forge = Forge(f"http://127.0.0.1:{server.server_port}", authority, repositories)
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
