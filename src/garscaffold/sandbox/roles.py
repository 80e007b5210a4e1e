"""What each role may do (https://cloud.google.com/artifact-registry/docs/access-control)."""

_READER = frozenset(
    f"artifactregistry.{permission}"
    for permission in (
        "dockerimages.get",
        "dockerimages.list",
        "files.download",
        "files.get",
        "files.list",
        "locations.get",
        "locations.list",
        "packages.get",
        "packages.list",
        "projectsettings.get",
        "pythonpackages.get",
        "pythonpackages.list",
        "repositories.downloadArtifacts",
        "repositories.get",
        "repositories.list",
        "repositories.listEffectiveTags",
        "repositories.listTagBindings",
        "repositories.readViaVirtualRepository",
        "tags.get",
        "tags.list",
        "versions.get",
        "versions.list",
    )
)
_WRITER = _READER | {
    "artifactregistry.pythonpackages.create",
    "artifactregistry.repositories.uploadArtifacts",
    "artifactregistry.tags.create",
    "artifactregistry.tags.update",
}
_REPO_ADMIN = _WRITER | {
    "artifactregistry.files.delete",
    "artifactregistry.packages.delete",
    "artifactregistry.repositories.deleteArtifacts",
    "artifactregistry.tags.delete",
    "artifactregistry.versions.delete",
}
_ADMIN = _REPO_ADMIN | {
    "artifactregistry.projectsettings.update",
    "artifactregistry.repositories.create",
    "artifactregistry.repositories.createTagBinding",
    "artifactregistry.repositories.delete",
    "artifactregistry.repositories.deleteTagBinding",
    "artifactregistry.repositories.getIamPolicy",
    "artifactregistry.repositories.setIamPolicy",
    "artifactregistry.repositories.update",
}

ROLES: dict[str, frozenset[str]] = {
    "roles/artifactregistry.reader": _READER,
    "roles/artifactregistry.writer": _WRITER,
    "roles/artifactregistry.repoAdmin": _REPO_ADMIN,
    "roles/artifactregistry.admin": _ADMIN,
    "roles/owner": _ADMIN | {"iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken"},
    "roles/editor": _REPO_ADMIN,
    "roles/viewer": _READER,
    "roles/iam.serviceAccountTokenCreator": frozenset(
        {"iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken"}
    ),
}
"""Role to its permissions. A role that is not here can be granted and gives nothing."""

SHORT_ROLES = {
    "reader": "roles/artifactregistry.reader",
    "writer": "roles/artifactregistry.writer",
    "repoAdmin": "roles/artifactregistry.repoAdmin",
    "admin": "roles/artifactregistry.admin",
}


def full_role(role: str) -> str:
    """Return the role's full name: `reader` is `roles/artifactregistry.reader`."""
    return SHORT_ROLES.get(role, role)
