"""LOCATION-python.pkg.dev: simple pages, downloads and uploads."""

import asyncio
import base64
import hmac
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from garscaffold.sandbox.access import Access
from garscaffold.sandbox.refusals import Refusal, not_played
from garscaffold.sandbox.simple import Distribution, Link, merge, read_filename, write_page
from garscaffold.sandbox.store import AlreadyThere, FileRecord, RepositoryRecord, Store, repository_name
from garscaffold.sandbox.upstream import Upstream

DOWNLOAD = "artifactregistry.repositories.downloadArtifacts"
UPLOAD = "artifactregistry.repositories.uploadArtifacts"

_PATH = re.compile(r"/(?P<project>[^/]+)/(?P<repository>[^/]+)/(?P<rest>.*)", re.DOTALL)
_DOWNLOAD_PATH = re.compile(r"/artifacts-downloads/namespaces/[^/]+/repositories/[^/]+/downloads/(?P<ticket>[^/]+)")
_PACKAGE = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_TICKET_SECONDS = 3600
_SMALL = 4 << 20


@dataclass(frozen=True)
class Found:
    """A file that a repository shows: the repository that holds it, and its link there."""

    holder: RepositoryRecord
    link: Link


class PythonIndex:
    """Answers requests to `LOCATION-python.pkg.dev`.

    Args:
        store: Repositories and files.
        access: Checks callers.
        upstream: What remote repositories read.
    """

    def __init__(self, store: Store, access: Access, upstream: Upstream) -> None:
        self._store = store
        self._access = access
        self._upstream = upstream
        self._secret = store.secret("downloads")

    async def answer(self, request: Request, location: str) -> Response:
        """Answer one request.

        Raises:
            Refusal: With the status and the words that Google uses.
        """
        path = request.url.path
        if ticket := _DOWNLOAD_PATH.fullmatch(path):
            return await self._download(request, ticket["ticket"])
        parts = _PATH.fullmatch(path)
        caller = self._access.caller(request)
        if parts is None:
            raise Refusal(404, "The requested URL was not found on this server.")
        name = repository_name(parts["project"], location, parts["repository"])
        if request.method == "POST" and not parts["rest"]:
            self._access.demand(caller, UPLOAD, name)
            return await self._upload(request, self._repository(name))
        if request.method not in ("GET", "HEAD"):
            raise Refusal(405, f"Method {request.method} is not allowed here.")
        self._access.demand(caller, DOWNLOAD, name)
        repository = self._repository(name)
        if page := re.fullmatch(rf"simple/({_PACKAGE})/", parts["rest"]):
            return await self._page(repository, canonicalize_name(page[1]))
        if file := re.fullmatch(rf"({_PACKAGE})/([^/]+)", parts["rest"]):
            return await self._redirect(repository, canonicalize_name(file[1]), file[2])
        raise Refusal(404, "The requested URL was not found on this server.")

    def _repository(self, name: str) -> RepositoryRecord:
        repository = self._store.repository(name)
        if repository is None:
            raise Refusal(404, f"Repository not found: {name}")
        if repository.format != "PYTHON":
            raise Refusal(400, f"Repository {name} has the format {repository.format}, not PYTHON.")
        return repository

    async def _page(self, repository: RepositoryRecord, package: str) -> Response:
        found = await self._found(repository, package)
        if not found:
            raise Refusal(404, f"Package not found: {package}")
        return HTMLResponse(write_page(package, (each.link for each in found)))

    async def _found(self, repository: RepositoryRecord, package: str) -> Sequence[Found]:
        if repository.mode == "VIRTUAL_REPOSITORY":
            policies = repository.resource.get("virtualRepositoryConfig", {}).get("upstreamPolicies", [])
            upstreams = [
                (self._store.repository(each["repository"]), int(each.get("priority", 0))) for each in policies
            ]
            holders = [(holder, priority) for holder, priority in upstreams if holder and holder.format == "PYTHON"]
            found = await asyncio.gather(*(self._found(holder, package) for holder, _ in holders))
            layers = [(holders[index][1], [each.link for each in layer]) for index, layer in enumerate(found)]
            return [Found(holders[index][0], link) for index, link in merge(layers)]
        if repository.mode == "REMOTE_REPOSITORY":
            links = await self._upstream.links(await self._index_of(repository), package)
            return [Found(repository, link) for link in links]
        return [
            Found(repository, Link(file.filename, sha256=file.sha256, requires_python=file.requires_python))
            for file in self._store.files(repository.name, package)
        ]

    async def _index_of(self, repository: RepositoryRecord) -> str:
        config: dict[str, Any] = repository.resource.get("remoteRepositoryConfig", {})
        python: dict[str, Any] = config.get("pythonRepository", {})
        custom = python.get("customRepository", {}).get("uri") or config.get("commonRepository", {}).get("uri")
        if custom:
            return f"{str(custom).rstrip('/').removesuffix('/simple')}/simple"
        return await self._upstream.public_index()

    async def _redirect(self, repository: RepositoryRecord, package: str, filename: str) -> Response:
        for found in await self._found(repository, package):
            if found.link.filename == filename:
                ticket = self._ticket(found.holder.name, package, filename)
                where = f"namespaces/{repository.project}/repositories/{repository.repository_id}/downloads/{ticket}"
                return RedirectResponse(f"/artifacts-downloads/{where}", 307)
        raise Refusal(404, f"File not found: {filename}")

    def _ticket(self, holder: str, package: str, filename: str) -> str:
        """Return what gives the right to download one file for a while: uv sends no credentials after a redirect."""
        expires = int(time.time()) + _TICKET_SECONDS
        claim = json.dumps([holder, package, filename, expires]).encode()
        signature = hmac.digest(self._secret, claim, "sha256")[:16]
        return base64.urlsafe_b64encode(signature + claim).decode().rstrip("=")

    def _read_ticket(self, ticket: str) -> tuple[str, str, str]:
        try:
            raw = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
            signature, claim = raw[:16], raw[16:]
            if hmac.compare_digest(signature, hmac.digest(self._secret, claim, "sha256")[:16]):
                holder, package, filename, expires = json.loads(claim)
                if expires > time.time():
                    return holder, package, filename
        except ValueError:
            pass
        raise Refusal(403, "The download link is not valid, or has expired.")

    async def _download(self, request: Request, ticket: str) -> Response:
        holder, package, filename = self._read_ticket(ticket)
        repository = self._repository(holder)
        link = next(
            (each.link for each in await self._found(repository, package) if each.link.filename == filename), None
        )
        if link is None:
            raise Refusal(404, f"File not found: {filename}")
        path = self._store.blob_path(link.sha256) if link.sha256 else None
        if path is not None and path.exists():
            if path.stat().st_size <= _SMALL and "range" not in request.headers:
                return Response(path.read_bytes(), media_type="application/octet-stream")
            return FileResponse(path, media_type="application/octet-stream")
        if request.method == "HEAD":
            return Response(media_type="application/octet-stream")
        download = await self._upstream.download(link)
        headers = {"Content-Length": str(download.total)} if download.total is not None else {}
        return StreamingResponse(download.read(), media_type="application/octet-stream", headers=headers)

    async def _upload(self, request: Request, repository: RepositoryRecord) -> Response:
        if repository.mode != "STANDARD_REPOSITORY":
            raise Refusal(
                400, f"Cannot upload to {repository.name}: it is a {repository.mode}.", status="FAILED_PRECONDITION"
            )
        async with request.form(max_part_size=32 << 20, max_fields=5000) as form:
            if form.get(":action") != "file_upload":
                raise not_played(f"the upload action {form.get(':action')!r}")
            content = form.get("content")
            if not isinstance(content, UploadFile) or not content.filename:
                raise Refusal(400, "The upload has no file in its field “content”.")
            fields: dict[str, Any] = {}
            for name, value in form.multi_items():
                if isinstance(value, str):
                    fields.setdefault(name, []).append(value)
            distribution = _checked(content.filename, {name: values[0] for name, values in fields.items()})
            if self._store.file(repository.name, content.filename) is not None:
                raise _duplicate()
            blob = await asyncio.to_thread(self._store.keep_blob, content.file)
            promised = fields.get("sha256_digest", [blob.sha256])[0].lower()
            if promised != blob.sha256:
                raise Refusal(400, "The content does not have the SHA-256 that the upload names.")
            record = FileRecord(
                repository=repository.name,
                package=distribution.package,
                version=str(distribution.version),
                filename=content.filename,
                sha256=blob.sha256,
                size=blob.size,
                requires_python=fields.get("requires_python", [""])[0],
                metadata={name: values for name, values in fields.items() if name != ":action"},
                created=time.time(),
            )
            try:
                await asyncio.to_thread(self._store.add_file, record)
            except AlreadyThere:
                raise _duplicate() from None
        if self._store.faults().get("upload-503") and self._store.spend_fault("upload-503"):
            raise Refusal(503, "The service is currently unavailable.")
        return PlainTextResponse("")


def _checked(filename: str, fields: dict[str, str]) -> Distribution:
    distribution = read_filename(filename)
    if distribution is None or "/" in filename or "\\" in filename:
        raise Refusal(400, f"{filename} is not the name of a wheel or a source distribution.")
    try:
        same = (
            canonicalize_name(fields.get("name", "")) == distribution.package
            and Version(fields.get("version", "")) == distribution.version
        )
    except InvalidVersion:
        same = False
    if not same:
        raise Refusal(400, f"The name and version of the upload are not those of {filename}.")
    return distribution


def _duplicate() -> Refusal:
    return Refusal(400, "Requested entity already exists.")
