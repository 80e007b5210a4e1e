"""Parts of the admin API without a store: locations, pages, masks, policies, and what is refused."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from garscaffold.sandbox.refusals import Refusal
from garscaffold.sandbox.store import Policy, RepositoryRecord

LOCATIONS = [
    "africa-south1",
    "asia",
    "asia-east1",
    "asia-east2",
    "asia-northeast1",
    "asia-northeast2",
    "asia-northeast3",
    "asia-south1",
    "asia-south2",
    "asia-southeast1",
    "asia-southeast2",
    "australia-southeast1",
    "australia-southeast2",
    "europe",
    "europe-central2",
    "europe-north1",
    "europe-southwest1",
    "europe-west1",
    "europe-west2",
    "europe-west3",
    "europe-west4",
    "europe-west6",
    "europe-west8",
    "europe-west9",
    "europe-west10",
    "europe-west12",
    "me-central1",
    "me-central2",
    "me-west1",
    "northamerica-northeast1",
    "northamerica-northeast2",
    "southamerica-east1",
    "southamerica-west1",
    "us",
    "us-central1",
    "us-east1",
    "us-east4",
    "us-east5",
    "us-south1",
    "us-west1",
    "us-west2",
    "us-west3",
    "us-west4",
]
"""Where repositories can be (https://cloud.google.com/artifact-registry/docs/repositories/repo-locations)."""

_MAX_CLEANUP_POLICIES, _MAX_LABELS, _MAX_UPSTREAMS = 10, 64, 30


def check_resource(resource: Mapping[str, Any], find: Callable[[str], RepositoryRecord | None]) -> None:
    """Refuse a repository that the service refuses.

    Args:
        resource: The repository.
        find: Returns a repository by its whole name.

    Raises:
        Refusal: 400, with the reason.
    """
    if resource.get("format") in (None, "", "FORMAT_UNSPECIFIED"):
        raise invalid("repository format must be specified")
    policies = resource.get("cleanupPolicies", {})
    if len(policies) > _MAX_CLEANUP_POLICIES:
        raise invalid(f"a repository has at most {_MAX_CLEANUP_POLICIES} cleanup policies")
    for identifier, policy in policies.items():
        if len(identifier) >= 128:
            raise invalid("cleanup policy ids must be under 128 characters")
        if "mostRecentVersions" in policy and policy.get("action") != "KEEP":
            raise invalid("mostRecentVersions may only be specified with a KEEP action")
    if len(resource.get("labels", {})) > _MAX_LABELS:
        raise invalid(f"a repository has at most {_MAX_LABELS} labels")
    upstreams = resource.get("virtualRepositoryConfig", {}).get("upstreamPolicies", ())
    if upstreams and resource.get("mode") != "VIRTUAL_REPOSITORY":
        raise invalid("upstream policies can only be set on a virtual repository")
    if len(upstreams) > _MAX_UPSTREAMS:
        raise invalid(f"a virtual repository has at most {_MAX_UPSTREAMS} upstream policies")
    for upstream in upstreams:
        behind = find(upstream.get("repository", ""))
        if behind is None or behind.format != resource["format"]:
            raise invalid(f"upstream repository {upstream.get('repository')!r} does not exist or is another format")


def invalid(sentence: str) -> Refusal:
    """Return the refusal of what breaks a rule of the service."""
    return Refusal(400, sentence)


def location_resource(project: str, name: str) -> dict[str, Any]:
    """Return the resource of a location."""
    return {"name": f"{project}/locations/{name}", "locationId": name}


def existing_location(path: str) -> tuple[str, str]:
    """Return `projects/P` and the location of a path.

    Raises:
        Refusal: There is no such location; Google says so with 403, as it does for one that is forbidden.
    """
    project, _, location = path.partition("/locations/")
    if location not in LOCATIONS:
        raise Refusal(
            403,
            f"Permission denied on 'locations/{location}' (or it may not exist).",
            details=[
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "LOCATION_POLICY_VIOLATED",
                    "domain": "googleapis.com",
                    "metadata": {"consumer": project, "location": location},
                }
            ],
        )
    return project, location


def name_filter(text: str) -> str:
    """Return the pattern of names that a list's filter asks for.

    Raises:
        Refusal: It filters by something else than the name.
    """
    if not text:
        return "*"
    found = re.fullmatch(r'\s*name\s*[=:]\s*"?([^"\s]+)"?\s*', text)
    if found is None:
        raise invalid(f"invalid filter: {text}")
    return found[1]


def page_of(items: Sequence[Any], query: Mapping[str, str], *, largest: int) -> tuple[Sequence[Any], dict[str, str]]:
    """Return one page of a list, and the token of the next one where there is one."""
    try:
        size = min(int(query.get("pageSize") or 0) or largest, largest)
        begin = int(query.get("pageToken") or 0)
        if min(size, begin) < 0:
            raise ValueError
    except ValueError:
        raise invalid("invalid page token or page size") from None
    following = {"nextPageToken": str(begin + size)} if begin + size < len(items) else {}
    return items[begin : begin + size], following


def camel_case(path: str) -> str:
    """Return a path of an update mask as JSON spells it."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), path.strip())


def replaced(resource: Mapping[str, Any], sent: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Return `resource` with what is at `path` taken from `sent`; taken away where nothing was sent there."""
    name, *rest = path
    changed = dict(resource)
    if rest:
        changed[name] = replaced(resource.get(name, {}), sent.get(name, {}), rest)
    elif name in sent:
        changed[name] = sent[name]
    else:
        changed.pop(name, None)
    return changed


def policy_resource(policy: Policy) -> dict[str, Any]:
    """Return the resource of a policy."""
    conditional = any(binding.get("condition") for binding in policy.bindings)
    bindings = {"bindings": [dict(binding) for binding in policy.bindings]} if policy.bindings else {}
    return {"version": 3 if conditional else 1, "etag": policy.etag, **bindings}


def canonical_etag(text: str) -> str:
    """Return an etag in the alphabet of the store's: clients decode it and encode it again in either one."""
    try:
        raw = base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_"))
    except (binascii.Error, ValueError):
        raise invalid("invalid etag") from None
    return base64.urlsafe_b64encode(raw).decode()
