"""Projects of earlier versions, with a team's edits, at work after an update to the newest version."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from garscaffold.template import bundle
from tests.conftest import Garscaffold
from tests.generated.combinations import name_of
from tests.generated.conftest import PRIVATE_NAME, AsIdentity, Toolbox, git
from tests.generated.pythons import RUNNING_PYTHON
from tests.update.releases import commit, generated, released_template, versions

pytestmark = pytest.mark.generated

VIRTUAL: Mapping[str, object] = {"index_mode": "virtual", "private_packages": [f"{PRIVATE_NAME}>=0.1,<0.2"]}
# What each version was the first to offer; every manager, every framework and both kinds occur. Of the virtual mode the
# older versions had a defect that is mended only in a project that is locked again.
OFFERED: Mapping[str, tuple[Mapping[str, object], ...]] = {
    "1.0.0": (
        {"kind": "service", "framework": "fastapi"},
        {"kind": "package"},
        {"kind": "service", "framework": "flask", **VIRTUAL},
    ),
    "1.1.0": (
        {"kind": "package", "package_manager": "uv"},
        {"kind": "service", "package_manager": "pip"},
        {"kind": "service", "framework": "worker", "package_manager": "uv", **VIRTUAL},
    ),
    "1.2.0": ({"kind": "service", "framework": "worker", "package_manager": "pip"},),
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


def answers_of(project: Path) -> dict[str, str]:
    document = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize(
    ("version", "answers"),
    [
        pytest.param(version, answers, id=f"{version}-{name_of(answers)}")
        for version in versions()[:-1]
        for answers in OFFERED.get(version, ())
    ],
)
def test_its_own_tests_pass_after_an_update(
    version: str,
    answers: Mapping[str, object],
    toolbox: Toolbox,
    garscaffold: Garscaffold,
    home: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    variables: Mapping[str, str] = {}
    if "private_packages" in answers:
        request.getfixturevalue("package")
        as_identity: AsIdentity = request.getfixturevalue("as_identity")
        variables = as_identity("reader")
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

    for target in ("lock", "install", "lint"):
        toolbox.run("make", target, cwd=project, variables=variables)
    assert " passed" in toolbox.run("make", "test", cwd=project, variables=variables).stdout
    assert git(project, "diff", "--name-only", "HEAD", "--", "src", "tests") == ""
    if variables:
        # The repository that holds it, and not the virtual one, which may have a public one of its name.
        locks = [path.read_text() for path in project.glob("*.lock")]
        assert any(f"/{answers_of(project)['python_repository']}/simple" in lock for lock in locks)
