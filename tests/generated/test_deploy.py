"""Deployments to Cloud Run: what the real gcloud reads from cloud-run.yaml, and what it would send to Google."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.generated.combinations import KEYLESS
from tests.generated.conftest import Generate
from tests.generated.pipelines import FILES, read

PLACE = "IMAGE_OF_THE_COMMIT"
ACCOUNT = "orders@acme-prod.iam.gserviceaccount.com"
IMAGE = "us-central1-docker.pkg.dev/acme-prod/docker/orders"
GIVEN = {
    "IMAGE": IMAGE,
    "GAR_TOKEN": "a token",
    "GITHUB_SHA": "abc123",
    "CI_COMMIT_SHA": "abc123",
    "CIRCLE_SHA1": "abc123",
}
SUBSTITUTIONS = {
    "_IMAGE": IMAGE,
    "BUILD_ID": "abc123",
    "_REGION": "us-central1",
    "PROJECT_ID": "acme-prod",
    "_PR_NUMBER": "",
    "BRANCH_NAME": "main",
    "TAG_NAME": "",
    "_DEPLOY": "false",
}


class CloudRun:
    """Answers gcloud as Cloud Run does for a service that is new and comes up at once; keeps what it was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, Any]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(200 if outer.sent else 404, outer.service())

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.sent.append((self.path, self.headers["Authorization"], body))
                self.answer(200, outer.service())

            def answer(self, status: int, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def service(self) -> dict[str, Any]:
        if not self.sent:
            return {"error": {"code": 404, "status": "NOT_FOUND", "message": "There is no such service."}}
        conditions = [{"type": name, "status": "True"} for name in ("Ready", "ConfigurationsReady", "RoutesReady")]
        status = {"observedGeneration": 1, "conditions": conditions, "url": "https://orders.example"}
        _, _, body = self.sent[-1]
        return {**body, "metadata": {**body["metadata"], "generation": 1}, "status": status}


@pytest.fixture
def cloud_run() -> Iterator[CloudRun]:
    run = CloudRun()
    thread = threading.Thread(target=run.server.serve_forever, daemon=True)
    thread.start()
    yield run
    run.server.shutdown()
    run.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def project(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    answers = {"kind": "service", "project_name": "orders", "deploy": "cloud-run", "run_service_account": ACCOUNT}
    return generate(tmp_path_factory.mktemp("deploy") / "orders", ci=list(FILES), **answers, **KEYLESS)


def deploying(project: Path, ci: str) -> str:
    """Return the shell with which a pipeline deploys; what signs in before is left out."""
    pipeline = read(project, ci)
    if ci == "cloud-build":
        (step,) = (step for step in pipeline["steps"] if step["id"] == "deploy")
        text = "\n".join([*(f"export {line}" for line in step["env"]), step["args"][-1]])
        for name, value in SUBSTITUTIONS.items():
            text = text.replace(f"${{{name}}}", value)
        return text.replace("$$", "$")
    job = (pipeline if ci == "gitlab" else pipeline["jobs"])["deploy"]
    if ci == "gitlab":
        text = "\n".join(job["script"])
    elif ci == "github":
        text = job["steps"][-1]["run"]
    else:
        text = job["steps"][-1]["run"]["command"]
    return "\n".join(line for line in text.splitlines() if "GAR_TOKEN" not in line or "CLOUDSDK" in line)


def deploy(project: Path, ci: str, cloud_run: CloudRun, home: Path) -> "subprocess.CompletedProcess[str]":
    if shutil.which("gcloud") is None:
        pytest.skip("gcloud is not installed")
    # gcloud puts the region in front of the host: through a proxy, any host will do.
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "http_proxy": f"http://127.0.0.1:{cloud_run.server.server_port}",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN": "http://run.invalid/",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        **GIVEN,
    }
    if ci == "cloud-build":
        # A step has the identity of the build, and no token.
        environment["CLOUDSDK_AUTH_ACCESS_TOKEN"] = environment.pop("GAR_TOKEN")
    command = ["sh", "-euc", deploying(project, ci)]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.clients
@pytest.mark.parametrize("ci", list(FILES))
def test_gcloud_is_given_the_definition_with_the_image_of_the_commit(
    project: Path, cloud_run: CloudRun, tmp_path: Path, ci: str
) -> None:
    text = (project / "cloud-run.yaml").read_text()
    done = deploy(project, ci, cloud_run, tmp_path)
    assert done.returncode == 0, done.stderr
    ((address, authorization, sent),) = cloud_run.sent
    assert address.startswith("http://us-central1-run.invalid/apis/serving.knative.dev/v1/namespaces/acme-prod/")
    assert authorization == "Bearer a token"
    defined = yaml.safe_load(text.replace(PLACE, f"{IMAGE}:abc123"))
    assert sent["spec"] == defined["spec"]
    assert sent["spec"]["template"]["spec"]["serviceAccountName"] == ACCOUNT
    assert sent["metadata"]["annotations"] == defined["metadata"]["annotations"]
    assert (project / "cloud-run.yaml").read_text() == text


@pytest.mark.clients
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (f"image: {PLACE}", "image: example.com/fixed", ""),
        ("startupProbe:", "startProbe:", "Service.spec.template.spec.containers[0].startProbe"),
    ],
    ids=["no place for the image", "a field that is none"],
)
def test_nothing_is_deployed_from_a_definition_that_is_wrong(
    project: Path, cloud_run: CloudRun, tmp_path: Path, before: str, after: str, said: str
) -> None:
    shutil.copytree(project, tmp_path / "orders")
    definition = tmp_path / "orders" / "cloud-run.yaml"
    definition.write_text(definition.read_text().replace(before, after).replace(f"of {PLACE}", "of it"))
    done = deploy(tmp_path / "orders", "github", cloud_run, tmp_path)
    assert done.returncode != 0
    assert said in done.stderr
    assert cloud_run.sent == []


@pytest.mark.parametrize("framework", ["fastapi", "flask", "worker"])
def test_the_definition_fits_the_service(generate: Generate, tmp_path: Path, framework: str) -> None:
    project = generate(tmp_path / "orders", kind="service", framework=framework, deploy="cloud-run")
    text = (project / "cloud-run.yaml").read_text()
    template = yaml.safe_load(text)["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert container["image"] == PLACE
    # Cloud Run sets it, and refuses a definition that does.
    assert "PORT" not in [each["name"] for each in container["env"]]
    assert {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")} == {"/health"}
    exposed = (project / "Dockerfile").read_text()
    assert f"EXPOSE {container['ports'][0]['containerPort']}\n" in exposed
    # Without one of its own, the file says what that means.
    assert "serviceAccountName" not in template["spec"]
    assert "# serviceAccountName: NAME@acme-prod.iam.gserviceaccount.com\n" in text
    works_alone = template["metadata"]["annotations"].get("run.googleapis.com/cpu-throttling") == "false"
    assert works_alone == (framework == "worker")


def test_there_is_a_definition_only_where_a_pipeline_deploys_it(generate: Generate, tmp_path: Path) -> None:
    for name, answers in (
        ("nowhere", {"kind": "service"}),
        ("no pipeline", {"kind": "service", "ci": [], "deploy": "cloud-run"}),
        ("a package", {"kind": "package", "deploy": "cloud-run"}),
    ):
        assert not (generate(tmp_path / name, **answers) / "cloud-run.yaml").exists()
