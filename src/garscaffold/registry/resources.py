"""The JSON resources of the REST API to values, and back; pure, so that nothing here needs Google's client.

Source: https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories
"""

from collections.abc import Mapping
from typing import Any

from garscaffold.values import Binding, CleanupPolicy, Format, Mode, Policy, PolicyAction, Repository, Upstream

# Field of `Repository` -> path in the update mask. Format, mode and key are not here: they can never change.
MASK_PATHS = {
    "description": "description",
    "labels": "labels",
    "cleanup_policies": "cleanup_policies",
    "cleanup_dry_run": "cleanup_policy_dry_run",
    "immutable_tags": "docker_config",
    "upstreams": "virtual_repository_config",
}

_MODES = {
    "STANDARD_REPOSITORY": Mode.STANDARD,
    "REMOTE_REPOSITORY": Mode.REMOTE,
    "VIRTUAL_REPOSITORY": Mode.VIRTUAL,
}
_MODE_NAMES = {mode: name for name, mode in _MODES.items()}


def repository_from_resource(resource: Mapping[str, Any]) -> Repository:
    """Return the value of a `Repository` resource."""
    _, project, _, location, _, name = resource["name"].split("/")
    return Repository(
        project=project,
        location=location,
        name=name,
        format=_format(resource.get("format", "")),
        mode=_MODES.get(resource.get("mode", ""), Mode.STANDARD),
        description=resource.get("description", ""),
        labels=dict(resource.get("labels", {})),
        kms_key=resource.get("kmsKeyName", ""),
        upstreams=tuple(
            Upstream(item.get("id", ""), item.get("repository", ""), int(item.get("priority", 0)))
            for item in resource.get("virtualRepositoryConfig", {}).get("upstreamPolicies", ())
        ),
        source=_source(resource.get("remoteRepositoryConfig", {})),
        cleanup_policies=tuple(
            _cleanup_policy(identifier, item)
            for identifier, item in sorted(resource.get("cleanupPolicies", {}).items())
        ),
        cleanup_dry_run=bool(resource.get("cleanupPolicyDryRun", False)),
        immutable_tags=bool(resource.get("dockerConfig", {}).get("immutableTags", False)),
        size_bytes=int(resource.get("sizeBytes", 0)),
        created=resource.get("createTime", ""),
        updated=resource.get("updateTime", ""),
    )


def resource_from_repository(repository: Repository) -> dict[str, Any]:
    """Return the `Repository` resource that asks for a repository; what is not set is left out."""
    resource: dict[str, Any] = {
        "name": repository.path,
        "format": repository.format.upper(),
        "mode": _MODE_NAMES[repository.mode],
        "description": repository.description,
        "labels": dict(repository.labels),
        "kmsKeyName": repository.kms_key,
        "cleanupPolicies": {policy.id: _cleanup_resource(policy) for policy in repository.cleanup_policies},
        "cleanupPolicyDryRun": repository.cleanup_dry_run,
    }
    if repository.format is Format.DOCKER and repository.mode is Mode.STANDARD:
        resource["dockerConfig"] = {"immutableTags": repository.immutable_tags}
    if repository.mode is Mode.VIRTUAL:
        resource["virtualRepositoryConfig"] = {
            "upstreamPolicies": [
                {"id": upstream.id, "repository": upstream.repository, "priority": upstream.priority}
                for upstream in repository.upstreams
            ]
        }
    if repository.mode is Mode.REMOTE:
        upstream = (
            {"customRepository": {"uri": repository.source}}
            if "://" in repository.source
            else {"publicRepository": repository.source}
        )
        resource["remoteRepositoryConfig"] = {
            "description": "The public index",
            f"{repository.format}Repository": upstream,
        }
    return {name: value for name, value in resource.items() if value not in ("", {}, False)}


def policy_from_resource(resource: Mapping[str, Any], etag: bytes) -> Policy:
    """Return the value of an IAM `Policy` resource, whose etag is given decoded."""
    return Policy(
        bindings=tuple(
            Binding(item["role"], tuple(item.get("members", ())), item.get("condition") or None)
            for item in resource.get("bindings", ())
        ),
        etag=etag,
        version=int(resource.get("version", 1)),
    )


def resource_from_policy(policy: Policy) -> dict[str, Any]:
    """Return the IAM `Policy` resource without its etag, which is bytes and not JSON."""
    conditional = any(binding.condition for binding in policy.bindings)
    return {
        # A policy with conditions that is written as version 1 loses them.
        "version": 3 if conditional else policy.version,
        "bindings": [
            {
                "role": binding.role,
                "members": list(binding.members),
                **({"condition": dict(binding.condition)} if binding.condition else {}),
            }
            for binding in policy.bindings
        ],
    }


def _format(name: str) -> Format:
    try:
        return Format(name.lower())
    except ValueError:
        return Format.OTHER


def _source(config: Mapping[str, Any]) -> str:
    for upstream in config.values():
        if not isinstance(upstream, Mapping):
            continue
        public, custom = upstream.get("publicRepository"), upstream.get("customRepository", {})
        if isinstance(public, str):
            return public
        if custom or upstream.get("uri"):
            return str(custom.get("uri") or upstream.get("uri") or "")
    return ""


def _cleanup_policy(identifier: str, item: Mapping[str, Any]) -> CleanupPolicy:
    action = PolicyAction.KEEP if item.get("action") == "KEEP" else PolicyAction.DELETE
    if "mostRecentVersions" in item:
        newest = item["mostRecentVersions"]
        return CleanupPolicy(
            identifier,
            action,
            keep_count=int(newest.get("keepCount", 0)),
            package_prefixes=tuple(newest.get("packageNamePrefixes", ())),
        )
    condition = item.get("condition", {})
    return CleanupPolicy(
        identifier,
        action,
        tag_state=condition.get("tagState", ""),
        older_than=_seconds(condition.get("olderThan")),
        newer_than=_seconds(condition.get("newerThan")),
        tag_prefixes=tuple(condition.get("tagPrefixes", ())),
        version_prefixes=tuple(condition.get("versionNamePrefixes", ())),
        package_prefixes=tuple(condition.get("packageNamePrefixes", ())),
    )


def _cleanup_resource(policy: CleanupPolicy) -> dict[str, Any]:
    resource: dict[str, Any] = {"id": policy.id, "action": str(policy.action)}
    if policy.keep_count is not None:
        newest = {"keepCount": policy.keep_count, "packageNamePrefixes": list(policy.package_prefixes)}
        return {**resource, "mostRecentVersions": {name: value for name, value in newest.items() if value != []}}
    condition = {
        "tagState": policy.tag_state or None,
        "olderThan": None if policy.older_than is None else f"{policy.older_than}s",
        "newerThan": None if policy.newer_than is None else f"{policy.newer_than}s",
        "tagPrefixes": list(policy.tag_prefixes) or None,
        "versionNamePrefixes": list(policy.version_prefixes) or None,
        "packageNamePrefixes": list(policy.package_prefixes) or None,
    }
    return {**resource, "condition": {name: value for name, value in condition.items() if value is not None}}


def _seconds(duration: str | None) -> int | None:
    return None if not duration else int(float(duration.removesuffix("s")))
