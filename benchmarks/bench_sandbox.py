"""Install 200 packages through the sandbox and from pypiserver, by turns. Run: python benchmarks/bench_sandbox.py

pypiserver and pip are brought in an environment of their own. The sandbox gives the files through its proxy, with TLS,
credentials and a redirect for each file, as Artifact Registry does; pypiserver in the clear.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from side_by_side import Contender, compare

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.store import FileRecord

BOUND = 1.5
COUNT = 200
PLACE = ("acme-prod", "europe-west3", "libs")
CLEAN = {"PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}


def make_wheels(folder: Path) -> list[Path]:
    wheels = []
    for number in range(COUNT):
        module = f"acme_bench_{number}"
        info = f"{module}-1.0.dist-info"
        path = folder / f"{module}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{module}.py", "")
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", f"{module}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
        wheels.append(path)
    return wheels


def fill(sandbox: Sandbox, wheels: list[Path]) -> None:
    repository = sandbox.create_python_repository(*PLACE).name
    for wheel in wheels:
        with wheel.open("rb") as content:
            blob = sandbox.store.keep_blob(content)
        package = wheel.name.partition("-")[0].replace("_", "-")
        sandbox.store.add_file(
            FileRecord(repository, package, "1.0", wheel.name, blob.sha256, blob.size, "", {}, time.time())
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as name, Sandbox.start(Path(name) / "sandbox") as sandbox:
        folder = Path(name)
        (folder / "wheels").mkdir()
        wheels = make_wheels(folder / "wheels")
        fill(sandbox, wheels)
        subprocess.run([sys.executable, "-m", "venv", str(folder / "tools")], check=True)
        pip = folder / "tools" / "bin" / "pip"
        subprocess.run([pip, "install", "-q", "-U", "pip", "pypiserver"], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen(
            [folder / "tools" / "bin" / "pypi-server", "run", "-i", "127.0.0.1", "-p", str(port), folder / "wheels"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        target = folder / "target"
        project, location, repository = PLACE
        where = f"{location}-python.pkg.dev/{project}/{repository}/simple/"

        def install(variables: dict[str, str], url: str) -> list[str]:
            names = [wheel.name.partition("-")[0] for wheel in wheels]
            setting = [f"{key}={value}" for key, value in {**CLEAN, **variables}.items()]
            options = ["-q", "--no-cache-dir", "--no-compile", "--retries", "9", "--target", str(target)]
            return ["env", *setting, str(pip), "install", *options, "--index-url", url, *names]

        def clear() -> None:
            shutil.rmtree(target, ignore_errors=True)

        try:
            ours = install(
                sandbox.environment("anonymous"), f"https://oauth2accesstoken:{sandbox.token('reader')}@{where}"
            )
            theirs = install({}, f"http://127.0.0.1:{port}/simple/")
            within = compare(
                Contender("pip install of 200 packages, sandbox", ours, clear),
                Contender("the same, pypiserver", theirs, clear),
                bound=BOUND,
                rounds=5,
            )
        finally:
            server.terminate()
            server.wait()
    sys.exit(not within)


if __name__ == "__main__":
    main()
