"""`garscaffold update` on real repositories: what it says, what it leaves, and how it ends."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from garscaffold.template.render import read_folder
from garscaffold.tree import File
from tests.conftest import Garscaffold
from tests.update.templates import LINES, Content, changed, git, release, render

OLD = {
    "copier.yml": "_skip_if_exists: [own.txt]\nname: {type: str, default: orders}\n",
    "text.txt.jinja": "".join(LINES) + "{{ name }}\n",
    "second.txt": "".join(LINES),
    "dropped.txt": "dropped\n",
    "run.sh": "echo\n",
    "folder/a.txt": "a\n",
    "file": "f\n",
}
NEW = {
    "copier.yml": """\
_skip_if_exists: [own.txt]
name: {type: str, default: orders}
team: {type: str, help: Which team, validator: "{% if team == 'x' %}Not x.{% endif %}"}
tags: {type: yaml, default: []}
""",
    "text.txt.jinja": changed(LINES, _10="line 10 new\n") + "{{ name }}\n",
    "second.txt": changed(LINES, _10="line 10 new\n"),
    "added/deep/new.txt.jinja": "{{ team }}{{ tags }}\n",
    "run.sh": "echo new\n",
    "folder": "now a file\n",
    "file/inside.txt": "now a folder\n",
}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    folder = tmp_path / "template"
    release(folder, "1.0.0", OLD, notes="The first.")
    release(folder, "1.1.0", NEW, notes="Authentication is mended.\n\n- a team is asked for")
    return folder


@pytest.fixture
def project(template: Path, here: Path, home: Path) -> Path:
    """A project at 1.0.0, committed."""
    folder = here / "orders"
    render(template, "1.0.0", {}, folder, source=str(template))
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=state")


def edit(project: Path, name: str, old: str, new: str) -> None:
    path = project / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def conflict(project: Path) -> None:
    edit(project, "text.txt", "line 10\n", "ten\n")
    commit(project)


def tree(folder: Path) -> dict[str, File]:
    return {name: file for name, file in read_folder(folder).items() if not name.startswith(".git/")}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def everything(folder: Path) -> dict[str, tuple[File, int]]:
    """Files with their permissions, and what git has staged."""
    files = {name: (file, (folder / name).lstat().st_mode) for name, file in tree(folder).items()}
    return {**files, "(index)": (File(git(folder, "ls-files", "--stage").encode()), 0)}


def answers(project: Path) -> dict[str, object]:
    document = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert isinstance(document, dict)
    return document


def test_updates_with_its_changelog_and_a_line_for_each_file(garscaffold: Garscaffold, project: Path) -> None:
    (project / "second.txt").unlink()
    edit(project, "text.txt", "line 40\n", "forty\n")
    commit(project)
    done = garscaffold("update", "orders", "--team", "payments", "--tags", "a", "--tags=b")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    for said in (
        "orders goes from template 1.0.0 to 1.1.0:",
        "  1.1.0\n    Authentication is mended.\n\n    - a team is asked for\n",
        'Answers:\n  team: payments (new)\n  tags: ["a", "b"] (new)\n',
        "  added    added/deep/new.txt\n",
        "  deleted  dropped.txt\n",
        "  changed  run.sh\n",
        "  kept     second.txt  (you deleted it; the template changed it)\n",
        "  changed  text.txt  (merged with your changes)\n",
        "  added    file/inside.txt\n",
        "  deleted  file\n",
    ):
        assert said in done.stderr
    assert "The first." not in done.stderr
    files = {name: file.data.decode() for name, file in tree(project).items()}
    assert files.pop(".copier-answers.yml")
    assert files == {
        "text.txt": changed(LINES, _10="line 10 new\n", _40="forty\n") + "orders\n",
        "added/deep/new.txt": "payments['a', 'b']\n",
        "run.sh": "echo new\n",
        "folder": "now a file\n",
        "file/inside.txt": "now a folder\n",
    }
    assert answers(project) == {
        "_commit": "1.1.0",
        "_src_path": str(project.parent.parent / "template"),
        "name": "orders",
        "team": "payments",
        "tags": ["a", "b"],
    }
    commit(project)
    again = garscaffold("update", "orders")
    assert again.returncode == 0
    assert again.stdout == "orders is up to date: template 1.1.0.\n"


def test_copier_goes_on_from_where_we_left(garscaffold: Garscaffold, project: Path, template: Path) -> None:
    assert garscaffold("update", "--team", "payments", "--defaults", cwd=project).returncode == 0
    commit(project)
    release(template, "1.2.0", {**NEW, "run.sh": "echo newest\n"})
    copier = [str(Path(sys.executable).with_name("copier")), "update", "--defaults", "--quiet"]
    subprocess.run(copier, cwd=project, check=True, capture_output=True)
    assert git(project, "diff", "--name-only").split() == [".copier-answers.yml", "run.sh"]
    commit(project)
    assert "up to date" in garscaffold("update", cwd=project).stdout


def test_json_says_all_of_it(garscaffold: Garscaffold, project: Path, template: Path) -> None:
    conflict(project)
    done = garscaffold("update", "-d", "team=a", "--defaults", "--json", "-q", cwd=project)
    assert (done.returncode, done.stderr.count("error:")) == (3, 1)
    document = json.loads(done.stdout)
    assert document["state"] == "conflicts"
    assert document["template"] == {"source": str(template), "from": "1.0.0", "to": "1.1.0"}
    assert document["changelog"] == [
        {"version": "1.1.0", "notes": "Authentication is mended.\n\n- a team is asked for"}
    ]
    assert document["new_answers"] == {"team": "a", "tags": []}
    assert document["conflicts"] == ["text.txt"]
    assert {"path": "text.txt", "outcome": "conflicting", "detail": "1 conflict"} in document["changes"]
    assert json.loads(garscaffold("update", "--abort", "--json", cwd=project).stdout)["state"] == "aborted"


def test_a_dry_run_shows_the_diff_and_touches_nothing(garscaffold: Garscaffold, project: Path) -> None:
    # Newer than the index says: whoever looks carelessly would write that down.
    (project / "run.sh").touch()
    before, private, index = everything(project), names(project / ".git"), (project / ".git" / "index").read_bytes()
    done = garscaffold("update", "orders", "--dry-run", "--team", "a", "--defaults")
    assert done.returncode == 0, done.stderr
    assert "-line 10\n+line 10 new\n" in done.stdout
    assert "+_commit: 1.1.0\n" in done.stdout
    assert "deleted file mode 100644\n--- a/dropped.txt\n+++ /dev/null\n" in done.stdout
    assert (everything(project), names(project / ".git")) == (before, private)
    assert (project / ".git" / "index").read_bytes() == index
    applied = subprocess.run(["git", "apply", "-"], cwd=project, input=done.stdout, text=True, check=False)
    assert applied.returncode == 0
    assert answers(project)["_commit"] == "1.1.0"


def test_a_dry_run_as_json_holds_the_diff(garscaffold: Garscaffold, project: Path) -> None:
    document = json.loads(garscaffold("update", "orders", "--dry-run", "--json", "--team=a", "--defaults").stdout)
    assert (document["state"], document["applied"], document["conflicts"]) == ("planned", False, [])
    assert "+line 10 new\n" in document["diff"]


@pytest.mark.parametrize(
    "given",
    [["--team", "a"], ["--team=a"], ["-d", "team=a"], ["--data-file", "data.yml"]],
    ids=" ".join,
)
def test_a_new_question_is_answered_in_every_way(
    garscaffold: Garscaffold, project: Path, here: Path, given: list[str]
) -> None:
    (here / "data.yml").write_text("team: a\n")
    assert garscaffold("update", "orders", "--defaults", *given).returncode == 0
    assert answers(project)["team"] == "a"


def test_missing_answers_are_named_and_nothing_hangs(garscaffold: Garscaffold, project: Path) -> None:
    before = everything(project)
    done = garscaffold("update", "orders")
    assert done.returncode == 2
    assert "--team  Which team" in done.stderr
    assert "--tags" in done.stderr
    assert "--name" not in done.stderr
    done = garscaffold("update", "orders", "--defaults")
    assert done.returncode == 2
    assert "--tags" not in done.stderr
    assert everything(project) == before


def test_an_answer_that_a_new_rule_refuses_is_never_replaced_without_a_word(
    garscaffold: Garscaffold, project: Path, template: Path
) -> None:
    assert garscaffold("update", "--team", "EU", "--defaults", cwd=project).returncode == 0
    commit(project)
    rule = "{% if team != team | lower %}A team is in lower case.{% endif %}"
    questions = f'name: {{type: str, default: orders}}\nteam: {{type: str, default: us, validator: "{rule}"}}\n'
    release(template, "1.2.0", {**NEW, "copier.yml": questions})
    before = everything(project)
    for arguments in ([], ["--defaults"], ["--dry-run", "--defaults"]):
        done = garscaffold("update", *arguments, cwd=project)
        assert done.returncode == 2
        assert "--team: 'EU' is recorded. A team is in lower case." in done.stderr
        assert "mend:  Add --team …\n" in done.stderr
        assert everything(project) == before
    done = garscaffold("update", "--defaults", "--team", "eu", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "Answers:\n  team: EU → eu\n" in done.stderr
    document = json.loads(done.stdout)
    assert (document["new_answers"], document["changed_answers"]) == ({}, {"team": {"from": "EU", "to": "eu"}})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--team", "x"], "Not x."),
        (["--teem", "a"], "Did you mean team?"),
        (["--team"], "No such option: --team"),
        (["-x"], "No such option: -x"),
        (["one", "two"], "One project at a time"),
        (["--finish", "--abort"], "stand alone"),
        (["--abort", "--to", "1.1.0"], "stand alone"),
        (["--to", "7", "--team", "a"], "It has: 1.0.0, 1.1.0."),
        (["--to", "main", "--team", "a"], "no version main"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(
    garscaffold: Garscaffold, project: Path, arguments: list[str], said: str
) -> None:
    before = everything(project)
    done = garscaffold("update", "--defaults", *arguments, cwd=project)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert everything(project) == before


def dirty(project: Path, template: Path) -> None:
    edit(project, "text.txt", "line 1\n", "one\n")


def staged(project: Path, template: Path) -> None:
    edit(project, "text.txt", "line 1\n", "one\n")
    git(project, "add", "text.txt")


def no_git(project: Path, template: Path) -> None:
    shutil.rmtree(project / ".git")


def never_committed(project: Path, template: Path) -> None:
    no_git(project, template)
    git(project, "init", "--quiet")


def no_answers(project: Path, template: Path) -> None:
    (project / ".copier-answers.yml").unlink()


def broken_answers(project: Path, template: Path) -> None:
    (project / ".copier-answers.yml").write_text("<<<<<<< a\n_commit: [\n")


def empty_answers(project: Path, template: Path) -> None:
    (project / ".copier-answers.yml").write_text("name: orders\n")


def no_template(project: Path, template: Path) -> None:
    template.rename(template.with_name("elsewhere"))


def template_without_a_network(project: Path, template: Path) -> None:
    edit(project, ".copier-answers.yml", f"_src_path: {template}", "_src_path: https://127.0.0.1:9/template.git")
    commit(project)


def shallow_template(project: Path, template: Path) -> None:
    full = template.with_name("full")
    template.rename(full)
    git(full, "clone", "--quiet", "--depth=1", f"file://{full}", str(template))


def template_with_tasks(project: Path, template: Path) -> None:
    release(template, "1.2.0", {**NEW, "copier.yml": f"{NEW['copier.yml']}_tasks: [touch made]\n"})


def downgrade(project: Path, template: Path) -> None:
    edit(project, ".copier-answers.yml", "_commit: 1.0.0", "_commit: 2.0.0")
    commit(project)


def no_release(project: Path, template: Path) -> None:
    edit(project, ".copier-answers.yml", "_commit: 1.0.0", "_commit: 0a1b2c3")
    commit(project)


def no_tags(project: Path, template: Path) -> None:
    git(template, "tag", "--delete", "1.0.0", "1.1.0")


def sparse(project: Path, template: Path) -> None:
    git(project, "sparse-checkout", "set", "--no-cone", "/*", "!/second.txt")
    assert not (project / "second.txt").exists()


def merging(project: Path, template: Path) -> None:
    git(project, "checkout", "--quiet", "-b", "theirs")
    (project / "theirs").write_text("1\n")
    commit(project)
    git(project, "checkout", "--quiet", "-")
    (project / "ours").write_text("1\n")
    commit(project)
    git(project, "merge", "--no-commit", "--no-ff", "theirs")


def bisecting(project: Path, template: Path) -> None:
    git(project, "bisect", "start")


def rebasing(project: Path, template: Path) -> None:
    (project / "ours").write_text("1\n")
    commit(project)
    with pytest.raises(subprocess.CalledProcessError):
        git(project, "rebase", "--quiet", "--exec", "false", "HEAD~1")


@pytest.mark.parametrize(
    ("state", "said", "mend"),
    [
        (sparse, "second.txt is committed but not checked out here", "git sparse-checkout disable"),
        (merging, "A merge is under way", "git merge --continue, or: git merge --abort"),
        (bisecting, "A bisect is under way", "git bisect reset"),
        (rebasing, "A rebase is under way", "git rebase --continue, or: git rebase --abort"),
        (dirty, "not committed: text.txt", "git stash"),
        (staged, "not committed: text.txt", "git stash"),
        (no_git, "is not in a git repository", "git init"),
        (never_committed, "was never committed", "git commit"),
        (no_answers, "was not made from a template", "garscaffold update PATH"),
        (broken_answers, "cannot be read", "git checkout HEAD -- .copier-answers.yml"),
        (empty_answers, "does not say which template", "_src_path"),
        (no_template, "cannot be read", "garscaffold template install"),
        (template_without_a_network, "cannot be read", "git ls-remote https://127.0.0.1:9/template.git"),
        (shallow_template, "has no version 1.0.0. It is a shallow clone", "fetch --unshallow --tags"),
        (template_with_tasks, "runs code of its own on this machine (_tasks)", "copier update --trust"),
        (downgrade, "is older", "upgrade garscaffold"),
        (no_release, "is no release", "copier update --vcs-ref"),
        (no_tags, "no released version", "Tag one"),
    ],
)
def test_what_stands_in_the_way_is_a_sentence_and_a_mend(
    garscaffold: Garscaffold,
    project: Path,
    template: Path,
    state: Callable[[Path, Path], None],
    said: str,
    mend: str,
) -> None:
    state(project, template)
    before = tree(project)
    done = garscaffold("update", "--team", "a", "--defaults", cwd=project)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert mend in done.stderr
    assert "Traceback" not in done.stderr
    assert tree(project) == before


def test_what_git_says_of_a_repository_that_it_does_not_read_is_passed_on(
    garscaffold: Garscaffold, project: Path
) -> None:
    # As git itself says where a repository is of a format that it does not know.
    git(project, "config", "core.repositoryFormatVersion", "99")
    for arguments in (["--defaults", "--team", "a"], ["--abort"]):
        done = garscaffold("update", *arguments, cwd=project)
        assert done.returncode == 1
        assert "git does not read" in done.stderr
        assert "found 99" in done.stderr
        assert "git init" not in done.stderr
        assert f"git -C {project} status" in done.stderr


def test_gits_lock_is_named_before_anything_is_touched(garscaffold: Garscaffold, project: Path) -> None:
    conflict(project)
    lock = project / ".git" / "index.lock"
    lock.touch()
    before = tree(project)
    done = garscaffold("update", "--team", "a", "--defaults", cwd=project)
    assert done.returncode == 1
    assert f"{lock} exists" in done.stderr
    assert f"delete {lock}" in done.stderr
    assert tree(project) == before
    lock.unlink()
    assert garscaffold("update", "--team", "a", "--defaults", cwd=project).returncode == 3


def test_what_lies_in_a_submodule_is_no_unsaved_change(garscaffold: Garscaffold, project: Path, here: Path) -> None:
    library = here / "library"
    library.mkdir()
    git(library, "init", "--quiet")
    (library / "a.txt").write_text("a\n")
    commit(library)
    git(project, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "added")
    commit(project)
    (project / "added" / "built.o").write_text("1\n")
    (project / "added" / "a.txt").write_text("b\n")
    done = garscaffold("update", "--team", "a", "--defaults", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "kept     added/deep/new.txt  (added is a repository of its own here)" in done.stderr
    assert sorted(path.name for path in (project / "added").iterdir()) == [".git", "a.txt", "built.o"]


def test_a_downgrade_is_refused(garscaffold: Garscaffold, project: Path) -> None:
    assert garscaffold("update", "--team", "a", "--defaults", cwd=project).returncode == 0
    commit(project)
    done = garscaffold("update", "--to", "1.0.0", cwd=project)
    assert done.returncode == 1
    assert "1.0.0 is older" in done.stderr


def test_goes_to_the_version_that_was_asked_for(garscaffold: Garscaffold, project: Path, template: Path) -> None:
    release(template, "2.0.0", {**NEW, "run.sh": "echo 2\n"})
    release(template, "3.0.0rc1", {**NEW, "run.sh": "echo 3\n"})
    assert garscaffold("update", "--to", "v1.1", "--team=a", "--defaults", cwd=project).returncode == 0
    assert answers(project)["_commit"] == "1.1.0"
    commit(project)
    assert garscaffold("update", "--defaults", cwd=project).returncode == 0
    assert answers(project)["_commit"] == "2.0.0"
    commit(project)
    assert garscaffold("update", "--to", "3.0.0rc1", cwd=project).returncode == 0
    assert answers(project)["_commit"] == "3.0.0rc1"


def test_a_shallow_clone_of_the_project_is_updated(garscaffold: Garscaffold, project: Path, here: Path) -> None:
    commit(project)
    git(here, "clone", "--quiet", "--depth=1", f"file://{project}", "shallow")
    assert garscaffold("update", "shallow", "--team", "a", "--defaults").returncode == 0
    assert answers(here / "shallow")["_commit"] == "1.1.0"


def test_a_conflict_is_marked_and_the_version_waits_for_finish(garscaffold: Garscaffold, project: Path) -> None:
    conflict(project)
    done = garscaffold("update", "--team", "a", "--defaults", cwd=project)
    assert done.returncode == 3, done.stderr
    assert "text.txt" in done.stderr
    assert "--finish" in done.stderr
    assert "UU text.txt" in git(project, "status", "--porcelain")
    stages = git(project, "ls-files", "--unmerged").splitlines()
    assert [line.split()[2] for line in stages] == ["1", "2", "3"]
    contents = [git(project, "cat-file", "-p", line.split()[1]) for line in stages]
    assert ["line 10\n" in contents[0], "ten\n" in contents[1], "line 10 new\n" in contents[2]] == [True] * 3
    text = (project / "text.txt").read_text()
    assert "<<<<<<< before updating\nten\n=======\nline 10 new\n>>>>>>> after updating\n" in text
    assert answers(project)["_commit"] == "1.0.0"

    again = garscaffold("update", "--team", "a", cwd=project)
    assert again.returncode == 3
    assert "has conflicts that are not resolved: text.txt" in again.stderr
    early = garscaffold("update", "--finish", cwd=project)
    assert early.returncode == 3
    git(project, "add", "text.txt")
    with_markers = garscaffold("update", "--finish", cwd=project)
    assert with_markers.returncode == 3
    assert answers(project)["_commit"] == "1.0.0"

    edit(
        project, "text.txt", "<<<<<<< before updating\nten\n=======\nline 10 new\n>>>>>>> after updating\n", "ten new\n"
    )
    git(project, "add", "text.txt")
    finished = garscaffold("update", "--finish", cwd=project)
    assert finished.returncode == 0, finished.stderr
    assert (answers(project)["_commit"], answers(project)["team"]) == ("1.1.0", "a")
    assert garscaffold("update", "--finish", cwd=project).returncode == 1
    commit(project)
    assert "up to date" in garscaffold("update", cwd=project).stdout


def test_abort_brings_back_everything_untracked_files_included(garscaffold: Garscaffold, project: Path) -> None:
    edit(project, "text.txt", "line 10\n", "ten\n")
    (project / "run.sh").chmod(0o750)
    (project / ".gitignore").write_text("secret\n")
    commit(project)
    (project / "added/deep").mkdir(parents=True)
    (project / "added/deep/new.txt").write_text("not in git\n")
    (project / "added/deep/new.txt").chmod(0o600)
    (project / "secret").write_text("ignored\n")
    (project / "notes").write_text("untracked\n")
    before = everything(project)
    assert garscaffold("update", "--team", "a", "--defaults", cwd=project).returncode == 3
    (project / "text.txt").write_text("half resolved\n")
    git(project, "add", "text.txt", "run.sh")
    done = garscaffold("update", "--abort", cwd=project)
    assert done.returncode == 0, done.stderr
    assert everything(project) == before
    assert git(project, "status", "--porcelain") == "?? added/\n?? notes"
    assert garscaffold("update", "--abort", cwd=project).returncode == 1


def test_abort_after_a_commit_is_refused(garscaffold: Garscaffold, project: Path) -> None:
    conflict(project)
    assert garscaffold("update", "--team", "a", "--defaults", cwd=project).returncode == 3
    commit(project)
    done = garscaffold("update", "--abort", cwd=project)
    assert done.returncode == 1
    assert "git reset --soft" in done.stderr


def test_an_edited_file_that_the_template_deletes_is_a_conflict(garscaffold: Garscaffold, project: Path) -> None:
    (project / "dropped.txt").write_text("mine\n")
    commit(project)
    done = garscaffold("update", "--team", "a", "--defaults", cwd=project)
    assert done.returncode == 3
    assert "UD dropped.txt" in git(project, "status", "--porcelain")
    git(project, "rm", "--quiet", "dropped.txt")
    assert garscaffold("update", "--finish", cwd=project).returncode == 0
    assert answers(project)["_commit"] == "1.1.0"


BINARIES: dict[str, Content] = {
    ".gitignore": "*.bin\n",
    "secret.bin": b"\0old",
    "logo.png": b"\0old",
    "gone.txt": "old\n",
}


@pytest.fixture
def unmarked(project: Path, template: Path) -> Path:
    """A project whose conflicts have no markers: a binary, one that git ignores, and a file that the template drops."""
    files: dict[str, Content] = {"copier.yml": OLD["copier.yml"], ".gitignore": "*.bin\n"}
    release(template, "2.0.0", {**files, **BINARIES})
    release(template, "2.1.0", {**files, "secret.bin": b"\0new", "logo.png": b"\0new"})
    shutil.rmtree(project)
    render(template, "2.0.0", {}, project, source=str(template))
    git(project, "init", "--quiet")
    commit(project)
    for name in ("secret.bin", "logo.png"):
        (project / name).write_bytes(b"\0mine")
    (project / "gone.txt").write_text("mine\n")
    commit(project)
    return project


def test_abort_brings_back_what_was_resolved_without_markers(garscaffold: Garscaffold, unmarked: Path) -> None:
    (unmarked / "logo.png").chmod(0o640)
    before = everything(unmarked)
    assert garscaffold("update", "--defaults", cwd=unmarked).returncode == 3
    git(unmarked, "checkout", "--theirs", "logo.png")
    git(unmarked, "add", "logo.png")
    git(unmarked, "rm", "--quiet", "gone.txt")
    (unmarked / "secret.bin").write_bytes(b"\0new")
    done = garscaffold("update", "--abort", cwd=unmarked)
    assert done.returncode == 0, done.stderr
    assert everything(unmarked) == before
    assert git(unmarked, "status", "--porcelain") == ""


def test_a_conflict_that_git_ignores_is_said_with_what_takes_the_templates(
    garscaffold: Garscaffold, unmarked: Path
) -> None:
    done = garscaffold("update", "--defaults", cwd=unmarked)
    assert done.returncode == 3
    said = next(line for line in done.stderr.splitlines() if "git ignores secret.bin: yours is kept" in line)
    git(unmarked, "checkout", "--ours", "logo.png", "gone.txt")
    git(unmarked, "add", "logo.png", "gone.txt")
    finished = garscaffold("update", "--finish", "--json", cwd=unmarked)
    assert finished.returncode == 0, finished.stderr
    assert "Yours is kept, as git ignores it and it was not changed since: secret.bin" in finished.stderr
    assert json.loads(finished.stdout)["kept"] == ["secret.bin"]
    subprocess.run(["sh", "-c", said.partition("is taken by: ")[2]], cwd=unmarked, check=True)
    assert (unmarked / "secret.bin").read_bytes() == b"\0new"


def test_an_ignored_conflict_that_somebody_decided_is_not_told_again(garscaffold: Garscaffold, unmarked: Path) -> None:
    assert garscaffold("update", "--defaults", cwd=unmarked).returncode == 3
    git(unmarked, "checkout", "--ours", "logo.png", "gone.txt")
    git(unmarked, "add", "logo.png", "gone.txt")
    (unmarked / "secret.bin").write_bytes(b"\0new")
    finished = garscaffold("update", "--finish", cwd=unmarked)
    assert finished.returncode == 0
    assert "secret.bin" not in finished.stderr


def test_a_project_in_a_folder_with_a_long_name_or_one_that_is_no_text(
    garscaffold: Garscaffold, here: Path, template: Path
) -> None:
    git(here, "init", "--quiet")
    names = ["ü" * 120 + "/" + "é" * 120, os.fsdecode(b"dienst-\xff")]
    for name in names:
        render(template, "1.0.0", {}, here / name, source=str(template))
        edit(here / name, "text.txt", "line 10\n", "ten\n")
    commit(here)
    for name in names:
        done = garscaffold("update", name, "--team", "a", "--defaults")
        assert done.returncode == 3, done.stderr
        assert garscaffold("update", name, "--abort").returncode == 0
        assert git(here, "status", "--porcelain") == ""


def test_nothing_is_written_through_a_symbolic_link(garscaffold: Garscaffold, project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project / "added").symlink_to(outside)
    commit(project)
    done = garscaffold("update", "--team", "a", "--defaults", cwd=project)
    assert done.returncode == 0
    assert "kept     added/deep/new.txt  (added is a symbolic link here)" in done.stderr
    assert list(outside.iterdir()) == []


def test_a_file_where_a_folder_has_to_be_is_said(garscaffold: Garscaffold, project: Path) -> None:
    (project / "added").write_text("mine\n")
    commit(project)
    before = everything(project)
    done = garscaffold("update", "--team", "a", "--defaults", cwd=project)
    assert done.returncode == 1
    assert "added is a file here" in done.stderr
    assert everything(project) == before


def test_projects_of_one_repository_are_updated_apart(garscaffold: Garscaffold, here: Path, template: Path) -> None:
    git(here, "init", "--quiet")
    for name in ("services/a.1", "services/a.2"):
        render(template, "1.0.0", {}, here / name, source=str(template))
    edit(here / "services/a.1", "text.txt", "line 10\n", "ten\n")
    commit(here)
    assert garscaffold("update", "services/a.1", "--team", "a", "--defaults").returncode == 3
    assert garscaffold("update", "services/a.2", "--team", "a", "--defaults").returncode == 0
    assert garscaffold("update", "services/a.1", "--abort").returncode == 0
    assert answers(here / "services/a.1")["_commit"] == "1.0.0"


def test_our_own_template_is_put_into_place_first(garscaffold: Garscaffold, tmp_path: Path, here: Path) -> None:
    assert garscaffold("new", "service", "o", "--defaults", "--gcp-project", "acme-prod").returncode == 0
    colleague = tmp_path / "another"
    colleague.mkdir()
    shutil.copy(tmp_path / "home" / ".gitconfig", colleague)
    done = garscaffold("update", "o", "--description", "Other words.", HOME=str(colleague))
    assert done.returncode == 0, done.stderr
    assert (colleague / ".local/share/garscaffold/template.bundle").is_file()
    assert "Other words." in (here / "o" / "README.md").read_text()


def test_a_template_that_only_copier_understands_is_rendered_by_it(
    garscaffold: Garscaffold, here: Path, tmp_path: Path
) -> None:
    unusual = tmp_path / "unusual"
    files = {"copier.yml": "a: 1\n---\nsecond: {type: str, default: two}\n", "a.txt.jinja": "{{ second }}\n"}
    release(unusual, "1.0.0", files)
    release(unusual, "1.1.0", {**files, "a.txt.jinja": "{{ second }} in {{ _folder_name }}\n"})
    render(unusual, "1.0.0", {}, here / "orders", source=str(unusual))
    git(here / "orders", "init", "--quiet")
    (here / "orders" / "mine.txt").write_text("mine\n")
    commit(here / "orders")
    mistyped = garscaffold("update", "--dryrun", "orders", "--defaults", cwd=here / "orders")
    assert mistyped.returncode == 2
    assert "No such option: --dryrun" in mistyped.stderr
    assert git(here / "orders", "status", "--porcelain") == ""
    done = garscaffold("update", "orders", "--defaults")
    assert done.returncode == 0, done.stderr
    assert (here / "orders" / "a.txt").read_text() == "two in orders\n"
    assert answers(here / "orders") == {"_commit": "1.1.0", "_src_path": str(unusual), "a": 1, "second": "two"}
    assert git(here / "orders", "status", "--porcelain").split() == ["M", ".copier-answers.yml", "M", "a.txt"]
    commit(here / "orders")
    assert garscaffold("update", "orders", "--second", "three").returncode == 0
    assert (here / "orders" / "a.txt").read_text() == "three in orders\n"
