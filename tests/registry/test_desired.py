"""Which repositories there should be, and what has to change for that."""

from dataclasses import replace

import pytest

from garscaffold.registry.desired import (
    DELETE_UNTAGGED,
    KEEP_NEWEST,
    Cleanup,
    Desired,
    Request,
    desired_repositories,
    differences,
    too_many_policies,
    update_of,
)
from garscaffold.values import (
    READER,
    WRITER,
    CleanupPolicy,
    Format,
    Grant,
    Mode,
    PolicyAction,
    Upstream,
)

REQUEST = Request("acme-prod", "us")
KEY = "projects/p/locations/us/keyRings/r/cryptoKeys/k"


def wanted(name: str, request: Request = REQUEST) -> Desired:
    return next(each for each in desired_repositories(request) if each.repository.name == name)


def names(request: Request) -> list[str]:
    return [each.repository.name for each in desired_repositories(request)]


def test_the_names_are_those_that_the_template_takes_by_default() -> None:
    assert names(REQUEST) == ["python", "python-pypi", "python-virtual", "docker"]
    assert names(replace(REQUEST, prefix="acme")) == [
        "acme-python",
        "acme-python-pypi",
        "acme-python-virtual",
        "acme-docker",
    ]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (replace(REQUEST, formats=(Format.PYTHON,)), ["python", "python-pypi", "python-virtual"]),
        (replace(REQUEST, formats=(Format.DOCKER,)), ["docker"]),
        (replace(REQUEST, with_virtual=False), ["python", "python-pypi", "docker"]),
        (replace(REQUEST, with_remote=False), ["python", "python-virtual", "docker"]),
        (replace(REQUEST, with_remote=False, with_virtual=False), ["python", "docker"]),
    ],
)
def test_what_is_left_out(request_: Request, expected: list[str]) -> None:
    assert names(request_) == expected


def test_our_own_packages_come_before_those_of_the_public_index() -> None:
    own, public = wanted("python-virtual").repository.upstreams
    assert (own.id, public.id) == ("python", "python-pypi")
    assert own.priority > public.priority


def test_grants_are_the_least_that_does_it() -> None:
    request = replace(REQUEST, readers=("group:devs@acme.com", "user:both@acme.com"), writers=("user:both@acme.com",))
    grants = {each.repository.name: each.grants for each in desired_repositories(request)}
    both = (Grant(READER, "group:devs@acme.com"), Grant(WRITER, "user:both@acme.com"))
    reading = (Grant(READER, "group:devs@acme.com"), Grant(READER, "user:both@acme.com"))
    assert grants == {"python": both, "python-pypi": (), "python-virtual": reading, "docker": both}


def test_without_a_virtual_repository_the_remote_is_read_directly() -> None:
    request = replace(REQUEST, with_virtual=False, readers=("group:devs@acme.com",))
    assert wanted("python-pypi", request).grants == (Grant(READER, "group:devs@acme.com"),)


def test_a_key_encrypts_what_stores_something() -> None:
    request = replace(REQUEST, kms_key=KEY)
    keys = {each.repository.name: each.repository.kms_key for each in desired_repositories(request)}
    assert keys == {"python": KEY, "python-pypi": KEY, "python-virtual": "", "docker": KEY}


def test_cleanup_is_a_dry_run_unless_somebody_says_no() -> None:
    asked = replace(REQUEST, cleanup=Cleanup(keep=3, delete_untagged_days=7))
    assert wanted("docker", asked).repository.cleanup_dry_run
    assert [each.id for each in wanted("docker", asked).repository.cleanup_policies] == [DELETE_UNTAGGED, KEEP_NEWEST]
    assert [each.id for each in wanted("python", asked).repository.cleanup_policies] == [KEEP_NEWEST]
    assert not wanted("python-virtual", asked).repository.cleanup_policies
    real = replace(REQUEST, cleanup=Cleanup(keep=3, dry_run=False))
    assert not wanted("docker", real).repository.cleanup_dry_run


@pytest.mark.parametrize("name", ["python", "python-pypi", "python-virtual", "docker"])
@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        replace(REQUEST, labels={"team": "core"}, kms_key=KEY, immutable_tags=True),
        replace(REQUEST, cleanup=Cleanup(5, 30)),
        replace(REQUEST, cleanup=Cleanup(5, 30, dry_run=False)),
    ],
)
def test_what_was_just_created_needs_no_update(name: str, request_: Request) -> None:
    desired = wanted(name, request_)
    assert update_of(desired, desired.repository) is None
    assert differences(desired, desired.repository) == ()


