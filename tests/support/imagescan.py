"""Looks for secrets in an image: every byte of its own layers, its history and its configuration."""

import base64
import gzip
import io
import json
import subprocess
import tarfile
import tempfile
import urllib.parse
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

_GZIP = b"\x1f\x8b"
# Less than this matches by chance.
_SHORTEST = 8


@dataclass(frozen=True)
class Finding:
    """A secret that an image holds.

    Attributes:
        secret: Name of the secret.
        form: How it is written: raw, base64, hex, url, json.
        place: The layer's file, or the part of the configuration.
    """

    secret: str
    form: str
    place: str


_Patterns = Sequence[tuple[bytes, Finding]]


def forms(secret: bytes) -> dict[bytes, str]:
    """Return the byte strings that give a secret away, each with the name of its form.

    Raises:
        ValueError: The secret is too short to be told from other text.
    """
    secret = secret.strip()
    if len(secret) < _SHORTEST:
        raise ValueError("The secret is too short to search for.")
    patterns = {secret: "raw"}
    text = secret.decode("utf-8", "surrogateescape")
    patterns.setdefault(json.dumps(text)[1:-1].encode(), "json")
    patterns.setdefault(urllib.parse.quote_plus(secret).encode(), "url")
    patterns.setdefault(urllib.parse.quote(secret, safe="").encode(), "url")
    patterns.setdefault(secret.hex().encode(), "hex")
    patterns.setdefault(secret.hex().upper().encode(), "hex")
    for before in range(3):
        # The characters at both ends depend on the neighbours; what is between them does not.
        first = (before * 8 + 5) // 6
        last = (before + len(secret)) * 8 // 6
        encoded = base64.b64encode(bytes(before) + secret)[first:last]
        patterns.setdefault(encoded, "base64")
        patterns.setdefault(encoded.translate(bytes.maketrans(b"+/", b"-_")), "base64")
    return patterns


def scan_image(
    image: str, secrets: Mapping[str, bytes], *, environment: Mapping[str, str], base: str | None = None
) -> list[Finding]:
    """Search an image that the engine has.

    Args:
        image: Its name.
        secrets: What to look for, by the name to report it with.
        environment: The environment that the docker client runs in.
        base: An image whose layers are left out, because they were there before the secrets.
    """
    known: Sequence[str] = ()
    if base:
        known = json.loads(_docker(environment, "image", "inspect", "--format", "{{json .RootFS.Layers}}", base))
    history = _docker(environment, "image", "history", "--no-trunc", "--format", "{{json .}}", image)
    searched = _search("history", history, _patterns(secrets))
    with tempfile.TemporaryFile() as saved:
        subprocess.run(["docker", "save", image], env=environment, stdout=saved, check=True)
        saved.seek(0)
        return [*searched, *scan_archive(saved, secrets, known_layers=known)]


def scan_archive(archive: Any, secrets: Mapping[str, bytes], *, known_layers: Sequence[str] = ()) -> Iterator[Finding]:
    """Search what `docker save` wrote.

    Args:
        archive: The open file.
        secrets: What to look for, by name.
        known_layers: Digests of uncompressed layers that are left out.

    Raises:
        ValueError: The archive has no image with layers, so that finding nothing would mean nothing.
    """
    with tarfile.open(fileobj=archive) as outer:
        names = {member.name for member in outer if member.isfile()}
        if "manifest.json" not in names:
            raise ValueError("This is no saved image.")
        layers = 0
        skipped = set()
        for entry in json.loads(_content(outer, "manifest.json")):
            digests = json.loads(_content(outer, entry["Config"]))["rootfs"]["diff_ids"]
            layers += len(digests)
            skipped |= {layer for layer, digest in zip(entry["Layers"], digests, strict=True) if digest in known_layers}
        if not layers:
            raise ValueError("The image has no layer.")
        patterns = _patterns(secrets)
        for name in sorted(names - skipped):
            yield from _search_blob(name, _content(outer, name), patterns)


def _patterns(secrets: Mapping[str, bytes]) -> _Patterns:
    return [
        (pattern, Finding(name, form, ""))
        for name, secret in secrets.items()
        for pattern, form in forms(secret).items()
    ]


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member is not None
    return member.read()


def _search_blob(name: str, blob: bytes, patterns: _Patterns) -> Iterator[Finding]:
    if blob.startswith(_GZIP):
        blob = gzip.decompress(blob)
    try:
        layer = tarfile.open(fileobj=io.BytesIO(blob))  # noqa: SIM115
    except tarfile.ReadError:
        yield from _search(name, blob, patterns)
        return
    with layer:
        for member in layer:
            described = f"{member.name}\0{member.linkname}\0{member.pax_headers}".encode("utf-8", "surrogateescape")
            yield from _search(f"{name}: name of {member.name}", described, patterns)
            if member.isfile():
                yield from _search(f"{name}: {member.name}", _content_of(layer, member), patterns)


def _content_of(layer: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """A file's bytes, followed by what they unpack to."""
    file = layer.extractfile(member)
    assert file is not None
    content = file.read()
    if content.startswith(_GZIP):
        try:
            return content + gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            return content
    return content


def _search(place: str, content: bytes, patterns: _Patterns) -> Iterator[Finding]:
    for pattern, finding in patterns:
        if pattern in content:
            yield replace(finding, place=place)


def _docker(environment: Mapping[str, str], *arguments: str) -> bytes:
    return subprocess.run(["docker", *arguments], env=environment, stdout=subprocess.PIPE, check=True).stdout
