import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from garscaffold.errors import ExitCode, GarscaffoldError
from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.faults import FAULTS, parse_fault
from garscaffold.sandbox.store import Fault
from tests.sandbox.conftest import LOCATION, PROJECT, client_of, make_wheel, upload

API = "artifactregistry.googleapis.com"
REPOSITORIES = f"/v1/projects/{PROJECT}/locations/{LOCATION}/repositories"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox.start(tmp_path_factory.mktemp("faulty")) as running:
        running.create_python_repository(PROJECT, LOCATION, "libs")
        yield running


def ask(sandbox: Sandbox, *faults: str, token: bool = True) -> httpx.Response:
    sandbox.set_faults(*faults)
    headers = {"Authorization": f"Bearer {sandbox.token('user')}"} if token else {}
    with client_of(sandbox, host=API) as client:
        return client.get(REPOSITORIES, headers=headers)


def test_faults_are_read_with_seconds_or_times() -> None:
    assert parse_fault("quota-429") == Fault("quota-429", 0, None)
    assert parse_fault("unavailable-503:2") == Fault("unavailable-503", 0, 2)
    assert parse_fault("slow-operation") == Fault("slow-operation", 5, None)
    assert parse_fault("slow-operation=0.5:1") == Fault("slow-operation", 0.5, 1)
    for wrong in ("no-such", "", "quota-429:x", "slow-answer=y"):
        with pytest.raises(GarscaffoldError) as raised:
            parse_fault(wrong)
        assert raised.value.exit_code == ExitCode.USAGE
        assert raised.value.mend


@pytest.mark.parametrize(
    ("fault", "code", "status", "reason"),
    [
        ("api-disabled", 403, "PERMISSION_DENIED", "SERVICE_DISABLED"),
        ("permission-denied", 403, "PERMISSION_DENIED", "IAM_PERMISSION_DENIED"),
        ("quota-429", 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
        ("unavailable-503", 503, "UNAVAILABLE", None),
        ("token-expired", 401, "UNAUTHENTICATED", None),
    ],
)
def test_the_api_refuses_as_googles_does(
    faulty: Sandbox, fault: str, code: int, status: str, reason: str | None
) -> None:
    answer = ask(faulty, fault)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (code, code, status)
    assert [detail["reason"] for detail in error.get("details", []) if "reason" in detail] == (
        [reason] if reason else []
    )
    if fault == "api-disabled":
        assert f"project {PROJECT}" in error["message"]
    assert ask(faulty).status_code == 200


def test_a_fault_happens_as_often_as_was_said(faulty: Sandbox) -> None:
    faulty.set_faults("unavailable-503:2")
    with client_of(faulty, host=API) as client:
        headers = {"Authorization": f"Bearer {faulty.token('user')}"}
        assert [client.get(REPOSITORIES, headers=headers).status_code for _ in range(3)] == [503, 503, 200]
    assert faulty.status()["faults"] == []


def test_package_hosts_suffer_too(faulty: Sandbox) -> None:
    faulty.set_faults("token-expired")
    with client_of(faulty, token=faulty.token("reader")) as client:
        assert client.get(f"/{PROJECT}/libs/simple/x/").status_code == 401
        faulty.set_faults("api-disabled")
        assert "has not been used in project acme-prod" in client.get(f"/{PROJECT}/libs/simple/x/").text
        faulty.set_faults("slow-answer=0.3:1")
        began = time.monotonic()
        assert client.get(f"/{PROJECT}/libs/simple/x/").status_code == 404
        assert time.monotonic() - began > 0.3


def test_a_login_that_was_revoked(faulty: Sandbox) -> None:
    faulty.set_faults("invalid-grant:1")
    login = json.loads(faulty.adc_file("user").read_text())
    fields = {"grant_type": "refresh_token", "refresh_token": login["refresh_token"]}
    with client_of(faulty, host="oauth2.googleapis.com") as client:
        refused = client.post("/token", data=fields)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        assert client.post("/token", data=fields).status_code == 200


def test_an_upload_that_was_stored_and_not_acknowledged(faulty: Sandbox, tmp_path: Path) -> None:
    faulty.set_faults("upload-503:1")
    wheel = make_wheel(tmp_path, "acme-again", "1.0")
    with client_of(faulty, token=faulty.token("writer")) as client:
        assert [upload(client, "libs", wheel).status_code for _ in range(2)] == [503, 400]


def test_only_who_knows_the_secret_steers(faulty: Sandbox) -> None:
    running = faulty.state.read_running()
    assert running is not None
    url = f"http://127.0.0.1:{running.control_port}"
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert httpx.put(f"{url}/faults", json=["quota-429"], headers=headers).status_code == 403
        assert httpx.post(f"{url}/stop", headers=headers).status_code == 403
    with pytest.raises(GarscaffoldError, match="no fault"):
        faulty.set_faults("no-such")
    assert len(FAULTS) == 9
