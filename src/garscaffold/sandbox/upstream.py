"""What a remote repository reads: the machine's own index, kept on disk once read."""

import asyncio
import hashlib
import logging
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx

from garscaffold.process import find, run
from garscaffold.sandbox.refusals import Refusal
from garscaffold.sandbox.simple import Link, read_page
from garscaffold.sandbox.store import Store

FRESH_SECONDS = 600
"""For how long a page that was read is served without asking again."""

_CHUNK = 1 << 16
_log = logging.getLogger("garscaffold.sandbox")

# pip has no command that prints its built-in index, so its own constant is asked; every pip since 10 has it.
_ASK_PIP = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"


def machine_index() -> str | None:
    """Return the URL of the index that pip on this machine installs from, or None when there is no pip to ask."""
    for python in (sys.executable, find("python3"), find("python")):
        if not python:
            continue
        listed = run([python, "-m", "pip", "config", "list"], check=False)
        if listed.exit_code != 0:
            continue
        settings = dict(line.partition("=")[::2] for line in listed.stdout.splitlines())
        for key in (":env:.index-url", "install.index-url", "global.index-url"):
            if key in settings:
                return settings[key].strip("'\"")
        named = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")
        if named:
            return named
        built_in = run([python, "-c", _ASK_PIP], check=False)
        if built_in.exit_code == 0:
            return built_in.stdout.strip()
    return os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")


class Download:
    """A file that is arriving; any number of readers follow it, and it goes on when they leave.

    Args:
        path: Where it is being written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Opened once and read with offsets: the file moves to its place while readers still follow it.
        self._file = path.open("rb")
        self.size = 0
        self.total: int | None = None
        self.error: Exception | None = None
        self.finished = False
        self.started = asyncio.Event()
        self._grown = asyncio.Condition()

    async def announce(self, *, grown_by: int = 0, finished: bool = False, error: Exception | None = None) -> None:
        """Tell the readers."""
        async with self._grown:
            self.size += grown_by
            self.finished = self.finished or finished
            self.error = error
            self.started.set()
            self._grown.notify_all()

    async def read(self) -> AsyncIterator[bytes]:
        """Give the content from its beginning, as it arrives.

        Raises:
            Exception: Whatever ended the download.
        """
        position = 0
        while True:
            async with self._grown:
                while not (self._readable > position or self.finished or self.error):
                    await self._grown.wait()
            if self.error:
                raise self.error
            while chunk := os.pread(self._file.fileno(), min(_CHUNK, self._readable - position), position):
                position += len(chunk)
                yield chunk
            if self.finished and position >= self.size:
                return

    @property
    def _readable(self) -> int:
        # The last byte is held back until the hash is known to be right: nobody gets a whole file that is not.
        return self.size if self.finished else max(self.size - 1, 0)


class Upstream:
    """Reads pages and files of indexes elsewhere through a cache.

    Args:
        store: Keeps pages and contents.
        index_url: The public index's simple URL; asked of pip on first use when None.
    """

    def __init__(self, store: Store, index_url: str | None) -> None:
        self._store = store
        self._index_url = index_url
        self._index_lock = asyncio.Lock()
        self._downloads: dict[str, Download] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._pages: dict[tuple[str, str], asyncio.Lock] = {}
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._client is not None:
            await self._client.aclose()

    async def public_index(self) -> str:
        """Return the URL of the public index as this machine reaches it.

        Raises:
            Refusal: Nothing on this machine knows one (502).
        """
        async with self._index_lock:
            if self._index_url is None:
                self._index_url = await asyncio.to_thread(machine_index)
        if self._index_url is None:
            raise Refusal(502, "No pip on this machine could name its index; start the sandbox with --index-url.")
        return self._index_url

    async def links(self, index_url: str, package: str) -> list[Link]:
        """Return the links of a package on an index; none when it is not there.

        Raises:
            Refusal: The index cannot be reached and was never read before (502).
        """
        index_url = index_url.rstrip("/")
        async with self._pages.setdefault((index_url, package), asyncio.Lock()):
            kept = self._store.page(index_url, package)
            if kept is not None and time.time() - kept[1] < FRESH_SECONDS:
                return [Link(**link) for link in kept[0]]
            try:
                links = await self._fetch_links(f"{index_url}/{package}/")
            except (httpx.HTTPError, OSError) as error:
                if kept is not None:
                    return [Link(**link) for link in kept[0]]
                raise Refusal(
                    502, f"The upstream index could not be read: {str(error) or type(error).__name__}"
                ) from error
            await asyncio.to_thread(self._store.put_page, index_url, package, [link.to_json() for link in links])
            return links

    async def download(self, link: Link) -> Download:
        """Start or join the download of a file; its content is in the store when it has finished."""
        download = self._downloads.get(link.url)
        if download is None:
            descriptor, name = tempfile.mkstemp(dir=self._store.state.incoming)
            os.close(descriptor)
            download = self._downloads[link.url] = Download(Path(name))
            task = asyncio.create_task(self._fetch_file(link, download))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await download.started.wait()
        if download.error:
            raise Refusal(502, f"The upstream index did not give {link.filename}: {_reason(download.error)}")
        return download

    async def _fetch_links(self, url: str) -> list[Link]:
        if url.startswith("file:"):
            page = Path(url2pathname(urlsplit(url).path)) / "index.html"
            return read_page(page.read_text("utf-8"), url) if page.exists() else []
        answer = await self._http().get(url, headers={"Accept": "text/html"})
        if answer.status_code in (404, 410):
            return []
        answer.raise_for_status()
        return await asyncio.to_thread(read_page, answer.text, str(answer.url))

    async def _fetch_file(self, link: Link, download: Download) -> None:
        digest = hashlib.sha256()
        try:
            with download.path.open("wb") as file:
                async for chunk in self._content(link.url, download):
                    digest.update(chunk)
                    file.write(chunk)
                    file.flush()
                    await download.announce(grown_by=len(chunk))
                if link.sha256 and digest.hexdigest() != link.sha256:
                    raise ValueError("its hash is not the one that its page promised")
                await asyncio.to_thread(os.fsync, file.fileno())
            if link.sha256:
                # A page without hashes cannot name a content, so such a file is fetched each time.
                self._store.place_blob(download.path, link.sha256)
            await download.announce(finished=True)
        except (httpx.HTTPError, OSError, ValueError) as error:
            _log.warning("%s could not be fetched: %s", link.filename, _reason(error))
            await download.announce(error=error)
        finally:
            del self._downloads[link.url]
            if not (download.finished and link.sha256):
                download.path.unlink(missing_ok=True)

    async def _content(self, url: str, download: Download) -> AsyncIterator[bytes]:
        if url.startswith("file:"):
            with Path(url2pathname(urlsplit(url).path)).open("rb") as file:
                while chunk := file.read(1 << 20):
                    yield chunk
            return
        async with self._http().stream("GET", url) as answer:
            answer.raise_for_status()
            if "content-encoding" not in answer.headers and answer.headers.get("content-length", "").isdigit():
                download.total = int(answer.headers["content-length"])
            async for chunk in answer.aiter_bytes(_CHUNK):
                yield chunk

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            import ssl

            self._client = httpx.AsyncClient(
                verify=ssl.create_default_context(cafile=str(self._store.state.bundle)),
                follow_redirects=True,
                timeout=httpx.Timeout(60, connect=15),
                limits=httpx.Limits(max_connections=20),
            )
        return self._client


def _reason(error: Exception) -> str:
    """Say what went wrong without the URL, which may hold a password."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__
