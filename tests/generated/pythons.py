"""The Pythons of this machine, and the tools that the template pins."""

import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNNING_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# Pinned as the template pins them, and the plugin that lets Poetry read an index that only speaks the simple API.
TOOLS = (
    "keyrings.google-artifactregistry-auth==1.1.2",
    "poetry==2.5.1",
    "poetry-plugin-export==1.10.1",
    "poetry-plugin-pypi-mirror==0.6.5",
    "uv==0.13.8",
)


@cache
def pythons() -> Mapping[str, Path]:
    """Return the supported Pythons of this machine by their versions; none is that of an environment."""
    listed = subprocess.run([ROOT / "script/pythons"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    ask = "import sys; print('{}.{}'.format(*sys.version_info[:2]), sys.base_prefix)"
    found = {}
    for python in listed:
        asked = subprocess.run([python, "-c", ask], stdout=subprocess.PIPE, text=True, check=True).stdout
        version, _, prefix = asked.strip().partition(" ")
        found[version] = Path(prefix) / "bin" / f"python{version}"
    return found


def python_folder(folder: Path, version: str = RUNNING_PYTHON) -> Path:
    """Make a folder for PATH with one Python under each of its names: a CI's images have `python`, Debian has not."""
    folder.mkdir()
    for name in ("python", "python3", f"python{version}"):
        (folder / name).symlink_to(pythons()[version])
    return folder
