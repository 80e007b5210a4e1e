"""What Artifact Registry refuses, as a sentence and a mend; pure, so that every case is a line in a test.

Sources: https://cloud.google.com/apis/design/errors for the shape of an error,
https://cloud.google.com/service-usage/docs/reference/rpc/google.api#errorreason for the reasons, and
https://cloud.google.com/artifact-registry/docs/access-control for which role holds which permission.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from garscaffold.errors import GarscaffoldError
from garscaffold.registry import PermissionDenied, PolicyChanged, RepositoryNotFound
from garscaffold.values import ADMIN, READER

SERVICE = "artifactregistry.googleapis.com"
QUOTA_PAGE = "https://console.cloud.google.com/iam-admin/quotas?project={project}&service=" + SERVICE


@dataclass(frozen=True)
class Call:
    """What was asked of the API.

    Args:
        doing: What it was for, to go after "while" (`creating python`).
        permission: The permission that it needs.
        resource: What the permission is needed on: `projects/P`, or a repository's path.
        member: Who is calling, as an IAM member; '' where that is not known.
        role: The role that everything takes which the caller is about to do; '' for the one that this call takes.
    """

    doing: str
    permission: str
    resource: str
    member: str = ""
    role: str = ""

    @property
    def project(self) -> str:
        """The project's id."""
        return self.resource.split("/")[1]


@dataclass(frozen=True)
class Refusal:
    """What the API answered.

    Args:
        code: The HTTP status.
        message: Its sentence.
        reason: `reason` of its ErrorInfo; '' where there is none.
        metadata: `metadata` of its ErrorInfo.
    """

    code: int
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


def error_of(refusal: Refusal, call: Call) -> GarscaffoldError:
    """Return the error that says why a call was refused and what mends it."""
    by_reason = {
        "SERVICE_DISABLED": _service_disabled,
        "BILLING_DISABLED": _billing_disabled,
        "CONSUMER_INVALID": _no_such_project,
        "USER_PROJECT_DENIED": _quota_project_denied,
        "LOCATION_POLICY_VIOLATED": _unknown_location,
        "RATE_LIMIT_EXCEEDED": _quota,
    }
    if refusal.reason in by_reason:
        return by_reason[refusal.reason](refusal, call)
    if "on 'locations/" in refusal.message:
        return _unknown_location(refusal, call)
    if refusal.code == 403 and "has not been used in project" in refusal.message:
        return _service_disabled(refusal, call)
    by_code = {
        400: _bad_request,
        401: _unauthenticated,
        403: _denied,
        404: _not_found,
        409: _conflict,
        412: _conflict,
        429: _quota,
    }
    if refusal.code in by_code:
        return by_code[refusal.code](refusal, call)
    if refusal.code >= 500:
        return GarscaffoldError(
            f"Artifact Registry did not answer well while {call.doing}, also when asked again "
            f"({refusal.code}: {_first_line(refusal.message)})",
            mend="Run the same command again in some minutes: it takes up where this one stopped. "
            "https://status.cloud.google.com tells of incidents.",
        )
    return _bad_request(refusal, call)


def unknown_location(location: str, existing: list[str]) -> GarscaffoldError:
    """Return the error for a location that is not among those that exist."""
    close = get_close_matches(location, existing, n=3, cutoff=0.6)
    return GarscaffoldError(
        f"Artifact Registry has no location {location}, or the project may not use it.",
        mend=f"Use --location {' or '.join(close)}."
        if close
        else f"Use one of: {', '.join(existing)}."
        if existing
        else "`gcloud artifacts locations list` names them.",
    )


def _service_disabled(refusal: Refusal, call: Call) -> GarscaffoldError:
    project = refusal.metadata.get("consumer", "").removeprefix("projects/") or call.project
    service = refusal.metadata.get("service") or SERVICE
    return GarscaffoldError(
        f"The API {service} is not enabled in project {project}.",
        mend=f"gcloud services enable {service} --project={project} (then wait a minute)",
    )


def _billing_disabled(refusal: Refusal, call: Call) -> GarscaffoldError:
    project = refusal.metadata.get("consumer", "").removeprefix("projects/") or call.project
    return GarscaffoldError(
        f"Project {project} has no billing account, and Artifact Registry needs one.",
        mend=f"gcloud billing projects link {project} --billing-account=ACCOUNT_ID",
    )


def _no_such_project(refusal: Refusal, call: Call) -> GarscaffoldError:
    return GarscaffoldError(
        f"There is no project {call.project}, or you may not see it.",
        mend="`gcloud projects list` names yours; give the right one with --gcp-project.",
    )


