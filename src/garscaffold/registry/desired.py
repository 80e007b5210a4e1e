"""Which repositories there should be, and what has to change for that; pure.

What was not asked for is not changed: descriptions, labels, cleanup policies, upstreams and grants of others stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from garscaffold.values import (
    MAX_CLEANUP_POLICIES,
    READER,
    WRITER,
    CleanupPolicy,
    Format,
    Grant,
    Mode,
    PolicyAction,
    Repository,
    Upstream,
)

# The greater priority wins where both hold a version, so that a public file never takes the place of an own one.
OWN_PRIORITY = 100
PUBLIC_PRIORITY = 10

KEEP_NEWEST = "garscaffold-keep-newest"
DELETE_UNTAGGED = "garscaffold-delete-untagged"
DEFAULT_LABELS = {"managed-by": "garscaffold"}
_DAY = 86400


@dataclass(frozen=True)
class Cleanup:
    """Which cleanup policies were asked for.

    Args:
        keep: Keep the newest so many versions of each package from being deleted; None leaves policies alone.
        delete_untagged_days: Delete untagged images that are older; None leaves policies alone.
        dry_run: Only log what would be deleted; None for yes where a policy is added or changed.
    """

    keep: int | None = None
    delete_untagged_days: int | None = None
    dry_run: bool | None = None


@dataclass(frozen=True)
class Request:
    """What `repo bootstrap` was asked for.

    Args:
        project: The Google Cloud project's id.
        location: The region or multi-region.
        prefix: Goes in front of the repositories' names, with a hyphen; '' for none.
        names: Whole names that take the place of others: `python`, `python-pypi`, `python-virtual`, `docker`.
        formats: Python, Docker, or both.
        with_remote: Make a remote repository of the public index.
        with_virtual: Make a virtual repository over the others.
        kms_key: Encrypts what is stored; '' for Google's own.
        readers: Members who may download.
        writers: Members who may publish, and download.
        labels: On top of those that repositories are created with.
        cleanup: Cleanup policies.
        immutable_tags: An image's tag can never be moved; None for the service's default, where it can.
    """

    project: str
    location: str
    prefix: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    formats: Sequence[Format] = (Format.PYTHON, Format.DOCKER)
    with_remote: bool = True
    with_virtual: bool = True
    kms_key: str = ""
    readers: Sequence[str] = ()
    writers: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    cleanup: Cleanup = field(default_factory=Cleanup)
    immutable_tags: bool | None = None

    def name(self, plain: str) -> str:
        """Return the name of the repository that is called `plain` where nothing else was asked for."""
        return self.names.get(plain) or (f"{self.prefix}-{plain}" if self.prefix else plain)


@dataclass(frozen=True)
class Desired:
    """A repository as it should be, and who should be able to use it.

    Args:
        repository: As it is created when it is not there.
        grants: What its policy should give.
        labels: Labels that an existing one should have.
        policies: Cleanup policies that an existing one should have.
        cleanup_dry_run: See `Cleanup.dry_run`.
        immutable_tags: See `Request.immutable_tags`.
    """

    repository: Repository
    grants: tuple[Grant, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    policies: tuple[CleanupPolicy, ...] = ()
    cleanup_dry_run: bool | None = None
    immutable_tags: bool | None = None


@dataclass(frozen=True)
class Difference:
    """Something that is not as it should be and that cannot be changed.

    Args:
        name: The repository's.
        sentence: What is different.
        is_fatal: Nothing that was asked for makes sense with it.
    """

    name: str
    sentence: str
    is_fatal: bool


@dataclass(frozen=True)
class Update:
    """What an existing repository has to be changed to.

    Args:
        repository: With the new values.
        fields: The fields of it that are new.
        details: What is new, for a person.
    """

    repository: Repository
    fields: tuple[str, ...]
    details: tuple[str, ...]


def desired_repositories(request: Request) -> tuple[Desired, ...]:
    """Return every repository that a request asks for, each after those that it needs."""
    wanted: list[Desired] = []
    if Format.PYTHON in request.formats:
        wanted += _python(request)
    if Format.DOCKER in request.formats:
        wanted.append(_docker(request))
    return tuple(wanted)


def differences(desired: Desired, present: Repository) -> tuple[Difference, ...]:
    """Return what an existing repository can never be changed to."""
    wanted, name = desired.repository, present.name
    found = []
    if present.format is not wanted.format:
        sentence = f"{name} stores {present.format} and not {wanted.format}; a repository's format can never change."
        return (Difference(name, sentence, is_fatal=True),)
    if present.mode is not wanted.mode:
        sentence = f"{name} is a {present.mode} repository and not a {wanted.mode} one; its mode can never change."
        return (Difference(name, sentence, is_fatal=True),)
    if wanted.mode is Mode.REMOTE and present.source and present.source != wanted.source:
        sentence = f"{name} is a remote of {present.source} and not of {wanted.source}."
        found.append(Difference(name, sentence, is_fatal=True))
    if wanted.kms_key and present.kms_key != wanted.kms_key:
        by = present.kms_key or "Google's own key"
        sentence = f"{name} is encrypted by {by} and not by {wanted.kms_key}; a repository's key can never change."
        found.append(Difference(name, sentence, is_fatal=False))
    return tuple(found)


def in_other_locations(desired: Desired, others: Sequence[Repository]) -> tuple[Difference, ...]:
    """Return what has the same name in another location; a repository can never be moved.

    Args:
        desired: A repository that is not where it should be.
        others: Repositories of the project, in any location.
    """
    wanted = desired.repository
    return tuple(
        Difference(
            wanted.name,
            f"There is a {each.name} in {each.location} already; a repository can never be moved, so this one would be "
            f"another one, in {wanted.location}.",
            is_fatal=False,
        )
        for each in others
        if each.name == wanted.name and each.location != wanted.location
    )


def update_of(desired: Desired, present: Repository) -> Update | None:
    """Return what has to change in an existing repository, or None when nothing has to."""
    changed, details = present, []
    lacking = {key: value for key, value in desired.labels.items() if present.labels.get(key) != value}
    if lacking:
        changed = replace(changed, labels={**present.labels, **lacking})
        details.append("labels " + ", ".join(f"{key}={value}" for key, value in sorted(lacking.items())))
    upstreams = _upstreams(desired.repository.upstreams, present.upstreams)
    if upstreams != present.upstreams:
        changed = replace(changed, upstreams=upstreams)
        details.append("upstreams " + " before ".join(each.id for each in sorted(upstreams, key=_downward)))
    changed, said = _cleaned_up(desired, changed)
    details += said
    if desired.immutable_tags is not None and desired.immutable_tags != present.immutable_tags:
        changed = replace(changed, immutable_tags=desired.immutable_tags)
        details.append("immutable tags" if desired.immutable_tags else "tags can be moved")
    fields = tuple(
        name
        for name in ("labels", "upstreams", "cleanup_policies", "cleanup_dry_run", "immutable_tags")
        if getattr(changed, name) != getattr(present, name)
    )
    return Update(changed, fields, tuple(details)) if fields else None


def describe(desired: Desired) -> str:
    """Return what a person wants to know about a repository before it is created."""
    wanted = desired.repository
    details = [f"{wanted.mode} {wanted.format}"]
    if wanted.mode is Mode.REMOTE:
        details.append(f"a cache of {'PyPI' if wanted.source == 'PYPI' else wanted.source}")
    if wanted.upstreams:
        details.append("over " + " before ".join(each.id for each in sorted(wanted.upstreams, key=_downward)))
    details += map(str, wanted.cleanup_policies)
    if wanted.cleanup_policies:
        details.append("cleanup as a dry run" if wanted.cleanup_dry_run else "cleanup for real")
    if wanted.immutable_tags:
        details.append("immutable tags")
    if wanted.kms_key:
        details.append(f"encrypted by {wanted.kms_key.rpartition('/')[2]}")
    return ", ".join(details)


def _python(request: Request) -> list[Desired]:
    own = _standard(request, "python", Format.PYTHON, "Python packages of our own; publish here.")
    own = replace(own, grants=_read_and_write(request))
    wanted = [own]
    upstreams = [Upstream(own.repository.name, own.repository.path, OWN_PRIORITY)]
    reading = tuple(Grant(READER, member) for member in dict.fromkeys((*request.readers, *request.writers)))
    if request.with_remote:
        remote = replace(
            _new(request, "python-pypi", Format.PYTHON, "A cache of PyPI; read through the virtual repository."),
            mode=Mode.REMOTE,
            source="PYPI",
            kms_key=request.kms_key,
        )
        upstreams.append(Upstream(remote.name, remote.path, PUBLIC_PRIORITY))
        # Whoever reads through the virtual repository needs nothing here: fewer grants, and one way in.
        wanted.append(Desired(remote, () if request.with_virtual else reading, request.labels))
    if request.with_virtual:
        virtual = replace(
            _new(
                request, "python-virtual", Format.PYTHON, "Our own Python packages before those of PyPI; install here."
            ),
            mode=Mode.VIRTUAL,
            upstreams=tuple(upstreams),
        )
        wanted.append(Desired(virtual, reading, request.labels))
    return wanted


def _docker(request: Request) -> Desired:
    desired = _standard(request, "docker", Format.DOCKER, "Images of our own.")
    return replace(
        desired,
        repository=replace(desired.repository, immutable_tags=bool(request.immutable_tags)),
        grants=_read_and_write(request),
        immutable_tags=request.immutable_tags,
    )


def _standard(request: Request, plain: str, stores: Format, description: str) -> Desired:
    cleanup = request.cleanup
    policies = []
    if stores is Format.DOCKER and cleanup.delete_untagged_days is not None:
        older_than = cleanup.delete_untagged_days * _DAY
        policies.append(
            CleanupPolicy(DELETE_UNTAGGED, PolicyAction.DELETE, tag_state="UNTAGGED", older_than=older_than)
        )
    if cleanup.keep is not None:
        policies.append(CleanupPolicy(KEEP_NEWEST, PolicyAction.KEEP, keep_count=cleanup.keep))
    repository = replace(
        _new(request, plain, stores, description),
        kms_key=request.kms_key,
        cleanup_policies=tuple(policies),
        cleanup_dry_run=bool(policies) and cleanup.dry_run is not False,
    )
    return Desired(repository, (), request.labels, tuple(policies), cleanup.dry_run)


def _new(request: Request, plain: str, stores: Format, description: str) -> Repository:
    return Repository(
        request.project,
        request.location,
        request.name(plain),
        stores,
        description=description,
        labels={**DEFAULT_LABELS, **request.labels},
    )


def _read_and_write(request: Request) -> tuple[Grant, ...]:
    readers = [member for member in dict.fromkeys(request.readers) if member not in request.writers]
    return (
        *(Grant(READER, member) for member in readers),
        *(Grant(WRITER, member) for member in dict.fromkeys(request.writers)),
    )


def _downward(upstream: Upstream) -> int:
    return -upstream.priority


def _upstreams(wanted: Sequence[Upstream], present: Sequence[Upstream]) -> tuple[Upstream, ...]:
    """Return upstreams with ours among them and in our order; those of others stay as they are."""
    ours = [each for each in present if each.repository in {upstream.repository for upstream in wanted}]
    by_path = {each.repository: each for each in ours}
    order = [by_path[each.repository].priority for each in wanted if each.repository in by_path]
    if len(order) == len(wanted) and all(first > second for first, second in pairwise(order)):
        return tuple(present)
    others = tuple(each for each in present if each not in ours)
    return (*others, *(replace(each, id=by_path.get(each.repository, each).id) for each in wanted))


def _cleaned_up(desired: Desired, present: Repository) -> tuple[Repository, list[str]]:
    before = {policy.id: policy for policy in present.cleanup_policies}
    new = [policy for policy in desired.policies if before.get(policy.id) != policy]
    after = tuple(sorted({**before, **{policy.id: policy for policy in new}}.values(), key=lambda each: each.id))
    details = [str(policy) for policy in new]
    dry_run = present.cleanup_dry_run
    if desired.cleanup_dry_run is not None and after:
        dry_run = desired.cleanup_dry_run
    elif new:
        # A new rule deletes nothing before somebody has said that it may.
        dry_run = True
    if dry_run != present.cleanup_dry_run:
        details.append("cleanup as a dry run" if dry_run else "cleanup for real")
    return replace(
        present, cleanup_policies=after if new else present.cleanup_policies, cleanup_dry_run=dry_run
    ), details


def too_many_policies(update: Update) -> bool:
    """Tell whether an update asks for more cleanup policies than a repository can have."""
    return len(update.repository.cleanup_policies) > MAX_CLEANUP_POLICIES
