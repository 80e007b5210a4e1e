"""What answers behind the proxy: the request's host decides who."""

import asyncio
import re
import time
from collections import deque
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from garscaffold.sandbox import identities
from garscaffold.sandbox.access import Access
from garscaffold.sandbox.admin import AdminApi
from garscaffold.sandbox.fault_effects import Call, suffer
from garscaffold.sandbox.images import Images
from garscaffold.sandbox.oauth import TokenEndpoints
from garscaffold.sandbox.preparation import ServerOptions
from garscaffold.sandbox.python_index import PythonIndex
from garscaffold.sandbox.refusals import Refusal, not_played, unauthenticated
from garscaffold.sandbox.store import Store
from garscaffold.sandbox.upstream import Upstream

_REMEMBERED_REQUESTS = 10_000


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
