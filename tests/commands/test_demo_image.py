"""The image that the demo builds where a Docker engine answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.imagescan import scan_image

pytestmark = pytest.mark.engine


def test_the_image_is_built_with_the_login_and_keeps_nothing_of_it(tmp_path: Path) -> None:
    answers = subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    if not answers:
        pytest.skip("no Docker engine answers")
    folder = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "garscaffold", "demo", str(folder), "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert any("image" in stage["stage"] for stage in json.loads(done.stdout)["stages"]), done.stderr
    try:
        login = json.loads((folder / "sandbox" / "credentials" / "user.json").read_text())
        secrets = {name: str(login[name]).encode() for name in ("client_secret", "refresh_token")}
        version = "{}.{}".format(*sys.version_info[:2])
        found = scan_image("garscaffold-demo", secrets, environment=os.environ, base=f"python:{version}-slim")
        assert found == []
    finally:
        subprocess.run(["docker", "image", "rm", "--force", "garscaffold-demo"], capture_output=True, check=False)
