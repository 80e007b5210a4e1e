"""A Docker engine of a test's own that reaches a sandbox: its daemon takes proxy and certificates at its start."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from garscaffold.process import find
from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.images import PROGRAM

CAN_RUN = all(map(find, ("dockerd", "docker", PROGRAM))) and os.geteuid() == 0
NEEDS = f"needs dockerd, docker and {PROGRAM}, and root"


@dataclass(frozen=True)
class OwnEngine:
    """A running engine.

    Attributes:
        socket: Where it listens.
        environment: What its client runs with: no credential, and a configuration of its own.
    """

    socket: Path
    environment: Mapping[str, str]

    def docker(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run the docker command against it; return how that ended."""
        command = ["docker", *arguments]
        return subprocess.run(
            command, env=self.environment, input=stdin, capture_output=True, text=True, timeout=600, check=False
        )

    def take_image(self, image: str) -> None:
        """Copy an image from the engine that this process's environment names."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["docker", "load"], env=self.environment, stdin=saved.stdout, capture_output=True, check=True
            )
        assert saved.returncode == 0, f"the engine has no {image}"


def write_client(folder: Path, sandbox: Sandbox, docker: str) -> Path:
    """Write a `docker` that adds to each image build what the networks of this machine ask for, and no more.

    A build has no network but the host's, goes out by the sandbox's proxy, and has to trust its certificate.

    Args:
        folder: Where the program is written.
        sandbox: What builds are to reach.
        docker: The program that it passes everything on to.
    """
    install = {"network_mode": "host", "environment": {"HTTPS_PROXY": sandbox.proxy_url}}
    (folder / "networks.yaml").write_text(json.dumps({"services": {"install": install}}))
    program = folder / "docker"
    program.write_text(
        f"""#!/bin/sh
if [ "$1" = build ]; then
    shift
    set -- build --network=host --secret id=ca_bundle,src={sandbox.bundle_file} \\
        --build-arg HTTPS_PROXY={sandbox.proxy_url} "$@"
elif [ "$1" = compose ]; then
    shift
    export CA_BUNDLE={sandbox.bundle_file}
    set -- compose -f compose.yaml -f {folder}/networks.yaml "$@"
fi
exec {docker} "$@"
"""
    )
    program.chmod(0o755)
    return program


def client_in_container(folder: Path, sandbox: Sandbox, engine: OwnEngine) -> dict[str, Path]:
    """Return what to mount for a container to have Docker's client: the program, its plugins, and `write_client`."""
    program = shutil.which("docker", path=engine.environment["PATH"])
    assert program is not None
    plugins = Path(engine.environment["DOCKER_CONFIG"]) / "cli-plugins"
    found = {path.name: path.resolve() for path in plugins.glob("docker-*")}
    return {
        "/usr/local/bin/docker": write_client(folder, sandbox, "/usr/bin/docker"),
        "/usr/bin/docker": Path(program).resolve(),
        **{f"/usr/local/lib/docker/cli-plugins/{name}": path for name, path in found.items()},
    }


@contextmanager
def own_engine(sandbox: Sandbox, folder: Path) -> Iterator[OwnEngine]:
    """Run an engine until the block ends; its images go with it.

    Args:
        sandbox: What it is to reach.
        folder: Where it keeps what it has; the path has to be short, as a socket's.
    """
    socket = folder / "socket"
    variables = {**os.environ, **sandbox.environment("anonymous"), "DOCKER_HOST": f"unix://{socket}"}
    configuration = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker"))
    variables["DOCKER_CONFIG"] = str(folder / "config")
    (folder / "config").mkdir()
    if (configuration / "cli-plugins").exists():
        (folder / "config/cli-plugins").symlink_to(configuration / "cli-plugins")
    places = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    network = ["--iptables=false", "--ip6tables=false", "--ip-masq=false", "--bridge=none"]
    program = find("dockerd")
    assert program is not None
    # Where it was unpacked and not installed, what it runs needs the libraries beside it.
    libraries = ":".join(str(path) for path in (Path(program).resolve().parents[1] / "lib").glob("*-linux-gnu"))
    with (folder / "log").open("w") as log:
        daemon = subprocess.Popen(
            [program, f"--host=unix://{socket}", *places, *network],
            env={**variables, "LD_LIBRARY_PATH": libraries},
            stdout=log,
            stderr=log,
        )
    engine = OwnEngine(socket, variables)
    try:
        deadline = time.monotonic() + 60
        while engine.docker("version").returncode != 0:
            assert daemon.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield engine
    finally:
        daemon.terminate()
        daemon.wait(60)
        # The engine leaves this mount behind, and then nobody could delete the folder.
        subprocess.run(["umount", str(folder / "exec/netns/default")], capture_output=True, check=False)
        shutil.rmtree(folder / "data", ignore_errors=True)
