"""cloudbuild.yaml, run from its first step to its last; it reads, publishes and pushes at Artifact Registry's stand-in.

The images of the builders cannot be had without their registries. In their place stands the engine's Debian with
Python, which holds the real programs: this machine's gcloud where a step asks for Cloud SDK's image, and its Docker
client where a step asks for Docker's. All else is as there: the steps' own lines, the shared folders, the identity from
a metadata server, and an engine that pushes.
"""

import base64
import json
import shutil
from pathlib import Path

import pytest

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.identities import IDENTITIES
from tests.generated.conftest import PRIVATE_NAME, AsIdentity, Generate, Pushed, Toolbox
from tests.generated.pythons import RUNNING_PYTHON
from tests.support.engine import OwnEngine, client_in_container
from tests.support.pipeline_cloudbuild import Builder, CloudBuild

pytestmark = [
    pytest.mark.engine,
    pytest.mark.generated,
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed"),
]

HOST = "us-central1-docker.pkg.dev"
WRITER = IDENTITIES["writer"].email


@pytest.fixture(scope="module")
def cloud_build(pipeline_engine: OwnEngine, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> CloudBuild:
    base = f"python:{RUNNING_PYTHON}-slim"
    variables = sandbox.environment("writer", metadata=True)
    folder = tmp_path_factory.mktemp("client")
    gcloud = shutil.which("gcloud")
    assert gcloud
    sdk = Path(gcloud).resolve().parents[1]
    # The program looks for its own files beside itself.
    start = folder / "gcloud"
    start.write_text(f'#!/bin/sh\nexec {sdk}/bin/gcloud "$@"\n')
    start.chmod(0o755)
    login = base64.b64encode(f"oauth2accesstoken:{sandbox.token('writer')}".encode()).decode()
    return CloudBuild(
        engine=pipeline_engine,
        builders={
            base: Builder(base),
            "gcr.io/google.com/cloudsdktool/google-cloud-cli:slim": Builder(
                base, mounts={str(sdk): sdk, "/usr/local/bin/gcloud": start}
            ),
            "gcr.io/cloud-builders/docker": Builder(
                base, entrypoint="docker", mounts=client_in_container(folder, sandbox, pipeline_engine)
            ),
        },
        variables=variables,
        mounts={str(sandbox.bundle_file): sandbox.bundle_file},
        cache="downloads",
        docker_config=json.dumps({"auths": {f"https://{HOST}": {"auth": login}}}),
    )


# Poetry reads everything from the virtual repository: its own source for the public index has to speak JSON.
@pytest.mark.parametrize(
    ("manager", "install", "mode"), [("poetry", "secret", "virtual"), ("uv", "workspace", "explicit")]
)
def test_a_service_is_tested_built_searched_and_pushed(
    generate: Generate,
    toolbox: Toolbox,
    sandbox: Sandbox,
    as_identity: AsIdentity,
    package: object,
    cloud_build: CloudBuild,
    pushed: Pushed,
    tmp_path: Path,
    manager: str,
    install: str,
    mode: str,
) -> None:
    project = generate(
        tmp_path / "project",
        kind="service",
        framework="worker",
        project_name=f"orders-{install}",
        package_manager=manager,
        image_install=install,
        index_mode=mode,
        private_packages=[f"{PRIVATE_NAME}>=0.1,<0.2"],
        build_service_account=WRITER,
    )
    toolbox.run("make", "lock", cwd=project, variables=as_identity("reader"))
    image = f"{HOST}/acme-prod/docker/orders-{install}"
    event = {"BRANCH_NAME": "main"} if install == "secret" else {}
    with cloud_build.run(project, BUILD_ID="build-1", PROJECT_ID="acme-prod", **event) as build:
        secrets = {"login": sandbox.token("writer").encode()}
        if install == "secret":
            secrets["token"] = build.read("credentials", "gar_token").strip()
            assert sandbox.store.bearer(secrets["token"].decode()) is not None
        said = build.said["test"] + build.said["scan"]
        assert "digest: " in build.said["push"]
        # The image is there now: what keeps it back for a pull request, a fork's main too, is the step.
        (push,) = (step for step in build.steps if step["id"] == "push")
        build.substitutions |= {"_PR_NUMBER": "7", "BRANCH_NAME": "main"}
        sandbox.forget_requests()
        build.step(push)
        not_pushed = (
            "Not pushed: neither main nor a tag v…, nor built by hand (pull request '7', branch 'main', tag '')."
        )
        assert build.said["push"] == f"{not_pushed}\n"
        assert sandbox.requests() == []
    pushed(f"{image}:build-1", said, secrets)


def test_a_package_is_published_for_a_tag_only(
    generate: Generate,
    toolbox: Toolbox,
    sandbox: Sandbox,
    as_identity: AsIdentity,
    cloud_build: CloudBuild,
    tmp_path: Path,
) -> None:
    project = generate(
        tmp_path / "project",
        kind="package",
        project_name="acme-built",
        package_manager="poetry",
        index_mode="virtual",
        build_service_account=WRITER,
    )
    toolbox.run("make", "lock", cwd=project, variables=as_identity("reader"))
    sandbox.forget_requests()
    with cloud_build.run(project, PROJECT_ID="acme-prod") as build:
        assert build.said["publish"].startswith("Not published: no tag v…, and _PUBLISH is 'false' (pull request ''")
        (publish,) = (step for step in build.steps if step["id"] == "publish")
        build.substitutions["TAG_NAME"] = "v0.2.0"
        with pytest.raises(AssertionError, match=r"The tag is v0\.2\.0, and dist/acme_built-0\.1\.0"):
            build.step(publish)
        build.substitutions["TAG_NAME"] = "v0.1.0"
        build.step(publish)
        assert "dist/acme_built-0.1.0-py3-none-any.whl: published\n" in build.said["publish"]
        assert "dist/acme_built-0.1.0.tar.gz: published\n" in build.said["publish"]
    uploads = [each for each in sandbox.requests() if each["method"] == "POST" and "python.pkg.dev" in each["host"]]
    assert [each["status"] for each in uploads] == [200, 200]
