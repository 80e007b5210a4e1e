"""Google's client: the contract on the sandbox and, when asked for, on the real service; and what only it does."""

import socket
import threading
import time
from collections.abc import Iterator

import certifi
import pytest
import requests
from google.cloud import artifactregistry_v1
from google.longrunning import operations_pb2

from garscaffold.credentials import find
from garscaffold.errors import GarscaffoldError
from garscaffold.registry import PermissionDenied
from garscaffold.registry.bootstrap import write_grants
from garscaffold.registry.gar import GoogleRegistry, Patience, _finish, _is_worth_repeating, connect
from garscaffold.sandbox import Sandbox
from garscaffold.values import READER, Format, Grant, Mode, Repository, location_path
from tests.registry.conftest import LOCATION, Connect
from tests.registry.contract import RegistryContract, unheard


class TestOnTheSandbox(RegistryContract):
    @pytest.fixture
    def location(self) -> str:
        return LOCATION

    @pytest.fixture
    def member(self) -> str:
        return "group:developers@acme.com"


class TestOnArtifactRegistry(RegistryContract):
    """Runs with `pytest tests/registry --live PROJECT` only."""

    @pytest.fixture
    def project(self, request: pytest.FixtureRequest) -> str:
        given = request.config.getoption("--live", None)
        if not given:
            pytest.skip("the real service is asked with `pytest tests/registry --live PROJECT` only")
        return str(given)

    @pytest.fixture
    def location(self, request: pytest.FixtureRequest) -> str:
        return str(request.config.getoption("--live-location"))

    @pytest.fixture
    def registry(self, project: str, location: str, prefix: str) -> Iterator[GoogleRegistry]:
        yield connect()
        client = artifactregistry_v1.ArtifactRegistryClient(credentials=find().google, transport="rest")
        parent = location_path(project, location)
        names = [each.name for each in client.list_repositories(parent=parent)]
        # A virtual repository goes first: what is behind it cannot go before.
        for name in sorted(names, key=lambda each: "virtual" not in each):
            if name.rpartition("/")[2].startswith(prefix):
                client.delete_repository(name=name).result(timeout=300)  # type: ignore[no-untyped-call]


def python_repository(project: str, name: str = "python") -> Repository:
    return Repository(project, LOCATION, name, Format.PYTHON)


