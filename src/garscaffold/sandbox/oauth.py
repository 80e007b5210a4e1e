"""The endpoints that give tokens: OAuth 2, security token service, service account credentials."""

import json
import time
from typing import Any
from urllib.parse import parse_qsl

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from garscaffold.sandbox.access import TOKEN_ENDPOINT, Access
from garscaffold.sandbox.identities import BY_EMAIL, IDENTITIES, Identity
from garscaffold.sandbox.refusals import Refusal, denied, not_played
from garscaffold.sandbox.store import Store

LONGEST_SUBJECT = 127
"""How many bytes `google.subject` of a workload identity may have."""

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class TokenEndpoints:
    """oauth2, sts and iamcredentials.googleapis.com.

    Args:
        store: Where tokens are.
        access: Verifies assertions.
        lifetime: After how many seconds an access token expires.
    """

    def __init__(self, store: Store, access: Access, lifetime: float) -> None:
        self._store = store
        self._access = access
        self._lifetime = lifetime

    async def oauth2(self, request: Request) -> Response:
        """Answer a request to oauth2.googleapis.com."""
        fields = {**request.query_params, **dict(parse_qsl((await request.body()).decode("utf-8", "replace")))}
        if request.url.path == "/tokeninfo":
            return self._token_info(fields)
        if request.url.path == "/revoke":
            return JSONResponse({})
        if request.url.path != "/token" or request.method != "POST":
            raise not_played(f"{request.method} {request.url.path} of oauth2.googleapis.com")
        if self._store.faults().get("invalid-grant") and self._store.spend_fault("invalid-grant"):
            return _bad_grant("Token has been expired or revoked.")
        if fields.get("grant_type") == "refresh_token":
            return self._refresh(fields)
        if fields.get("grant_type") == _JWT_BEARER:
            return self._exchange_assertion(fields)
        return JSONResponse(
            {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"}, status_code=400
        )

    async def iam_credentials(self, request: Request) -> Response:
        """Answer a request to iamcredentials.googleapis.com: impersonation."""
        caller = self._access.caller(request)
        account, _, verb = request.url.path.rpartition("/")[2].partition(":")
        target = BY_EMAIL.get(account)
        if verb != "generateAccessToken" or request.method != "POST":
            raise not_played(f"“{verb}” of service accounts")
        resource = f"projects/-/serviceAccounts/{account}"
        if target is None or not self._access.allows(caller, "iam.serviceAccounts.getAccessToken", resource):
            raise denied("iam.serviceAccounts.getAccessToken", resource)
        body = json.loads(await request.body() or b"{}")
        lifetime = min(float(str(body.get("lifetime", "3600s")).rstrip("s")), self._lifetime)
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + lifetime))
        return JSONResponse({"accessToken": self._store.mint(target.name, lifetime), "expireTime": expires})

    async def sts(self, request: Request) -> Response:
        """Answer a request to sts.googleapis.com: a token of another provider for one of ours.

        Only subject tokens that the sandbox made itself are taken (`Sandbox.subject_token`): it knows no provider, and
        is told what a mapping makes of a token. Google documents how long that may be where it describes
        `attributeMapping` of a WorkloadIdentityPoolProvider ("google.subject … Cannot exceed 127 bytes",
        https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools.providers); its
        words are quoted in the troubleshooting of google-github-actions/auth.
        """
        fields = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        if request.url.path != "/v1/token" or request.method != "POST":
            raise not_played(f"{request.method} {request.url.path} of sts.googleapis.com")
        found = self._store.bearer(fields.get("subject_token", ""), kind="subject")
        if found is None:
            return _bad_grant("The subject token is not one that this sandbox issued.")
        if len(self._store.subject_of(fields["subject_token"]).encode()) > LONGEST_SUBJECT:
            return _bad_request(
                f"The size of mapped attribute google.subject exceeds the {LONGEST_SUBJECT} bytes limit. Either modify "
                "your attribute mapping or the incoming assertion to produce a mapped attribute that is less than "
                f"{LONGEST_SUBJECT} bytes."
            )
        return JSONResponse(
            {
                **self._access_token(IDENTITIES[found[0]]),
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            }
        )

    def _refresh(self, fields: dict[str, str]) -> Response:
        found = self._store.bearer(fields.get("refresh_token", ""), kind="refresh")
        if found is None:
            return _bad_grant("Token has been expired or revoked.")
        identity = IDENTITIES[found[0]]
        answer = self._access_token(identity)
        return JSONResponse({**answer, "scope": f"openid {_SCOPE}", "id_token": self._id_token(identity, fields)})

    def _exchange_assertion(self, fields: dict[str, str]) -> Response:
        try:
            identity, claims = self._access.of_assertion(fields.get("assertion", ""), audience=TOKEN_ENDPOINT)
        except Refusal:
            return _bad_grant("Invalid JWT Signature.")
        if "target_audience" in claims:
            return JSONResponse({"id_token": self._id_token(identity, {"client_id": claims["target_audience"]})})
        if not claims.get("scope"):
            return JSONResponse(
                {"error": "invalid_scope", "error_description": "Invalid OAuth scope or ID token audience provided."},
                status_code=400,
            )
        return JSONResponse(self._access_token(identity))

    def _token_info(self, fields: dict[str, str]) -> Response:
        found = self._store.bearer(fields.get("access_token", ""))
        if found is None:
            return JSONResponse({"error": "invalid_token", "error_description": "Invalid Value"}, status_code=400)
        identity, expires = IDENTITIES[found[0]], found[1]
        return JSONResponse(
            {
                "azp": identity.email,
                "aud": identity.email,
                "email": identity.email,
                "email_verified": "true",
                "exp": str(int(expires)),
                "expires_in": str(int(expires - time.time())),
                "scope": _SCOPE,
            }
        )

    def _access_token(self, identity: Identity) -> dict[str, Any]:
        token = self._store.mint(identity.name, self._lifetime)
        return {"access_token": token, "expires_in": int(self._lifetime), "token_type": "Bearer"}

    def _id_token(self, identity: Identity, fields: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": fields.get("client_id", ""),
            "sub": identity.email,
            "email": identity.email,
            "email_verified": True,
            "iat": now,
            "exp": now + int(self._lifetime),
        }
        # Nobody verifies this one: clients only read the email out of it.
        return jwt.encode(claims, self._store.secret("id-token"), algorithm="HS256")


def _bad_request(description: str) -> Response:
    return JSONResponse({"error": "invalid_request", "error_description": description}, status_code=400)


def _bad_grant(description: str) -> Response:
    return JSONResponse({"error": "invalid_grant", "error_description": description}, status_code=400)
