"""Pipelines at work: they sign in and publish against Artifact Registry's stand-in, and search real images."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.identities import IDENTITIES
from tests.generated.combinations import PROVIDER
from tests.generated.conftest import PRIVATE_NAME, AsIdentity, Generate, Pushed, Toolbox, commit, git
from tests.generated.images import SESSION
from tests.generated.pipeline_steps import JOBS, run_job
from tests.generated.pipelines import read
from tests.generated.pythons import python_folder
from tests.support.engine import OwnEngine, write_client

Run = Callable[..., str]
SIGNS_IN = {"wif_provider": PROVIDER, "build_service_account": IDENTITIES["writer"].email}


@pytest.mark.clients
def test_an_identity_of_the_ci_becomes_a_token_of_the_service_account(
    generate: Generate, sandbox: Sandbox, as_identity: AsIdentity, tmp_path: Path
) -> None:
    writer = IDENTITIES["writer"].email
    project = generate(tmp_path / "p", ci=["gitlab"], wif_provider=PROVIDER, build_service_account=writer)

    def sign_in(identity: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {**as_identity("anonymous"), "PATH": os.environ["PATH"], "OIDC_TOKEN": identity, **variables}
        command = [sys.executable, "ci/access_token.py"]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    sandbox.forget_requests()
    done = sign_in(sandbox.subject_token("user"))
    assert done.stderr == ""
    found = sandbox.store.bearer(done.stdout.strip())
    assert found is not None
    assert found[0] == "writer"
    assert [(each["host"], each["status"]) for each in sandbox.requests()] == [
        ("sts.googleapis.com", 200),
        ("iamcredentials.googleapis.com", 200),
    ]

    done = sign_in(sandbox.subject_token("user"), SERVICE_ACCOUNT=IDENTITIES["reader"].email)
    found = sandbox.store.bearer(done.stdout.strip())
    assert found is not None
    assert found[0] == "reader"

    other = PROVIDER.replace("ci-provider", "gitlab")
    done = sign_in("the identity of somebody else", WIF_PROVIDER=other)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("sts.googleapis.com answered 400: ")
    assert done.stderr.endswith(f"{other} does not take this pipeline's identity: see README.md, Authentication.\n")
    assert "somebody else" not in done.stderr

    done = sign_in(sandbox.subject_token("reader"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"The pipeline's identity needs roles/iam.workloadIdentityUser on {writer}.\n")

    done = sign_in("")
    assert done.stderr == "OIDC_TOKEN is empty: the CI gave this job no identity. See README.md.\n"


@pytest.fixture
def run_pipeline(sandbox: Sandbox, as_identity: AsIdentity, tmp_path: Path) -> Callable[..., str]:
    """Run the jobs of an event, signed in with nothing but the identity of the CI, and return what they printed."""

    def run(project: Path, ci: str, event: str, **variables: str) -> str:
        commit(project)
        identity = sandbox.subject_token("user")
        # The tools are those that the pipeline installs.
        path = f"{python_folder(tmp_path / 'python')}:{variables.pop('PATH', os.environ['PATH'])}"
        sha = git(project, "rev-parse", "HEAD").strip()
        provided = {
            "github": {"GITHUB_SHA": sha},
            "circleci": {"CIRCLE_SHA1": sha, "CIRCLE_OIDC_TOKEN_V2": identity},
        }
        environment = {**as_identity("anonymous"), "PATH": path, **provided[ci], **variables}
        # What Google's action returns on GitHub; the other finds out for itself.
        values = {"steps.auth.outputs.access_token": sandbox.token("writer")}
        folder = tmp_path / "runner"
        said = "".join(run_job(job, project, folder, environment) for job in JOBS[ci](read(project, ci), event, values))
        left = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        for secret in (identity, *values.values()):
            assert secret not in said
            assert not any(secret.encode() in path.read_bytes() for path in left)
        return said

    return run


@pytest.mark.clients
@pytest.mark.generated
@pytest.mark.parametrize("ci", ["github", "circleci"])
def test_a_pipeline_publishes_for_a_tag(
    generate: Generate, toolbox: Toolbox, as_identity: AsIdentity, run_pipeline: Run, tmp_path: Path, ci: str
) -> None:
    """Every command of the pipeline, as it stands there. GitLab's is in test_pipeline_gitlab.py."""
    name = f"acme-{ci}"
    project = generate(
        tmp_path / "project",
        kind="package",
        project_name=name,
        package_manager="uv",
        index_mode="virtual",
        ci=[ci],
        **SIGNS_IN,
    )
    toolbox.run("make", "lock", cwd=project, variables=as_identity("reader"))
    said = run_pipeline(project, ci, "tag")
    assert f"dist/{name.replace('-', '_')}-0.1.0-py3-none-any.whl: published\n" in said


