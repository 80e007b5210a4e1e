"""What the faults that are switched on do to a call."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from garscaffold.sandbox.refusals import Refusal, denied, unauthenticated
from garscaffold.sandbox.store import Store

# Hosts that are not part of Artifact Registry, by the service that is enabled for them.
_SERVICES = {
    "iamcredentials.googleapis.com": ("iamcredentials.googleapis.com", "IAM Service Account Credentials API"),
}


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
        service, title = _SERVICES.get(call.host, ("artifactregistry.googleapis.com", "Artifact Registry API"))
        url = f"https://console.developers.google.com/apis/api/{service}/overview?project={project}"
        return Refusal(
            403,
            f"{title} has not been used in project {project} before or it is disabled. Enable it by "
            f"visiting {url} then retry. If you enabled this API recently, wait a few minutes for the action to "
            "propagate to our systems and retry.",
            details=[
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "SERVICE_DISABLED",
                    "domain": "googleapis.com",
                    "metadata": {
                        "consumer": f"projects/{project}",
                        "service": service,
                        "serviceTitle": title,
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