def test_lists_of_many_pages_are_read_to_their_end(
    sandbox: Sandbox, registry: GoogleRegistry, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("garscaffold.registry.gar._PAGE_SIZE", 2)
    for number in range(5):
        sandbox.create_repository(project, LOCATION, f"r{number}", format="MAVEN")
    found = registry.repositories(project, LOCATION)
    assert [each.name for each in found] == ["r0", "r1", "r2", "r3", "r4"]
    assert found[0].format is Format.MAVEN
    assert registry.calls == 3


def test_every_location_is_asked(sandbox: Sandbox, registry: GoogleRegistry, project: str) -> None:
    for location in ("us", "europe-west4"):
        sandbox.create_repository(project, location, "docker", format="DOCKER")
    found = [(each.name, each.location) for each in registry.everywhere(project)]
    assert found == [("docker", "europe-west4"), ("docker", "us")]


def test_a_location_that_is_listed_and_forbidden_is_passed_over(
    sandbox: Sandbox, act_as: Connect, project: str
) -> None:
    class WithAForbiddenOne(GoogleRegistry):
        def locations(self, project: str) -> list[str]:
            return ["forbidden-west1", *super().locations(project)]

    act_as()
    sandbox.create_repository(project, "us", "docker", format="DOCKER")
    assert [each.name for each in WithAForbiddenOne(find()).everywhere(project)] == ["docker"]


def test_a_creation_that_failed_says_why() -> None:
    operation = operations_pb2.Operation(done=True)
    operation.error.message = "the key is disabled"
    with pytest.raises(GarscaffoldError, match="python could not be created: the key is disabled"):
        _finish(operation, python_repository("acme-prod"), unheard)


@pytest.mark.parametrize("fault", ["unavailable-503:2", "quota-429:2"])
def test_a_call_that_is_refused_for_now_is_made_again(
    sandbox: Sandbox, act_as: Connect, project: str, fault: str
) -> None:
    act_as()
    heard: list[str] = []
    registry = GoogleRegistry(find(), report=heard.append)
    sandbox.set_faults(fault)
    registry.create([python_repository(project)], unheard)
    assert registry.repository(project, LOCATION, "python").mode is Mode.STANDARD
    assert [line.partition(";")[0] for line in heard] == [f"Artifact Registry answers {fault[-5:-2]}"] * 2


def test_a_connection_that_was_cut_is_worth_another_try_and_one_that_cannot_be_made_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        cutting = threading.Thread(target=lambda: server.accept()[0].close())
        cutting.start()
        with pytest.raises(requests.ConnectionError) as cut:
            requests.get(url, timeout=5)
        cutting.join()
    with pytest.raises(requests.ConnectionError) as refused:
        requests.get(url, timeout=5)
    assert _is_worth_repeating(cut.value)
    assert not _is_worth_repeating(refused.value)


@pytest.mark.parametrize(("fault", "said"), [("unavailable-503", "did not answer well"), ("quota-429", "The quota of")])
def test_patience_ends_with_a_sentence(sandbox: Sandbox, act_as: Connect, project: str, fault: str, said: str) -> None:
    act_as()
    registry = GoogleRegistry(find(), Patience(retries=0.5))
    sandbox.set_faults(fault)
    with pytest.raises(GarscaffoldError, match=said) as caught:
        registry.repositories(project, LOCATION)
    assert "again" in caught.value.mend


def test_creations_run_at_the_same_time(sandbox: Sandbox, registry: GoogleRegistry, project: str) -> None:
    sandbox.set_faults("slow-operation=1")
    began = time.monotonic()
    registry.create([python_repository(project, name) for name in ("a", "b", "c")], unheard)
    assert time.monotonic() - began < 2.5
    assert len(registry.repositories(project, LOCATION)) == 3


def test_a_creation_that_an_interrupted_run_started_is_taken_up(
    sandbox: Sandbox, registry: GoogleRegistry, project: str
) -> None:
    sandbox.set_faults("slow-operation=1")
    with pytest.raises(GarscaffoldError, match="still being created"):
        GoogleRegistry(find(), Patience(operation=0.2)).create([python_repository(project)], unheard)
    assert registry.repositories(project, LOCATION) == []
    heard: list[str] = []
    registry.create([python_repository(project)], heard.append)
    assert heard == ["python is there already"]
    assert [each.name for each in registry.repositories(project, LOCATION)] == ["python"]


def test_an_unknown_location_is_answered_with_the_ones_there_are(registry: GoogleRegistry, project: str) -> None:
    with pytest.raises(GarscaffoldError, match="no location europe-west77") as caught:
        registry.repositories(project, "europe-west77")
    assert "--location europe-west" in caught.value.mend


def test_a_denial_names_permission_resource_role_and_who(act_as: Connect, project: str) -> None:
    with pytest.raises(PermissionDenied) as caught:
        act_as("none").repositories(project, LOCATION)
    member = "serviceAccount:none@garscaffold-sandbox.iam.gserviceaccount.com"
    for part in (member, "artifactregistry.repositories.list", f"projects/{project}", "roles/artifactregistry.reader"):
        assert part in caught.value.sentence
    command = f"gcloud projects add-iam-policy-binding {project} --member={member} --role=roles/artifactregistry.reader"
    assert command in caught.value.mend


def test_a_reader_may_list_and_not_create(sandbox: Sandbox, act_as: Connect, project: str) -> None:
    reader = act_as("reader")
    assert reader.repositories(project, LOCATION) == []
    with pytest.raises(
        PermissionDenied, match=r"artifactregistry\.repositories\.create .* roles/artifactregistry\.admin"
    ):
        reader.create([python_repository(project)], unheard)


def test_a_disabled_api_is_answered_with_the_command_that_enables_it(
    sandbox: Sandbox, registry: GoogleRegistry, project: str
) -> None:
    sandbox.set_faults("api-disabled")
    with pytest.raises(GarscaffoldError, match="is not enabled") as caught:
        registry.repositories(project, LOCATION)
    assert f"gcloud services enable artifactregistry.googleapis.com --project={project}" in caught.value.mend


@pytest.mark.parametrize("fault", ["token-expired", "invalid-grant"])
def test_expired_credentials_are_answered_with_the_login(
    sandbox: Sandbox, registry: GoogleRegistry, project: str, fault: str
) -> None:
    sandbox.set_faults(fault)
    with pytest.raises(GarscaffoldError, match="expired or were revoked") as caught:
        registry.repositories(project, LOCATION)
    assert caught.value.mend == "gcloud auth application-default login"


def test_a_certificate_that_is_not_trusted_is_answered_with_the_variable(
    registry: GoogleRegistry, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    with pytest.raises(GarscaffoldError, match="is not trusted") as caught:
        registry.repositories(project, LOCATION)
    assert "REQUESTS_CA_BUNDLE" in caught.value.mend


def test_a_proxy_that_is_not_there_is_said(
    registry: GoogleRegistry, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(GarscaffoldError, match="the proxy does not answer: Connection refused") as caught:
        GoogleRegistry(find(), Patience(retries=1)).repositories(project, LOCATION)
    assert "HTTPS_PROXY" in caught.value.mend


def test_impersonation_acts_as_the_service_account(act_as: Connect, project: str) -> None:
    writer = "writer@garscaffold-sandbox.iam.gserviceaccount.com"
    registry = act_as("user", impersonate=writer)
    assert registry.repositories(project, LOCATION) == []
    with pytest.raises(PermissionDenied, match=f"serviceAccount:{writer}"):
        registry.create([python_repository(project)], unheard)


def test_impersonation_that_is_not_allowed_names_the_role(act_as: Connect, project: str) -> None:
    registry = act_as("reader", impersonate="writer@garscaffold-sandbox.iam.gserviceaccount.com")
    with pytest.raises(GarscaffoldError, match=r"roles/iam\.serviceAccountTokenCreator") as caught:
        registry.repositories(project, LOCATION)
    assert "gcloud iam service-accounts add-iam-policy-binding writer@" in caught.value.mend


def test_many_who_write_a_policy_at_the_same_time_all_get_their_grant(
    sandbox: Sandbox, registry: GoogleRegistry, project: str
) -> None:
    registry.create([python_repository(project)], unheard)
    path = python_repository(project).path
    grants = [Grant(READER, f"user:{number}@acme.com") for number in range(4)]
    registries = [GoogleRegistry(find()) for _ in grants]
    read = registry.policy(path)
    threads = [
        threading.Thread(target=write_grants, args=(each, path, [grant], read))
        for each, grant in zip(registries, grants, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.policy(path).lacking(grants) == ()


def test_what_the_service_refuses_for_another_reason_is_passed_on(registry: GoogleRegistry, project: str) -> None:
    with pytest.raises(GarscaffoldError, match=r"refused .* creating Not_A_Name: invalid repository id"):
        registry.create([python_repository(project, "Not_A_Name")], unheard)
