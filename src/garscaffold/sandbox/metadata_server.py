"""The metadata server, for what runs on Google: one port speaks for one identity.

The paths are those that google-auth and gcloud ask for
(https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys).
"""

import time

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from garscaffold.sandbox.identities import HOME_PROJECT, Identity
from garscaffold.sandbox.store import Store

_FLAVOR = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class MetadataServer:
    """Answers as the metadata server of a machine that runs as one identity.

    Args:
        store: Where tokens are made.
        identity: Whom the machine runs as.
        lifetime: After how many seconds a token expires.
    """

    def __init__(self, store: Store, identity: Identity, lifetime: float) -> None:
        self._store = store
        self._identity = identity
        self._lifetime = lifetime

    def answer(self, request: Request) -> Response:
        """Answer one request."""
        if request.url.path == "/":
            return PlainTextResponse("computeMetadata/\n", headers=_FLAVOR)
        if request.headers.get("metadata-flavor", "").lower() != "google":
            return PlainTextResponse("Missing required header “Metadata-Flavor: Google”.\n", 403, _FLAVOR)
        path = request.url.path.removeprefix("/computeMetadata/v1/")
        account = {"aliases": ["default"], "email": self._identity.email, "scopes": [_SCOPE]}
        prefix, _, leaf = path.rpartition("/")
        if prefix in ("instance/service-accounts/default", f"instance/service-accounts/{self._identity.email}"):
            if leaf == "token":
                token = self._store.mint(self._identity.name, self._lifetime)
                answer = {"access_token": token, "expires_in": int(self._lifetime), "token_type": "Bearer"}
                return JSONResponse(answer, headers=_FLAVOR)
            if leaf == "identity":
                return PlainTextResponse(self._id_token(request.query_params.get("audience", "")), headers=_FLAVOR)
            if not leaf:
                if request.query_params.get("recursive"):
                    return JSONResponse(account, headers=_FLAVOR)
                return PlainTextResponse("aliases\nemail\nidentity\nscopes\ntoken\n", headers=_FLAVOR)
            if leaf in account:
                value = account[leaf]
                return PlainTextResponse(value if isinstance(value, str) else "\n".join(value), headers=_FLAVOR)
        plain = {
            "instance/service-accounts/": f"default/\n{self._identity.email}/\n",
            "instance/service-accounts": f"default/\n{self._identity.email}/\n",
            "project/project-id": HOME_PROJECT,
            "project/numeric-project-id": "123456789012",
            "universe/universe-domain": "googleapis.com",
            "universe/universe_domain": "googleapis.com",
            "instance/zone": "projects/123456789012/zones/europe-west3-a",
            "instance/id": "1234567890123456789",
        }
        if path in plain:
            return PlainTextResponse(plain[path], headers=_FLAVOR)
        return PlainTextResponse("Not Found\n", 404, _FLAVOR)

    def _id_token(self, audience: str) -> str:
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": audience,
            "email": self._identity.email,
            "iat": now,
            "exp": now + int(self._lifetime),
        }
        return jwt.encode(claims, self._store.secret("id-token"), algorithm="HS256")
