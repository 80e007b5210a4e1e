"""A fleet that moves to an organisation's own template, and back, with that template's own questions."""

from pathlib import Path

from tests.fleet.conftest import Fleet, commit, put_project, shown, start
from tests.update.templates import git, release

OWN = {"copier.yml": "a: 1\nteam: {type: str}\n", "a.txt": "new\n", "OWNERS.jinja": "{{ team }}\n"}


def test_to_a_fork_with_a_question_of_its_own_and_back(fleet: Fleet, here: Path, tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    release(ours, "1.0.0", {"copier.yml": "a: 1\n", "a.txt": "old\n"})
    release(ours, "1.1.0", {"copier.yml": "a: 1\n", "a.txt": "new\n"})
    git(tmp_path, "clone", "--quiet", str(ours), "fork")
    fork = tmp_path / "fork"
    release(fork, "1.1.0+acme.1", OWN)
    for name in ("billing", "orders"):
        start(put_project(here / name, ours))
    to_fork = ("--template", f"file://{fork}")
    results = fleet("update", ".", *to_fork, code=1)
    assert [(each["state"], each["mend"]) for each in results] == [("failed", "Add -d team=…")] * 2
    assert {each["state"] for each in fleet("status", ".", *to_fork, "-d", "team=payments")} == {"behind"}
    results = fleet("update", ".", *to_fork, "-d", "team=payments")
    assert [(each["state"], each["target"]) for each in results] == [("updated", "1.1.0+acme.1")] * 2
    assert {each["earlier"] for each in fleet("update", ".", *to_fork, "-d", "team=payments")} == {True}
    for each in results:
        folder, branch = Path(each["repository"]), each["branch"]
        assert (shown(folder, "OWNERS", branch), shown(folder, "a.txt", branch)) == ("payments", "new")
        assert f"_src_path: git+file://{fork}" in shown(folder, ".copier-answers.yml", branch)
        message = git(folder, "log", "-1", "--format=%s", branch)
        assert message == f"chore: update to template 1.1.0+acme.1 of git+file://{fork}"
        git(folder, "merge", "--quiet", branch)
        commit(folder, "And on")
    assert {each["state"] for each in fleet("status", ".")} == {"up to date"}
    back = fleet("update", ".", "--template", str(ours))
    for each in back:
        folder, branch = Path(each["repository"]), each["branch"]
        assert (each["state"], each["target"]) == ("updated", "1.1.0")
        assert "OWNERS" not in git(folder, "ls-tree", "-r", "--name-only", branch).splitlines()
        assert f"_src_path: {ours}" in shown(folder, ".copier-answers.yml", branch)
