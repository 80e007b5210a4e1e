"""gcloud, unmodified, against the sandbox's admin API at its real URL; and garscaffold on what gcloud made."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from garscaffold.registry.audit import readers
from garscaffold.registry.bootstrap import look
from garscaffold.registry.desired import Request
from garscaffold.registry.gar import GoogleRegistry
from garscaffold.sandbox import Sandbox
from garscaffold.values import Mode
from tests.registry.conftest import LOCATION
from tests.registry.contract import unheard

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed"),
]

Gcloud = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def gcloud(sandbox: Sandbox, project: str, tmp_path: Path) -> Gcloud:
    """Run `gcloud artifacts` in the test's project."""

    def run(
        *arguments: str, identity: str = "user", location: Sequence[str] = (f"--location={LOCATION}",)
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["gcloud", "artifacts", *arguments, f"--project={project}", *location, "--format=json", "--quiet"],
            env={**os.environ, **sandbox.environment(identity), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def answer(done: subprocess.CompletedProcess[str]) -> object:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


def names(listed: object) -> list[str]:
    assert isinstance(listed, list)
    return sorted(each["name"].rpartition("/")[2] for each in listed)


def test_gcloud_sees_what_a_bootstrap_made(gcloud: Gcloud, registry: GoogleRegistry, project: str) -> None:
    outlook = look(Request(project, LOCATION, readers=("group:devs@acme.com",)), registry, unheard)
    for step in outlook.plan.steps:
        step.apply()
    assert names(answer(gcloud("repositories", "list"))) == ["docker", "python", "python-pypi", "python-virtual"]
    assert names(answer(gcloud("repositories", "list", location=()))) == [
        "docker",
        "python",
        "python-pypi",
        "python-virtual",
    ]
    virtual = answer(gcloud("repositories", "describe", "python-virtual"))
    assert isinstance(virtual, dict)
    assert [each["priority"] for each in virtual["virtualRepositoryConfig"]["upstreamPolicies"]] == [100, 10]
    remote = answer(gcloud("repositories", "describe", "python-pypi"))
    assert isinstance(remote, dict)
    assert remote["remoteRepositoryConfig"]["pythonRepository"] == {"publicRepository": "PYPI"}
    policy = answer(gcloud("repositories", "get-iam-policy", "python"))
    assert isinstance(policy, dict)
    assert policy["bindings"] == [{"members": ["group:devs@acme.com"], "role": "roles/artifactregistry.reader"}]


def test_a_bootstrap_takes_what_gcloud_made(
    gcloud: Gcloud, registry: GoogleRegistry, project: str, tmp_path: Path
) -> None:
    created = gcloud("repositories", "create", "python", "--repository-format=python", "--labels=team=core")
    assert "Created repository [python]" in created.stderr
    remote = ("--repository-format=python", "--mode=remote-repository", "--remote-python-repo=PYPI")
    assert gcloud("repositories", "create", "python-pypi", *remote).returncode == 0
    upstreams = tmp_path / "upstreams.json"
    path = f"projects/{project}/locations/{LOCATION}/repositories"
    upstreams.write_text(
        json.dumps(
            [
                {"id": "own", "repository": f"{path}/python", "priority": 2},
                {"id": "public", "repository": f"{path}/python-pypi", "priority": 1},
            ]
        )
    )
    virtual = ("--repository-format=python", "--mode=virtual-repository", f"--upstream-policy-file={upstreams}")
    assert gcloud("repositories", "create", "python-virtual", *virtual).returncode == 0
    assert gcloud("repositories", "create", "docker", "--repository-format=docker", "--immutable-tags").returncode == 0
    member = "--member=group:devs@acme.com"
    for name in ("python", "python-virtual", "docker"):
        granted = gcloud("repositories", "add-iam-policy-binding", name, member, "--role=roles/artifactregistry.reader")
        assert granted.returncode == 0, granted.stderr
    assert not look(Request(project, LOCATION, readers=("group:devs@acme.com",)), registry, unheard).plan


def test_gcloud_changes_and_deletes(gcloud: Gcloud, registry: GoogleRegistry, project: str, tmp_path: Path) -> None:
    assert gcloud("repositories", "create", "libs", "--repository-format=python").returncode == 0
    assert gcloud("repositories", "update", "libs", "--description=New", "--update-labels=a=b").returncode == 0
    policies = tmp_path / "policies.json"
    policies.write_text(
        json.dumps(
            [
                {"name": "old", "action": {"type": "Delete"}, "condition": {"tagState": "any", "olderThan": "30d"}},
                {"name": "new", "action": {"type": "Keep"}, "mostRecentVersions": {"keepCount": 5}},
            ]
        )
    )
    assert gcloud("repositories", "set-cleanup-policies", "libs", f"--policy={policies}", "--dry-run").returncode == 0
    found = registry.repository(project, LOCATION, "libs")
    assert (found.description, found.labels, found.mode) == ("New", {"a": "b"}, Mode.STANDARD)
    assert [str(each) for each in found.cleanup_policies] == [
        "keep the newest 5 of each package",
        "delete what is older than 30 days",
    ]
    assert found.cleanup_dry_run
    for change in ("add", "remove"):
        binding = ("--member=user:a@acme.com", "--role=roles/artifactregistry.reader")
        assert gcloud("repositories", f"{change}-iam-policy-binding", "libs", *binding).returncode == 0
        assert readers(registry.policy(found.path)) == (["user:a@acme.com"] if change == "add" else [])
    assert gcloud("repositories", "delete", "libs").returncode == 0
    assert registry.repositories(project, LOCATION) == []


@pytest.mark.parametrize(
    ("arguments", "identity", "said"),
    [
        (("repositories", "describe", "nothing"), "user", "NOT_FOUND: Requested entity was not found."),
        (
            ("repositories", "create", "libs", "--repository-format=python"),
            "reader",
            'PERMISSION_DENIED: Permission "artifactregistry.repositories.create" denied on resource',
        ),
    ],
)
def test_gcloud_says_what_it_was_refused_for(
    gcloud: Gcloud, arguments: Sequence[str], identity: str, said: str
) -> None:
    done = gcloud(*arguments, identity=identity)
    assert done.returncode == 1
    assert said in done.stderr


def test_what_is_not_played_is_said(gcloud: Gcloud) -> None:
    done = gcloud("tags", "list", "--package=x", "--repository=libs")
    assert done.returncode == 1
    assert "does not play" in done.stderr
