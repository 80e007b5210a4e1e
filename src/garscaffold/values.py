"""What Artifact Registry holds, as plain values: repositories, upstreams, cleanup policies, grants.

The field names are the API's (https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

READER = "roles/artifactregistry.reader"
WRITER = "roles/artifactregistry.writer"
REPO_ADMIN = "roles/artifactregistry.repoAdmin"
ADMIN = "roles/artifactregistry.admin"

# Each role may do all that the ones before it may (https://cloud.google.com/artifact-registry/docs/access-control).
ROLES_UPWARD = (READER, WRITER, REPO_ADMIN, ADMIN)

EVERYBODY = ("allUsers", "allAuthenticatedUsers")
"""Members that mean anybody on the internet; for the second one, anybody with any Google account."""

MAX_CLEANUP_POLICIES = 10
MAX_LABELS = 64


class Format(StrEnum):
    """What a repository stores."""

    PYTHON = "python"
    DOCKER = "docker"
    APT = "apt"
    GENERIC = "generic"
    GO = "go"
    KFP = "kfp"
    MAVEN = "maven"
    NPM = "npm"
    RUBY = "ruby"
    YUM = "yum"
    OTHER = "other"


class Mode(StrEnum):
    """Where what a repository serves comes from: itself, a public index behind it, or other repositories."""

    STANDARD = "standard"
    REMOTE = "remote"
    VIRTUAL = "virtual"


class PolicyAction(StrEnum):
    """What a cleanup policy does to what it matches; KEEP wins over DELETE."""

    KEEP = "KEEP"
    DELETE = "DELETE"


@dataclass(frozen=True)
class Upstream:
    """A repository behind a virtual one.

    Args:
        id: Its name within the virtual repository.
        repository: `projects/P/locations/L/repositories/R`.
        priority: The upstream with the greater one wins where several hold the same version.
    """

    id: str
    repository: str
    priority: int


@dataclass(frozen=True)
class CleanupPolicy:
    """A rule by which versions are deleted, or kept from being deleted.

    Args:
        id: Its name within the repository.
        action: KEEP or DELETE.
        keep_count: The newest so many versions of each package; None for a policy by the conditions below.
        tag_state: TAGGED, UNTAGGED, ANY; '' where it is not said.
        older_than: Seconds; None where it is not said.
        newer_than: Seconds; None where it is not said.
        tag_prefixes: Tags that begin so.
        version_prefixes: Versions that begin so.
        package_prefixes: Packages that begin so.
    """

    id: str
    action: PolicyAction
    keep_count: int | None = None
    tag_state: str = ""
    older_than: int | None = None
    newer_than: int | None = None
    tag_prefixes: tuple[str, ...] = ()
    version_prefixes: tuple[str, ...] = ()
    package_prefixes: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.keep_count is not None:
            return f"keep the newest {self.keep_count} of each package"
        conditions = [
            {"UNTAGGED": "untagged", "TAGGED": "tagged"}.get(self.tag_state, ""),
            f"older than {_days(self.older_than)}" if self.older_than is not None else "",
            f"newer than {_days(self.newer_than)}" if self.newer_than is not None else "",
            f"tags {'*, '.join(self.tag_prefixes)}*" if self.tag_prefixes else "",
            f"versions {'*, '.join(self.version_prefixes)}*" if self.version_prefixes else "",
            f"packages {'*, '.join(self.package_prefixes)}*" if self.package_prefixes else "",
        ]
        return f"{self.action.lower()} what is {' and '.join(filter(None, conditions)) or 'there'}"


@dataclass(frozen=True)
class Repository:
    """A repository, as it is or as it should be.

    Args:
        project: The id of its Google Cloud project.
        location: Its region or multi-region.
        name: Its id.
        format: What it stores.
        mode: Where that comes from.
        description: For people.
        labels: For billing and for scripts.
        kms_key: The whole name of the key that encrypts it; '' for Google's own.
        upstreams: What a virtual repository has behind it.
        source: What a remote repository has behind it: PYPI, or a URL.
        cleanup_policies: What is deleted by itself.
        cleanup_dry_run: The cleanup policies only log what they would delete.
        immutable_tags: An image's tag can never be moved.
        size_bytes: What it holds; output only.
        created: When, as the API writes it; output only.
        updated: When, as the API writes it; output only.
    """

    project: str
    location: str
    name: str
    format: Format
    mode: Mode = Mode.STANDARD
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    kms_key: str = ""
    upstreams: tuple[Upstream, ...] = ()
    source: str = ""
    cleanup_policies: tuple[CleanupPolicy, ...] = ()
    cleanup_dry_run: bool = False
    immutable_tags: bool = False
    size_bytes: int = 0
    created: str = ""
    updated: str = ""

    @property
    def parent(self) -> str:
        """`projects/P/locations/L`."""
        return location_path(self.project, self.location)

    @property
    def path(self) -> str:
        """`projects/P/locations/L/repositories/R`."""
        return repository_path(self.project, self.location, self.name)

    @property
    def host(self) -> str:
        """The host that clients of its format talk to."""
        return f"{self.location}-{self.format}.pkg.dev"

    @property
    def url(self) -> str:
        """What clients of its format are given: an index for Python, the head of an image's name for Docker."""
        if self.format is Format.PYTHON:
            return f"https://{self.host}/{self.project}/{self.name}/simple/"
        return f"{self.host}/{self.project}/{self.name}"

    @property
    def upload_url(self) -> str:
        """Where Python packages are published; '' where nothing can be."""
        if self.format is not Format.PYTHON or self.mode is not Mode.STANDARD:
            return ""
        return self.url.removesuffix("simple/")

    def to_json(self) -> dict[str, Any]:
        """Return the repository as `--json` shows it."""
        return {
            "name": self.name,
            "path": self.path,
            "format": str(self.format),
            "mode": str(self.mode),
            "url": self.url,
            "upload_url": self.upload_url or None,
            "description": self.description,
            "labels": dict(self.labels),
            "kms_key": self.kms_key or None,
            "source": self.source or None,
            "upstreams": [
                {"id": upstream.id, "repository": upstream.repository, "priority": upstream.priority}
                for upstream in self.upstreams
            ],
            "cleanup_policies": [
                {"id": policy.id, "action": str(policy.action), "meaning": str(policy)}
                for policy in self.cleanup_policies
            ],
            "cleanup_dry_run": self.cleanup_dry_run,
            "immutable_tags": self.immutable_tags,
            "size_bytes": self.size_bytes,
            "created": self.created or None,
            "updated": self.updated or None,
        }


