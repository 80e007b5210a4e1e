"""LOCATION-docker.pkg.dev: tokens and permissions, in front of a real registry program.

The program is the one that Debian packages as docker-registry (https://distribution.github.io/distribution/). It is
started with the first image, listens on a socket in a private folder, and stops with the sandbox.
"""

import asyncio
import contextlib
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from garscaffold.process import find
from garscaffold.sandbox.access import NOBODY, Access, Caller
from garscaffold.sandbox.identities import IDENTITIES
from garscaffold.sandbox.refusals import Refusal
from garscaffold.sandbox.state import write_private
from garscaffold.sandbox.store import RepositoryRecord, Store, repository_name

PROGRAM = "docker-registry"

_START_SECONDS = 10
# Names as the distribution specification has them; nothing else reaches the program, whose paths they become.
_NAMED = re.compile(
    r"/v2/(?P<project>[a-z0-9.:-]+)/(?P<repository>[a-z0-9-]+)/"
    r"(?P<image>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)/"
    r"(?P<what>manifests|blobs|tags)/(?P<which>[A-Za-z0-9_:+=-][A-Za-z0-9_.:+=-]*(?:/[A-Za-z0-9_-]*)?)"
)
_PERMISSIONS = {"GET": "download", "HEAD": "download", "DELETE": "delete"}
_CODES = {
    400: "DENIED",
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "NAME_UNKNOWN",
    405: "UNSUPPORTED",
    501: "UNSUPPORTED",
}
_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
# Standard input ends when the sandbox does, however that is, and then the program goes as well.
_WITH_US = '"$0" serve "$1" & read _; kill $!'


@dataclass(frozen=True)
class Image:
    """An image that a request names, in the repository that holds it."""

    repository: str
    project: str
    repository_id: str
    image: str

    @property
    def path(self) -> str:
        """The name as clients write it."""
        return f"{self.project}/{self.repository_id}/{self.image}"


