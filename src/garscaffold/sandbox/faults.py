"""Faults by name: what goes wrong at Google, on request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from garscaffold.errors import ExitCode, GarscaffoldError
from garscaffold.sandbox.refusals import Refusal, denied, unauthenticated
from garscaffold.sandbox.store import Fault, Store

FAULTS = {
    "api-disabled": "every call is 403 with the reason SERVICE_DISABLED",
    "permission-denied": "every call with credentials is 403",
    "token-expired": "every call with credentials is 401, as with a token past its 60 minutes",
    "invalid-grant": "the token endpoint refuses to refresh, as after a revoked or expired login",
    "unavailable-503": "every call is 503",
    "quota-429": "every call is 429 with the reason RATE_LIMIT_EXCEEDED",
    "slow-operation": "long-running operations take 5 seconds, or VALUE",
    "slow-answer": "every answer takes 2 seconds longer, or VALUE",
    "upload-cut": "the connection is cut after an upload was stored and before it is acknowledged",
}
"""Every fault and what it does."""

_DEFAULT_VALUES = {"slow-operation": 5.0, "slow-answer": 2.0}


def parse_fault(text: str) -> Fault:
    """Return the fault that `NAME`, `NAME=VALUE` or `NAME:TIMES` asks for.

    `unavailable-503:2` happens to the next two calls; `slow-operation=30` takes 30 seconds.

    Raises:
        GarscaffoldError: There is no such fault, or its number is none.
    """
    head, _, times = text.partition(":")
    name, _, value = head.partition("=")
    if name not in FAULTS:
        raise GarscaffoldError(
            f"The sandbox has no fault “{name}”.", mend=f"Use one of {', '.join(FAULTS)}.", exit_code=ExitCode.USAGE
        )
    try:
        return Fault(name, float(value or _DEFAULT_VALUES.get(name, 0)), int(times) if times else None)
    except ValueError:
        raise GarscaffoldError(
            f"“{text}” has a part that is not a number.",
            mend="Write NAME, NAME=SECONDS or NAME:TIMES.",
            exit_code=ExitCode.USAGE,
        ) from None


@dataclass(frozen=True)
class Call:
    """What a fault may depend on.

    Args:
        host: The host that was asked.
        resource: The project or repository that was asked for.
        has_credentials: Whether the caller sent any.
    """

    host: str
    resource: str
    has_credentials: bool


async def suffer(store: Store, call: Call, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Let the faults that are on happen to one call.

    Raises:
        Refusal: A fault refuses the call.
    """
    faults = store.faults()
    if not faults:
        return
    if "slow-answer" in faults and (fault := store.spend_fault("slow-answer")):
        await sleep(fault.value)
    if call.host in ("oauth2.googleapis.com", "sts.googleapis.com"):
        return
    for name in ("api-disabled", "unavailable-503", "quota-429", "token-expired", "permission-denied"):
        needs_credentials = name in ("token-expired", "permission-denied")
        if name in faults and (call.has_credentials or not needs_credentials) and store.spend_fault(name):
            raise _refusal(name, call)


def _refusal(name: str, call: Call) -> Refusal:
    project = call.resource.split("/")[1] if call.resource.startswith("projects/") else "unknown"
    if name == "api-disabled":
        url = (
            f"https://console.developers.google.com/apis/api/artifactregistry.googleapis.com/overview?project={project}"
        )
        return Refusal(
            403,
            f"Artifact Registry API has not been used in project {project} before or it is disabled. Enable it by "
            f"visiting {url} then retry. If you enabled this API recently, wait a few minutes for the action to "
            "propagate to our systems and retry.",
            details=[
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "SERVICE_DISABLED",
                    "domain": "googleapis.com",
                    "metadata": {
                        "consumer": f"projects/{project}",
                        "service": "artifactregistry.googleapis.com",
                        "serviceTitle": "Artifact Registry API",
                        "activationUrl": url,
                    },
                },
                {
                    "@type": "type.googleapis.com/google.rpc.Help",
                    "links": [{"description": "Google developers console API activation", "url": url}],
                },
            ],
        )
    if name == "unavailable-503":
        return Refusal(503, "The service is currently unavailable.")
    if name == "quota-429":
        return Refusal(
            429,
            "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute per region' of service "
            f"'artifactregistry.googleapis.com' for consumer 'project:{project}'.",
            details=[
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "RATE_LIMIT_EXCEEDED",
                    "domain": "googleapis.com",
                    "metadata": {"consumer": f"projects/{project}", "service": "artifactregistry.googleapis.com"},
                }
            ],
        )
    if name == "token-expired":
        return unauthenticated()
    return denied("artifactregistry.repositories.get", call.resource)
