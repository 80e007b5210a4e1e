"""Repositories, grants and policies as values, and the rules of their names."""

import pytest

from garscaffold.rules import (
    check_kms_key,
    check_label,
    check_location,
    check_member,
    check_project,
    check_repository_name,
)
from garscaffold.values import (
    ADMIN,
    READER,
    WRITER,
    Binding,
    CleanupPolicy,
    Format,
    Grant,
    Mode,
    Policy,
    PolicyAction,
    Repository,
    size_text,
)


@pytest.mark.parametrize(
    "member",
    [
        "user:ada@example.com",
        "group:all-developers@acme.co.uk",
        "serviceAccount:build@acme-prod.iam.gserviceaccount.com",
        "serviceAccount:123456789@cloudbuild.gserviceaccount.com",
        "serviceAccount:acme-prod.svc.id.goog[default/builder]",
        "domain:acme.com",
        "projectOwner:acme-prod",
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/repo:acme/x:ref:y",
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/attribute.repository/a/b",
        "principalSet://iam.googleapis.com/locations/global/workforcePools/pool/group/devs",
        "allUsers",
        "allAuthenticatedUsers",
    ],
)
def test_every_form_of_member_is_well(member: str) -> None:
    assert check_member(member) == ""


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("ada@example.com", "write user:ada@example.com, or group:ada@example.com"),
        ("b@p.iam.gserviceaccount.com", "write serviceAccount:b@p.iam.gserviceaccount.com."),
        ("user:ada", "is no member"),
        ("User:ada@example.com", "is no member"),
        ("user:ada@example.com ", "is no member"),
        ("user:ada@example.com\n", "is no member"),
        ("deleted:user:ada@example.com?uid=1", "is no member"),
        ("allusers", "is no member"),
        ("domain:", "is no member"),
        ("", "is no member"),
        ("user:a@b.c,user:d@e.f", "is no member"),
    ],
)
def test_what_is_no_member_is_answered_with_what_would_be_one(member: str, said: str) -> None:
    assert said in check_member(member)


@pytest.mark.parametrize("name", ["a", "python", "a-b-1", "a" * 63, "a--b"])
def test_repository_names_that_are_well(name: str) -> None:
    assert check_repository_name(name) == ""


@pytest.mark.parametrize("name", ["", "A", "1a", "a-", "-a", "a_b", "a.b", "a" * 64, "a\n", "ä", "a b"])
def test_repository_names_that_are_not(name: str) -> None:
    assert "at most 63" in check_repository_name(name)


@pytest.mark.parametrize(
    ("project", "well"), [("acme-prod", 1), ("acme", 0), ("a" * 31, 0), ("acme-", 0), ("Acme12", 0)]
)
def test_projects(project: str, well: bool) -> None:
    assert (check_project(project) == "") is bool(well)


@pytest.mark.parametrize(
    ("location", "well"), [("us", 1), ("europe-west12", 1), ("me-west1", 1), ("eu", 0), ("us-central1-a", 0), ("US", 0)]
)
def test_locations(location: str, well: bool) -> None:
    assert (check_location(location) == "") is bool(well)


def test_a_key_has_to_be_where_the_repository_is() -> None:
    key = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k"
    assert check_kms_key(key, "europe-west1") == ""
    assert "needs a key of the same location" in check_kms_key(key, "us")
    assert "A key is named" in check_kms_key("k", "us")


@pytest.mark.parametrize(("key", "value", "well"), [("team", "core", 1), ("t", "", 1), ("Team", "x", 0), ("", "x", 0)])
def test_labels(key: str, value: str, well: bool) -> None:
    assert (check_label(key, value) == "") is bool(well)


def test_a_grant_is_added_to_its_role_and_all_else_stays() -> None:
    theirs = Binding("roles/editor", ("user:them@acme.com",))
    conditional = Binding(READER, ("user:a@acme.com",), {"expression": "request.time < timestamp('2030-01-01')"})
    plain = Binding(READER, ("user:b@acme.com",))
    policy = Policy((theirs, conditional, plain), b"etag", 3)
    after = policy.with_grants([Grant(READER, "user:c@acme.com"), Grant(WRITER, "user:d@acme.com")])
    assert after == Policy(
        (
            theirs,
            conditional,
            Binding(READER, ("user:b@acme.com", "user:c@acme.com")),
            Binding(WRITER, ("user:d@acme.com",)),
        ),
        b"etag",
        3,
    )
    assert after.with_grants([Grant(READER, "user:c@acme.com")]) == after


def test_a_conditional_grant_is_not_a_grant_for_always() -> None:
    policy = Policy((Binding(READER, ("user:a@acme.com",), {"expression": "false"}),))
    assert policy.lacking([Grant(READER, "user:a@acme.com")])


def test_a_greater_role_gives_the_smaller_one() -> None:
    policy = Policy((Binding(ADMIN, ("user:a@acme.com",)),))
    assert policy.gives(Grant(WRITER, "user:a@acme.com"))
    assert not Policy((Binding(READER, ("user:a@acme.com",)),)).gives(Grant(WRITER, "user:a@acme.com"))


def test_addresses_have_no_case_and_principals_have() -> None:
    policy = Policy((Binding(READER, ("user:ada@acme.com", "principal://iam.googleapis.com/a/b")),))
    assert policy.gives(Grant(READER, "user:Ada@Acme.com"))
    assert not policy.gives(Grant(READER, "principal://iam.googleapis.com/A/b"))


def test_the_addresses_of_a_repository() -> None:
    python = Repository("acme-prod", "us", "libs", Format.PYTHON)
    assert python.url == "https://us-python.pkg.dev/acme-prod/libs/simple/"
    assert python.upload_url == "https://us-python.pkg.dev/acme-prod/libs/"
    assert Repository("acme-prod", "us", "all", Format.PYTHON, Mode.VIRTUAL).upload_url == ""
    assert Repository("acme-prod", "us", "images", Format.DOCKER).url == "us-docker.pkg.dev/acme-prod/images"


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (CleanupPolicy("k", PolicyAction.KEEP, keep_count=5), "keep the newest 5 of each package"),
        (
            CleanupPolicy("d", PolicyAction.DELETE, tag_state="UNTAGGED", older_than=86400),
            "delete what is untagged and older than 1 day",
        ),
        (CleanupPolicy("d", PolicyAction.DELETE, tag_state="ANY"), "delete what is there"),
        (
            CleanupPolicy("d", PolicyAction.KEEP, tag_prefixes=("v", "r"), newer_than=90),
            "keep what is newer than 90 seconds and tags v*, r*",
        ),
    ],
)
def test_a_cleanup_policy_says_what_it_does(policy: CleanupPolicy, text: str) -> None:
    assert str(policy) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**3, "5.0 GiB"), (3 * 1024**5, "3072.0 TiB")],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text
