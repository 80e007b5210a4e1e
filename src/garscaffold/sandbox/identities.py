"""Who there is in a sandbox: a workstation's user and three service accounts, with their credential files."""

import json
from dataclasses import dataclass
from pathlib import Path

from garscaffold.errors import GarscaffoldError
from garscaffold.sandbox.state import StateDirectory

HOME_PROJECT = "garscaffold-sandbox"
"""The project that the service accounts belong to, and the default of every function that takes a project."""

ANONYMOUS = "anonymous"
"""The name for "no credentials at all" wherever an identity is asked for."""


@dataclass(frozen=True)
class Identity:
    """Somebody who can have credentials.

    Args:
        name: What the sandbox calls it: user, reader, writer, none.
        email: What Google calls it.
        member: How an IAM policy names it.
    """

    name: str
    email: str

    @property
    def is_user(self) -> bool:
        """Whether this is a person and not a service account."""
        return not self.email.endswith(".gserviceaccount.com")

    @property
    def member(self) -> str:
        """How an IAM policy names it."""
        return f"{'user' if self.is_user else 'serviceAccount'}:{self.email}"


IDENTITIES: dict[str, Identity] = {
    "user": Identity("user", "developer@example.com"),
    **{name: Identity(name, f"{name}@{HOME_PROJECT}.iam.gserviceaccount.com") for name in ("reader", "writer", "none")},
}
"""Every identity by its name."""

BY_EMAIL = {identity.email: identity for identity in IDENTITIES.values()}
SERVICE_ACCOUNTS = tuple(identity for identity in IDENTITIES.values() if not identity.is_user)


def find_identity(name: str) -> Identity:
    """Return the identity called `name`, or the one with that email or IAM member.

    Raises:
        GarscaffoldError: There is none.
    """
    email = name.rpartition(":")[2]
    found = IDENTITIES.get(name) or BY_EMAIL.get(email)
    if found is None:
        raise GarscaffoldError(
            f"The sandbox has no identity “{name}”.",
            mend=f"Use one of {', '.join(IDENTITIES)}.",
        )
    return found


def member_of(identity: str) -> str:
    """Return the IAM member of an identity's name; what has a colon, or is allUsers, is a member already."""
    if ":" in identity or identity in ("allUsers", "allAuthenticatedUsers"):
        return identity
    return find_identity(identity).member


def credential_file(state: StateDirectory, identity: Identity) -> Path:
    """Return the file for GOOGLE_APPLICATION_CREDENTIALS: `authorized_user`, or a service account's key."""
    return state.credentials / f"{identity.name}.json"


def authorized_user(refresh_token: str) -> str:
    """Return the text of the file that `gcloud auth application-default login` writes on a workstation."""
    return json.dumps(
        {
            "account": IDENTITIES["user"].email,
            "client_id": "garscaffold-sandbox.apps.googleusercontent.com",
            "client_secret": "not-a-secret",
            "quota_project_id": HOME_PROJECT,
            "refresh_token": refresh_token,
            "type": "authorized_user",
            "universe_domain": "googleapis.com",
        },
        indent=2,
    )


def service_account_key(identity: Identity, *, private_key: str, key_id: str) -> str:
    """Return the text of a service account's JSON key."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": HOME_PROJECT,
            "private_key_id": key_id,
            "private_key": private_key,
            "client_email": identity.email,
            "client_id": str(int(key_id[:16], 16)),
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": "https://oauth2.googleapis.com/token",
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{identity.email}",
            "universe_domain": "googleapis.com",
        },
        indent=2,
    )
