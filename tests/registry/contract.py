"""What every registry does, whatever is behind it. A subclass gives the fixtures `registry`, `project`, `location`."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from garscaffold.errors import GarscaffoldError
from garscaffold.registry import UNSET_POLICY, PolicyChanged, Registry, RepositoryNotFound
from garscaffold.registry.bootstrap import look, write_grants
from garscaffold.registry.desired import Cleanup, Request
from garscaffold.values import (
    READER,
    REPO_ADMIN,
    WRITER,
    CleanupPolicy,
    Format,
    Grant,
    Mode,
    PolicyAction,
    Repository,
    Upstream,
)

Make = Callable[..., Repository]


def unheard(line: str) -> None:
    """Take a report that nobody reads."""


class RegistryContract:
    """The contract.

    Members that a policy is given have to exist on the real service, so all of these are of its own making.
    """

    @pytest.fixture
    def prefix(self) -> str:
        return f"garscaffold-{uuid.uuid4().hex[:8]}"

    @pytest.fixture
    def make(self, project: str, location: str, prefix: str) -> Make:
        def made(name: str = "python", **changes: object) -> Repository:
            plain = Repository(project, location, f"{prefix}-{name}", Format.PYTHON, labels={"made-by": "contract"})
            return replace(plain, **changes)  # type: ignore[arg-type]

        return made

    @pytest.fixture
    def member(self) -> str:
        return "domain:google.com"

    def test_locations_name_regions_and_multi_regions(self, registry: Registry, project: str) -> None:
        found = registry.locations(project)
        assert {"us", "europe", "us-central1", "europe-west1"} <= set(found)
        assert found == sorted(found)

    def test_what_was_created_is_listed_and_read_as_it_was_asked_for(self, registry: Registry, make: Make) -> None:
        wanted = make(description="Ours; with “quotes” & more.")
        heard: list[str] = []
        registry.create([wanted], heard.append)
        found = registry.repository(wanted.project, wanted.location, wanted.name)
        assert replace(found, created="", updated="", size_bytes=0) == wanted
        assert found.created
        listed = registry.repositories(wanted.project, wanted.location)
        assert wanted.name in [each.name for each in listed]
        assert [each.name for each in listed] == sorted(each.name for each in listed)
        assert heard == [f"{wanted.name} is created"]

    def test_every_mode_and_format_survives_the_way_there_and_back(self, registry: Registry, make: Make) -> None:
        own, remote = make(), make("remote", mode=Mode.REMOTE, source="PYPI")
        images = make("images", format=Format.DOCKER, immutable_tags=True)
        registry.create([own, remote, images], unheard)
        virtual = make(
            "virtual",
            mode=Mode.VIRTUAL,
            upstreams=(Upstream("own", own.path, 100), Upstream("public", remote.path, 10)),
        )
        registry.create([virtual], unheard)
        for wanted in (own, remote, images, virtual):
            found = registry.repository(wanted.project, wanted.location, wanted.name)
            assert replace(found, created="", updated="", size_bytes=0) == wanted

    def test_a_repository_that_is_not_there_is_not_found(self, registry: Registry, make: Make) -> None:
        with pytest.raises(RepositoryNotFound):
            registry.repository(make().project, make().location, make("nothing").name)

    def test_creating_what_is_there_already_takes_it_as_it_is(self, registry: Registry, make: Make) -> None:
        registry.create([make()], unheard)
        heard: list[str] = []
        registry.create([make()], heard.append)
        assert heard == [f"{make().name} is there already"]

    def test_creating_what_is_there_already_as_something_else_is_refused(self, registry: Registry, make: Make) -> None:
        registry.create([make()], unheard)
        with pytest.raises(GarscaffoldError, match="as a standard python repository and not a standard docker one"):
            registry.create([make(format=Format.DOCKER)], unheard)

    def test_an_update_changes_the_named_fields_and_no_others(self, registry: Registry, make: Make) -> None:
        registry.create([make(description="before")], unheard)
        policies = (
            CleanupPolicy("keep", PolicyAction.KEEP, keep_count=3, package_prefixes=("acme",)),
            CleanupPolicy("old", PolicyAction.DELETE, tag_state="ANY", older_than=86400 * 30, version_prefixes=("0.",)),
        )
        changed = make(description="after", labels={"team": "core"}, cleanup_policies=policies, cleanup_dry_run=True)
        registry.update(changed, ["labels", "cleanup_policies", "cleanup_dry_run"])
        found = registry.repository(changed.project, changed.location, changed.name)
        assert found.description == "before"
        assert (found.labels, found.cleanup_policies, found.cleanup_dry_run) == ({"team": "core"}, policies, True)
        registry.update(replace(changed, cleanup_dry_run=False), ["cleanup_dry_run"])
        assert not registry.repository(changed.project, changed.location, changed.name).cleanup_dry_run

    def test_a_policy_is_written_with_its_etag_or_not_at_all(self, registry: Registry, make: Make, member: str) -> None:
        registry.create([make()], unheard)
        read = registry.policy(make().path)
        assert read.bindings == ()
        registry.set_policy(make().path, read.with_grants([Grant(READER, member)]))
        with pytest.raises(PolicyChanged):
            registry.set_policy(make().path, read.with_grants([Grant(WRITER, member)]))
        after = registry.policy(make().path)
        assert after.gives(Grant(READER, member))
        assert not after.gives(Grant(WRITER, member))

    def test_a_policy_that_was_never_set_can_be_written_unread(
        self, registry: Registry, make: Make, member: str
    ) -> None:
        registry.create([make()], unheard)
        write_grants(registry, make().path, [Grant(READER, member)], UNSET_POLICY)
        assert registry.policy(make().path).gives(Grant(READER, member))

    def test_a_grant_that_somebody_else_made_meanwhile_stays(self, registry: Registry, make: Make, member: str) -> None:
        registry.create([make()], unheard)
        read = registry.policy(make().path)
        registry.set_policy(make().path, read.with_grants([Grant(WRITER, member)]))
        write_grants(registry, make().path, [Grant(REPO_ADMIN, member)], read)
        roles = {binding.role for binding in registry.policy(make().path).bindings}
        assert roles == {WRITER, REPO_ADMIN}

    def test_after_a_bootstrap_the_next_plan_is_empty(
        self, registry: Registry, project: str, location: str, prefix: str, member: str
    ) -> None:
        request = Request(
            project,
            location,
            prefix=prefix,
            readers=(member,),
            labels={"team": "core"},
            cleanup=Cleanup(keep=5, delete_untagged_days=30),
        )
        first = look(request, registry, unheard)
        assert names_of(first.plan.changes) == {
            "repository": [f"{prefix}-{each}" for each in ("python", "python-pypi", "docker", "python-virtual")],
            "grant": [f"{member} → {prefix}-{each}" for each in ("python", "python-virtual", "docker")],
        }
        for step in first.plan.steps:
            step.apply()
        assert not look(request, registry, unheard).plan


def names_of(changes: Sequence[object]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for change in changes:
        found.setdefault(change.kind, []).append(change.name)  # type: ignore[attr-defined]
    return found
