"""`garscaffold update` beside `copier update`: the same tree, or a difference on purpose."""

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import copier
import pytest

from garscaffold.template.render import read_folder
from garscaffold.tree import File
from tests.update.situations import SITUATIONS, Situation
from tests.update.templates import NEW, NEW_EXECUTABLE, OLD, OLD_EXECUTABLE, git, release

pytestmark = pytest.mark.clients

DOCS = Path(__file__).parent.parent.parent / "docs" / "update.md"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "template"
    release(folder, "1.0.0", OLD, executable=OLD_EXECUTABLE)
    release(folder, "1.1.0", NEW, executable=NEW_EXECUTABLE)
    return folder


@pytest.fixture(autouse=True)
def own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def tree(folder: Path) -> dict[str, File]:
    return {name: file for name, file in read_folder(folder).items() if not name.startswith(".git/")}


def update_by_copier(project: Path, data: tuple[str, ...]) -> None:
    answers = dict(pair.split("=", 1) for pair in data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copier.run_update(project, data=answers, defaults=True, overwrite=True, quiet=True)


def update_by_us(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "garscaffold", "update", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_both_give_the_same_tree(template: Path, tmp_path: Path, situation: Situation) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    project = ours / situation.folder
    copier.run_copy(str(template), project, vcs_ref="1.0.0", defaults=True, quiet=True)
    git(ours, "init", "--quiet")
    git(ours, "add", "--all")
    git(ours, "commit", "--quiet", "--message=generated")
    situation.edit(project)
    git(ours, "add", "--all")
    git(ours, "commit", "--quiet", "--allow-empty", "--message=edited")
    before = tree(ours)
    shutil.copytree(ours, theirs, symlinks=True)
    # Copied files are newer than the index says; git looks again only when asked.
    git(theirs, "status")

    done = update_by_us(project, "--defaults", *(word for pair in situation.data for word in ("-d", pair)))
    assert done.returncode in ({2} if situation.refused else {0, 3}), done.stderr
    assert situation.refused in done.stderr
    update_by_copier(theirs / situation.folder, situation.data)

    after, expected = tree(ours), tree(theirs)
    record = (Path(situation.folder) / ".copier-answers.yml").as_posix()
    conflicts = done.returncode == 3
    if "ignored" not in situation.differs:
        assert bool(git(ours, "diff", "--name-only", "--diff-filter=U")) is conflicts
    if conflicts:
        assert after[record] == before[record]
        assert expected.pop(record) != after.pop(record)
    if situation.refused:
        assert after == before
    if situation.differs:
        assert after != expected
        for name, content in situation.wants.items():
            assert (after[name].data if name in after else None) == content, name
    else:
        assert after == expected
    if conflicts:
        aborted = update_by_us(project, "--abort")
        assert aborted.returncode == 0, aborted.stderr
        assert tree(ours) == before
        assert git(ours, "status", "--porcelain") == ""


def test_there_are_enough_situations_and_each_difference_is_explained() -> None:
    assert len({situation.name for situation in SITUATIONS}) == len(SITUATIONS) >= 60
    table = DOCS.read_text()
    for situation in SITUATIONS:
        if situation.differs:
            assert f"| {situation.differs} |" in table.lower()
