"""LOCATION-docker.pkg.dev, as the distribution specification has clients speak to it."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from garscaffold.process import find
from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.images import PROGRAM
from tests.sandbox.conftest import LOCATION, PROJECT, client_of

HOST = f"{LOCATION}-docker.pkg.dev"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
needs_program = pytest.mark.skipif(not find(PROGRAM), reason=f"no {PROGRAM} here")


@pytest.fixture
def anonymous(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with client_of(sandbox, host=HOST) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def repositories(sandbox: Sandbox) -> None:
    sandbox.create_repository(PROJECT, LOCATION, "apps", format="DOCKER")
    sandbox.create_repository(PROJECT, LOCATION, "fixed", format="DOCKER", dockerConfig={"immutableTags": True})
    sandbox.create_repository(PROJECT, LOCATION, "mirror", format="DOCKER", mode="REMOTE_REPOSITORY")


def token(client: httpx.Client, scope: str, credentials: tuple[str, str] | None) -> httpx.Response:
    return client.get("/v2/token", params={"service": HOST, "scope": scope}, auth=credentials)


def push(client: httpx.Client, image: str, tag: str, content: bytes) -> httpx.Response:
    """Push an image of one blob, in two parts as Docker does."""
    began = client.post(f"/v2/{PROJECT}/{image}/blobs/uploads/?mount=sha256:x&from={PROJECT}/apps/other")
    assert began.status_code == 202, began.text
    where = began.headers["location"]
    assert where.startswith(f"/v2/{PROJECT}/{image}/blobs/uploads/")
    part = client.patch(where, content=content, headers={"Content-Type": "application/octet-stream"})
    assert part.status_code == 202, part.text
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    done = client.put(
        part.headers["location"], params={"digest": digest, **dict(httpx.URL(part.headers["location"]).params)}
    )
    assert done.status_code == 201, done.text
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": len(content)}
    config = {**layer, "mediaType": "application/vnd.oci.image.config.v1+json"}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    return client.put(
        f"/v2/{PROJECT}/{image}/manifests/{tag}", content=json.dumps(manifest), headers={"Content-Type": MANIFEST}
    )


def test_a_client_is_sent_to_the_token_endpoint(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/v2/")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == f'Bearer realm="https://{HOST}/v2/token",service="{HOST}"'
    answer = anonymous.get(f"/v2/{PROJECT}/apps/orders/manifests/latest")
    assert f'scope="repository:{PROJECT}/apps/orders:pull"' in answer.headers["www-authenticate"]
    assert anonymous.post("/v2/token").status_code == 405


def test_denials_come_from_the_token_endpoint_with_403(sandbox: Sandbox, anonymous: httpx.Client) -> None:
    scope = f"repository:{PROJECT}/apps/orders:pull,push"
    for credentials in (None, ("oauth2accesstoken", sandbox.token("reader"))):
        answer = token(anonymous, scope, credentials)
        assert answer.status_code == 403
        [error] = answer.json()["errors"]
        assert error["code"] == "DENIED"
        assert "artifactregistry.repositories.uploadArtifacts" in error["message"]
    assert token(anonymous, scope, ("oauth2accesstoken", sandbox.token("writer"))).status_code == 200
    wrong = token(anonymous, scope, ("oauth2accesstoken", "ya29.wrong"))
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("user", ["oauth2accesstoken", "_dcgcloud_token", "_json_key"])
def test_every_way_of_docker_login(sandbox: Sandbox, anonymous: httpx.Client, user: str) -> None:
    password = sandbox.key_file("writer").read_text() if user == "_json_key" else sandbox.token("writer")
    assert anonymous.get("/v2/token", params={"service": HOST}, auth=(user, password)).status_code == 200


def test_without_the_program_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        Sandbox.start(tmp_path / "state") as running,
        client_of(running, host=HOST, token=running.token("writer")) as client,
    ):
        answer = client.get("/v2/")
        assert answer.status_code == 501
        assert "apt-get install docker-registry" in answer.json()["errors"][0]["message"]


@needs_program
def test_an_image_is_pushed_and_pulled(sandbox: Sandbox, anonymous: httpx.Client) -> None:
    scope = f"repository:{PROJECT}/apps/team/orders:pull,push"
    given = token(anonymous, scope, ("oauth2accesstoken", sandbox.token("writer"))).json()["token"]
    anonymous.headers["Authorization"] = f"Bearer {given}"
    content = os.urandom(2_000_000)
    pushed = push(anonymous, "apps/team/orders", "v1", content)
    assert pushed.status_code == 201, pushed.text
    assert pushed.headers["location"].startswith(f"/v2/{PROJECT}/apps/team/orders/manifests/sha256:")
    manifest = anonymous.get(f"/v2/{PROJECT}/apps/team/orders/manifests/v1", headers={"Accept": MANIFEST}).json()
    blob = anonymous.get(f"/v2/{PROJECT}/apps/team/orders/blobs/{manifest['layers'][0]['digest']}")
    assert blob.content == content
    tags = anonymous.get(f"/v2/{PROJECT}/apps/team/orders/tags/list").json()
    assert tags == {"name": f"{PROJECT}/apps/team/orders", "tags": ["v1"]}


@needs_program
def test_a_reader_pulls_and_cannot_push(sandbox: Sandbox, anonymous: httpx.Client) -> None:
    with client_of(sandbox, host=HOST, token=sandbox.token("writer")) as writer:
        assert push(writer, "apps/read", "v1", b"content").status_code == 201
    given = token(anonymous, f"repository:{PROJECT}/apps/read:pull", ("oauth2accesstoken", sandbox.token("reader")))
    anonymous.headers["Authorization"] = f"Bearer {given.json()['token']}"
    assert anonymous.head(f"/v2/{PROJECT}/apps/read/manifests/v1", headers={"Accept": MANIFEST}).status_code == 200
    assert anonymous.post(f"/v2/{PROJECT}/apps/read/blobs/uploads/").status_code == 403


@needs_program
def test_repositories_that_cannot_hold_the_image_say_so(sandbox: Sandbox) -> None:
    with client_of(sandbox, host=HOST, token=sandbox.token("writer")) as writer:
        assert writer.get(f"/v2/{PROJECT}/missing/x/manifests/v1").status_code == 404
        assert writer.get(f"/v2/{PROJECT}/mirror/x/manifests/v1").status_code == 501


@pytest.mark.parametrize(
    "path",
    ["apps/x/../../secret/x/manifests/v1", "apps/X/manifests/v1", "apps/x/manifests/../v1", "apps/x/blobs/a%2F..%2Fb"],
)
def test_a_name_that_the_specification_does_not_know_reaches_nothing(sandbox: Sandbox, path: str) -> None:
    with client_of(sandbox, host=HOST, token=sandbox.token("writer")) as writer:
        request = writer.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=f"/v2/{PROJECT}/{path}".encode())
        assert writer.send(request).status_code == 404


@needs_program
def test_an_immutable_tag_stays(sandbox: Sandbox) -> None:
    with client_of(sandbox, host=HOST, token=sandbox.token("writer")) as writer:
        assert push(writer, "fixed/app", "v1", b"one").status_code == 201
        assert push(writer, "fixed/app", "v1", b"one").status_code == 201
        refused = push(writer, "fixed/app", "v1", b"two")
        assert refused.status_code == 400
        assert "immutable" in refused.json()["errors"][0]["message"]


@needs_program
def test_images_stay_and_the_program_goes_with_a_killed_sandbox(tmp_path: Path) -> None:
    with Sandbox.start(tmp_path) as first:
        first.create_repository(PROJECT, LOCATION, "apps", format="DOCKER")
        with client_of(first, host=HOST, token=first.token("writer")) as writer:
            assert push(writer, "apps/kept", "v1", b"content").status_code == 201
        program = children(first.pid)
        assert program
        os.kill(first.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in program) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(Path(f"/proc/{pid}").exists() for pid in program)
    with Sandbox.start(tmp_path) as second, client_of(second, host=HOST, token=second.token("reader")) as reader:
        assert reader.get(f"/v2/{PROJECT}/apps/kept/tags/list").json()["tags"] == ["v1"]


def children(pid: int) -> list[int]:
    direct = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return direct + [grandchild for child in direct for grandchild in children(child)]
