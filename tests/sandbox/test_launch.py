import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from garscaffold.errors import GarscaffoldError
from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.state import default_directory
from tests.sandbox.conftest import LOCATION, PROJECT, client_of, make_wheel, upload


def test_a_state_is_taken_up_as_it_was_left(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme-kept", "1.0")
    with Sandbox.start(tmp_path / "state") as first:
        first.create_python_repository(PROJECT, LOCATION, "libs")
        login, certificates, token = first.adc_file().read_text(), first.ca_file.read_text(), first.token("writer")
        with client_of(first, token=token) as client:
            assert upload(client, "libs", wheel).status_code == 200
    with Sandbox.start(tmp_path / "state") as second, client_of(second, token=token) as client:
        assert (second.adc_file().read_text(), second.ca_file.read_text()) == (login, certificates)
        assert client.get(f"/{PROJECT}/libs/simple/acme-kept/").status_code == 200


def test_several_run_side_by_side_and_trust_only_their_own(sandbox: Sandbox, own_sandbox: Sandbox) -> None:
    assert sandbox.proxy_url != own_sandbox.proxy_url
    with client_of(own_sandbox, token=sandbox.token("user")) as client:
        assert client.get("/p/r/simple/x/").status_code == 401


def test_one_state_belongs_to_one_server(own_sandbox: Sandbox) -> None:
    with pytest.raises(GarscaffoldError, match="already running") as raised:
        Sandbox.start(own_sandbox.state.path)
    assert "sandbox stop" in raised.value.mend
    found = Sandbox.find(own_sandbox.state.path)
    assert found is not None
    assert found.pid == own_sandbox.pid


def test_a_wrong_fault_at_the_start_leaves_nothing_running(tmp_path: Path) -> None:
    with pytest.raises(GarscaffoldError, match="no fault"):
        Sandbox.start(tmp_path, faults=["no-such"])
    assert Sandbox.find(tmp_path) is None


def test_requests_are_remembered_without_credentials(own_sandbox: Sandbox) -> None:
    token = own_sandbox.token("user")
    with client_of(own_sandbox, token=token) as client:
        client.get("/p/r/simple/x/")
    [request] = own_sandbox.requests()
    assert (request["method"], request["path"], request["status"]) == ("GET", "/p/r/simple/x/", 404)
    assert token not in str(request)
    own_sandbox.forget_requests()
    assert own_sandbox.requests() == []


def test_answers_under_way_are_finished_before_it_stops(tmp_path: Path) -> None:
    running = Sandbox.start(tmp_path, faults=["slow-answer=0.5"])
    script = (
        "import sys, ssl, httpx\n"
        "print(httpx.get('https://europe-python.pkg.dev/p/r/simple/x/', proxy=sys.argv[1],\n"
        "    verify=ssl.create_default_context(cafile=sys.argv[2])).status_code)"
    )
    command = [sys.executable, "-c", script, running.proxy_url, str(running.bundle_file)]
    asking = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while not _is_asked(running):
        assert asking.poll() is None
    running.stop()
    assert asking.communicate()[0].strip() == "401"


def _is_asked(running: Sandbox) -> bool:
    return bool(running.status()["under_way"])


def test_a_name_must_be_one() -> None:
    assert default_directory("two-b").path.name == "two-b"
    for wrong in ("", "../x", "a b", "a/b"):
        with pytest.raises(GarscaffoldError):
            default_directory(wrong)


def test_the_parents_part_needs_no_extra() -> None:
    script = (
        "import sys, garscaffold.sandbox, garscaffold.commands.sandbox\n"
        "extra = 'starlette', 'uvicorn', 'httpx', 'cryptography', 'jwt', 'packaging', 'google.auth'\n"
        "heavy = set(extra) & set(sys.modules)\n"
        "sys.exit(' '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_metadata_server_does_not_answer_for_a_stopped_sandbox(tmp_path: Path) -> None:
    with Sandbox.start(tmp_path) as running:
        address = running.metadata_address("reader")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{address}")
