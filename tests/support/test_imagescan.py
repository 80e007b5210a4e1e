import base64
import gzip
import io
import json
import tarfile
import urllib.parse

import pytest

from tests.support.imagescan import Finding, scan_archive

SECRET = b'ya29.a0AfB/by+C "quoted" token'


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def image(layer: bytes, history: str = "COPY src src") -> io.BytesIO:
    config = {"rootfs": {"diff_ids": ["sha256:1"]}, "history": [{"created_by": history}]}
    manifest = [{"Config": "blobs/config", "Layers": ["blobs/layer"]}]
    return io.BytesIO(
        tar(
            {
                "manifest.json": json.dumps(manifest).encode(),
                "blobs/config": json.dumps(config).encode(),
                "blobs/layer": layer,
            }
        )
    )


def found(archive: io.BytesIO) -> list[Finding]:
    return list(scan_archive(archive, {"token": SECRET}))


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("raw", b"token=" + SECRET + b"\n"),
        ("raw", gzip.compress(b"token=" + SECRET, mtime=0)),
        ("json", json.dumps({"token": SECRET.decode()}).encode()),
        ("url", b"https://oauth2accesstoken:" + urllib.parse.quote(SECRET, safe="").encode() + b"@host/"),
        ("hex", SECRET.hex().encode()),
        *(("base64", base64.b64encode(b"a:bc"[:n] + SECRET + b"tail")) for n in range(5)),
        *(("base64", base64.urlsafe_b64encode(b"a:bc"[:n] + SECRET)) for n in range(5)),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_secret_in_a_layer_is_found_in_every_form(form: str, content: bytes, packed: bool) -> None:
    layer = tar({"app/file": content})
    assert [finding.form for finding in found(image(gzip.compress(layer) if packed else layer))] == [form]


def test_a_secret_in_a_name_is_found() -> None:
    assert found(image(tar({f"app/{SECRET.decode()}": b""})))


def test_a_secret_in_the_history_is_found() -> None:
    assert [finding.place for finding in found(image(tar({}), f"ARG TOKEN={SECRET.decode()}"))] == ["blobs/config"]


def test_an_image_without_it_is_clean() -> None:
    assert found(image(tar({"app/file": b"nothing to see"}))) == []


def test_nothing_to_search_is_an_error() -> None:
    with pytest.raises(ValueError, match="no saved image"):
        found(io.BytesIO(tar({"file": b""})))


def test_a_secret_that_is_too_short_is_an_error() -> None:
    with pytest.raises(ValueError, match="too short"):
        list(scan_archive(image(tar({})), {"pin": b"1234"}))