@pytest.mark.engine
@pytest.mark.generated
@pytest.mark.parametrize(("ci", "install"), [("github", "secret"), ("circleci", "workspace")])
def test_a_pipeline_builds_searches_and_pushes_an_image(
    generate: Generate,
    toolbox: Toolbox,
    sandbox: Sandbox,
    as_identity: AsIdentity,
    package: object,
    pipeline_engine: OwnEngine,
    pushed: Pushed,
    run_pipeline: Run,
    tmp_path: Path,
    ci: str,
    install: str,
) -> None:
    project = generate(
        tmp_path / "project",
        kind="service",
        framework="worker",
        project_name=f"orders-{ci}",
        package_manager="uv",
        image_install=install,
        private_packages=[f"{PRIVATE_NAME}>=0.1,<0.2"],
        ci=[ci],
        **SIGNS_IN,
    )
    toolbox.run("make", "lock", cwd=project, variables=as_identity("reader"))
    (tmp_path / "client").mkdir()
    docker = shutil.which("docker", path=pipeline_engine.environment["PATH"])
    client = write_client(tmp_path / "client", sandbox, str(docker)).parent
    variables = {name: pipeline_engine.environment[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG")}
    said = run_pipeline(project, ci, "main", PATH=f"{client}:{os.environ['PATH']}", **variables)
    image = f"us-central1-docker.pkg.dev/acme-prod/docker/orders-{ci}:{git(project, 'rev-parse', 'HEAD').strip()}"
    pushed(image, said)


# Images that the script has to tell apart. What a key looks like is put together here, so that this file holds none.
KEY = json.dumps({"private_" + "key": "-----BEGIN PRIVATE " + f"KEY-----\n{'MIIEvQIBADANBgkqhkiG9w0B' * 4}\n"})
GIVEN = "a-token-of-no-known-form-4711"
LOOKING_LIKE_ONE = 'keys = {"private_' + 'key": "-----BEGIN EC PRIVATE ' + 'KEY-----\\n<the key>"}\n'


@pytest.mark.engine
@pytest.mark.parametrize(
    ("instructions", "files", "found"),
    [
        ("COPY file /srv/", {"file": "nothing to see"}, False),
        ("COPY file /srv/", {"file": LOOKING_LIKE_ONE}, False),
        ("COPY file /srv/", {"file": KEY}, True),
        # A later layer hides the file, and does not take it away.
        ("COPY file /srv/\nCOPY empty /srv/file", {"file": KEY, "empty": ""}, True),
        ("COPY file /srv/", {"file": f"prefix {GIVEN} suffix"}, True),
        (f"ENV TOKEN={GIVEN}\nCOPY file /srv/", {"file": ""}, True),
        (f"ARG TOKEN={GIVEN}\nCOPY file /srv/", {"file": ""}, True),
        ("COPY file /srv/", {"file": "ya29" + "." + "a0AfH6SMBx7-Qw_9" * 3}, True),
        ("COPY file /srv/", {"file": f"https://oauth2accesstoken:{'x' * 24}@us-python.pkg.dev/"}, True),
    ],
)
def test_an_image_is_searched_for_credentials(
    generate: Generate,
    docker_environment: dict[str, str],
    tmp_path: Path,
    instructions: str,
    files: dict[str, str],
    found: bool,
) -> None:
    project = generate(tmp_path / "project", kind="service")
    context = tmp_path / "context"
    context.mkdir()
    for name, text in {**files, "Dockerfile": f"FROM scratch\n{instructions}\n"}.items():
        (context / name).write_text(text)
    image = f"{SESSION}-scanned:{uuid4().hex[:8]}"
    environment = {**docker_environment, "GAR_TOKEN": GIVEN, "TMPDIR": str(tmp_path)}

    def run(*command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    assert run("docker", "build", "--quiet", "--tag", image, str(context)).returncode == 0
    done = run("sh", "ci/scan-image.sh", image)
    assert run("docker", "image", "rm", "--force", image).returncode == 0
    assert done.returncode == int(found), done.stderr
    assert (f"{image} holds a credential: " in done.stderr) == found
    assert GIVEN not in done.stdout + done.stderr
    assert not list(tmp_path.glob("tmp.*"))


@pytest.mark.engine
def test_an_image_that_is_not_there_is_not_taken_for_clean(
    generate: Generate,
    docker_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    project = generate(tmp_path / "project", kind="service")
    command = ["sh", "ci/scan-image.sh", "garscaffold-test-nowhere:1"]
    done = subprocess.run(command, cwd=project, env=docker_environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no credential" not in done.stdout
