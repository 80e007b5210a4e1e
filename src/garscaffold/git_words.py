"""What of git's words says something to a person."""

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
UNSAID = {
    "Host key verification failed": "Nobody is asked here. Let ssh know the host first, by",
    "Permission denied (": "Nobody is asked here: a key with a passphrase needs ssh-add. Then check it with",
    NO_END: "Does it answer? A slow one gets more time with GARSCAFFOLD_NETWORK_TIMEOUT=1h. Look with",
}
"""What mends that ssh had a question, or nobody answers, by what is said then."""


def advice(text: str) -> str:
    """Return what helps where git could not reach a repository and said `text`; a command of git's follows."""
    return next((mend for said, mend in UNSAID.items() if said in text), "Check the network and your access with")


def telling(text: str) -> str:
    """Return what of git's words says something, in one line."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(NEXT_TO_NOTHING) and not line.startswith("! [")]
    words = [line.removeprefix("remote: ").removeprefix("error: ").removeprefix("fatal: ").strip() for line in lines]
    told = [word for word in dict.fromkeys(words) if word and word != "remote:"]
    return "; ".join(told[:3]) or NOTHING
