"""Everything a sandbox remembers: one SQLite database and files named by their SHA-256.

What a function here has returned from is on disk: the database commits with `synchronous=FULL`, and a file's content is
flushed and in its place before its record is written. A killed process leaves at most a content nobody refers to. Any
number of processes may open the same store.
"""

import base64
import hashlib
import json
import os
import secrets
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from garscaffold.sandbox.state import StateDirectory

EVERYWHERE = "*"
"""The resource whose policy applies to every project, as an organisation's would."""

_PREFIXES = {
    "access": "ya29.c.garscaffold-",
    "refresh": "1//garscaffold-",
    "subject": "garscaffold-subject-",
    "image": "garscaffold-image-",
}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repository (name TEXT PRIMARY KEY, resource TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS policy (resource TEXT PRIMARY KEY, etag TEXT NOT NULL, bindings TEXT NOT NULL)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS operation (name TEXT PRIMARY KEY, operation TEXT NOT NULL, done_at REAL NOT NULL)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (
    repository TEXT NOT NULL, package TEXT NOT NULL, version TEXT NOT NULL, filename TEXT NOT NULL,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL, requires_python TEXT NOT NULL, metadata TEXT NOT NULL,
    created REAL NOT NULL, PRIMARY KEY (repository, filename)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS file_of_package ON file (repository, package);
CREATE TABLE IF NOT EXISTS page (
    index_url TEXT NOT NULL, package TEXT NOT NULL, links TEXT NOT NULL, fetched REAL NOT NULL,
    PRIMARY KEY (index_url, package)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS token (
    hash TEXT PRIMARY KEY, kind TEXT NOT NULL, identity TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS public_key (id TEXT PRIMARY KEY, identity TEXT NOT NULL, pem TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fault (name TEXT PRIMARY KEY, value REAL NOT NULL, remaining INTEGER) WITHOUT ROWID;
"""


class AlreadyThere(Exception):
    """A record of that name exists."""


class EtagMismatch(Exception):
    """Somebody else wrote the policy after it was read."""


@dataclass(frozen=True)
class RepositoryRecord:
    """A repository.

    Args:
        name: `projects/P/locations/L/repositories/R`.
        resource: The JSON resource as the REST API shows it (camelCase, enums by name).
    """

    name: str
    resource: Mapping[str, Any]

    @property
    def project(self) -> str:
        """The project's id."""
        return self.name.split("/")[1]

    @property
    def location(self) -> str:
        """The region or multi-region."""
        return self.name.split("/")[3]

    @property
    def repository_id(self) -> str:
        """The last part of the name."""
        return self.name.split("/")[5]

    @property
    def format(self) -> str:
        """PYTHON, DOCKER, or another format's name in the API."""
        return str(self.resource.get("format", "FORMAT_UNSPECIFIED"))

    @property
    def mode(self) -> str:
        """STANDARD_REPOSITORY, REMOTE_REPOSITORY or VIRTUAL_REPOSITORY."""
        return str(self.resource.get("mode") or "STANDARD_REPOSITORY")


@dataclass(frozen=True)
class FileRecord:
    """A distribution file in a repository.

    Args:
        repository: The repository's name.
        package: The normalized name of the package (PEP 503).
        version: The version as the file's name has it.
        filename: The file's name.
        sha256: The content's hash, in hex.
        size: The content's length in bytes.
        requires_python: Requires-Python of its metadata; empty when it has none.
        metadata: The fields of the upload form.
        created: When it was acknowledged, in seconds since the epoch.
    """

    repository: str
    package: str
    version: str
    filename: str
    sha256: str
    size: int
    requires_python: str
    metadata: Mapping[str, Any]
    created: float


@dataclass(frozen=True)
class Policy:
    """An IAM policy: `bindings` as the REST API shows them, and the etag that the next writer has to send."""

    etag: str
    bindings: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Fault:
    """A fault that is switched on.

    Args:
        name: One of `faults.FAULTS`.
        value: Its number, where it has one (seconds); 0 otherwise.
        remaining: How often it will still happen; None for ever.
    """

    name: str
    value: float
    remaining: int | None


@dataclass(frozen=True)
class Blob:
    """A content on disk, flushed and in its place."""

    sha256: str
    size: int


def repository_name(project: str, location: str, repository: str) -> str:
    """Return `projects/P/locations/L/repositories/R`."""
    return f"projects/{project}/locations/{location}/repositories/{repository}"


def timestamp(seconds: float) -> str:
    """Return a time as the REST API writes it."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1_000_000):06d}Z"


class Store:
    """The store in one state directory; safe for threads, and for several processes at once.

    Args:
        state: The directory; created when it is not there.
    """

    def __init__(self, state: StateDirectory) -> None:
        state.create()
        self.state = state
        self._lock = threading.RLock()
        # The lock above takes the place of sqlite3's own check of threads.
        self._database = sqlite3.connect(state.database, timeout=30, isolation_level=None, check_same_thread=False)
        state.database.chmod(0o600)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Settings

    def setting(self, name: str, default: Any = None) -> Any:
        """Return a setting's JSON value."""
        row = self._one("SELECT value FROM setting WHERE name = ?", name)
        return default if row is None else json.loads(row["value"])

    def set_setting(self, name: str, value: Any) -> None:
        """Set a setting to a JSON value."""
        self._write("INSERT OR REPLACE INTO setting VALUES (?, ?)", name, json.dumps(value))

    def secret(self, name: str) -> bytes:
        """Return a random secret of 32 bytes that is the same for the life of the state."""
        self._write("INSERT OR IGNORE INTO setting VALUES (?, ?)", f"secret:{name}", json.dumps(secrets.token_hex(32)))
        return bytes.fromhex(self.setting(f"secret:{name}"))

    def version(self) -> int:
        """Return a number that is another one after any process has written anything."""
        with self._lock:
            outside = self._database.execute("PRAGMA data_version").fetchone()[0]
            return int(outside) * 1_000_000_000 + self._database.total_changes

    # Repositories

    def repositories(self, parent: str = "") -> list[RepositoryRecord]:
        """Return the repositories under `projects/P/locations/L`, or all of them, sorted by name."""
        return [
            RepositoryRecord(row["name"], json.loads(row["resource"]))
            for row in self._all("SELECT * FROM repository ORDER BY name")
            if not parent or row["name"].startswith(f"{parent}/repositories/")
        ]

    def repository(self, name: str) -> RepositoryRecord | None:
        """Return the repository called `projects/P/locations/L/repositories/R`, or None."""
        row = self._one("SELECT * FROM repository WHERE name = ?", name)
        return None if row is None else RepositoryRecord(name, json.loads(row["resource"]))

    def create_repository(self, resource: Mapping[str, Any]) -> RepositoryRecord:
        """Write a new repository; `resource["name"]` is its whole name, and times are filled in where they lack.

        Raises:
            AlreadyThere: A repository of that name exists.
        """
        now = timestamp(time.time())
        resource = {"mode": "STANDARD_REPOSITORY", "createTime": now, "updateTime": now, **resource}
        try:
            self._write("INSERT INTO repository VALUES (?, ?)", resource["name"], json.dumps(resource))
        except sqlite3.IntegrityError:
            raise AlreadyThere(resource["name"]) from None
        return RepositoryRecord(resource["name"], resource)

    def replace_repository(self, resource: Mapping[str, Any]) -> None:
        """Write a repository's resource over the one of the same name."""
        self._write("INSERT OR REPLACE INTO repository VALUES (?, ?)", resource["name"], json.dumps(dict(resource)))

    def delete_repository(self, name: str) -> None:
        """Delete a repository with its files' records and its policy."""
        with self._transaction() as database:
            database.execute("DELETE FROM repository WHERE name = ?", (name,))
            database.execute("DELETE FROM file WHERE repository = ?", (name,))
            database.execute("DELETE FROM policy WHERE resource = ?", (name,))

    # Policies

    def policy(self, resource: str) -> Policy:
        """Return the policy of a repository's name, `projects/P` or `EVERYWHERE`; an empty one if none is set."""
        row = self._one("SELECT * FROM policy WHERE resource = ?", resource)
        return Policy("ACAB", ()) if row is None else Policy(row["etag"], tuple(json.loads(row["bindings"])))

    def set_policy(self, resource: str, bindings: Iterable[Mapping[str, Any]], etag: str = "") -> Policy:
        """Replace a policy.

        Args:
            resource: What it is the policy of.
            bindings: The new bindings.
            etag: What the policy read before had; empty to overwrite whatever is there.

        Raises:
            EtagMismatch: The policy was written by somebody else meanwhile.
        """
        with self._transaction():
            if etag and etag != self.policy(resource).etag:
                raise EtagMismatch(resource)
            written = Policy(secrets.token_urlsafe(9), tuple(dict(binding) for binding in bindings))
            self._database.execute(
                "INSERT OR REPLACE INTO policy VALUES (?, ?, ?)", (resource, written.etag, json.dumps(written.bindings))
            )
        return written

    def grant(self, resource: str, role: str, member: str) -> None:
        """Add one member to one role; nothing changes when it is there."""
        with self._transaction():
            bindings = [dict(binding) for binding in self.policy(resource).bindings]
            for binding in bindings:
                if binding["role"] == role and not binding.get("condition"):
                    if member in binding["members"]:
                        return
                    binding["members"] = [*binding["members"], member]
                    break
            else:
                bindings.append({"role": role, "members": [member]})
            self.set_policy(resource, bindings)

    def revoke(self, resource: str, role: str, member: str) -> None:
        """Take one member out of one role; nothing changes when it is not there."""
        with self._transaction():
            bindings = [
                {**binding, "members": [other for other in binding["members"] if other != member]}
                if binding["role"] == role
                else binding
                for binding in self.policy(resource).bindings
            ]
            self.set_policy(resource, [binding for binding in bindings if binding["members"]])

    # Operations

    def put_operation(self, operation: Mapping[str, Any], done_at: float) -> None:
        """Write a long-running operation under its name.

        Args:
            operation: The JSON of the finished operation, as the REST API shows it.
            done_at: From when on it is shown as done, in seconds since the epoch.
        """
        self._write(
            "INSERT OR REPLACE INTO operation VALUES (?, ?, ?)", operation["name"], json.dumps(dict(operation)), done_at
        )

    def operation(self, name: str) -> tuple[dict[str, Any], float] | None:
        """Return the finished operation and the time from which on it is done, or None."""
        row = self._one("SELECT * FROM operation WHERE name = ?", name)
        return None if row is None else (json.loads(row["operation"]), row["done_at"])

    def operations(self, parent: str) -> list[tuple[dict[str, Any], float]]:
        """Return the operations under `projects/P/locations/L`."""
        return [
            (json.loads(row["operation"]), row["done_at"])
            for row in self._all("SELECT * FROM operation ORDER BY done_at")
            if row["name"].startswith(f"{parent}/operations/")
        ]

    def unfinished_operations(self, now: float) -> list[dict[str, Any]]:
        """Return the operations that are still under way at `now`, in seconds since the epoch."""
        return [json.loads(row["operation"]) for row in self._all("SELECT * FROM operation WHERE done_at > ?", now)]

    # Files

    def packages(self, repository: str) -> list[str]:
        """Return the normalized names of the packages in a repository, sorted."""
        rows = self._all("SELECT DISTINCT package FROM file WHERE repository = ? ORDER BY package", repository)
        return [row["package"] for row in rows]

    def files(self, repository: str, package: str | None = None) -> list[FileRecord]:
        """Return the files of one package, or of the whole repository, by file name."""
        if package is None:
            rows = self._all("SELECT * FROM file WHERE repository = ? ORDER BY filename", repository)
        else:
            rows = self._all(
                "SELECT * FROM file WHERE repository = ? AND package = ? ORDER BY filename", repository, package
            )
        return [_file(row) for row in rows]

    def file(self, repository: str, filename: str) -> FileRecord | None:
        """Return one file's record, or None."""
        row = self._one("SELECT * FROM file WHERE repository = ? AND filename = ?", repository, filename)
        return None if row is None else _file(row)

    def add_file(self, record: FileRecord) -> None:
        """Acknowledge a file whose content `keep_blob` has put in its place.

        Raises:
            AlreadyThere: The repository has a file of that name.
        """
        try:
            self._write(
                "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                record.repository,
                record.package,
                record.version,
                record.filename,
                record.sha256,
                record.size,
                record.requires_python,
                json.dumps(dict(record.metadata)),
                record.created,
            )
        except sqlite3.IntegrityError:
            raise AlreadyThere(record.filename) from None

    def delete_files(self, repository: str, package: str, version: str | None = None) -> int:
        """Delete the records of a package, or of one version of it, and return how many there were."""
        with self._transaction() as database:
            return database.execute(
                "DELETE FROM file WHERE repository = ? AND package = ? AND (? IS NULL OR version = ?)",
                (repository, package, version, version),
            ).rowcount

    def size(self, repository: str) -> int:
        """Return the bytes in a repository."""
        row = self._one("SELECT COALESCE(SUM(size), 0) AS size FROM file WHERE repository = ?", repository)
        return int(row["size"]) if row is not None else 0

    # Contents

    def blob_path(self, sha256: str) -> Path:
        """Return where the content with that hash is, or would be."""
        return self.state.blobs / sha256[:2] / sha256

    def keep_blob(self, content: IO[bytes]) -> Blob:
        """Copy a content to its place; when this returns it survives a power cut."""
        digest, size = hashlib.sha256(), 0
        descriptor, temporary = tempfile.mkstemp(dir=self.state.incoming)
        try:
            with os.fdopen(descriptor, "wb") as file:
                while chunk := content.read(1 << 20):
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            self.place_blob(Path(temporary), digest.hexdigest())
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return Blob(digest.hexdigest(), size)

    def place_blob(self, temporary: Path, sha256: str) -> None:
        """Move a flushed file from `incoming` to the place of its content."""
        place = self.blob_path(sha256)
        place.parent.mkdir(exist_ok=True)
        temporary.replace(place)
        for directory in (place.parent, self.state.blobs):
            descriptor = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    # Pages of indexes elsewhere

    def page(self, index_url: str, package: str) -> tuple[list[dict[str, str]], float] | None:
        """Return the links of a package's page as last read from an index, and when that was; or None."""
        row = self._one("SELECT * FROM page WHERE index_url = ? AND package = ?", index_url, package)
        return None if row is None else (json.loads(row["links"]), row["fetched"])

    def put_page(self, index_url: str, package: str, links: list[dict[str, str]]) -> None:
        """Remember a package's page on an index."""
        self._write(
            "INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?)", index_url, package, json.dumps(links), time.time()
        )

    # Tokens and keys

    def mint(self, identity: str, lifetime: float, *, kind: str = "access", subject: str = "") -> str:
        """Return a new token; only its hash is stored.

        Args:
            identity: Whose it is.
            lifetime: After how many seconds it stops working.
            kind: `access`, `refresh`, `subject` (what another provider's token would be) or `image` (a registry's).
            subject: Whom a `subject` token speaks of, in its provider's words: `subject_of` reads it.
        """
        token = _PREFIXES[kind] + secrets.token_urlsafe(48)
        if subject:
            token += f".{base64.urlsafe_b64encode(subject.encode()).decode()}"
        with self._transaction() as database:
            database.execute("DELETE FROM token WHERE expires < ?", (time.time() - 86400,))
            database.execute(
                "INSERT INTO token VALUES (?, ?, ?, ?)", (_hash(token), kind, identity, time.time() + lifetime)
            )
        return token

    def bearer(self, token: str, *, kind: str = "access") -> tuple[str, float] | None:
        """Return whose a token is and when it expires; None for one that never was, or has expired."""
        row = self._one("SELECT * FROM token WHERE hash = ? AND kind = ?", _hash(token), kind)
        return None if row is None or row["expires"] <= time.time() else (row["identity"], row["expires"])

    @staticmethod
    def subject_of(token: str) -> str:
        """Return whom a `subject` token speaks of; empty where it does not say."""
        return base64.urlsafe_b64decode(token.partition(".")[2]).decode()

    def add_public_key(self, key_id: str, identity: str, pem: str) -> None:
        """Remember a service account's public key."""
        self._write("INSERT OR REPLACE INTO public_key VALUES (?, ?, ?)", key_id, identity, pem)

    def public_key(self, key_id: str) -> tuple[str, str] | None:
        """Return whose key it is and the key as PEM, or None."""
        row = self._one("SELECT * FROM public_key WHERE id = ?", key_id)
        return None if row is None else (row["identity"], row["pem"])

    # Faults

    def faults(self) -> dict[str, Fault]:
        """Return the faults that are switched on, by name."""
        return {row["name"]: Fault(**row) for row in self._all("SELECT * FROM fault")}

    def set_fault(self, fault: Fault) -> None:
        """Switch a fault on, or change it."""
        self._write("INSERT OR REPLACE INTO fault VALUES (?, ?, ?)", fault.name, fault.value, fault.remaining)

    def clear_fault(self, name: str) -> None:
        """Switch a fault off."""
        self._write("DELETE FROM fault WHERE name = ?", name)

    def spend_fault(self, name: str) -> Fault | None:
        """Let a fault happen once: return it when it is on, and count it down."""
        with self._transaction() as database:
            fault = self.faults().get(name)
            if fault is not None and fault.remaining is not None:
                if fault.remaining <= 1:
                    self.clear_fault(name)
                else:
                    database.execute("UPDATE fault SET remaining = remaining - 1 WHERE name = ?", (name,))
            return fault

    # SQLite

    def _all(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()

    def _one(self, statement: str, *values: Any) -> sqlite3.Row | None:
        with self._lock:
            row: sqlite3.Row | None = self._database.execute(statement, values).fetchone()
            return row

    def _write(self, statement: str, *values: Any) -> None:
        with self._transaction() as database:
            database.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._database.in_transaction:
                yield self._database
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _file(row: sqlite3.Row) -> FileRecord:
    return FileRecord(**{**dict(row), "metadata": json.loads(row["metadata"])})
