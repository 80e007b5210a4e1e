"""What names a template: from what somebody types to what a project records, and plain Copier reads.

Copier (its `get_repo`) takes an address for a git repository when it ends in `.git`, begins with `git@`, `git://` or
`git+`, or is at GitHub or GitLab. Any other gets `git+` in front, which says the same and works with both.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from garscaffold.errors import GarscaffoldError, usage_error
from garscaffold.template.bundle import SOURCE

CARRIED = "default"
"""The word for the template that garscaffold carries."""
ALIASES = ("gh:", "gl:")
KNOWN_TO_COPIER = ("git@", "git://", "git+", "https://github.com/", "https://gitlab.com/")
# user@host:path and host.domain:path, as ssh's own copying program writes it.
SCP_FORM = re.compile(r"[\w.-]+@[\w.-]+:.+|[\w-]+(\.[\w-]+)+:.+")


def recorded_source(text: str, *, home: Path, here: Path) -> str:
    """Return what a project records for a template.

    Args:
        text: An address, a path, or `default`.
        home: The user's home folder.
        here: Where relative paths begin.

    Raises:
        GarscaffoldError: It is empty, or it holds a credential, which the project's files would show to everybody.
    """
    text = text.strip()
    if not text:
        raise usage_error("The template's address is empty.", mend="Name a URL, a path, or: default")
    if text == CARRIED:
        return SOURCE
    refuse_credential(text)
    if text.startswith(ALIASES):
        return text
    address = text.removeprefix("git+")
    if "://" in address or SCP_FORM.fullmatch(address):
        known = text.startswith(KNOWN_TO_COPIER) or text.endswith(".git")
        return text if known else f"git+{text}"
    return _recorded_path(address, home, here)


def refuse_credential(text: str, *, reader: str = "every file that records it") -> None:
    """Refuse an address with a user or password where clients would send them as a credential.

    The user name of ssh is no secret and the same for everybody, so it may stay.

    Args:
        text: The address.
        reader: What would show it.

    Raises:
        GarscaffoldError: It holds one; the sentence does not repeat it.
    """
    if "://" not in text:
        return
    parts = urlsplit(text.removeprefix("git+"))
    user_info, at, host = parts.netloc.rpartition("@")
    if at and (":" in user_info or parts.scheme in {"http", "https"}):
        raise GarscaffoldError(
            f"The address at {host} holds a user name or a password, which {reader} would show.",
            mend=f"Leave it out: {parts.scheme}://{host}{parts.path} (git asks its credential helper, or use ssh)",
        )


def _recorded_path(text: str, home: Path, here: Path) -> str:
    path = home / text.removeprefix("~/") if text.startswith("~/") else here / text
    absolute = Path(os.path.normpath(path))
    if absolute == home / SOURCE.removeprefix("~/"):
        return SOURCE
    if text.startswith("~/"):
        return text
    bare = (absolute / "HEAD").is_file() and not (absolute / ".git").exists() and absolute.suffix != ".git"
    # Copier knows a bare repository by its ending only.
    return f"git+{absolute}" if bare else str(absolute)
