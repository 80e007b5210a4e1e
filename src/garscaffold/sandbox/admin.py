"""The admin API of Artifact Registry over REST: locations, repositories, operations, policies; and packages to look at.

As the Python client speaks it (enums as numbers both ways) and as gcloud does (enums by name, locations from v1beta2).
Source: https://cloud.google.com/artifact-registry/docs/reference/rest
"""

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
from garscaffold.sandbox.admin_parts import (
    LOCATIONS,
    camel_case,
    canonical_etag,
    check_resource,
    existing_location,
    invalid,
    location_resource,
    name_filter,
    page_of,
    policy_resource,
    replaced,
)
from garscaffold.sandbox.enums import read_enums, write_enums
from garscaffold.sandbox.refusals import Refusal, not_played, unauthenticated
from garscaffold.sandbox.store import AlreadyThere, EtagMismatch, RepositoryRecord, Store, timestamp

_TYPE = "type.googleapis.com/google.devtools.artifactregistry.v1"
_REPOSITORY = r"projects/[^/]+/locations/[^/]+/repositories/[^/:]+"
_LOCATION = r"projects/[^/]+/locations/[^/]+"
_OUTPUT_ONLY = ("name", "createTime", "updateTime", "sizeBytes", "satisfiesPzs", "satisfiesPzi", "registryUri")
_FIXED = ("format", "mode", "kmsKeyName")
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
            raise invalid("Invalid JSON payload received.")
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
                try:
                    document = handler(call, *found.groups())
                except (AttributeError, KeyError, TypeError):
                    # What was sent has another shape than the resource; Google checks that before anything else.
                    raise invalid("Invalid JSON payload received.") from None
                as_numbers = "enum-encoding=int" in request.query_params.get("$alt", "")
                return JSONResponse(write_enums(document) if as_numbers else document)
        raise not_played(f"{request.method} {request.url.path} of artifactregistry.googleapis.com")

    # Locations

    def _list_locations(self, call: _Call, project: str) -> dict[str, Any]:
        self._access.demand(call.caller, "artifactregistry.locations.list", project)
        page, token = page_of([location_resource(project, name) for name in LOCATIONS], call.query, largest=500)
        return {"locations": page, **token}

    def _get_location(self, call: _Call, path: str) -> dict[str, Any]:
        project, name = existing_location(path)
        self._access.demand(call.caller, "artifactregistry.locations.get", project)
        return location_resource(project, name)

    # Repositories

    def _list_repositories(self, call: _Call, parent: str) -> dict[str, Any]:
        project, _ = existing_location(parent)
        self._access.demand(call.caller, "artifactregistry.repositories.list", project)
        pattern = name_filter(call.query.get("filter", ""))
        coming = self._coming()
        resources = [
            self._shown(record)
            for record in self._store.repositories(parent)
            if record.name not in coming and fnmatchcase(record.name, pattern)
        ]
        page, token = page_of(resources, call.query, largest=1000)
        return {"repositories": page, **token}

    def _get_repository(self, call: _Call, name: str) -> dict[str, Any]:
        return self._shown(self._existing(call.caller, "artifactregistry.repositories.get", name))

    def _create_repository(self, call: _Call, parent: str) -> dict[str, Any]:
        project, _ = existing_location(parent)
        self._access.demand(call.caller, "artifactregistry.repositories.create", project)
        identifier = call.query.get("repositoryId") or call.query.get("repository_id", "")
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", identifier):
            raise invalid(f"invalid repository id: {identifier!r} does not match ^[a-z]([a-z0-9-]*[a-z0-9])?$")
        sent = _sent(call)
        resource = {name: value for name, value in sent.items() if name not in _OUTPUT_ONLY}
        resource["name"] = f"{parent}/repositories/{identifier}"
        if resource.get("mode", "MODE_UNSPECIFIED") == "MODE_UNSPECIFIED":
            resource["mode"] = "STANDARD_REPOSITORY"
        check_resource(resource, self._store.repository)
        try:
            record = self._store.create_repository(resource)
        except AlreadyThere:
            raise Refusal(409, "the repository already exists") from None
        slow = self._store.spend_fault("slow-operation")
        return self._started(parent, done_at=time.time() + (slow.value if slow else 0), response=self._shown(record))

    def _update_repository(self, call: _Call, name: str) -> dict[str, Any]:
        record = self._existing(call.caller, "artifactregistry.repositories.update", name)
        sent = _sent(call)
        mask = [camel_case(path) for path in call.query.get("updateMask", "").split(",") if path]
        resource = dict(record.resource)
        for path in mask or [field for field in sent if field not in _OUTPUT_ONLY]:
            top = path.partition(".")[0]
            if top in _FIXED and sent.get(top, resource.get(top)) != resource.get(top):
                raise invalid(f"field {top} is immutable")
            resource = replaced(resource, sent, path.split("."))
        check_resource(resource, self._store.repository)
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

    def _existing(self, caller: Caller, permission: str, name: str) -> RepositoryRecord:
        parent = name.partition("/repositories/")[0]
        existing_location(parent)
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
        return policy_resource(self._store.policy(name))

    def _set_policy(self, call: _Call, name: str) -> dict[str, Any]:
        self._existing(call.caller, "artifactregistry.repositories.setIamPolicy", name)
        sent = call.document().get("policy", {})
        bindings = [binding for binding in sent.get("bindings", ()) if binding.get("members")]
        for binding in bindings:
            for member in binding["members"]:
                if not re.fullmatch(r"allUsers|allAuthenticatedUsers|[A-Za-z]+:\S+", member):
                    raise invalid(f"Invalid member: {member}")
            if not re.fullmatch(r"(projects/[^/]+/|organizations/[^/]+/)?roles/\S+", binding.get("role", "")):
                raise invalid(f"Invalid role: {binding.get('role')}")
        try:
            return policy_resource(self._store.set_policy(name, bindings, canonical_etag(sent.get("etag", ""))))
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
        existing_location(name.partition("/operations/")[0])
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
        page, token = page_of(packages, call.query, largest=1000)
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
        page, token = page_of(versions, call.query, largest=1000)
        return {"versions": page, **token}


def _sent(call: _Call) -> dict[str, Any]:
    try:
        return read_enums(call.document())
    except ValueError as error:
        raise invalid(str(error)) from None
