"""Faults by name: what goes wrong at Google, on request."""

from garscaffold.errors import ExitCode, GarscaffoldError
from garscaffold.sandbox.store import Fault

FAULTS = {
    "api-disabled": "every call is 403 with the reason SERVICE_DISABLED",
    "permission-denied": "every call with credentials is 403",
    "token-expired": "every call with credentials is 401, as with a token past its 60 minutes",
    "invalid-grant": "the token endpoint refuses to refresh, as after a revoked or expired login",
    "unavailable-503": "every call is 503",
    "quota-429": "every call is 429 with the reason RATE_LIMIT_EXCEEDED",
    "slow-operation": "long-running operations take 5 seconds, or VALUE",
    "slow-answer": "every answer takes 2 seconds longer, or VALUE",
    "upload-503": "an upload is stored, and answered with 503 all the same: sent again, it is a duplicate",
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
