"""`garscaffold repo` as people and scripts run it, on the sandbox."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pexpect
import pytest

from garscaffold.commands.repo import bootstrap_command, grant_command, list_command, show_command
from garscaffold.sandbox import Sandbox
from tests.conftest import Garscaffold

LOCATION = "europe-west1"
READER = "group:developers@acme.com"
WRITER = "serviceAccount:build@acme-prod.iam.gserviceaccount.com"
Repo = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def module_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox.start(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def sandbox(module_sandbox: Sandbox) -> Iterator[Sandbox]:
    module_sandbox.forget_requests()
    yield module_sandbox
    module_sandbox.set_faults()


@pytest.fixture
def project() -> str:
    return f"acme-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def repo(garscaffold: Garscaffold, sandbox: Sandbox, project: str) -> Repo:
    """Run `garscaffold repo` in a project of its own, without a terminal."""

    def run(*arguments: str, identity: str = "user", **variables: str) -> subprocess.CompletedProcess[str]:
        place = {"GOOGLE_CLOUD_PROJECT": project, "CLOUDSDK_ARTIFACTS_LOCATION": LOCATION}
        return garscaffold("repo", *arguments, **{**sandbox.environment(identity), **place, **variables})

    return run


def json_of(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def changes(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str, str]]:
    found = json_of(done)["changes"]
    assert isinstance(found, list)
    return [(each["action"], each["kind"], each["name"]) for each in found]


def calls(sandbox: Sandbox) -> list[str]:
    """Return the calls of the admin API, as method and the last part of the path."""
    return [
        f"{each['method']} {each['path'].rpartition('/')[2].rpartition(':')[2]}"
        for each in sandbox.requests()
        if each["host"] == "artifactregistry.googleapis.com"
    ]


def test_four_repositories_and_six_grants_and_the_second_plan_is_empty(repo: Repo, sandbox: Sandbox) -> None:
    arguments = ("bootstrap", "--reader", READER, "--writer", WRITER, "-y", "--json")
    first = repo(*arguments)
    assert changes(first) == [
        ("create", "repository", "python"),
        ("create", "repository", "python-pypi"),
        ("create", "repository", "docker"),
        ("create", "repository", "python-virtual"),
        ("create", "grant", f"{READER} → python"),
        ("create", "grant", f"{WRITER} → python"),
        ("create", "grant", f"{READER} → python-virtual"),
        ("create", "grant", f"{WRITER} → python-virtual"),
        ("create", "grant", f"{READER} → docker"),
        ("create", "grant", f"{WRITER} → docker"),
    ]
    made = calls(sandbox)
    assert made.count("POST repositories") == 4
    assert made.count("POST setIamPolicy") == 3
    assert made.count("GET repositories") == 1
    assert len(made) == json_of(first)["api_calls"] == 12
    sandbox.forget_requests()
    second = repo(*arguments)
    assert changes(second) == []
    assert sorted(calls(sandbox)) == ["GET getIamPolicy"] * 3 + ["GET repositories"]


def test_a_dry_run_names_everything_and_changes_nothing(repo: Repo, sandbox: Sandbox) -> None:
    done = repo("bootstrap", "acme", "--reader", READER, "--dry-run")
    assert done.returncode == 0
    for name in ("acme-python ", "acme-python-pypi", "acme-python-virtual", "acme-docker", READER):
        assert name in done.stdout
    assert {line.partition(" ")[0] for line in calls(sandbox)} == {"GET"}


def test_without_a_terminal_nothing_is_done_without_a_yes(repo: Repo) -> None:
    done = repo("bootstrap")
    assert done.returncode == 2
    assert "Add -y" in done.stderr
    assert json_of(repo("list", "--json"))["repositories"] == []


def test_what_is_missing_is_named_with_its_flag(garscaffold: Garscaffold) -> None:
    done = garscaffold("repo", "bootstrap", "-y")
    assert done.returncode == 2
    assert "--gcp-project and --location are missing" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bootstrap", "Acme"), "NAME: A repository id has"),
        (("bootstrap", "a" * 60), "at most 63"),
        (("bootstrap", "--gcp-project", "x"), "--gcp-project: A project id has"),
        (("bootstrap", "--location", "mars"), "--location: A location is"),
        (("bootstrap", "--reader", "ada@acme.com"), "--reader: 'ada@acme.com' does not say what it is"),
        (("bootstrap", "--reader", "allUsers", "-y"), "--allow-public"),
        (("bootstrap", "--writer", "allAuthenticatedUsers", "-y"), "anybody with any Google account"),
        (("bootstrap", "--label", "Team=x"), "--label: A label is KEY=VALUE"),
        (("bootstrap", "--kms-key", "k"), "--kms-key: A key is named"),
        (("bootstrap", "--keep", "0"), "--keep"),
        (("bootstrap", "--only", "python", "--immutable-tags"), "--immutable-tags is about images"),
        (("bootstrap", "--impersonate", "me"), "--impersonate"),
        (("grant", "python"), "There is nothing to grant"),
        (("grant", "python", "--reader", "allUsers"), "--allow-public"),
        (("show", "-x"), "No such option"),
    ],
)
def test_bad_input_is_refused_with_the_rule_before_anything_is_asked(
    repo: Repo, sandbox: Sandbox, arguments: tuple[str, ...], said: str
) -> None:
    done = repo(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert {line.partition(" ")[0] for line in calls(sandbox)} <= {"GET"}


def test_what_others_did_is_left_alone(repo: Repo, sandbox: Sandbox, project: str) -> None:
    theirs = "user:them@acme.com"
    sandbox.create_python_repository(project, LOCATION, "python")
    sandbox.grant(project, LOCATION, "python", theirs, "admin")
    done = repo("bootstrap", "--only", "python", "--no-virtual", "--no-remote", "--reader", READER, "-y", "--json")
    assert changes(done) == [("create", "grant", f"{READER} → python")]
    shown = json_of(repo("show", "python", "--json"))["repositories"]
    assert isinstance(shown, list)
    assert shown[0]["readers"] == [READER, theirs]


def test_another_format_is_reported_and_nothing_is_changed(repo: Repo, sandbox: Sandbox, project: str) -> None:
    sandbox.create_repository(project, LOCATION, "docker", format="PYTHON")
    done = repo("bootstrap", "-y")
    assert done.returncode == 1
    assert "docker stores python and not docker" in done.stderr
    assert "garscaffold repo bootstrap acme" in done.stderr
    listed = json_of(repo("list", "--json"))["repositories"]
    assert isinstance(listed, list)
    assert [each["name"] for each in listed] == ["docker"]


def test_another_key_is_reported_and_never_forced(repo: Repo) -> None:
    assert repo("bootstrap", "--only", "docker", "-y").returncode == 0
    key = f"projects/acme-prod/locations/{LOCATION}/keyRings/r/cryptoKeys/k"
    done = repo("bootstrap", "--only", "docker", "--kms-key", key, "-y", "--json")
    assert changes(done) == []
    assert "is encrypted by Google's own key" in done.stderr
    assert len(json_of(done)["differences"]) == 1  # type: ignore[arg-type]


def test_another_location_is_reported_and_never_forced(repo: Repo, sandbox: Sandbox, project: str) -> None:
    sandbox.create_repository(project, "us", "docker", format="DOCKER")
    done = repo("bootstrap", "--only", "docker", "--check-locations", "--dry-run", "--json")
    assert changes(done) == [("create", "repository", "docker")]
    assert "There is a docker in us already; a repository can never be moved" in done.stderr


def test_cleanup_policies_labels_and_immutable_tags_are_changed_in_place(repo: Repo) -> None:
    assert repo("bootstrap", "--only", "docker", "-y").returncode == 0
    wanted = ("--keep", "10", "--delete-untagged-older-than", "30", "--label", "team=core", "--immutable-tags")
    done = repo("bootstrap", "--only", "docker", *wanted, "-y", "--json")
    assert changes(done) == [("change", "repository", "docker")]
    shown = repo("show", "docker")
    for text in (
        "keep the newest 10 of each package",
        "delete what is untagged and older than 30 days",
        "(a dry run: nothing is deleted)",
        "managed-by=garscaffold, team=core",
        "immutable",
    ):
        assert text in shown.stdout
    assert changes(repo("bootstrap", "--only", "docker", *wanted, "-y", "--json")) == []
    real = repo("bootstrap", "--only", "docker", *wanted, "--no-cleanup-dry-run", "--dry-run")
    assert "cleanup for real" in real.stdout


def test_show_warns_of_what_is_public_and_says_what_it_cannot_see(repo: Repo) -> None:
    assert repo("bootstrap", "--only", "python", "-y").returncode == 0
    assert repo("grant", "python", "--reader", "allUsers", "--allow-public", "-y").returncode == 0
    done = repo("show")
    assert "Anybody on the internet, without logging in, can download from python" in done.stdout
    assert "gcloud artifacts repositories remove-iam-policy-binding python" in done.stdout
    assert "project, its folders and its organisation give access as well" in done.stderr
    document = json_of(repo("show", "python", "--json"))["repositories"]
    assert isinstance(document, list)
    assert document[0]["warnings"][0]["repository"] == "python"


def test_show_without_the_right_to_read_policies_still_shows_the_rest(
    repo: Repo, sandbox: Sandbox, project: str
) -> None:
    sandbox.create_python_repository(project, LOCATION, "python")
    done = repo("show", "python", identity="reader")
    assert done.returncode == 0
    assert "standard python, 0 B" in done.stdout
    assert "not known" in done.stdout
    assert "artifactregistry.repositories.getIamPolicy" in done.stderr


def test_a_grant_that_is_there_is_nothing_to_do(repo: Repo) -> None:
    assert repo("bootstrap", "--only", "docker", "--writer", WRITER, "-y").returncode == 0
    done = repo("grant", "docker", "docker", "--writer", WRITER, "--reader", WRITER, "--json")
    assert changes(done) == []


def test_sizes_are_shown(repo: Repo, sandbox: Sandbox, project: str) -> None:
    from garscaffold.sandbox.store import FileRecord, repository_name

    sandbox.create_python_repository(project, LOCATION, "python")
    path = repository_name(project, LOCATION, "python")
    sandbox.store.add_file(FileRecord(path, "x", "1", "x-1.tar.gz", "0" * 64, 3 << 20, "", {}, time.time()))
    assert "3.0 MiB" in repo("list").stdout


def test_list_asks_every_location_when_told(repo: Repo, sandbox: Sandbox, project: str) -> None:
    sandbox.create_repository(project, "us", "images", format="DOCKER")
    assert "images" not in repo("list").stdout
    assert repo("list", "--all-locations").stdout.splitlines()[1].split() == [
        "images",
        "docker",
        "standard",
        "us",
        "0",
        "B",
    ]


def test_a_role_that_is_lacking_is_named_at_once_with_all_that_the_command_takes(repo: Repo) -> None:
    done = repo("bootstrap", "-y", identity="none")
    assert done.returncode == 1
    assert "--role=roles/artifactregistry.admin" in done.stderr


def test_no_credentials_are_answered_with_the_login(repo: Repo) -> None:
    done = repo("list", identity="anonymous")
    assert done.returncode == 1
    assert "There are no Google credentials on this machine" in done.stderr
    assert "gcloud auth application-default login" in done.stderr


def start(arguments: list[str], environment: Mapping[str, str], cwd: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "garscaffold", "repo", *arguments],
        env=dict(environment),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_interrupted_bootstrap_is_taken_up_where_it_stopped(
    repo: Repo, sandbox: Sandbox, project: str, environment: dict[str, str], tmp_path: Path
) -> None:
    sandbox.set_faults("slow-operation=3")
    place = {"GOOGLE_CLOUD_PROJECT": project, "CLOUDSDK_ARTIFACTS_LOCATION": LOCATION}
    process = start(["bootstrap", "-y"], {**environment, **sandbox.environment(), **place}, tmp_path)
    deadline = time.monotonic() + 20
    while not any("operations" in each["path"] for each in sandbox.requests()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Run the same command again" in said
    sandbox.set_faults()
    again = repo("bootstrap", "-y")
    assert again.returncode == 0, again.stderr
    assert "python is there already" in again.stderr
    assert changes(repo("bootstrap", "-y", "--json")) == []


@pytest.mark.terminal
def test_in_a_terminal_it_asks_for_what_is_missing_and_for_a_yes(
    sandbox: Sandbox, project: str, environment: dict[str, str], tmp_path: Path
) -> None:
    variables = {**environment, **sandbox.environment(), "GOOGLE_CLOUD_PROJECT": "", "CLOUDSDK_CORE_PROJECT": ""}
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "garscaffold", "repo", "bootstrap", "--only", "docker"],
        env={name: value for name, value in variables.items() if name != "CI"} | {"PATH": os.environ["PATH"]},
        cwd=str(tmp_path),
        encoding="utf-8",
        timeout=30,
        dimensions=(40, 140),
    )
    terminal.expect("Id of the Google Cloud project")
    terminal.send(f"{project}\r")
    terminal.expect("Location of the repositories")
    terminal.send("us\r")
    terminal.expect("Do it")
    terminal.send("n")
    terminal.expect("Nothing was changed, as you said")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1


def test_the_docs_name_only_options_that_there_are() -> None:
    options = {
        option
        for command in (bootstrap_command, list_command, show_command, grant_command)
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    text = (Path(__file__).parents[2] / "docs" / "repositories.md").read_text()
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    assert named - options == {"--live", "--live-location", "--project"}
    assert {"--json", "-y", "--dry-run"} <= options


@pytest.mark.terminal
def test_in_a_terminal_what_is_done_stands_on_lines_of_its_own_above_the_spinner(
    sandbox: Sandbox, project: str, environment: dict[str, str], tmp_path: Path
) -> None:
    sandbox.set_faults("slow-operation=0.5")
    arguments = ["bootstrap", "--only", "docker", "--gcp-project", project, "--location", "us"]
    variables = {**environment, **sandbox.environment()}
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "garscaffold", "repo", *arguments],
        env={name: value for name, value in variables.items() if name != "CI"},
        cwd=str(tmp_path),
        encoding="utf-8",
        timeout=30,
        dimensions=(40, 140),
    )
    terminal.expect("Do it")
    terminal.send("y")
    terminal.expect("Creating docker")
    terminal.expect("\r\x1b\\[2Kdocker is created\r\n")
    terminal.expect("us-docker.pkg.dev")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
