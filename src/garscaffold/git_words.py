"""What of git's words says something to a person."""

import re
from collections.abc import Mapping

NOTHING = "git said nothing"
NO_END = "it did not end within"
"""What is said where git was waited for too long."""
NEXT_TO_NOTHING = (
    "Please make sure you have the correct access rights",
    "and the repository exists.",
    "fatal: Could not read from remote repository.",
    "fatal: the remote end hung up unexpectedly",
    "error: failed to push some refs",
    "Cloning into",
    "warning:",
    "hint:",
    "To ",
)
UNASKED = {
    "Host key verification failed": "Nobody is asked here. Let ssh know the host first, by",
    "Permission denied (": "Nobody is asked here: a key with a passphrase needs ssh-add. Then check it with",
    NO_END: "Does it answer? A slow one gets more time with GARSCAFFOLD_NETWORK_TIMEOUT=1h. Look with",
}
"""What mends that ssh had a question, or nobody answers, by what is said then."""


MEANWHILE = re.compile(
    r"already exists|fetch first|incorrect old value|non-fast-forward|stale info|cannot lock ref|failed to update ref"
)
"""Why a push is refused where somebody else pushed between our look and it; servers word it as they like."""
IN_THE_WAY = "cannot create"
"""Said with the same reason where a branch `a` is in the way of a branch `a/b`."""


def advice(text: str, *, otherwise: str = "Check the network and your access with") -> str:
    """Return what helps where git could not reach a repository and said `text`; a command of git's follows."""
    return next((mend for said, mend in UNASKED.items() if said in text), otherwise)


def refusals(text: str) -> dict[str, str]:
    """Return which branches and tags a push with `--porcelain` says were refused for themselves, with the reason.

    What was only refused since all or none are pushed is not among them.
    """
    found = {}
    for line in text.splitlines():
        flag, _, rest = line.partition("\t")
        names, _, summary = rest.partition("\t")
        if flag == "!" and "atomic" not in summary:
            reason = summary.partition("(")[2].removesuffix(")") or summary
            found[names.partition(":")[2].split("/", 2)[-1]] = reason
    return found


def is_meanwhile(reasons: Mapping[str, str], said: str) -> bool:
    """Tell whether a push was refused only since somebody else pushed meanwhile.

    Args:
        reasons: What `refusals` gave.
        said: What else was said.
    """
    told = list(reasons.values())
    if not told and "cannot lock ref" in said:
        # All or none were pushed, and the reason is only in the words.
        told = [said]
    return bool(told) and all(map(MEANWHILE.search, told)) and not any(IN_THE_WAY in each for each in [*told, said])


def telling(text: str) -> str:
    """Return what of git's words says something, in one line."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(NEXT_TO_NOTHING) and not line.startswith("! [")]
    words = [line.removeprefix("remote: ").removeprefix("error: ").removeprefix("fatal: ").strip() for line in lines]
    told = [word for word in dict.fromkeys(words) if word and word != "remote:"]
    return "; ".join(told[:3]) or NOTHING
