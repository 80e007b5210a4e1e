"""A request that is refused, and how each host says so."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

_STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}

UNAUTHENTICATED = "The request does not have valid authentication credentials."
"""What pkg.dev says with 401."""


class Refusal(Exception):
    """A request that is answered with an error.

    Args:
        code: The HTTP status.
        sentence: What the caller is told.
        status: The name of the status in Google's API; by the HTTP status when empty.
        details: `error.details` of Google's API.
        headers: Headers of the answer.
    """

    def __init__(
        self,
        code: int,
        sentence: str,
        *,
        status: str = "",
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.status = status or _STATUS_NAMES.get(code, "UNKNOWN")
        self.details = tuple(details)
        self.headers = dict(headers or {})

    def as_text(self) -> Response:
        """Return the answer as pkg.dev gives it to package clients."""
        return PlainTextResponse(f"{self.sentence}\n", self.code, self.headers)

    def as_json(self) -> Response:
        """Return the answer as a Google API gives it (https://cloud.google.com/apis/design/errors)."""
        error: dict[str, Any] = {"code": self.code, "message": self.sentence, "status": self.status}
        if self.details:
            error["details"] = list(self.details)
        return JSONResponse({"error": error}, self.code, self.headers)


def unauthenticated() -> Refusal:
    """Return the refusal of a request without credentials, or with wrong ones."""
    return Refusal(401, UNAUTHENTICATED, headers={"WWW-Authenticate": 'Basic realm="Artifact Registry"'})


def denied(permission: str, resource: str) -> Refusal:
    """Return the refusal of a caller that lacks a permission; Google does not say whether the resource exists."""
    return Refusal(
        403,
        f'Permission "{permission}" denied on resource "{resource}" (or it may not exist)',
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "IAM_PERMISSION_DENIED",
                "domain": "artifactregistry.googleapis.com",
                "metadata": {"permission": permission, "resource": resource},
            }
        ],
    )


def not_played(what: str) -> Refusal:
    """Return the refusal of what exists at Google and not here."""
    return Refusal(501, f"The garscaffold sandbox does not play {what}; docs/sandbox.md lists what it plays.")
