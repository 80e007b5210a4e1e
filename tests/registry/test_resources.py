"""Resources of the REST API to values and back."""

from hypothesis import given
from hypothesis import strategies as st

from garscaffold.registry.resources import (
    policy_from_resource,
    repository_from_resource,
    resource_from_policy,
    resource_from_repository,
)
from garscaffold.values import (
    Binding,
    CleanupPolicy,
    Format,
    Mode,
    Policy,
    PolicyAction,
    Repository,
    Upstream,
)

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
PREFIXES = st.lists(NAMES, max_size=2).map(tuple)
SECONDS = st.none() | st.integers(0, 10**9)
NEWEST = st.builds(
    CleanupPolicy, NAMES, st.just(PolicyAction.KEEP), keep_count=st.integers(1, 99), package_prefixes=PREFIXES
)
CONDITIONAL = st.builds(
    CleanupPolicy,
    NAMES,
    st.sampled_from(PolicyAction),
    tag_state=st.sampled_from(["", "TAGGED", "UNTAGGED", "ANY"]),
    older_than=SECONDS,
    newer_than=SECONDS,
    tag_prefixes=PREFIXES,
    version_prefixes=PREFIXES,
    package_prefixes=PREFIXES,
)
POLICIES = st.lists(NEWEST | CONDITIONAL, max_size=3, unique_by=lambda each: each.id).map(
    lambda found: tuple(sorted(found, key=lambda each: each.id))
)
COMMON = {
    "project": st.just("acme-prod"),
    "location": st.just("us"),
    "name": NAMES,
    "description": st.text(max_size=20),
    "labels": st.dictionaries(NAMES, NAMES, max_size=3),
    "kms_key": st.sampled_from(["", "projects/p/locations/us/keyRings/r/cryptoKeys/k"]),
    "cleanup_policies": POLICIES,
    "cleanup_dry_run": st.booleans(),
}
REPOSITORIES = st.one_of(
    st.builds(Repository, format=st.just(Format.PYTHON), **COMMON),
    st.builds(Repository, format=st.just(Format.DOCKER), immutable_tags=st.booleans(), **COMMON),
    st.builds(
        Repository,
        format=st.sampled_from([Format.PYTHON, Format.DOCKER]),
        mode=st.just(Mode.REMOTE),
        source=st.sampled_from(["PYPI", "https://pypi.acme.com"]),
        **COMMON,
    ),
    st.builds(
        Repository,
        format=st.just(Format.PYTHON),
        mode=st.just(Mode.VIRTUAL),
        upstreams=st.lists(st.builds(Upstream, NAMES, NAMES, st.integers(1, 1000)), max_size=3).map(tuple),
        **COMMON,
    ),
)


@given(REPOSITORIES)
def test_a_repository_survives_the_way_there_and_back(repository: Repository) -> None:
    assert repository_from_resource(resource_from_repository(repository)) == repository


def test_a_format_of_tomorrow_is_another_one() -> None:
    resource = {"name": "projects/p/locations/us/repositories/r", "format": "HOLOGRAM"}
    assert repository_from_resource(resource).format is Format.OTHER


def test_a_mode_that_is_not_said_is_standard_as_the_service_takes_it() -> None:
    resource = {"name": "projects/p/locations/us/repositories/r", "format": "PYTHON"}
    assert repository_from_resource(resource).mode is Mode.STANDARD


def test_a_policy_with_conditions_keeps_them_and_is_written_as_version_3() -> None:
    condition = {"title": "until 2030", "expression": "request.time < timestamp('2030-01-01T00:00:00Z')"}
    policy = Policy((Binding("roles/viewer", ("user:a@acme.com",), condition),), b"x")
    resource = resource_from_policy(policy)
    assert resource["version"] == 3
    assert policy_from_resource(resource, b"x").bindings == policy.bindings