def test_an_update_makes_another_one_unnecessary_and_leaves_what_others_did() -> None:
    theirs = CleanupPolicy("theirs", PolicyAction.DELETE, tag_state="ANY", older_than=1)
    present = replace(
        wanted("docker").repository,
        description="theirs",
        labels={"cost-centre": "7", "team": "old"},
        cleanup_policies=(theirs,),
    )
    desired = wanted("docker", replace(REQUEST, labels={"team": "core"}, cleanup=Cleanup(5, 30), immutable_tags=True))
    update = update_of(desired, present)
    assert update is not None
    assert update.fields == ("labels", "cleanup_policies", "cleanup_dry_run", "immutable_tags")
    after = update.repository
    assert after.description == "theirs"
    assert after.labels == {"cost-centre": "7", "team": "core"}
    assert theirs in after.cleanup_policies
    assert update_of(desired, after) is None


def test_a_new_rule_deletes_nothing_before_somebody_said_that_it_may() -> None:
    running = replace(
        wanted("docker").repository,
        cleanup_policies=(CleanupPolicy("theirs", PolicyAction.DELETE, tag_state="ANY", older_than=1),),
    )
    update = update_of(wanted("docker", replace(REQUEST, cleanup=Cleanup(delete_untagged_days=1))), running)
    assert update is not None
    assert update.repository.cleanup_dry_run


def test_a_cleanup_that_was_said_to_be_for_real_stays_so() -> None:
    real = wanted("docker", replace(REQUEST, cleanup=Cleanup(5, 30, dry_run=False))).repository
    assert update_of(wanted("docker", replace(REQUEST, cleanup=Cleanup(5, 30))), real) is None


def test_what_was_not_asked_for_is_not_changed() -> None:
    present = replace(
        wanted("docker").repository,
        description="",
        labels={},
        kms_key=KEY,
        immutable_tags=True,
        cleanup_policies=(CleanupPolicy("theirs", PolicyAction.KEEP, keep_count=1),),
    )
    assert update_of(wanted("docker"), present) is None
    assert differences(wanted("docker"), present) == ()


def test_a_virtual_repository_gets_what_it_lacks_and_keeps_the_rest() -> None:
    desired = wanted("python-virtual")
    theirs = Upstream("theirs", "projects/other/locations/us/repositories/x", 55)
    present = replace(desired.repository, upstreams=(theirs, desired.repository.upstreams[1]))
    update = update_of(desired, present)
    assert update is not None
    assert set(update.repository.upstreams) == {theirs, *desired.repository.upstreams}
    assert update_of(desired, update.repository) is None


def test_upstreams_in_the_wrong_order_are_put_right_under_the_ids_that_they_have() -> None:
    desired = wanted("python-virtual")
    own, public = desired.repository.upstreams
    present = replace(
        desired.repository, upstreams=(replace(own, id="mine", priority=1), replace(public, id="pypi", priority=1))
    )
    update = update_of(desired, present)
    assert update is not None
    assert [(each.id, each.priority) for each in update.repository.upstreams] == [("mine", 100), ("pypi", 10)]


def test_upstreams_in_the_right_order_keep_their_priorities() -> None:
    desired = wanted("python-virtual")
    own, public = desired.repository.upstreams
    present = replace(desired.repository, upstreams=(replace(public, priority=2), replace(own, priority=3)))
    assert update_of(desired, present) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": Format.MAVEN}, "stores maven and not python"),
        ({"mode": Mode.REMOTE, "source": "PYPI"}, "is a remote repository and not a standard one"),
    ],
)
def test_another_format_or_mode_is_fatal(changes: dict[str, object], said: str) -> None:
    desired = wanted("python")
    (found,) = differences(desired, replace(desired.repository, **changes))  # type: ignore[arg-type]
    assert said in found.sentence
    assert found.is_fatal


def test_another_source_of_a_remote_is_fatal() -> None:
    desired = wanted("python-pypi")
    (found,) = differences(desired, replace(desired.repository, source="https://pypi.acme.com"))
    assert found.is_fatal
    assert "https://pypi.acme.com" in found.sentence


def test_another_key_is_said_and_not_fatal() -> None:
    desired = wanted("python", replace(REQUEST, kms_key=KEY))
    (found,) = differences(desired, replace(desired.repository, kms_key=""))
    assert not found.is_fatal
    assert "Google's own key" in found.sentence


def test_more_cleanup_policies_than_a_repository_can_have() -> None:
    theirs = tuple(CleanupPolicy(f"p{number}", PolicyAction.KEEP, keep_count=1) for number in range(10))
    desired = wanted("docker", replace(REQUEST, cleanup=Cleanup(keep=5)))
    update = update_of(desired, replace(desired.repository, cleanup_policies=theirs))
    assert update is not None
    assert too_many_policies(update)
