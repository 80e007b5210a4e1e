"""The one door to Google credentials: Application Default Credentials, then gcloud's; impersonation on top of either.

Nothing of Google's is imported before it is needed: it takes a good part of a tenth of a second.
"""

import json
import os
import re
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from garscaffold import process
from garscaffold.errors import GarscaffoldError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials as GoogleCredentials

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LOGIN = "gcloud auth application-default login"
_IMPERSONATED_SECONDS = 3600
_CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|SSLCertVerification", re.IGNORECASE)


@dataclass(frozen=True)
class Credentials:
    """Something to call Google with.

    Args:
        google: Google's own object.
        source: Where they were found, for a person.
        member: Whose they are, as an IAM member; '' where that cannot be told without asking Google.
    """

    google: "GoogleCredentials"
    source: str
    member: str

    def token(self) -> str:
        """Return an access token that is valid now.

        Raises:
            GarscaffoldError: Google gave none.
        """
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request

        try:
            if not self.google.valid:
                self.google.refresh(Request())  # type: ignore[no-untyped-call]
        except GoogleAuthError as error:
            raise auth_failure(error, self) from error
        return str(self.google.token)


def find(*, impersonate: str = "") -> Credentials:
    """Return the credentials that this machine has: ADC (a file, or the machine's own identity), else gcloud's login.

    Args:
        impersonate: The email of a service account to act as; '' for oneself.

    Raises:
        GarscaffoldError: There are none, or their file cannot be read.
    """
    found = _application_default() or _gcloud()
    if found is None:
        raise GarscaffoldError(
            "There are no Google credentials on this machine: neither Application Default Credentials nor a login of "
            "gcloud.",
            mend=f"{LOGIN} (on a server or in CI: set GOOGLE_APPLICATION_CREDENTIALS)",
        )
    return _impersonated(found, impersonate) if impersonate else found


def auth_failure(error: Exception, credentials: Credentials) -> GarscaffoldError:
    """Return the sentence and the mend for an error of google-auth.

    Args:
        error: A `GoogleAuthError`.
        credentials: What was used.
    """
    said = " ".join(str(part) for part in error.args) or type(error).__name__
    if _CERTIFICATE.search(said):
        return certificate_not_trusted(network_reason(said))
    if "impersonated" in said:
        return _impersonation_refused(said, credentials)
    if re.search(r"invalid_grant|invalid_rapt|[Rr]eauth|necessary fields", said):
        mend = "gcloud auth login" if credentials.source == "gcloud" else LOGIN
        return GarscaffoldError(
            f"The credentials from {credentials.source} have expired or were revoked: Google gives no token for them.",
            mend=mend if not credentials.member.startswith("serviceAccount:") else "Use a key that is still valid.",
        )
    if type(error).__name__ == "TransportError":
        return unreachable(network_reason(said))
    return GarscaffoldError(
        f"Google gives no token for the credentials from {credentials.source}: {said[:300]}", mend=LOGIN
    )


def certificate_not_trusted(said: str) -> GarscaffoldError:
    """Return the error for a server's certificate that is not trusted, as behind a proxy that inspects TLS."""
    return GarscaffoldError(
        "The certificate that was shown for Google's servers is not trusted by this machine: a company's proxy that "
        f"inspects TLS shows its own. ({said.strip()[:300]})",
        mend="Set REQUESTS_CA_BUNDLE to a PEM file that holds your company's certificate authority (and "
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE to the same file for gcloud).",
    )


def unreachable(said: str) -> GarscaffoldError:
    """Return the error for Google's servers that cannot be reached at all."""
    return GarscaffoldError(
        f"Google's servers cannot be reached: {said.strip()[:300]}",
        mend="Check the network; behind a proxy, set HTTPS_PROXY to its address.",
    )


def network_reason(said: str) -> str:
    """Return the innermost reason of an error of requests, in the system's own words where it has any."""
    system = re.search(r"\[Errno -?\d+\] ([^'\")]+)", said)
    if system:
        return ("the proxy does not answer: " if "proxy" in said.lower() else "") + system[1]
    inner = re.search(r"\(Caused by \w*Error\((.*)\)\)", said)
    return re.sub(r"<[^>]* object at 0x[0-9a-f]+>[:,]? ?", "", inner[1] if inner else said)


