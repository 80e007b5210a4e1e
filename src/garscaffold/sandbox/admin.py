"""The admin API of Artifact Registry over REST: locations, repositories, operations, policies; and packages to look at.

As the Python client speaks it (enums as numbers both ways) and as gcloud does (enums by name, locations from v1beta2).
Source: https://cloud.google.com/artifact-registry/docs/reference/rest
"""

import base64
import binascii
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from garscaffold.sandbox.access import Access, Caller
from garscaffold.sandbox.enums import read_enums, write_enums
from garscaffold.sandbox.refusals import Refusal, not_played, unauthenticated
from garscaffold.sandbox.store import AlreadyThere, EtagMismatch, Policy, RepositoryRecord, Store, timestamp

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

_TYPE = "type.googleapis.com/google.devtools.artifactregistry.v1"
_REPOSITORY = r"projects/[^/]+/locations/[^/]+/repositories/[^/:]+"
_LOCATION = r"projects/[^/]+/locations/[^/]+"
_OUTPUT_ONLY = ("name", "createTime", "updateTime", "sizeBytes", "satisfiesPzs", "satisfiesPzi", "registryUri")
_FIXED = ("format", "mode", "kmsKeyName")
_MAX_CLEANUP_POLICIES, _MAX_LABELS, _MAX_UPSTREAMS = 10, 64, 30
_NOT_FOUND = "Requested entity was not found."


