"""The sandbox's admin API at the level of HTTP: what no client of ours sends, and how it is refused."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.store import FileRecord
from tests.registry.conftest import LOCATION

Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(sandbox: Sandbox) -> Ask:
    """Send one request as an identity."""

    def send(method: str, path: str, body: Any = None, *, identity: str = "user", **query: Any) -> requests.Response:
        headers = {} if identity == "anonymous" else {"Authorization": f"Bearer {sandbox.token(identity)}"}
        return requests.request(
            method,
            f"https://artifactregistry.googleapis.com/v1/{path}",
            json=body,
            headers=headers,
            params=query,
            proxies={"https": sandbox.proxy_url},
            verify=str(sandbox.bundle_file),
            timeout=30,
        )

    return send


@pytest.fixture
def parent(project: str) -> str:
    return f"projects/{project}/locations/{LOCATION}"


@pytest.fixture
def python(sandbox: Sandbox, project: str) -> str:
    """A standard Python repository."""
    return sandbox.create_python_repository(project, LOCATION, "python").name


def error_of(answer: requests.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    return error["code"], error["status"], error["message"]


def test_enums_go_both_ways_by_number_and_by_name(ask: Ask, parent: str) -> None:
    body = {"format": 8, "mode": "REMOTE_REPOSITORY", "labels": {"format": "x"}}
    body |= {"remoteRepositoryConfig": {"pythonRepository": {"publicRepository": 1}}}
    assert ask("POST", f"{parent}/repositories", body, repositoryId="pypi").status_code == 200
    by_name = ask("GET", f"{parent}/repositories/pypi").json()
    assert (by_name["format"], by_name["mode"], by_name["labels"]) == ("PYTHON", "REMOTE_REPOSITORY", {"format": "x"})
    assert by_name["remoteRepositoryConfig"]["pythonRepository"]["publicRepository"] == "PYPI"
    by_number = ask("GET", f"{parent}/repositories/pypi", **{"$alt": "json;enum-encoding=int"}).json()
    assert (by_number["format"], by_number["mode"], by_number["labels"]) == (8, 3, {"format": "x"})


def test_a_creation_is_an_operation_that_ends_with_the_repository(ask: Ask, parent: str) -> None:
    started = ask("POST", f"{parent}/repositories", {"format": "PYTHON"}, repositoryId="libs").json()
    assert "done" not in started
    ended = ask("GET", started["name"]).json()
    assert ended["done"] is True
    assert ended["response"]["name"] == f"{parent}/repositories/libs"
    assert ended["response"]["mode"] == "STANDARD_REPOSITORY"


def test_what_is_being_created_is_seen_by_nobody(sandbox: Sandbox, ask: Ask, parent: str) -> None:
    sandbox.set_faults("slow-operation=30")
    ask("POST", f"{parent}/repositories", {"format": "PYTHON"}, repositoryId="libs")
    assert ask("GET", f"{parent}/repositories").json()["repositories"] == []
    assert ask("GET", f"{parent}/repositories/libs").status_code == 404
    again = ask("POST", f"{parent}/repositories", {"format": "PYTHON"}, repositoryId="libs")
    assert error_of(again) == (409, "ALREADY_EXISTS", "the repository already exists")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "format must be specified"),
        ({"format": "HOLOGRAM"}, "Invalid value"),
        ({"format": 99}, "Invalid value"),
        ([], "Invalid JSON payload"),
        ({"format": "PYTHON", "cleanupPolicies": []}, "Invalid JSON payload"),
        ({"format": "PYTHON", "labels": {f"l{number}": "" for number in range(65)}}, "at most 64 labels"),
        (
            {"format": "PYTHON", "cleanupPolicies": {"k": {"action": "DELETE", "mostRecentVersions": {}}}},
            "only be specified with a KEEP action",
        ),
        (
            {"format": "PYTHON", "cleanupPolicies": {f"p{number}": {"action": "KEEP"} for number in range(11)}},
            "at most 10 cleanup policies",
        ),
        (
            {
                "format": "PYTHON",
                "mode": "VIRTUAL_REPOSITORY",
                "virtualRepositoryConfig": {"upstreamPolicies": [{"id": "x", "repository": "nothing"}]},
            },
            "does not exist",
        ),
        (
            {"format": "PYTHON", "virtualRepositoryConfig": {"upstreamPolicies": [{"id": "x"}]}},
            "only be set on a virtual repository",
        ),
    ],
)
def test_what_the_service_refuses_to_create(ask: Ask, parent: str, body: Any, said: str) -> None:
    code, status, message = error_of(ask("POST", f"{parent}/repositories", body, repositoryId="libs"))
    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert said in message
    assert ask("GET", f"{parent}/repositories").json()["repositories"] == []


@pytest.mark.parametrize("name", ["", "A", "a_b", "1a", "a-", "a" * 64])
def test_names_that_are_refused(ask: Ask, parent: str, name: str) -> None:
    code, _, message = error_of(ask("POST", f"{parent}/repositories", {"format": "PYTHON"}, repositoryId=name))
    assert code == 400
    assert "invalid repository id" in message


@pytest.mark.parametrize("change", [{"format": "DOCKER"}, {"mode": "REMOTE_REPOSITORY"}, {"kmsKeyName": "k"}])
def test_what_can_never_change(ask: Ask, python: str, change: dict[str, str]) -> None:
    code, _, message = error_of(ask("PATCH", python, change))
    assert (code, message) == (400, f"field {next(iter(change))} is immutable")


def test_a_mask_says_what_is_changed(ask: Ask, python: str) -> None:
    ask("PATCH", python, {"description": "one", "labels": {"a": "b"}})
    changed = ask("PATCH", python, {"description": "two", "labels": {}}, updateMask="description").json()
    assert (changed["description"], changed["labels"]) == ("two", {"a": "b"})
    assert "labels" not in ask("PATCH", python, {}, updateMask="labels").json()


def test_lists_are_paged_and_filtered(sandbox: Sandbox, ask: Ask, parent: str, project: str) -> None:
    for name in ("a", "b", "c"):
        sandbox.create_python_repository(project, LOCATION, name)
    first = ask("GET", f"{parent}/repositories", pageSize=2).json()
    rest = ask("GET", f"{parent}/repositories", pageSize=2, pageToken=first["nextPageToken"]).json()
    assert [each["name"][-1] for each in first["repositories"] + rest["repositories"]] == ["a", "b", "c"]
    assert "nextPageToken" not in rest
    filtered = ask("GET", f"{parent}/repositories", filter=f'name="{parent}/repositories/b*"').json()
    assert [each["name"][-1] for each in filtered["repositories"]] == ["b"]
    assert error_of(ask("GET", f"{parent}/repositories", filter="format=PYTHON"))[0] == 400
    assert error_of(ask("GET", f"{parent}/repositories", pageToken="x"))[0] == 400


def test_an_upstream_cannot_be_deleted_before_what_is_over_it(
    sandbox: Sandbox, ask: Ask, python: str, project: str
) -> None:
    over = sandbox.create_python_repository(project, LOCATION, "all", "virtual", ["python"]).name
    assert error_of(ask("DELETE", python))[:2] == (400, "FAILED_PRECONDITION")
    assert "/operations/" in ask("DELETE", over).json()["name"]
    assert ask("DELETE", python).status_code == 200
    assert ask("GET", python).status_code == 404


def test_an_old_etag_is_refused_and_none_overwrites(ask: Ask, python: str) -> None:
    binding = {"role": "roles/artifactregistry.reader", "members": ["user:a@acme.com"]}
    read = ask("GET", f"{python}:getIamPolicy").json()
    assert read == {"version": 1, "etag": "ACAB"}
    body = {"policy": {"bindings": [binding], "etag": read["etag"]}}
    written = ask("POST", f"{python}:setIamPolicy", body).json()
    assert written["bindings"] == [binding]
    assert error_of(ask("POST", f"{python}:setIamPolicy", body))[:2] == (409, "ABORTED")
    assert "bindings" not in ask("POST", f"{python}:setIamPolicy", {"policy": {}}).json()


@pytest.mark.parametrize(
    "binding", [{"role": "reader", "members": ["user:a@b.c"]}, {"role": "roles/viewer", "members": ["a@b.c"]}]
)
def test_bindings_that_are_refused(ask: Ask, python: str, binding: dict[str, Any]) -> None:
    assert error_of(ask("POST", f"{python}:setIamPolicy", {"policy": {"bindings": [binding]}}))[0] == 400


def test_one_can_ask_what_one_may(ask: Ask, python: str) -> None:
    asked = ["artifactregistry.repositories.downloadArtifacts", "artifactregistry.repositories.uploadArtifacts"]
    for identity, may in (("user", asked), ("reader", asked[:1]), ("none", [])):
        answer = ask("POST", f"{python}:testIamPermissions", {"permissions": asked}, identity=identity)
        assert answer.json()["permissions"] == may


def test_packages_and_versions_are_listed(sandbox: Sandbox, ask: Ask, python: str) -> None:
    for version in ("1.0", "1.1"):
        name = f"acme_lib-{version}.tar.gz"
        sandbox.store.add_file(FileRecord(python, "acme-lib", version, name, "0" * 64, 1, "", {}, time.time()))
    (package,) = ask("GET", f"{python}/packages").json()["packages"]
    assert package["name"] == f"{python}/packages/acme-lib"
    versions = ask("GET", f"{package['name']}/versions").json()["versions"]
    assert [each["name"].rpartition("/")[2] for each in versions] == ["1.1", "1.0"]
    assert ask("GET", f"{python}/packages/nothing/versions").status_code == 404


def test_who_is_not_known_or_lacks_a_role_is_told_so(ask: Ask, parent: str, python: str) -> None:
    assert error_of(ask("GET", python, identity="anonymous"))[:2] == (401, "UNAUTHENTICATED")
    assert error_of(ask("GET", python, identity="none"))[:2] == (403, "PERMISSION_DENIED")
    missing = ask("GET", f"{parent}/repositories/nothing", identity="none")
    assert "(or it may not exist)" in error_of(missing)[2]
    assert error_of(ask("GET", "projects/acme-prod/locations/mars/repositories"))[0] == 403


def test_what_is_not_played_is_said(ask: Ask, python: str) -> None:
    code, _, message = error_of(ask("GET", f"{python}/dockerImages"))
    assert code == 501
    assert "does not play" in message
