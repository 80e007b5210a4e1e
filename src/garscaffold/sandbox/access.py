"""Who is calling, and may they?"""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from starlette.requests import Request

from garscaffold.sandbox.identities import BY_EMAIL, IDENTITIES, Identity
from garscaffold.sandbox.refusals import denied, unauthenticated
from garscaffold.sandbox.roles import ROLES
from garscaffold.sandbox.store import EVERYWHERE, Store

API_AUDIENCE = "https://artifactregistry.googleapis.com/"
TOKEN_ENDPOINT = "https://oauth2.googleapis.com/token"  # noqa: S105  an address
_TOKEN_USERS = ("oauth2accesstoken", "_dcgcloud_token")


@dataclass(frozen=True)
class Caller:
    """Who sent a request; nobody when `identity` is None."""

    identity: Identity | None

    @property
    def members(self) -> frozenset[str]:
        """Every way in which a policy can mean this caller."""
        if self.identity is None:
            return frozenset({"allUsers"})
        domain = self.identity.email.partition("@")[2]
        return frozenset({"allUsers", "allAuthenticatedUsers", self.identity.member, f"domain:{domain}"})


NOBODY = Caller(None)


class Access:
    """Checks credentials and permissions against a store.

    Args:
        store: Where tokens, keys and policies are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        # Reading a private key takes milliseconds and a client sends it with every request.
        self._keys: dict[str, Identity] = {}

    def caller(self, request: Request) -> Caller:
        """Return who sent a request: Bearer, or Basic with one of the user names that Google knows.

        Raises:
            Refusal: The credentials are wrong or have expired (401).
        """
        header = request.headers.get("authorization", "")
        if not header:
            return NOBODY
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "bearer":
            return Caller(self._of_bearer(value.strip()))
        if scheme.lower() == "basic":
            return Caller(self._of_basic(value.strip()))
        raise unauthenticated()

    def allows(self, caller: Caller, permission: str, resource: str) -> bool:
        """Say whether a policy of the resource, its project or everywhere gives the caller the permission.

        Args:
            caller: Who asks.
            permission: For instance `artifactregistry.repositories.get`.
            resource: `projects/P/locations/L/repositories/R`, or a name above it.
        """
        project = "/".join(resource.split("/")[:2])
        for level in dict.fromkeys((resource, project, EVERYWHERE)):
            for binding in self._store.policy(level).bindings:
                if binding.get("condition"):
                    # Nothing here evaluates conditions, and a grant too few is the safer mistake.
                    continue
                if permission in ROLES.get(binding["role"], ()) and caller.members.intersection(binding["members"]):
                    return True
        return False

    def demand(self, caller: Caller, permission: str, resource: str) -> None:
        """Let the caller pass, or refuse.

        Raises:
            Refusal: 401 for a caller without credentials, 403 for one without the permission.
        """
        if not self.allows(caller, permission, resource):
            raise denied(permission, resource) if caller.identity else unauthenticated()

    def _of_basic(self, value: str) -> Identity:
        try:
            user, separator, password = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            raise unauthenticated() from None
        if not separator:
            raise unauthenticated()
        if user in _TOKEN_USERS:
            return self._of_bearer(password)
        if user == "_json_key":
            return self._of_key(password)
        if user == "_json_key_base64":
            try:
                return self._of_key(base64.b64decode("".join(password.split()), validate=True).decode())
            except ValueError:
                raise unauthenticated() from None
        raise unauthenticated()

    def _of_bearer(self, token: str) -> Identity:
        found = self._store.bearer(token)
        if found is not None:
            return IDENTITIES[found[0]]
        if token.count(".") == 2 and token.startswith("ey"):
            return self.of_assertion(token, audience=API_AUDIENCE)[0]
        raise unauthenticated()

    def _of_key(self, text: str) -> Identity:
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest not in self._keys:
            try:
                key = json.loads(text)
                known = self._store.public_key(key["private_key_id"])
                private = serialization.load_pem_private_key(key["private_key"].encode(), None)
                public = private.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
                if known is None or known[1].encode() != public or IDENTITIES[known[0]].email != key["client_email"]:
                    raise unauthenticated()
            except (ValueError, TypeError, KeyError, AttributeError):
                raise unauthenticated() from None
            self._keys[digest] = IDENTITIES[known[0]]
        return self._keys[digest]

    def of_assertion(self, assertion: str, *, audience: str) -> tuple[Identity, dict[str, Any]]:
        """Return who signed a JWT with a service account's key, and its claims.

        Raises:
            Refusal: The signature, issuer, audience or times are wrong (401).
        """
        try:
            known = self._store.public_key(jwt.get_unverified_header(assertion).get("kid", ""))
            if known is None:
                raise unauthenticated()
            # A self-signed token names either the API as its audience or, instead, the scopes it is for.
            claims: dict[str, Any] = jwt.decode(
                assertion,
                known[1],
                algorithms=["RS256"],
                leeway=10,
                options={"require": ["iss", "iat", "exp"], "verify_aud": False},
            )
        except jwt.InvalidTokenError:
            raise unauthenticated() from None
        identity = BY_EMAIL.get(claims["iss"])
        right_audience = claims.get("aud") == audience or (
            audience == API_AUDIENCE and "aud" not in claims and "cloud-platform" in str(claims.get("scope"))
        )
        if identity is None or identity.name != known[0] or not right_audience or claims["exp"] - claims["iat"] > 3610:
            raise unauthenticated()
        return identity, claims
