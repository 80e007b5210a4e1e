"""Repositories, templates and forges that take a connection and never answer."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fleet.conftest import Fleet, MakeProject, commit, tip
from tests.update.templates import git, write


@dataclass
class Silence:
    """A server that says nothing, and how many talk to it."""

    listening: socket.socket
    connected: list[socket.socket] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.listening.getsockname()[1]}"

    def accept(self) -> None:
        while True:
            try:
                self.connected.append(self.listening.accept()[0])
            except OSError:
                return

    def is_left_alone(self) -> bool:
        """Tell whether everybody who came has gone away again."""
        for each in self.connected:
            each.settimeout(10)
            try:
                while each.recv(65536):
                    pass
            except TimeoutError:
                return False
            except OSError:
                continue
        return bool(self.connected)


@pytest.fixture
def silence() -> Iterator[Silence]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Silence(listening)
        thread = threading.Thread(target=server.accept)
        thread.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for each in server.connected:
        each.close()


@pytest.mark.parametrize(
    ("scheme", "variables", "sentence"),
    [
        ("http", {"GIT_HTTP_LOW_SPEED_TIME": "1"}, "Operation too slow"),
        ("http", {"GARSCAFFOLD_NETWORK_TIMEOUT": "2"}, "it did not end within 2 seconds"),
        ("git", {"GARSCAFFOLD_NETWORK_TIMEOUT": "2s"}, "it did not end within 2 seconds"),
        ("ssh", {"GARSCAFFOLD_NETWORK_TIMEOUT": "2"}, "it did not end within 2 seconds"),
    ],
    ids=["http too slow", "http", "git", "ssh"],
)
def test_a_repository_that_never_answers_fails_alone(
    fleet: Fleet,
    make_project: MakeProject,
    here: Path,
    silence: Silence,
    scheme: str,
    variables: dict[str, str],
    sentence: str,
) -> None:
    good = make_project("good")
    url = f"{scheme}://{silence.place}/billing.git"
    write(here, "fleet.toml", f'repositories = ["{url}", "good"]')
    results = {each["name"]: each for each in fleet("update", "fleet.toml", "-j", "1", code=1, **variables)}
    assert (results["good"]["state"], results["billing"]["state"]) == ("updated", "failed")
    assert tip(good)
    assert sentence in results["billing"]["sentence"]
    assert url in results["billing"]["sentence"]
    assert results["billing"]["mend"].endswith(f": git ls-remote {url}")
    assert ("GARSCAFFOLD_NETWORK_TIMEOUT" in results["billing"]["mend"]) == ("did not end" in sentence)
    # Nor does what git had started for it.
    assert silence.is_left_alone()


def test_a_template_that_never_answers_holds_up_its_own_projects_only_and_ctrl_c_ends_it(
    environment: dict[str, str], make_project: MakeProject, here: Path, template: Path, silence: Silence
) -> None:
    waiting = make_project("a-waiting")
    answers = (waiting / ".copier-answers.yml").read_text()
    write(waiting, ".copier-answers.yml", answers.replace(str(template), f"git://{silence.place}/template.git"))
    commit(waiting)
    for name in ("b", "c", "d"):
        make_project(name)
    command = [sys.executable, "-m", "garscaffold", "fleet", "update", ".", "-j", "2"]
    with subprocess.Popen(
        command, cwd=here, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        try:
            assert run.stderr is not None
            lines = [run.stderr.readline() for _ in range(4)]
            assert [line[:10] for line in lines[1:]] == ["b: updated", "c: updated", "d: updated"]
            assert run.poll() is None
            begin = time.monotonic()
            os.killpg(run.pid, signal.SIGINT)
            said = run.communicate(timeout=50)[1]
        finally:
            run.kill()
    assert (run.returncode, time.monotonic() - begin < 10) == (130, True)
    assert "4 projects: 3 updated, 1 failed; 0 repositories not begun" in said
    assert "Run it again: it goes on." in said
    assert silence.is_left_alone()


def test_a_forge_that_never_answers_is_told(
    fleet: Fleet, make_project: MakeProject, here: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    orders = make_project()
    git(here, "clone", "--quiet", "--bare", "orders", str(tmp_path / "orders.git"))
    git(orders, "remote", "add", "origin", str(tmp_path / "orders.git"))
    write(tmp_path / "bin", "gh", "#!/bin/sh\nsleep 300\n", executable=True)
    path = f"{tmp_path}/bin:{environment['PATH']}"
    begin = time.monotonic()
    (result,) = fleet("update", "orders", "--pull-request", "gh", code=1, PATH=path, GARSCAFFOLD_NETWORK_TIMEOUT="2")
    assert time.monotonic() - begin < 60
    assert result["sentence"] == "`gh api` did not end within 2 seconds."
    assert "GARSCAFFOLD_NETWORK_TIMEOUT=1h" in result["mend"]
    # It is asked before anything is made, or pushed.
    assert (tip(tmp_path / "orders.git"), tip(orders)) == ("", "")


def test_a_time_that_is_none_is_said(fleet: Fleet, here: Path) -> None:
    write(here, "fleet.toml", 'repositories = ["git://127.0.0.1:1/x.git"]')
    (result,) = fleet("status", "fleet.toml", code=1, GARSCAFFOLD_NETWORK_TIMEOUT="soon")
    assert "'soon' is no time." in result["sentence"]
    assert "GARSCAFFOLD_NETWORK_TIMEOUT" in result["sentence"]
