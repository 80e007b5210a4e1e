"""Projects of earlier versions, with a team's edits, at work after an update to the newest version."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from garscaffold.template import bundle
from tests.conftest import Garscaffold
from tests.generated.conftest import Toolbox, git
from tests.generated.pythons import RUNNING_PYTHON
from tests.update.releases import commit, generated, released_template, versions

pytestmark = pytest.mark.generated

# What each version was the first to offer; every manager and both kinds occur.
OFFERED: Mapping[str, tuple[Mapping[str, object], ...]] = {
    "1.0.0": ({"kind": "service", "framework": "fastapi"}, {"kind": "package"}),
    "1.1.0": ({"kind": "package", "package_manager": "uv"}, {"kind": "service", "package_manager": "pip"}),
}
OURS = '''"""What the team wrote."""


def price(count: int) -> int:
    """Return what so many cost."""
    return 3 * count
'''
OUR_TEST = """from orders.ours import price


def test_our_own() -> None:
    assert price(2) == 6
"""


def test_every_older_version_has_its_projects() -> None:
    assert set(versions()[:-1]) <= OFFERED.keys()


@pytest.mark.parametrize(
    ("version", "answers"),
    [
        pytest.param(version, answers, id="-".join([version, *map(str, answers.values())]))
        for version, offered in OFFERED.items()
        for answers in offered
    ],
)
def test_its_own_tests_pass_after_an_update(
    version: str,
    answers: Mapping[str, object],
    toolbox: Toolbox,
    garscaffold: Garscaffold,
    home: Path,
    tmp_path: Path,
) -> None:
    with released_template() as repository, bundle.packaged_bundle() as packaged:
        given = {**answers, "python_version": RUNNING_PYTHON}
        project = generated(repository, version, given, tmp_path / "orders")
        (home / ".local/share/garscaffold").mkdir(parents=True)
        shutil.copy(packaged, home / ".local/share/garscaffold/template.bundle")
    (project / "src/orders/ours.py").write_text(OURS)
    (project / "tests/test_ours.py").write_text(OUR_TEST)
    readme = project / "README.md"
    readme.write_text(f"{readme.read_text()}\n## Ours\n\nOur own words.\n")
    commit(project)

    done = garscaffold("update", project, "--defaults", "-y")
    assert done.returncode == 0, done.stderr
    commit(project)
    assert f"_commit: {versions()[-1]}" in (project / ".copier-answers.yml").read_text()
    assert "Our own words." in readme.read_text()

    toolbox.run("make", "lock", cwd=project)
    toolbox.run("make", "install", cwd=project)
    toolbox.run("make", "lint", cwd=project)
    assert " passed" in toolbox.run("make", "test", cwd=project).stdout
    assert git(project, "diff", "--name-only", "HEAD", "--", "src", "tests") == ""