def _quota_project_denied(refusal: Refusal, call: Call) -> GarscaffoldError:
    project = refusal.metadata.get("consumer", "").removeprefix("projects/") or call.project
    return GarscaffoldError(
        f"Your credentials charge their calls to project {project}, and you may not do that "
        "(serviceusage.services.use).",
        mend=f"gcloud auth application-default set-quota-project {call.project}",
    )


def _unknown_location(refusal: Refusal, call: Call) -> GarscaffoldError:
    found = re.search(r"locations/([a-z0-9-]+)", refusal.message) or re.search(r"locations/([^/]+)", call.resource)
    return unknown_location(found[1] if found else "of that name", [])


def _quota(refusal: Refusal, call: Call) -> GarscaffoldError:
    return GarscaffoldError(
        f"The quota of project {call.project} is used up for now, also after waiting: {_first_line(refusal.message)}",
        mend=f"Run the same command again in a minute; a greater quota is asked for at "
        f"{QUOTA_PAGE.format(project=call.project)}",
    )


def _unauthenticated(refusal: Refusal, call: Call) -> GarscaffoldError:
    return GarscaffoldError(
        f"Google did not accept your credentials while {call.doing}: they have expired or were revoked.",
        mend="gcloud auth application-default login",
    )


def _denied(refusal: Refusal, call: Call) -> GarscaffoldError:
    if "kms" in refusal.message.lower():
        return _key_denied(refusal, call)
    named = re.search(r"""Permission ["']([\w.]+)["'] denied on resource ["']([^"']+)["']""", refusal.message)
    permission, resource = (named[1], named[2].removeprefix(f"//{SERVICE}/")) if named else ("", "")
    permission, resource = permission or call.permission, resource or call.resource
    who = call.member or "The identity whose credentials are used"
    role = call.role or (READER if permission.rpartition(".")[2] in ("get", "list") else ADMIN)
    # Other things than a lacking role refuse as well, a service perimeter for one; then Google's words say which.
    said = "" if named else f" Google says: {_first_line(refusal.message)}"
    return PermissionDenied(
        f"{who} lacks the permission {permission} on {resource} (or there is no such thing); the role {role} "
        f"holds it.{said}",
        mend=f"Somebody who may do that runs: {grant_command(resource, call.member or 'MEMBER', role)}",
    )


def _key_denied(refusal: Refusal, call: Call) -> GarscaffoldError:
    return GarscaffoldError(
        f"Artifact Registry may not use the KMS key while {call.doing}: {_first_line(refusal.message)}",
        mend="gcloud kms keys add-iam-policy-binding KEY --keyring=RING --location=LOCATION "
        "--member=serviceAccount:service-PROJECT_NUMBER@gcp-sa-artifactregistry.iam.gserviceaccount.com "
        "--role=roles/cloudkms.cryptoKeyEncrypterDecrypter",
    )


def _bad_request(refusal: Refusal, call: Call) -> GarscaffoldError:
    if "kms" in refusal.message.lower():
        return _key_denied(refusal, call)
    mend = ""
    if call.permission.endswith(".setIamPolicy"):
        mend = "Check the members: each has to exist, in the form that it was given."
        if "permitted customer" in refusal.message or "allowedPolicyMemberDomains" in refusal.message:
            mend = "Your organisation allows members of certain domains only (iam.allowedPolicyMemberDomains)."
    return GarscaffoldError(
        f"Artifact Registry refused what it was asked while {call.doing}: {_first_line(refusal.message)}", mend=mend
    )


def grant_command(resource: str, member: str, role: str) -> str:
    """Return the gcloud command that grants a role on a repository or, for anything else, on its project."""
    parts = resource.split("/")
    if len(parts) >= 6 and role == READER:
        return (
            f"gcloud artifacts repositories add-iam-policy-binding {parts[5]} --project={parts[1]} "
            f"--location={parts[3]} --member={member} --role={role}"
        )
    project = parts[1] if len(parts) > 1 else resource
    return f"gcloud projects add-iam-policy-binding {project} --member={member} --role={role}"


def _not_found(refusal: Refusal, call: Call) -> GarscaffoldError:
    parts = call.resource.split("/")
    if len(parts) < 6:
        return GarscaffoldError(f"{call.resource} was not found while {call.doing}.", mend="Check --gcp-project.")
    return RepositoryNotFound(
        f"There is no repository {parts[5]} in project {parts[1]}, location {parts[3]}.",
        mend=f"`garscaffold repo list --gcp-project {parts[1]} --all-locations` names those that there are.",
    )


def _conflict(refusal: Refusal, call: Call) -> GarscaffoldError:
    return PolicyChanged(
        f"Somebody else changed {call.resource} at the same time, again and again.",
        mend="Run the same command again.",
    )


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:300] if lines else "no reason given"
