"""A password that a project records in its template's address is in nothing that we say, whatever happens."""

import json
from pathlib import Path

import pytest

from tests.conftest import Garscaffold
from tests.fleet.conftest import put_project, start
from tests.support import git_http
from tests.update.templates import git, release

SECRET = "hunter2"


@pytest.mark.parametrize("state", ["there", "without the version", "refused", "away"])
def test_no_password_is_said(garscaffold: Garscaffold, tmp_path: Path, here: Path, home: Path, state: str) -> None:
    template = tmp_path / "template"
    for version in ("1.0.0", "1.1.0"):
        release(template, version, {"copier.yml": "a: 1\n", "a.txt": f"{version}\n"})
    served = tmp_path / "served"
    served.mkdir()
    git(served, "clone", "--quiet", "--bare", str(template), "template.git")
    project = put_project(here / "orders", template)
    with git_http.served(served, password="another" if state == "refused" else SECRET) as address:
        host = address.partition("://")[2]
        answers = project / ".copier-answers.yml"
        written = answers.read_text().replace(str(template), f"git+http://git:{SECRET}@{host}/template.git")
        if state == "without the version":
            written = written.replace("_commit: 1.0.0", "_commit: 0.9.0")
        answers.write_text(written)
        assert SECRET in written
        start(project)
        if state == "away":
            (served / "template.git").rename(served / "moved.git")
        done = [
            garscaffold(*command, "--json", cwd=folder)
            for command, folder in (
                (["fleet", "status"], here),
                (["fleet", "update"], here),
                (["update", "--dry-run"], project),
            )
        ]
        done += [garscaffold("fleet", "status"), garscaffold("fleet", "report")]
        done += [garscaffold("update", "-y", cwd=project)]
    for each in done:
        assert SECRET not in each.stdout + each.stderr
    assert SECRET not in (here / "fleet.html").read_text()
    assert json.loads(done[0].stdout)["projects"][0]["state"] == ("behind" if state == "there" else "failed")
    if state == "there":
        assert json.loads(done[0].stdout)["projects"][0]["template"] == f"git+http://…@{host}/template.git"
    elif state != "without the version":
        assert json.loads(done[0].stdout)["projects"][0]["mend"].endswith(f"git ls-remote http://{host}/template.git")