class Images:
    """Answers requests to `LOCATION-docker.pkg.dev`.

    Args:
        store: Repositories and tokens.
        access: Checks callers.
        token_lifetime: Seconds after which a registry token expires.
    """

    def __init__(self, store: Store, access: Access, token_lifetime: float) -> None:
        self._store = store
        self._access = access
        self._token_lifetime = token_lifetime
        self._starting = asyncio.Lock()
        self._folder: str | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._client: httpx.AsyncClient | None = None

    async def answer(self, request: Request, location: str) -> Response:
        """Answer one request; refusals are said as the distribution specification has them."""
        try:
            return await self._answer(request, location)
        except Refusal as refusal:
            code = _CODES.get(refusal.code, "UNKNOWN")
            document = {"errors": [{"code": code, "message": refusal.sentence}]}
            return JSONResponse(document, refusal.code, {**refusal.headers, **_VERSION})

    async def close(self) -> None:
        """Stop the registry program."""
        if self._client is not None:
            await self._client.aclose()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 5)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _answer(self, request: Request, location: str) -> Response:
        path = request.url.path
        if path == "/v2/token":
            return self._token(request, location)
        found = _NAMED.fullmatch(path)
        image = None
        if found:
            name = repository_name(found["project"], location, found["repository"])
            image = Image(name, found["project"], found["repository"], found["image"])
        caller = self._caller(request, image)
        if path in ("/v2", "/v2/"):
            # `docker login` ends here, so a missing program is said here already.
            _program()
            return JSONResponse({}, headers=_VERSION)
        if image is None or found is None:
            raise Refusal(404, "The requested URL was not found on this server.")
        permission = f"artifactregistry.repositories.{_PERMISSIONS.get(request.method, 'upload')}Artifacts"
        self._access.demand(caller, permission, image.repository)
        repository = self._repository(image.repository)
        if request.method == "PUT" and found["what"] == "manifests" and _has_immutable_tags(repository):
            await self._keep_tag(request, location, image, found["which"])
        return await self._forward(request, location, image, f"{found['what']}/{found['which']}")

    def _caller(self, request: Request, image: Image | None) -> Caller:
        header = request.headers.get("authorization", "")
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "bearer":
            found = self._store.bearer(value, kind="image")
            if found is not None:
                return Caller(IDENTITIES[found[0]]) if found[0] else NOBODY
        if header:
            return self._access.caller(request)
        # Without a token nobody is anybody yet: the token endpoint decides, for anonymous callers too.
        host = request.headers["host"]
        challenge = f'Bearer realm="https://{host}/v2/token",service="{host}"'
        if image is not None:
            action = "pull" if request.method in ("GET", "HEAD") else "push,pull"
            challenge += f',scope="repository:{image.path}:{action}"'
        raise Refusal(401, "Unauthenticated request.", headers={"WWW-Authenticate": challenge})

    def _token(self, request: Request, location: str) -> Response:
        if request.method != "GET":
            # Clients then ask with GET, as they do at Google.
            raise Refusal(405, "Method Not Allowed")
        caller = self._access.caller(request)
        for scope in request.query_params.getlist("scope"):
            for one in scope.split():
                self._check_scope(caller, one, location)
        name = caller.identity.name if caller.identity else ""
        token = self._store.mint(name, self._token_lifetime, kind="image")
        return JSONResponse({"token": token, "access_token": token, "expires_in": int(self._token_lifetime)})

    def _check_scope(self, caller: Caller, scope: str, location: str) -> None:
        kind, _, rest = scope.partition(":")
        path, _, actions = rest.rpartition(":")
        parts = path.split("/")
        if kind != "repository" or len(parts) < 3:
            raise Refusal(403, f"The scope {scope} names no image: HOST/PROJECT/REPOSITORY/IMAGE.")
        name = repository_name(parts[0], location, parts[1])
        wanted = {"pull": "download", "push": "upload", "delete": "delete"}
        # "push" sorts after "pull", and of the two it is the one that a refusal names.
        for action in sorted(actions.split(","), reverse=True):
            permission = f"artifactregistry.repositories.{wanted.get(action, 'upload')}Artifacts"
            if not self._access.allows(caller, permission, name):
                raise _denied(caller, permission, name)

    def _repository(self, name: str) -> RepositoryRecord:
        repository = self._store.repository(name)
        if repository is None:
            raise Refusal(404, f'Repository "{name.rpartition("/")[2]}" not found')
        if repository.format != "DOCKER":
            raise Refusal(400, f"Repository {name} has the format {repository.format}, not DOCKER.")
        if repository.mode != "STANDARD_REPOSITORY":
            raise Refusal(
                501, f"The garscaffold sandbox plays standard repositories of images only, not {repository.mode}."
            )
        return repository

    async def _keep_tag(self, request: Request, location: str, image: Image, tag: str) -> None:
        if tag.startswith("sha256:"):
            return
        client = await self._started()
        kinds = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
        kinds += ", application/vnd.docker.distribution.manifest.list.v2+json"
        kinds += ", application/vnd.docker.distribution.manifest.v2+json"
        there = await client.head(f"/v2/{location}/{image.path}/manifests/{tag}", headers={"Accept": kinds})
        sent = f"sha256:{hashlib.sha256(await request.body()).hexdigest()}"
        if there.status_code == 200 and there.headers.get("docker-content-digest") != sent:
            raise Refusal(400, f"The tag {tag} of {image.path} is immutable and names another image already.")

    async def _forward(self, request: Request, location: str, image: Image, rest: str) -> Response:
        client = await self._started()
        ours, theirs = f"/v2/{image.path}/", f"/v2/{location}/{image.path}/"
        # A mount from another image would pass by the permissions of that one; without it the client uploads.
        query = [pair for pair in parse_qsl(request.url.query) if pair[0] not in ("mount", "from")]
        kept = {"accept", "content-type", "content-length", "content-range", "range", "if-none-match", "user-agent"}
        headers = [(name, value) for name, value in request.headers.items() if name in kept]
        sends = request.method in ("PUT", "POST", "PATCH")
        onward = client.build_request(
            request.method,
            f"{theirs}{rest}" + (f"?{urlencode(query)}" if query else ""),
            headers=headers,
            content=request.stream() if sends else None,
        )
        answer = await client.send(onward, stream=True)
        back = {
            name: value.replace(theirs, ours)
            for name, value in answer.headers.items()
            if name not in ("connection", "transfer-encoding", "date")
        }
        if rest.startswith("tags/") and answer.status_code == 200:
            document = json.loads(await answer.aread())
            await answer.aclose()
            back.pop("content-length", None)
            return JSONResponse({**document, "name": image.path}, headers=back)
        return StreamingResponse(_raw(answer), answer.status_code, back)

    async def _started(self) -> httpx.AsyncClient:
        async with self._starting:
            if self._client is None or (self._process is not None and self._process.returncode is not None):
                self._client = await self._start()
        return self._client

    async def _start(self) -> httpx.AsyncClient:
        program = _program()
        # A socket's path may have only some hundred characters, which a state directory's can exceed.
        self._folder = tempfile.mkdtemp(prefix="garscaffold-")
        socket, config = Path(self._folder) / "socket", Path(self._folder) / "config.yml"
        # JSON is YAML too.
        write_private(
            config,
            json.dumps(
                {
                    "version": 0.1,
                    "log": {"level": "error", "accesslog": {"disabled": True}},
                    "storage": {
                        "filesystem": {"rootdirectory": str(self._store.state.images)},
                        "delete": {"enabled": True},
                    },
                    "http": {
                        "net": "unix",
                        "addr": str(socket),
                        "relativeurls": True,
                        "secret": self._store.secret("images").hex(),
                    },
                }
            ),
        )
        self._process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            _WITH_US,
            program,
            str(config),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        for _ in range(_START_SECONDS * 50):
            if socket.exists():
                transport = httpx.AsyncHTTPTransport(uds=str(socket))
                return httpx.AsyncClient(transport=transport, base_url="http://registry", timeout=300)
            await asyncio.sleep(0.02)
        raise Refusal(503, f"{program} did not start within {_START_SECONDS} s.")


def _program() -> str:
    program = find(PROGRAM)
    if program is None:
        raise Refusal(
            501,
            f"The garscaffold sandbox plays images only where the program {PROGRAM} is installed "
            f"(apt-get install {PROGRAM}).",
        )
    return program


def _denied(caller: Caller, permission: str, name: str) -> Refusal:
    if caller.identity is None:
        # The token endpoint says 403 to anonymous callers too.
        return Refusal(
            403,
            "Unauthenticated request. Unauthenticated requests do not have permission "
            f'"{permission}" on resource "{name}" (or it may not exist)',
        )
    return Refusal(403, f'Permission "{permission}" denied on resource "{name}" (or it may not exist)')


def _has_immutable_tags(repository: RepositoryRecord) -> bool:
    return bool(repository.resource.get("dockerConfig", {}).get("immutableTags"))


async def _raw(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw(1 << 16):
            yield chunk
    finally:
        await answer.aclose()
