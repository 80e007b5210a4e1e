"""`garscaffold sandbox`, as people and scripts type it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from garscaffold.process import find

Type = Callable[..., "subprocess.CompletedProcess[str]"]
PROGRAM = [sys.executable, "-m", "garscaffold", "sandbox"]


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path), "SHELL": "/bin/bash"}


@pytest.fixture
def type_(variables: dict[str, str]) -> Iterator[Type]:
    """Types one command; whatever it started is stopped at the end."""

    def run(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*PROGRAM, *arguments],
            env={**variables, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    yield run
    for name in ("default", "two"):
        run("stop", "--name", name)


def test_start_status_stop(type_: Type) -> None:
    assert json.loads(type_("status", "--json").stdout)["running"] is False
    started = json.loads(type_("start", "--json").stdout)
    again = json.loads(type_("start", "--json").stdout)
    assert started["running"]
    assert started["pid"] == again["pid"]
    other = json.loads(type_("start", "--json", "--name", "two").stdout)
    assert other["pid"] != started["pid"]
    assert json.loads(type_("status", "--json").stdout)["proxy_url"] == started["proxy_url"]
    assert type_("stop").stdout.strip() == "Stopped."
    assert type_("stop").stdout.strip() == "It was not running."
    assert type_("status", "--name", "two").stdout.startswith("Running as process")


def test_env_is_for_eval(type_: Type) -> None:
    type_("start")
    lines = type_("env", "--identity", "reader").stdout
    if not find("curl"):
        pytest.skip("no curl here")
    script = f"{lines}curl -sS https://europe-python.pkg.dev/p/r/simple/x/; echo $GOOGLE_APPLICATION_CREDENTIALS"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "The request does not have valid authentication credentials." in done.stdout
    assert done.stdout.strip().endswith("reader.json")
    assert json.loads(type_("env", "--json").stdout)["HTTPS_PROXY"].startswith("http://127.0.0.1:")
    assert type_("env", "--shell", "fish").stdout.startswith("set -gx ")


def test_env_without_a_sandbox_says_how_to_start_one(type_: Type) -> None:
    done = type_("env")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "garscaffold sandbox start" in done.stderr


def test_run_gives_the_programs_exit_code_and_stops_what_it_started(type_: Type) -> None:
    if not find("curl"):
        pytest.skip("no curl here")
    ask = "curl -sS -o /dev/null -w '%{http_code}' https://europe-python.pkg.dev/p/r/simple/x/; exit 7"
    done = type_("run", "--", "sh", "-c", ask)
    assert (done.returncode, done.stdout) == (7, "401")
    assert json.loads(type_("status", "--json").stdout)["running"] is False
    type_("start")
    assert type_("run", "sh", "-c", ask).returncode == 7
    assert json.loads(type_("status", "--json").stdout)["running"] is True
    assert type_("run", "--fault", "unavailable-503", "sh", "-c", ask).stdout == "503"


def test_a_shell_that_used_a_sandbox_can_start_the_next(type_: Type) -> None:
    type_("start")
    inside = json.loads(type_("env", "--json").stdout)
    type_("stop")
    again = json.loads(type_("start", "--json", **inside).stdout)
    assert again["proxy_url"] != inside["HTTPS_PROXY"]
    environment = Path(f"/proc/{again['pid']}/environ").read_bytes()
    assert inside["HTTPS_PROXY"].encode() not in environment
    bundle = Path(again["bundle_file"]).read_text()
    assert bundle.count(Path(again["ca_file"]).read_text()) == 1


def test_run_says_when_the_program_is_not_there(type_: Type) -> None:
    done = type_("run", "no-such-program")
    assert done.returncode == 1
    assert "no-such-program is not installed" in done.stderr
    assert type_("run").returncode == 2


def test_run_ends_as_the_program_does_on_a_signal(variables: dict[str, str], type_: Type) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "run", "sh", "-c", "echo ready; trap 'echo asked; exit 5' TERM; sleep 30 & wait"],
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "asked\n"
    process.stdout.close()
    process.wait(20)
    assert json.loads(type_("status", "--json").stdout)["running"] is False


def test_faults_are_listed_and_switched(type_: Type) -> None:
    assert "quota-429" in type_("faults").stdout
    assert "sandbox start" in type_("faults", "quota-429").stderr
    type_("start", "--fault", "quota-429")
    assert "* quota-429" in type_("faults").stdout
    assert "* unavailable-503" in type_("faults", "unavailable-503:3").stdout
    assert "* " not in type_("faults", "--none").stdout
    wrong = type_("faults", "no-such")
    assert wrong.returncode != 0
    assert "no fault “no-such”" in wrong.stderr
    assert type_("start", "--name", "two", "--fault", "no-such").returncode != 0


def test_help_is_quick_and_whole(type_: Type) -> None:
    listed = type_("--help").stdout
    for name in ("start", "status", "stop", "env", "run", "faults"):
        assert f"  {name} " in listed
