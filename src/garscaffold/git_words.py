"""What of git's words says something to a person."""

NOTHING = "git said nothing"
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


def telling(text: str) -> str:
    """Return what of git's words says something, in one line."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(NEXT_TO_NOTHING) and not line.startswith("! [")]
    words = [line.removeprefix("remote: ").removeprefix("error: ").removeprefix("fatal: ").strip() for line in lines]
    told = [word for word in dict.fromkeys(words) if word and word != "remote:"]
    return "; ".join(told[:3]) or NOTHING
