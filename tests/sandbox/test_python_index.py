"""What LOCATION-python.pkg.dev answers, word for word."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.simple import read_page
from garscaffold.sandbox.store import FileRecord
from tests.sandbox.conftest import HOST, LOCATION, PROJECT, client_of, make_wheel, upload

UNAUTHENTICATED = "The request does not have valid authentication credentials.\n"


@pytest.fixture(scope="module", autouse=True)
def repository(sandbox: Sandbox) -> None:
    sandbox.create_python_repository(PROJECT, LOCATION, "standard")
    sandbox.create_repository(PROJECT, LOCATION, "images", format="DOCKER")


@pytest.fixture
def writer(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with client_of(sandbox, token=sandbox.token("writer")) as client:
        yield client


def test_an_upload_is_on_its_page_with_hash_and_python(writer: httpx.Client, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme-page", "1.0.0")
    assert upload(writer, "standard", wheel).status_code == 200
    page = writer.get(f"/{PROJECT}/standard/simple/acme-page/")
    assert page.headers["content-type"].startswith("text/html")
    [link] = read_page(page.text, str(page.url))
    assert link.url == f"https://{HOST}/{PROJECT}/standard/acme-page/{wheel.name}"
    assert link.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert link.requires_python == ">=3.8"


def test_a_download_is_a_307_to_a_relative_address_that_needs_no_credentials(
    sandbox: Sandbox, writer: httpx.Client, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path, "acme-download", "1.0.0")
    upload(writer, "standard", wheel)
    answer = writer.get(f"/{PROJECT}/standard/acme-download/{wheel.name}")
    where = answer.headers["location"]
    assert answer.status_code == 307
    assert where.startswith(f"/artifacts-downloads/namespaces/{PROJECT}/repositories/standard/downloads/")
    with client_of(sandbox) as anonymous:
        assert anonymous.get(where).content == wheel.read_bytes()
        part = anonymous.get(where, headers={"Range": "bytes=10-19"})
        assert part.status_code == 206
        assert part.content == wheel.read_bytes()[10:20]
        assert anonymous.head(where).headers["content-length"] == str(wheel.stat().st_size)
        assert anonymous.get(where[:-4] + "AAAA").status_code == 403
        assert anonymous.get(f"{where.rpartition('/')[0]}/nonsense").status_code == 403


def test_who_may_not_read(sandbox: Sandbox) -> None:
    page = f"/{PROJECT}/standard/simple/anything/"
    with client_of(sandbox) as anonymous:
        answer = anonymous.get(page)
        assert (answer.status_code, answer.text) == (401, UNAUTHENTICATED)
    with client_of(sandbox, token=sandbox.token("none")) as none:
        answer = none.get(page)
        assert answer.status_code == 403
        resource = f"projects/{PROJECT}/locations/{LOCATION}/repositories/standard"
        assert (
            f'Permission "artifactregistry.repositories.downloadArtifacts" denied on resource "{resource}"'
            in answer.text
        )


def test_who_may_not_write(sandbox: Sandbox, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme-refused", "1.0.0")
    for token, status in ((None, 401), (sandbox.token("none"), 403), (sandbox.token("reader"), 403)):
        with client_of(sandbox, token=token) as client:
            assert upload(client, "standard", wheel).status_code == status
    with client_of(sandbox, token=sandbox.token("reader")) as reader:
        assert reader.get(f"/{PROJECT}/standard/simple/acme-refused/").status_code == 404


def test_a_grant_on_one_repository_is_for_that_one(own_sandbox: Sandbox) -> None:
    own_sandbox.revoke_default_grants()
    for name in ("mine", "theirs", "public"):
        own_sandbox.create_python_repository(PROJECT, LOCATION, name)
    own_sandbox.grant(PROJECT, LOCATION, "mine", "none", "reader")
    own_sandbox.grant(PROJECT, LOCATION, "public", "allUsers", "roles/artifactregistry.reader")
    with client_of(own_sandbox, token=own_sandbox.token("none")) as none, client_of(own_sandbox) as anonymous:
        seen = [none.get(f"/{PROJECT}/{name}/simple/x/").status_code for name in ("mine", "theirs", "public")]
        assert seen == [404, 403, 404]
        assert anonymous.get(f"/{PROJECT}/public/simple/x/").status_code == 404
        assert anonymous.get(f"/{PROJECT}/mine/simple/x/").status_code == 401


def test_a_grant_under_a_condition_gives_nothing(own_sandbox: Sandbox) -> None:
    name = own_sandbox.create_python_repository(PROJECT, LOCATION, "libs").name
    binding = {"role": "roles/artifactregistry.reader", "members": ["allUsers"], "condition": {"expression": "true"}}
    own_sandbox.store.set_policy(name, [binding])
    with client_of(own_sandbox) as anonymous:
        assert anonymous.get(f"/{PROJECT}/libs/simple/x/").status_code == 401


def test_a_duplicate_is_400_and_changes_nothing(writer: httpx.Client, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme-twice", "1.0.0")
    before = wheel.read_bytes()
    assert upload(writer, "standard", wheel).status_code == 200
    wheel.write_bytes(b"something else")
    answer = upload(writer, "standard", wheel)
    assert (answer.status_code, answer.reason_phrase) == (400, "Bad Request")
    assert answer.text == "Requested entity already exists.\n"
    kept = writer.get(f"/{PROJECT}/standard/acme-twice/{wheel.name}", follow_redirects=True)
    assert kept.content == before


def test_an_upload_that_contradicts_itself_is_400(writer: httpx.Client, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme-odd", "1.0.0")
    for change in (
        {"name": "other"},
        {"version": "2.0"},
        {"version": "not a version"},
        {"sha256_digest": "0" * 64},
    ):
        assert upload(writer, "standard", wheel, **change).status_code == 400, change
    assert upload(writer, "standard", wheel, **{":action": "submit"}).status_code == 501
    text = tmp_path / "acme_odd-1.0.0.txt"
    text.write_text("no distribution")
    assert upload(writer, "standard", text).status_code == 400
    assert writer.post(f"/{PROJECT}/standard/", data={":action": "file_upload"}).status_code == 400
    assert writer.get(f"/{PROJECT}/standard/simple/acme-odd/").status_code == 404


def test_the_wrong_address_is_refused(sandbox: Sandbox, writer: httpx.Client, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme-lost", "1.0.0")
    assert upload(writer, "missing", wheel).status_code == 404
    assert upload(writer, "images", wheel).status_code == 400
    assert writer.post(f"/{PROJECT}/standard/simple/", data={}).status_code == 405
    for path in ("simple/", "simple/acme-lost", "acme-lost/x-1.tar.gz", "", "simple/a/b/"):
        assert writer.get(f"/{PROJECT}/standard/{path}").status_code == 404, path
    with client_of(sandbox, host=f"{LOCATION}-docker.pkg.dev", token=sandbox.token("writer")) as images:
        assert upload(images, "standard", wheel).status_code == 405


ODD = ["%00", "a%3Fb", "..", "%2e%2e", "a%2Fb", "%FF", "-", "a b", "x" * 5000, "%F0%9F%92%A9", "<script>"]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_odd_names_are_not_found(sandbox: Sandbox, writer: httpx.Client, odd: str) -> None:
    for path in (f"standard/simple/{odd}/", f"standard/{odd}/{odd}", f"{odd}/simple/x/", f"{odd}", f"standard/x/{odd}"):
        request = writer.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=f"/{PROJECT}/{path}".encode())
        assert writer.send(request, auth=("oauth2accesstoken", sandbox.token("user"))).status_code == 404, path


def test_a_remote_repository_keeps_what_it_read(
    layered: Sandbox, public: tuple[str, list[str]], tmp_path: Path
) -> None:
    name = "acme_lib-0.1-py3-none-any.whl"
    expected = (tmp_path / "public" / "files" / name).read_bytes()
    with client_of(layered, token=layered.token("reader")) as client:

        def install(_: int) -> bytes:
            page = client.get(f"/{PROJECT}/pypi/simple/acme-lib/")
            assert "127.0.0.1" not in page.text
            return client.get(f"/{PROJECT}/pypi/acme-lib/{name}", follow_redirects=True).content

        with ThreadPoolExecutor(8) as crowd:
            assert set(crowd.map(install, range(8))) == {expected}
        assert public[1].count("/simple/acme-lib/") == 1
        assert public[1].count(f"/files/{name}") == 1
        assert client.get(f"/{PROJECT}/pypi/simple/not-there/").status_code == 404


def test_a_remote_repository_never_gives_what_its_page_did_not_promise(layered: Sandbox) -> None:
    with client_of(layered, token=layered.token("reader")) as client:
        missing = client.get(f"/{PROJECT}/pypi/acme-lib/acme_lib-3.0-py3-none-any.whl", follow_redirects=True)
        assert missing.status_code == 502
        try:
            changed = client.get(f"/{PROJECT}/pypi/acme-lib/acme_lib-4.0-py3-none-any.whl", follow_redirects=True)
            assert changed.status_code == 502
        except httpx.HTTPError:
            pass  # the answer had begun, and was cut before its last byte
    assert list(layered.state.incoming.iterdir()) == []


def test_a_virtual_repository_shows_all_versions_and_prefers_its_first_upstream(
    layered: Sandbox, tmp_path: Path
) -> None:
    private = make_wheel(tmp_path / "private", "acme-lib", "0.1", requires_python=">=3.11")
    with client_of(layered, token=layered.token("writer")) as client:
        assert upload(client, "libs", private).status_code == 200
        page = client.get(f"/{PROJECT}/all/simple/acme-lib/")
        versions = {link.filename.split("-")[1]: link for link in read_page(page.text, str(page.url))}
        assert set(versions) == {"0.1", "3.0", "4.0", "9.9"}
        assert versions["0.1"].sha256 == hashlib.sha256(private.read_bytes()).hexdigest()
        got = client.get(f"/{PROJECT}/all/acme-lib/{private.name}", follow_redirects=True)
        assert got.content == private.read_bytes()
        assert upload(client, "all", private).status_code == 400
        assert upload(client, "pypi", private).status_code == 400


def test_an_index_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    with Sandbox.start(tmp_path, index_url="http://127.0.0.1:9/simple") as running:
        running.create_python_repository(PROJECT, LOCATION, "pypi", "remote")
        with client_of(running, token=running.token("reader")) as client:
            answer = client.get(f"/{PROJECT}/pypi/simple/six/")
            assert answer.status_code == 502
            assert "could not be read" in answer.text


def test_two_hundred_files_are_listed_quickly(sandbox: Sandbox, writer: httpx.Client) -> None:
    repository = sandbox.create_python_repository(PROJECT, LOCATION, "many").name
    for number in range(200):
        name = f"acme_many-1.{number}-py3-none-any.whl"
        record = FileRecord(repository, "acme-many", f"1.{number}", name, "0" * 64, 1, "", {}, 0.0)
        sandbox.store.add_file(record)
    answer = writer.get(f"/{PROJECT}/many/simple/acme-many/")
    assert answer.text.count("<a ") == 200
    assert answer.elapsed.total_seconds() < 0.5