@dataclass(frozen=True)
class _Call:
    """Who calls, and with what."""

    caller: Caller
    query: Mapping[str, str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """Return the JSON object that was sent.

        Raises:
            Refusal: It is none.
        """
        try:
            document = json.loads(self.body or b"{}")
        except (json.JSONDecodeError, UnicodeDecodeError):
            document = None
        if not isinstance(document, dict):
            raise _invalid("Invalid JSON payload received.")
        return document


class AdminApi:
    """Answers requests to artifactregistry.googleapis.com.

    Args:
        store: What it reads and writes.
        access: Who is calling, and may they?
    """

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access
        # Method, path, and what answers; the path's groups are its arguments after the call.
        self._routes: Sequence[tuple[str, str, Callable[..., dict[str, Any]]]] = (
            ("GET", r"(projects/[^/]+)/locations", self._list_locations),
            ("GET", rf"({_LOCATION})", self._get_location),
            ("GET", rf"({_LOCATION})/repositories", self._list_repositories),
            ("POST", rf"({_LOCATION})/repositories", self._create_repository),
            ("GET", rf"({_REPOSITORY})", self._get_repository),
            ("PATCH", rf"({_REPOSITORY})", self._update_repository),
            ("DELETE", rf"({_REPOSITORY})", self._delete_repository),
            ("GET", rf"({_REPOSITORY}):getIamPolicy", self._get_policy),
            ("POST", rf"({_REPOSITORY}):setIamPolicy", self._set_policy),
            ("POST", rf"({_REPOSITORY}):testIamPermissions", self._test_permissions),
            ("GET", rf"({_LOCATION}/operations/[^/]+)", self._get_operation),
            ("GET", rf"({_REPOSITORY})/packages", self._list_packages),
            ("GET", rf"({_REPOSITORY})/packages/([^/]+)/versions", self._list_versions),
        )

    async def answer(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            Refusal: It is not allowed, not well, or not played.
        """
        caller = self._access.caller(request)
        if caller.identity is None:
            raise unauthenticated()
        call = _Call(caller, request.query_params, await request.body())
        version, _, path = request.url.path.removeprefix("/").partition("/")
        for method, pattern, handler in self._routes:
            found = re.fullmatch(pattern, path)
            if found and method == request.method and version in ("v1", "v1beta2"):
                document = handler(call, *found.groups())
                as_numbers = "enum-encoding=int" in request.query_params.get("$alt", "")
                return JSONResponse(write_enums(document) if as_numbers else document)
        raise not_played(f"{request.method} {request.url.path} of artifactregistry.googleapis.com")

    # Locations

    def _list_locations(self, call: _Call, project: str) -> dict[str, Any]:
        self._access.demand(call.caller, "artifactregistry.locations.list", project)
        page, token = _page([_location(project, name) for name in LOCATIONS], call, largest=500)
        return {"locations": page, **token}

    def _get_location(self, call: _Call, path: str) -> dict[str, Any]:
        project, name = _existing_location(path)
        self._access.demand(call.caller, "artifactregistry.locations.get", project)
        return _location(project, name)

    # Repositories

    def _list_repositories(self, call: _Call, parent: str) -> dict[str, Any]:
        project, _ = _existing_location(parent)
        self._access.demand(call.caller, "artifactregistry.repositories.list", project)
        pattern = _name_filter(call.query.get("filter", ""))
        coming = self._coming()
        resources = [
            self._shown(record)
            for record in self._store.repositories(parent)
            if record.name not in coming and fnmatchcase(record.name, pattern)
        ]
        page, token = _page(resources, call, largest=1000)
        return {"repositories": page, **token}

    def _get_repository(self, call: _Call, name: str) -> dict[str, Any]:
        return self._shown(self._existing(call.caller, "artifactregistry.repositories.get", name))

    def _create_repository(self, call: _Call, parent: str) -> dict[str, Any]:
        project, _ = _existing_location(parent)
        self._access.demand(call.caller, "artifactregistry.repositories.create", project)
        identifier = call.query.get("repositoryId") or call.query.get("repository_id", "")
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", identifier):
            raise _invalid(f"invalid repository id: {identifier!r} does not match ^[a-z]([a-z0-9-]*[a-z0-9])?$")
        sent = _sent(call)
        resource = {name: value for name, value in sent.items() if name not in _OUTPUT_ONLY}
        resource["name"] = f"{parent}/repositories/{identifier}"
        if resource.get("mode", "MODE_UNSPECIFIED") == "MODE_UNSPECIFIED":
            resource["mode"] = "STANDARD_REPOSITORY"
        self._check(resource)
        try:
            record = self._store.create_repository(resource)
        except AlreadyThere:
            raise Refusal(409, "the repository already exists") from None
        slow = self._store.spend_fault("slow-operation")
        return self._started(parent, done_at=time.time() + (slow.value if slow else 0), response=self._shown(record))

    def _update_repository(self, call: _Call, name: str) -> dict[str, Any]:
        record = self._existing(call.caller, "artifactregistry.repositories.update", name)
        sent = _sent(call)
        mask = [_camel(path) for path in call.query.get("updateMask", "").split(",") if path]
        resource = dict(record.resource)
        for path in mask or [field for field in sent if field not in _OUTPUT_ONLY]:
            top = path.partition(".")[0]
            if top in _FIXED and sent.get(top, resource.get(top)) != resource.get(top):
                raise _invalid(f"field {top} is immutable")
            resource = _replaced(resource, sent, path.split("."))
        self._check(resource)
        resource["updateTime"] = timestamp(time.time())
        self._store.replace_repository(resource)
        return self._shown(RepositoryRecord(name, resource))

    def _delete_repository(self, call: _Call, name: str) -> dict[str, Any]:
        self._existing(call.caller, "artifactregistry.repositories.delete", name)
        parent = name.partition("/repositories/")[0]
        behind = [
            record.name
            for record in self._store.repositories(parent)
            for upstream in record.resource.get("virtualRepositoryConfig", {}).get("upstreamPolicies", ())
            if upstream.get("repository") == name
        ]
        if behind:
            raise Refusal(400, f"the repository is an upstream of {', '.join(behind)}", status="FAILED_PRECONDITION")
        self._store.delete_repository(name)
        empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        return self._started(parent, done_at=time.time(), response=empty)

    def _check(self, resource: Mapping[str, Any]) -> None:
        """Refuse what the service refuses.

        Raises:
            Refusal: 400, with the reason.
        """
        if resource.get("format") in (None, "", "FORMAT_UNSPECIFIED"):
            raise _invalid("repository format must be specified")
        policies = resource.get("cleanupPolicies", {})
        if len(policies) > _MAX_CLEANUP_POLICIES:
            raise _invalid(f"a repository has at most {_MAX_CLEANUP_POLICIES} cleanup policies")
        for identifier, policy in policies.items():
            if len(identifier) >= 128:
                raise _invalid("cleanup policy ids must be under 128 characters")
            if "mostRecentVersions" in policy and policy.get("action") != "KEEP":
                raise _invalid("mostRecentVersions may only be specified with a KEEP action")
        if len(resource.get("labels", {})) > _MAX_LABELS:
            raise _invalid(f"a repository has at most {_MAX_LABELS} labels")
        upstreams = resource.get("virtualRepositoryConfig", {}).get("upstreamPolicies", ())
        if upstreams and resource.get("mode") != "VIRTUAL_REPOSITORY":
            raise _invalid("upstream policies can only be set on a virtual repository")
        if len(upstreams) > _MAX_UPSTREAMS:
            raise _invalid(f"a virtual repository has at most {_MAX_UPSTREAMS} upstream policies")
        for upstream in upstreams:
            behind = self._store.repository(upstream.get("repository", ""))
            if behind is None or behind.format != resource["format"]:
                raise _invalid(
                    f"upstream repository {upstream.get('repository')!r} does not exist or is another format"
                )

    def _existing(self, caller: Caller, permission: str, name: str) -> RepositoryRecord:
        parent = name.partition("/repositories/")[0]
        _existing_location(parent)
        self._access.demand(caller, permission, name)
        record = self._store.repository(name)
        if record is None or name in self._coming():
            raise Refusal(404, _NOT_FOUND)
        return record

    def _shown(self, record: RepositoryRecord) -> dict[str, Any]:
        kind = record.format.lower()
        return {
            **record.resource,
            "name": record.name,
            "mode": record.mode,
            "sizeBytes": str(self._store.size(record.name)),
            "registryUri": f"{record.location}-{kind}.pkg.dev/{record.project}/{record.repository_id}",
        }

    # Policies

    def _get_policy(self, call: _Call, name: str) -> dict[str, Any]:
        self._existing(call.caller, "artifactregistry.repositories.getIamPolicy", name)
        return _shown_policy(self._store.policy(name))

    def _set_policy(self, call: _Call, name: str) -> dict[str, Any]:
        self._existing(call.caller, "artifactregistry.repositories.setIamPolicy", name)
        sent = call.document().get("policy", {})
        bindings = [binding for binding in sent.get("bindings", ()) if binding.get("members")]
        for binding in bindings:
            for member in binding["members"]:
                if not re.fullmatch(r"allUsers|allAuthenticatedUsers|[A-Za-z]+:\S+", member):
                    raise _invalid(f"Invalid member: {member}")
            if not re.fullmatch(r"(projects/[^/]+/|organizations/[^/]+/)?roles/\S+", binding.get("role", "")):
                raise _invalid(f"Invalid role: {binding.get('role')}")
        try:
            return _shown_policy(self._store.set_policy(name, bindings, _etag(sent.get("etag", ""))))
        except EtagMismatch:
            raise Refusal(
                409,
                "There were concurrent policy changes. Please retry the whole read-modify-write with exponential "
                "backoff.",
                status="ABORTED",
            ) from None

    def _test_permissions(self, call: _Call, name: str) -> dict[str, Any]:
        asked = call.document().get("permissions", ())
        return {
            "permissions": [permission for permission in asked if self._access.allows(call.caller, permission, name)]
        }

    # Operations

    def _started(self, parent: str, *, done_at: float, response: Mapping[str, Any]) -> dict[str, Any]:
        """Write an operation that is done at `done_at`, and return it as it is now: under way."""
        name = f"{parent}/operations/{secrets.token_hex(8)}"
        metadata = {"@type": f"{_TYPE}.OperationMetadata"}
        response = {"@type": f"{_TYPE}.Repository", **response}
        self._store.put_operation({"name": name, "metadata": metadata, "done": True, "response": response}, done_at)
        return {"name": name, "metadata": metadata}

    def _get_operation(self, call: _Call, name: str) -> dict[str, Any]:
        _existing_location(name.partition("/operations/")[0])
        found = self._store.operation(name)
        if found is None:
            raise Refusal(404, _NOT_FOUND)
        operation, done_at = found
        if time.time() < done_at:
            return {"name": operation["name"], "metadata": operation["metadata"]}
        return operation

    def _coming(self) -> set[str]:
        """Name the repositories whose creation is still under way: nobody sees them until it is done."""
        return {operation["response"].get("name", "") for operation in self._store.unfinished_operations(time.time())}

    # Packages

    def _list_packages(self, call: _Call, name: str) -> dict[str, Any]:
        self._existing(call.caller, "artifactregistry.packages.list", name)
        packages = [
            {"name": f"{name}/packages/{package}", "displayName": package} for package in self._store.packages(name)
        ]
        page, token = _page(packages, call, largest=1000)
        return {"packages": page, **token}

    def _list_versions(self, call: _Call, name: str, package: str) -> dict[str, Any]:
        self._existing(call.caller, "artifactregistry.versions.list", name)
        created: dict[str, float] = {}
        for file in self._store.files(name, package):
            created[file.version] = min(file.created, created.get(file.version, file.created))
        if not created:
            raise Refusal(404, _NOT_FOUND)
        versions = [
            {
                "name": f"{name}/packages/{package}/versions/{version}",
                "createTime": timestamp(when),
                "updateTime": timestamp(when),
            }
            for version, when in sorted(created.items(), key=lambda item: item[1], reverse=True)
        ]
        page, token = _page(versions, call, largest=1000)
        return {"versions": page, **token}


def _sent(call: _Call) -> dict[str, Any]:
    try:
        return read_enums(call.document())
    except ValueError as error:
        raise _invalid(str(error)) from None


def _invalid(sentence: str) -> Refusal:
    return Refusal(400, sentence)


def _location(project: str, name: str) -> dict[str, Any]:
    return {"name": f"{project}/locations/{name}", "locationId": name}


def _existing_location(path: str) -> tuple[str, str]:
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


def _name_filter(text: str) -> str:
    """Return the pattern of names that a list's filter asks for.

    Raises:
        Refusal: It filters by something else than the name.
    """
    if not text:
        return "*"
    found = re.fullmatch(r'\s*name\s*[=:]\s*"?([^"\s]+)"?\s*', text)
    if found is None:
        raise _invalid(f"invalid filter: {text}")
    return found[1]


def _page(items: Sequence[Any], call: _Call, *, largest: int) -> tuple[Sequence[Any], dict[str, str]]:
    """Return one page of a list, and the token of the next one where there is one."""
    try:
        size = min(int(call.query.get("pageSize") or 0) or largest, largest)
        begin = int(call.query.get("pageToken") or 0)
    except ValueError:
        raise _invalid("invalid page token or page size") from None
    following = {"nextPageToken": str(begin + size)} if begin + size < len(items) else {}
    return items[begin : begin + size], following


def _camel(path: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), path.strip())


def _replaced(resource: Mapping[str, Any], sent: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Return `resource` with what is at `path` taken from `sent`; taken away where nothing was sent there."""
    name, *rest = path
    changed = dict(resource)
    if rest:
        changed[name] = _replaced(resource.get(name, {}), sent.get(name, {}), rest)
    elif name in sent:
        changed[name] = sent[name]
    else:
        changed.pop(name, None)
    return changed


def _shown_policy(policy: Policy) -> dict[str, Any]:
    conditional = any(binding.get("condition") for binding in policy.bindings)
    bindings = {"bindings": [dict(binding) for binding in policy.bindings]} if policy.bindings else {}
    return {"version": 3 if conditional else 1, "etag": policy.etag, **bindings}


def _etag(text: str) -> str:
    """Return an etag in the alphabet of the store's: clients decode it and encode it again in either one."""
    try:
        raw = base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_"))
    except (binascii.Error, ValueError):
        raise _invalid("invalid etag") from None
    return base64.urlsafe_b64encode(raw).decode()