def _application_default() -> Credentials | None:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

    path = _application_default_file(os.environ, Path.home())
    try:
        with warnings.catch_warnings():
            # It warns of a lacking quota project; where that matters, the API says so and we say what mends it.
            warnings.simplefilter("ignore")
            if path:
                # `default` would start gcloud to learn a project that nobody here asks for: most of a second.
                found, _ = google.auth.load_credentials_from_file(path, scopes=[SCOPE])  # type: ignore[no-untyped-call]
            else:
                found, _ = google.auth.default(scopes=[SCOPE])
    except DefaultCredentialsError as error:
        said = str(error)
        if "were not found" in said:
            return None
        raise GarscaffoldError(
            f"The file of your Application Default Credentials cannot be used: {said.splitlines()[0][:300]}",
            mend=f"{LOGIN} (or set GOOGLE_APPLICATION_CREDENTIALS to a file that is right)",
        ) from error
    except (GoogleAuthError, ValueError) as error:
        raise GarscaffoldError(f"Application Default Credentials cannot be used: {error}", mend=LOGIN) from error
    return Credentials(found, "Application Default Credentials", _member(found))


def _application_default_file(environment: Mapping[str, str], home: Path) -> str:
    """Return the file of Application Default Credentials, which may not be there when it is named; '' for none.

    Source: https://cloud.google.com/docs/authentication/application-default-credentials
    """
    if named := environment.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return named
    folder = environment.get("CLOUDSDK_CONFIG")
    if not folder:
        on_windows = environment.get("APPDATA", "") if sys.platform == "win32" else ""
        folder = str(Path(on_windows) / "gcloud" if on_windows else home / ".config" / "gcloud")
    well_known = Path(folder) / "application_default_credentials.json"
    return str(well_known) if well_known.is_file() else ""


def _gcloud() -> Credentials | None:
    """Return the credentials of gcloud's active account, or None when it has none; the token lasts for an hour.

    Raises:
        GarscaffoldError: It has one, and gives no token for it.
    """
    if process.find("gcloud") is None:
        return None
    answer = process.run(
        ["gcloud", "config", "config-helper", "--format=json(credential.access_token,configuration.properties.core)"],
        check=False,
    )
    if answer.exit_code != 0:
        if "active account" in answer.stderr or "no credentialed accounts" in answer.stderr.lower():
            return None
        said = next((line for line in answer.stderr.splitlines() if "ERROR" in line), answer.stderr.strip())
        raise GarscaffoldError(f"gcloud gives no token for its account: {said[:300]}", mend="gcloud auth login")
    from google.oauth2.credentials import Credentials as UserCredentials

    try:
        document = json.loads(answer.stdout)
        token = document["credential"]["access_token"]
    except (ValueError, KeyError, TypeError):
        return None
    account = str(document.get("configuration", {}).get("properties", {}).get("core", {}).get("account", ""))
    # Without a refresh token it is used until Google refuses it, which is longer than any command of ours takes.
    google = UserCredentials(token=token)  # type: ignore[no-untyped-call]
    return Credentials(google, "gcloud", _member_of_account(account))


def _impersonated(source: Credentials, account: str) -> Credentials:
    from google.auth import impersonated_credentials

    google = impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]
        source_credentials=source.google,
        target_principal=account,
        target_scopes=[SCOPE],
        lifetime=_IMPERSONATED_SECONDS,
    )
    return Credentials(google, f"{source.source}, as {account}", f"serviceAccount:{account}")


def _impersonation_refused(said: str, credentials: Credentials) -> GarscaffoldError:
    account = credentials.member.partition(":")[2]
    if "SERVICE_DISABLED" in said:
        project = account.partition("@")[2].partition(".")[0]
        return GarscaffoldError(
            f"Impersonation needs the API iamcredentials.googleapis.com, and it is not enabled in {project}.",
            mend=f"gcloud services enable iamcredentials.googleapis.com --project={project}",
        )
    return GarscaffoldError(
        f"You may not act as {account} (or there is no such service account): that takes the permission "
        "iam.serviceAccounts.getAccessToken on it, which the role roles/iam.serviceAccountTokenCreator holds.",
        mend=f"Somebody who may do that runs: gcloud iam service-accounts add-iam-policy-binding {account} "
        "--member=user:YOU --role=roles/iam.serviceAccountTokenCreator",
    )


def _member(google: Any) -> str:
    # A key knows its account, and so do files that gcloud wrote with one; the metadata server says "default" at first.
    return _member_of_account(str(getattr(google, "service_account_email", "") or getattr(google, "account", "") or ""))


def _member_of_account(account: str) -> str:
    if "@" not in account:
        return ""
    return f"{'serviceAccount' if account.endswith('.gserviceaccount.com') else 'user'}:{account}"
