"""A .gitlab-ci.yml, run by gitlab-ci-local: the jobs of a push, in order, each in a container of its own.

What differs from a runner of GitLab: the identity of a job is given as a variable, because only GitLab can sign one.
The engine is reached by its socket, for want of a network in which it could be a service beside the job. And the image
of that job, which cannot be had without its registry, is the engine's Debian with the Docker client of this machine.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.identities import IDENTITIES
from tests.generated.combinations import PROVIDER
from tests.generated.conftest import PRIVATE_NAME, AsIdentity, Generate, Pushed, Toolbox, commit, git
from tests.generated.pythons import RUNNING_PYTHON
from tests.support.engine import OwnEngine, client_in_container

PROGRAM = "gitlab-ci-local"

pytestmark = [
    pytest.mark.engine,
    pytest.mark.generated,
    pytest.mark.skipif(not (shutil.which(PROGRAM) and shutil.which("rsync")), reason=f"no {PROGRAM} or no rsync here"),
]

BASE = f"python:{RUNNING_PYTHON}-slim"
HOST = "us-central1-docker.pkg.dev"
KEYLESS = {
    "wif_provider": PROVIDER,
    "build_service_account": IDENTITIES["writer"].email,
    "test_service_account": IDENTITIES["reader"].email,
}
SERVICE = "  services: [docker:28-dind]\n"
# The job's image has Alpine's package manager: this one holds what it is asked for, or says what it lacks.
APK = '#!/bin/sh\nshift 2\nfor program in "$@"; do command -v "$program" || exit 1; done\n'

# What tools that install keep for the next job, as a runner's own cache may.
CACHES = {"PIP_CACHE_DIR": "/cache/pip", "UV_CACHE_DIR": "/cache/uv", "UV_LINK_MODE": "copy"}

Run = Callable[..., str]


@pytest.fixture(scope="module")
def image_of_docker(pipeline_engine: OwnEngine, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("docker")
    (folder / "apk").write_text(APK)
    (folder / "Dockerfile").write_text(f"FROM {BASE}\nCOPY --chmod=755 apk /sbin/apk\n")
    done = pipeline_engine.docker("build", "--network=none", "--tag", "docker:28", str(folder))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def run_pipeline(pipeline_engine: OwnEngine, image_of_docker: None, sandbox: Sandbox, tmp_path: Path) -> Run:
    """Run the pipeline of a project's commit, signed in with nothing but the identity of the job."""
    identity = sandbox.subject_token("user")
    reach = {name: value for name, value in sandbox.environment("anonymous").items() if value}
    mounts = {
        "/run/docker.sock": pipeline_engine.socket,
        str(sandbox.bundle_file): sandbox.bundle_file,
        **client_in_container(tmp_path, sandbox, pipeline_engine),
    }

    def run(project: Path, *arguments: str, **given: str) -> str:
        options = ["--network=host", "--pull-policy=if-not-present", f"--helper-image={BASE}"]
        options += [f"--volume={path}:{place}" for place, path in mounts.items()]
        options += ["--volume=downloads:/cache"]
        variables = {**reach, **CACHES, "OIDC_TOKEN": identity, "CI_PIPELINE_SOURCE": "push", **given}
        options += [f"--variable={name}={value}" for name, value in variables.items()]
        options += [f"--ignore-predefined-vars={','.join(['CI_PIPELINE_SOURCE', *given])}"]
        done = subprocess.run(
            [PROGRAM, *options, *arguments],
            cwd=project,
            env={**pipeline_engine.environment, "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert identity not in said
        return said

    return run


def push(project: Path) -> str:
    """Commit a project as a push to main would; return the commit."""
    definition = project / ".gitlab-ci.yml"
    definition.write_text(definition.read_text().replace(SERVICE, ""))
    commit(project)
    git(project, "branch", "--move", "main")
    git(project, "remote", "add", "origin", "https://gitlab.com/acme/project.git")
    return git(project, "rev-parse", "HEAD").strip()


def test_a_service_is_tested_built_searched_and_pushed(
    generate: Generate,
    toolbox: Toolbox,
    sandbox: Sandbox,
    as_identity: AsIdentity,
    package: object,
    run_pipeline: Run,
    pushed: Pushed,
    tmp_path: Path,
) -> None:
    project = generate(
        tmp_path / "project",
        kind="service",
        framework="worker",
        project_name="parcels",
        package_manager="pip",
        private_packages=[f"{PRIVATE_NAME}>=0.1,<0.2"],
        ci=["gitlab"],
        **KEYLESS,
    )
    toolbox.run("make", "lock", cwd=project, variables=as_identity("reader"))
    assert SERVICE in (project / ".gitlab-ci.yml").read_text()
    image = f"{HOST}/acme-prod/docker/parcels:{push(project)}"
    said = run_pipeline(project)
    pushed(image, said)
    # What is there is not pushed again.
    assert "digest: " in said
    assert "digest: " not in run_pipeline(project, "build-image")


def test_a_package_is_published_for_a_tag(
    generate: Generate,
    toolbox: Toolbox,
    sandbox: Sandbox,
    as_identity: AsIdentity,
    run_pipeline: Run,
    tmp_path: Path,
) -> None:
    project = generate(
        tmp_path / "project",
        kind="package",
        project_name="acme-gitlab-jobs",
        package_manager="uv",
        index_mode="virtual",
        ci=["gitlab"],
        **KEYLESS,
    )
    toolbox.run("make", "lock", cwd=project, variables=as_identity("reader"))
    push(project)
    assert "publish " not in run_pipeline(project, "--list")
    said = run_pipeline(project, CI_COMMIT_TAG="v0.1.0")
    assert "dist/acme_gitlab_jobs-0.1.0-py3-none-any.whl: published\n" in said
    assert "dist/acme_gitlab_jobs-0.1.0.tar.gz: published\n" in said
