"""Pages of the simple index (PEP 503): text to links and links to text."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version


@dataclass(frozen=True)
class Link:
    """A file on a page.

    Args:
        filename: The file's name.
        url: Where it really is: absolute, without fragment; empty for a file of our own.
        sha256: Its hash in hex; empty when the page gives none.
        requires_python: Requires-Python; empty when the page gives none.
        yanked: Why it was yanked; None when it was not.
    """

    filename: str
    url: str = ""
    sha256: str = ""
    requires_python: str = ""
    yanked: str | None = None

    def to_json(self) -> dict[str, str]:
        """Return the fields that are set."""
        fields = {name: value for name, value in asdict(self).items() if value}
        return fields if self.yanked is None else {**fields, "yanked": self.yanked}


@dataclass(frozen=True)
class Distribution:
    """What a distribution file's name says."""

    package: str
    version: Version


def read_filename(filename: str) -> Distribution | None:
    """Return what a wheel's or source distribution's file name says, or None for any other file."""
    try:
        if filename.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
    return Distribution(canonicalize_name(name), version)


def read_page(text: str, url: str) -> list[Link]:
    """Return the links of a page that was read from `url`."""
    reader = _Reader(url)
    reader.feed(text)
    reader.close()
    return reader.links


def write_page(package: str, links: Iterable[Link]) -> str:
    """Return the page of a package; files are two levels up, under the package's name."""
    lines = [
        "<!DOCTYPE html>",
        "<html>",
        f"<head><title>Links for {html.escape(package)}</title></head>",
        "<body>",
        f"<h1>Links for {html.escape(package)}</h1>",
        *(_anchor(package, link) for link in links),
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join(lines)


def merge(upstreams: Sequence[tuple[int, Sequence[Link]]]) -> list[tuple[int, Link]]:
    """Return what a virtual repository shows of its upstreams.

    All versions of all upstreams; of a version that several hold, the files of the one with the greatest priority
    (https://cloud.google.com/artifact-registry/docs/repositories/virtual-overview).

    Args:
        upstreams: Priority and links of each upstream.

    Returns:
        Each link with the position of its upstream in the argument.
    """
    holder: dict[Version, int] = {}
    for position in sorted(range(len(upstreams)), key=lambda position: -upstreams[position][0]):
        for link in upstreams[position][1]:
            distribution = read_filename(link.filename)
            if distribution is not None:
                holder.setdefault(distribution.version, position)
    chosen = [
        (position, link)
        for position, (_, links) in enumerate(upstreams)
        for link in links
        if (distribution := read_filename(link.filename)) is not None and holder[distribution.version] == position
    ]
    return sorted(chosen, key=lambda pair: pair[1].filename)


def _anchor(package: str, link: Link) -> str:
    fragment = f"#sha256={link.sha256}" if link.sha256 else ""
    attributes = ""
    if link.requires_python:
        attributes += f' data-requires-python="{html.escape(link.requires_python)}"'
    if link.yanked is not None:
        attributes += f' data-yanked="{html.escape(link.yanked)}"'
    name = html.escape(link.filename)
    return f'<a href="../../{html.escape(package)}/{name}{fragment}"{attributes}>{name}</a><br/>'


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.links: list[Link] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "base" and attributes.get("href"):
            self._url = urljoin(self._url, attributes["href"])
        if tag != "a" or not attributes.get("href"):
            return
        url, fragment = urldefrag(urljoin(self._url, attributes["href"]))
        algorithm, _, digest = fragment.partition("=")
        self.links.append(
            Link(
                filename=unquote(urlsplit(url).path.rpartition("/")[2]),
                url=url,
                sha256=digest.partition("&")[0] if algorithm == "sha256" else "",
                requires_python=attributes.get("data-requires-python") or "",
                yanked=(attributes["data-yanked"] or "") if "data-yanked" in attributes else None,
            )
        )
