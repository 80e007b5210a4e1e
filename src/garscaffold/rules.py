"""The rules of names: each function returns the one that a text breaks, as a sentence, or '' when it is well.

They are those of the template's questions, where it asks for the same thing.
"""

import re


def check_project(text: str) -> str:
    """Check the id of a Google Cloud project."""
    if re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", text):
        return ""
    return (
        "A project id has 6 to 30 lower-case letters, digits and hyphens, starts with a letter and does not end with "
        "a hyphen."
    )


def check_location(text: str) -> str:
    """Check the form of a location; which ones exist is the service's to say."""
    if re.fullmatch(r"us|europe|asia|[a-z]+-[a-z]+[1-9][0-9]?", text):
        return ""
    return "A location is a region such as europe-west1, or one of us, europe and asia."


def check_repository_name(text: str) -> str:
    """Check the id of a repository."""
    if re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", text):
        return ""
    return (
        "A repository id has at most 63 lower-case letters, digits and hyphens, starts with a letter and does not end "
        "with a hyphen."
    )


_ADDRESS = r"[^\s@:/]+@[^\s@:/]+\.[^\s@:/.]+"
_MEMBERS = (
    rf"(user|group|serviceAccount):{_ADDRESS}",
    r"serviceAccount:[a-z0-9.:-]+\.svc\.id\.goog\[[^\s/\]]+/[^\s/\]]+\]",
    r"domain:[^\s@:/]+\.[^\s@:/.]+",
    r"project(Owner|Editor|Viewer):[a-z0-9.:-]+",
    r"principal(Set)?://[a-z.]+\.googleapis\.com/\S+/\S+",
    r"allUsers|allAuthenticatedUsers",
)


def check_member(text: str) -> str:
    """Check an IAM member (https://cloud.google.com/iam/docs/principal-identifiers)."""
    if any(re.fullmatch(pattern, text) for pattern in _MEMBERS):
        return ""
    if re.fullmatch(_ADDRESS, text):
        kind = "serviceAccount" if text.endswith(".gserviceaccount.com") else "user"
        return f"{text!r} does not say what it is: write {kind}:{text}" + (
            f", or group:{text}." if kind == "user" else "."
        )
    return (
        f"{text!r} is no member: write user:EMAIL, group:EMAIL, serviceAccount:EMAIL, domain:DOMAIN, "
        "principal://… or principalSet://…"
    )


def check_kms_key(text: str, location: str) -> str:
    """Check the whole name of a key of Cloud KMS that is to encrypt a repository in `location`."""
    found = re.fullmatch(r"projects/[^/\s]+/locations/([^/\s]+)/keyRings/[^/\s]+/cryptoKeys/[^/\s]+", text)
    if not found:
        return "A key is named projects/P/locations/L/keyRings/RING/cryptoKeys/KEY."
    if found[1] != location:
        return f"The key is in {found[1]}, and a repository in {location} needs a key of the same location."
    return ""


def check_label(key: str, value: str) -> str:
    """Check a label."""
    if re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) and re.fullmatch(r"[a-z0-9_-]{0,63}", value):
        return ""
    return (
        "A label is KEY=VALUE, each of at most 63 lower-case letters, digits, underscores and hyphens; a key starts "
        "with a letter."
    )