@dataclass(frozen=True)
class Grant:
    """A role on one repository for one member."""

    role: str
    member: str

    def __str__(self) -> str:
        return f"{self.member} as {short_role(self.role)}"


@dataclass(frozen=True)
class Binding:
    """The members of one role in a policy.

    Args:
        role: For instance `roles/artifactregistry.reader`.
        members: Who has it.
        condition: When they have it, as the API's `Expr`; None for always.
    """

    role: str
    members: tuple[str, ...]
    condition: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Policy:
    """Who may do what with a repository, as set on the repository itself.

    Args:
        bindings: Roles and their members.
        etag: What the API wants back with the next version of the policy.
        version: The schema's version: 3 where there are conditions.
    """

    bindings: tuple[Binding, ...] = ()
    etag: bytes = b""
    version: int = 1

    def gives(self, grant: Grant) -> bool:
        """Tell whether the member always has the role, or one that may do all that it may and more."""
        enough = ROLES_UPWARD[ROLES_UPWARD.index(grant.role) :] if grant.role in ROLES_UPWARD else (grant.role,)
        return any(
            binding.role in enough
            and not binding.condition
            and same_member(grant.member) in map(same_member, binding.members)
            for binding in self.bindings
        )

    def lacking(self, grants: Iterable[Grant]) -> tuple[Grant, ...]:
        """Return those of `grants` that the policy does not give."""
        return tuple(grant for grant in dict.fromkeys(grants) if not self.gives(grant))

    def with_grants(self, grants: Iterable[Grant]) -> "Policy":
        """Return the policy with `grants` added; everything that is there stays as it is."""
        bindings = list(self.bindings)
        for grant in self.lacking(grants):
            place = next((i for i, b in enumerate(bindings) if b.role == grant.role and not b.condition), None)
            if place is None:
                bindings.append(Binding(grant.role, (grant.member,)))
            else:
                bindings[place] = replace(bindings[place], members=(*bindings[place].members, grant.member))
        return replace(self, bindings=tuple(bindings))


def location_path(project: str, location: str) -> str:
    """Return `projects/P/locations/L`."""
    return f"projects/{project}/locations/{location}"


def repository_path(project: str, location: str, name: str) -> str:
    """Return `projects/P/locations/L/repositories/R`."""
    return f"{location_path(project, location)}/repositories/{name}"


def short_role(role: str) -> str:
    """Return what people call a role: `reader` for `roles/artifactregistry.reader`."""
    return role.removeprefix("roles/artifactregistry.")


def same_member(member: str) -> str:
    """Return a spelling that is the same for members that are the same: addresses have no case."""
    kind, colon, address = member.partition(":")
    return f"{kind}:{address.lower()}" if colon and kind in ("user", "group", "serviceAccount", "domain") else member


def size_text(size: int) -> str:
    """Write a number of bytes for a person."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"


def _days(seconds: int | None) -> str:
    assert seconds is not None
    days, rest = divmod(seconds, 86400)
    if rest:
        return f"{seconds} seconds"
    return "1 day" if days == 1 else f"{days} days"
