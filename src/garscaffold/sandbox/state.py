"""Where a sandbox keeps its things: one directory, readable by its owner only."""

import json
import os
import ssl
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from garscaffold.errors import GarscaffoldError


@dataclass(frozen=True)
class StateDirectory:
    """The files of one sandbox.

    Args:
        path: The directory that holds them all.
    """

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite database: repositories, policies, files' records, tokens' hashes, faults."""
        return self.path / "sandbox.sqlite3"

    @property
    def blobs(self) -> Path:
        """Contents of files, each named by its SHA-256."""
        return self.path / "blobs"

    @property
    def incoming(self) -> Path:
        """Contents that are still arriving; whatever is here at a start was never acknowledged."""
        return self.path / "incoming"

    @property
    def credentials(self) -> Path:
        """Credential files of the identities."""
        return self.path / "credentials"

    @property
    def authority(self) -> Path:
        """The certificate authority's certificate; its key is kept nowhere."""
        return self.path / "ca.pem"

    @property
    def server_certificate(self) -> Path:
        """The certificate that the stand-in shows, with its key."""
        return self.path / "server.pem"

    @property
    def bundle(self) -> Path:
        """The machine's own certificate bundle and the sandbox's authority, in one file."""
        return self.path / "bundle.pem"

    @property
    def images(self) -> Path:
        """What the registry program for images stores."""
        return self.path / "images"

    @property
    def gcloud(self) -> Path:
        """Gcloud's configuration directories, one for each identity, so that the user's own is never touched."""
        return self.path / "gcloud"

    @property
    def running(self) -> Path:
        """What a running server wrote about itself: `Running` as JSON."""
        return self.path / "running.json"

    @property
    def lock(self) -> Path:
        """Locked by the server for as long as it runs, so that two never share a state."""
        return self.path / "lock"

    @property
    def log(self) -> Path:
        """What a server in the background says."""
        return self.path / "server.log"

    def create(self) -> None:
        """Make the directories, for the owner only."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for directory in (self.blobs, self.incoming, self.credentials, self.images, self.gcloud):
            directory.mkdir(exist_ok=True, mode=0o700)

    def read_running(self) -> "Running | None":
        """Return what the running server wrote about itself, or None when none wrote anything."""
        try:
            return Running(**json.loads(self.running.read_text("utf-8")))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None


@dataclass(frozen=True)
class Running:
    """How to reach a running server.

    Args:
        pid: Its process.
        proxy_port: Where its CONNECT proxy listens on 127.0.0.1.
        control_port: Where its control endpoint listens on 127.0.0.1.
        control_token: The secret that the control endpoint asks for.
        metadata_ports: Identity to the port of the metadata server that speaks for it.
    """

    pid: int
    proxy_port: int
    control_port: int
    control_token: str
    metadata_ports: dict[str, int]

    def write(self, path: Path) -> None:
        """Write the record in one step, for the owner only."""
        write_private(path, json.dumps(asdict(self), indent=2))


def default_directory(name: str) -> StateDirectory:
    """Return the directory of the sandbox called `name` under the user's data directory.

    Raises:
        GarscaffoldError: The name cannot be a directory's name.
    """
    import platformdirs

    if not name or not all(character.isalnum() or character in "-_" for character in name):
        raise GarscaffoldError(
            f"“{name}” cannot be a sandbox's name: letters, digits, - and _ only.",
            mend="Choose another --name.",
        )
    return StateDirectory(Path(platformdirs.user_data_dir("garscaffold")) / "sandbox" / name)


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path` in one step; nobody but the owner can ever read it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def machine_bundle() -> str:
    """Return the certificates that this machine's clients trust now, as PEM.

    A company's bundle that is set in the environment comes first: the clients must go on trusting it for every host
    that the sandbox only tunnels.
    """
    named = [os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")]
    named += [ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"]
    for candidate in named:
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_text("utf-8", errors="replace")
    try:
        import certifi
    except ImportError:
        return ""
    return Path(certifi.where()).read_text("utf-8")
