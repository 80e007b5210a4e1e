"""`garscaffold fleet update` in real repositories: what it makes, what it leaves alone, and that it goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Garscaffold
from tests.fleet.conftest import BRANCH, Fleet, MakeProject, commit, edit, put_project, shown, start, stray, tip
from tests.update.templates import git, release, render, write


def everything(folder: Path) -> dict[str, object]:
    """Every file of a checkout with its times, and all that git keeps of somebody's work."""
    state: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name != ".git" and not name.startswith(".git/"):
            found = path.lstat()
            state[name] = (found.st_mode, found.st_mtime_ns, found.st_ino, path.is_file() and path.read_bytes())
    private = Path(git(folder, "rev-parse", "--absolute-git-dir"))
    for name in ("HEAD", "index", "config"):
        own = private / name
        state[f".git/{name}"] = (own.read_bytes(), own.stat().st_mtime_ns) if own.is_file() else None
    state["stash"] = git(folder, "stash", "list")
    refs = git(folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    state["refs"] = [line for line in refs if not line.startswith(f"refs/heads/{BRANCH} ")]
    return state


def test_an_update_is_a_commit_on_a_branch_of_its_own(fleet: Fleet, make_project: MakeProject) -> None:
    orders = make_project()
    edit(orders, "line 40\n", "forty\n")
    base = commit(orders)
    (result,) = fleet("update", ".")
    assert {**result, "template": ""} == {
        "repository": str(orders),
        "project": "",
        "name": "orders",
        "state": "updated",
        "template": "",
        "version": "1.0.0",
        "target": "1.1.0",
        "behind": 1,
        "dirty": None,
        "changes": 4,
        "conflicts": [],
        "drift": None,
        "earlier": False,
        "branch": BRANCH,
        "clone": "",
        "commit": tip(orders),
        "pushed": False,
        "pull_request": "",
        "sentence": "",
        "mend": "",
    }
    assert git(orders, "rev-parse", f"{BRANCH}^") == base
    assert git(orders, "log", "-1", "--format=%an <%ae>|%cn|%B", BRANCH) == (
        "Ada Lovelace <ada@example.com>|Ada Lovelace|chore: update from template 1.0.0 to 1.1.0\n\n"
        "1.1.0\n\nAuthentication is mended.\n\nTemplate-Version: 1.1.0"
    )
    assert git(orders, "diff", "--name-status", base, BRANCH).split() == [
        "M", ".copier-answers.yml", "A", "added/new.txt", "D", "dropped.txt", "M", "run.sh", "M", "text.txt",
    ]  # fmt: skip
    assert "forty" in shown(orders, "text.txt") and "line 10 new" in shown(orders, "text.txt")
    assert git(orders, "ls-tree", BRANCH, "run.sh").startswith("100755")
    assert stray(orders) == []
    # Once it is merged, nothing is left to do.
    git(orders, "merge", "--quiet", BRANCH)
    assert fleet("update", ".")[0]["state"] == "up to date"
    assert fleet("status", ".")[0]["version"] == "1.1.0"


def test_unsaved_work_is_never_touched(fleet: Fleet, make_project: MakeProject, here: Path) -> None:
    orders = make_project()
    write(orders, "kept.txt", "one\n")
    commit(orders)
    edit(orders, "line 1\n", "put aside\n")
    git(orders, "stash")
    edit(orders, "line 10\n", "not saved\n")
    write(orders, "added/new.txt", "mine, and untracked\n")
    write(orders, "kept.txt", "staged\n")
    git(orders, "add", "kept.txt")
    write(orders, "kept.txt", "and edited again\n")
    (orders / "dropped.txt").unlink()
    (orders / "run.sh").touch()
    before = everything(orders)
    for command, state in (("status", "behind"), ("update", "updated"), ("update", "updated"), ("status", "behind")):
        (result,) = fleet(command, ".")
        assert (result["state"], result["dirty"]) == (state, True if command == "status" else None)
        assert everything(orders) == before
    assert "line 10 new" in shown(orders, "text.txt")
    assert shown(orders, "kept.txt") == "one"
    assert stray(orders) == []


@pytest.mark.clients
@pytest.mark.parametrize("state", ["detached", "linked", "shallow", "bare", "sha256", "on another branch"])
def test_every_kind_of_repository_is_updated(
    fleet: Fleet, make_project: MakeProject, here: Path, template: Path, state: str
) -> None:
    orders = make_project()
    place, base = orders, git(orders, "rev-parse", "HEAD")
    if state == "detached":
        git(orders, "checkout", "--quiet", "--detach")
        write(orders, "more.txt", "on no branch\n")
        base = commit(orders)
    elif state == "linked":
        place = here / "linked"
        git(orders, "worktree", "add", "--quiet", "-b", "feature", str(place))
        base = commit(place, "in the linked one")
    elif state == "shallow":
        commit(orders)
        base, place = git(orders, "rev-parse", "HEAD"), here / "shallow"
        git(here, "clone", "--quiet", "--depth=1", f"file://{orders}", str(place))
    elif state == "bare":
        place = here / "bare.git"
        git(here, "clone", "--quiet", "--bare", str(orders), str(place))
    elif state == "sha256":
        place = put_project(here / "longer", template)
        git(place, "init", "--quiet", "--object-format=sha256")
        base = commit(place)
        assert len(base) == 64
    else:
        git(orders, "checkout", "--quiet", "-b", "feature")
        edit(orders, "line 40\n", "of the feature\n")
        base = commit(orders)
    before = None if state == "bare" else everything(place)
    (result,) = fleet("update", place, "--check", 'test -s added/new.txt && test -z "$(git status --porcelain)"')
    assert (result["state"], result["commit"]) == ("updated", tip(place))
    assert git(place, "rev-parse", f"{BRANCH}^") == base
    if state == "linked":
        git(orders, "worktree", "remove", "--force", str(place))
        place = orders
    else:
        assert (None if state == "bare" else everything(place)) == before
        assert fleet("update", place)[0]["earlier"]
    assert stray(place) == []


def test_a_repository_without_a_commit_says_so(fleet: Fleet, here: Path, template: Path) -> None:
    git(put_project(here / "unborn", template), "init", "--quiet")
    (result,) = fleet("update", ".", code=1)
    assert "nothing committed" in result["sentence"]
    (result,) = fleet("status", ".", code=1)
    assert result["mend"]


def test_nobody_commits_as_somebody_made_up(
    fleet: Fleet, make_project: MakeProject, home: Path, environment: dict[str, str]
) -> None:
    orders = make_project()
    (home / ".gitconfig").write_text("[user]\nuseConfigOnly = true\n")
    (result,) = fleet("update", ".", code=1)
    assert "does not know who commits" in result["sentence"]
    assert "git config --global user.name" in result["mend"]
    assert tip(orders) == ""
    # Whether the machine's name makes an address is for git to say, and we say the same.
    (home / ".gitconfig").write_text("[user]\nname = Ada\n")
    command = ["git", "commit", "--quiet", "--allow-empty", "--message=x"]
    plain = subprocess.run(command, cwd=orders, env=environment, check=False, capture_output=True)
    assert fleet("update", ".", code=1 if plain.returncode else 0)


@pytest.mark.parametrize("setting", ["gpgSign = true", "gpgSign"])
def test_commits_are_signed_where_git_signs(fleet: Fleet, make_project: MakeProject, home: Path, setting: str) -> None:
    key = home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    orders = make_project()
    (home / "signers").write_text(f"ada@example.com {key.with_suffix('.pub').read_text()}")
    with (home / ".gitconfig").open("a") as config:
        config.write(f"signingkey = {key}\n[gpg]\nformat = ssh\n[commit]\n{setting}\n[log]\nshowSignature = true\n")
        config.write(f'[gpg "ssh"]\nallowedSignersFile = {home}/signers\n')
    assert fleet("update", ".")[0]["state"] == "updated"
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
    verified = subprocess.run(
        ["git", "verify-commit", tip(orders)], cwd=orders, env=environment, check=False, capture_output=True, text=True
    )
    assert verified.returncode == 0, verified.stderr
    assert 'Good "git" signature for ada@example.com' in verified.stderr
    made = tip(orders)
    assert fleet("update", ".")[0]["earlier"]
    assert tip(orders) == made
    # A key that is gone: no commit without a signature instead.
    git(orders, "branch", "--quiet", "-D", BRANCH)
    key.unlink()
    assert fleet("update", ".", code=1)[0]["state"] == "failed"
    assert tip(orders) == ""


def test_projects_of_one_repository_share_a_branch(fleet: Fleet, here: Path, template: Path, home: Path) -> None:
    mono = here / "mono"
    for name in ("services/a", "services/b", "c"):
        put_project(mono / name, template)
    put_project(mono, template)
    start(mono)
    (first,) = fleet("update", "mono/services/a")
    # Named one by one, they add up.
    results = fleet("update", "mono/services/b", "mono/services/a", "mono/c")
    assert [(each["project"], each["earlier"]) for each in results] == [
        ("services/b/", False), ("services/a/", True), ("c/", False),
    ]  # fmt: skip
    results = fleet("update", "mono")
    assert [(each["project"], each["earlier"]) for each in results] == [
        ("", False), ("c/", True), ("services/a/", True), ("services/b/", True),
    ]  # fmt: skip
    subjects = git(mono, "log", "--format=%s", f"HEAD..{BRANCH}").splitlines()
    assert subjects == [
        f"chore: update from template 1.0.0 to 1.1.0{where}"
        for where in ("", " in c", " in services/b", " in services/a")
    ]
    assert first["commit"] in git(mono, "rev-list", BRANCH).split()
    assert {shown(mono, f"{where}added/new.txt") for where in ("", "c/", "services/a/", "services/b/")} == {"payments"}
    assert stray(mono) == []


def test_one_project_in_conflict_does_not_hold_up_the_others(fleet: Fleet, here: Path, template: Path) -> None:
    mono = here / "mono"
    for name in ("a", "b", "c", "d"):
        put_project(mono / name, template)
    edit(mono / "b", "line 10\n", "ten\n")
    write(mono, "c/.copier-answers.yml", "[broken")
    put_project(mono / "current", template, "1.1.0")
    start(mono)
    results = fleet("update", "mono", "--check", 'test "$(basename "$PWD")" != d', code=1)
    assert [(each["project"], each["state"]) for each in results] == [
        ("a/", "updated"), ("b/", "conflicts"), ("c/", "failed"), ("current/", "up to date"), ("d/", "failed"),
    ]  # fmt: skip
    (conflict,) = results[1]["conflicts"]
    assert (conflict["path"], conflict["detail"]) == ("text.txt", "1 conflict")
    assert conflict["hunks"][0].splitlines()[1] == "ten"
    assert "cannot be read" in results[2]["sentence"]
    assert git(mono, "diff", "--name-only", "HEAD", BRANCH).splitlines() == [
        "a/.copier-answers.yml", "a/added/new.txt", "a/dropped.txt", "a/run.sh", "a/text.txt",
    ]  # fmt: skip


def test_a_branch_that_somebody_went_on_with_is_left_alone(fleet: Fleet, make_project: MakeProject) -> None:
    orders = make_project()
    fleet("update", ".")
    git(orders, "checkout", "--quiet", BRANCH)
    write(orders, "mine.txt", "mine\n")
    theirs = commit(orders, "Somebody's work")
    git(orders, "checkout", "--quiet", "main")
    assert fleet("update", ".")[0]["earlier"]
    commit(orders, "The base moves on")
    (result,) = fleet("update", ".")
    assert (result["earlier"], result["commit"], tip(orders)) == (True, theirs, theirs)


def test_a_commit_that_somebody_amended_is_left_alone(fleet: Fleet, make_project: MakeProject) -> None:
    orders = make_project()
    fleet("update", ".")
    git(orders, "checkout", "--quiet", BRANCH)
    write(orders, "mine.txt", "mine\n")
    git(orders, "add", "--all")
    time.sleep(1.1)
    git(orders, "commit", "--quiet", "--amend", "--no-edit")
    amended = tip(orders)
    git(orders, "checkout", "--quiet", "main")
    commit(orders, "The base moves on")
    assert fleet("update", ".")[0]["earlier"]
    assert tip(orders) == amended


def test_a_branch_of_somebody_else_is_not_taken_over(fleet: Fleet, make_project: MakeProject) -> None:
    orders = make_project()
    git(orders, "checkout", "--quiet", "-b", BRANCH)
    theirs = commit(orders, "Something else")
    git(orders, "checkout", "--quiet", "main")
    (result,) = fleet("update", ".", code=1)
    assert "commits of somebody else" in result["sentence"]
    assert "--branch" in result["mend"]
    assert tip(orders) == theirs
    assert fleet("update", ".", "--branch", "other")[0]["commit"] == tip(orders, "other")
    # Merged, it is in nobody's way any more.
    git(orders, "merge", "--quiet", BRANCH)
    commit(orders, "more")
    assert fleet("update", ".")[0]["commit"] == tip(orders)


def test_a_branch_of_ours_is_made_again_where_the_base_has_moved_on(fleet: Fleet, make_project: MakeProject) -> None:
    orders = make_project()
    fleet("update", ".")
    edit(orders, "line 40\n", "forty\n")
    base = commit(orders)
    (result,) = fleet("update", ".")
    assert not result["earlier"]
    assert git(orders, "rev-parse", f"{BRANCH}^") == base
    assert "forty" in shown(orders, "text.txt")


def test_the_next_version_starts_where_the_last_was_merged(
    fleet: Fleet, here: Path, home: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    for number in range(3):
        release(own, f"1.{number}.0", {"copier.yml": "a: 1\n", "a.txt": f"{number}\n"})
    orders = start(put_project(here / "orders", own))
    for version in ("1.1.0", "1.2.0"):
        fleet("update", ".", "--to", version, "--branch", "same")
        made = tip(orders, "same")
        # The history that is merged has our mark, too; it is not taken for the branch's.
        assert fleet("update", ".", "--to", version, "--branch", "same")[0]["earlier"]
        assert tip(orders, "same") == made
        git(orders, "merge", "--quiet", "--ff-only", "same")
    assert (orders / "a.txt").read_text() == "2\n"


def test_a_branch_that_is_checked_out_is_not_moved(fleet: Fleet, make_project: MakeProject, here: Path) -> None:
    orders = make_project()
    fleet("update", ".")
    git(orders, "worktree", "add", "--quiet", str(here / "looking"), BRANCH)
    assert fleet("update", "orders")[0]["earlier"]
    commit(orders, "The base moves on")
    before, made = everything(here / "looking"), tip(orders)
    (result,) = fleet("update", "orders", code=1)
    assert "looking" in result["sentence"]
    assert result["mend"]
    assert (tip(orders), everything(here / "looking")) == (made, before)
    # And where it is what is checked out, the project is at the new version.
    assert fleet("update", "looking")[0]["state"] == "up to date"


def test_names_of_branches_are_checked_before_anything_is_done(
    garscaffold: Garscaffold, fleet: Fleet, make_project: MakeProject
) -> None:
    orders = make_project()
    for name in ("-f", "a..b", "HEAD", "@{-1}"):
        done = garscaffold("fleet", "update", ".", f"--branch={name}")
        assert (done.returncode, done.stdout) == (2, "")
        assert "no name for a branch" in done.stderr
    (result,) = fleet("update", ".", "--branch", "main", code=1)
    assert "the one that the update starts from" in result["sentence"]
    assert git(orders, "branch", "--format=%(refname:short)") == "main"
    for base in ("--help", "main\nHEAD", "main^{tree}"):
        (result,) = fleet("update", ".", f"--base={base}", code=1)
        assert "no branch or commit" in result["sentence"]
    assert fleet("update", ".", "--base", "main")[0]["state"] == "updated"


def test_a_check_runs_in_the_project_and_leaves_nothing(
    fleet: Fleet, here: Path, template: Path, home: Path, tmp_path: Path
) -> None:
    mono = here / "mono"
    put_project(mono / "services/it's one", template)
    write(mono, ".hook", "#!/bin/sh\ntouch hooked\n", executable=True)
    start(mono)
    write(mono, ".git/hooks/post-checkout", "#!/bin/sh\ntouch ../hooked\nexit 1\n", executable=True)
    aside = tmp_path / "aside"
    aside.mkdir()
    steps = [f"pwd > {tmp_path}/where", "cat added/new.txt", "test ! -e dropped.txt", "echo \"'b'\"", "cat"]
    check = " && ".join(steps)
    before = everything(mono)
    (result,) = fleet("update", "mono", "--check", check, TMPDIR=str(aside))
    assert result["state"] == "updated"
    where = Path((tmp_path / "where").read_text().strip())
    assert where.name == "it's one" and where.is_relative_to(aside) and not where.exists()
    assert list(aside.iterdir()) == []
    assert everything(mono) == before
    assert stray(mono) == []
    assert not list(tmp_path.rglob("hooked"))


def test_a_check_that_fails_makes_no_branch_and_says_why(fleet: Fleet, make_project: MakeProject, here: Path) -> None:
    orders = make_project()
    # What it leaves running is not waited for.
    endless = "for i in $(seq 1300); do test -e off || sleep 0.1; done"
    (result,) = fleet("update", ".", "--check", f"cd {here}; {endless} & seq 30; echo broken >&2; exit 7", code=1)
    (here / "off").touch()
    assert (result["state"], result["branch"], result["commit"]) == ("failed", "", "")
    first, *said = result["sentence"].splitlines()
    assert "failed with exit code 7" in first
    assert said == [*map(str, range(12, 31)), "broken"]
    assert tip(orders) == ""
    assert stray(orders) == []
    # One that is made by an earlier run stays, since nothing is done.
    fleet("update", ".")
    assert fleet("update", ".", "--check", "false")[0]["earlier"]


@pytest.mark.clients
def test_one_that_fails_never_stops_the_others(
    garscaffold: Garscaffold, fleet: Fleet, make_project: MakeProject, here: Path, template: Path, tmp_path: Path
) -> None:
    broken = make_project("broken-answers")
    write(broken, ".copier-answers.yml", "_commit: 1.0.0\n")
    commit(broken)
    lost = make_project("lost-template")
    text = (lost / ".copier-answers.yml").read_text()
    (lost / ".copier-answers.yml").write_text(text.replace(str(template), str(tmp_path / "gone")))
    commit(lost)
    corrupt = make_project("corrupt")
    for packed in (corrupt / ".git/objects").glob("??/*"):
        packed.chmod(0o644)
        packed.write_bytes(b"nothing of git's")
    headless = make_project("headless")
    (headless / ".git/HEAD").write_text("nonsense")
    own = start(here / "no-template")
    put_project(here / "no-git", template)
    conflicting = make_project("z-conflict")
    edit(conflicting, "line 10\n", "ten\n")
    commit(conflicting)
    make_project("a-good")
    make_project("current", "1.1.0")
    write(
        here,
        "fleet.toml",
        'repositories = [".", "file:///nowhere/x.git", "missing", "ssh://localhost:1/x"]',
    )
    results = fleet("status", code=1)
    wanted = {
        "a-good": ("behind", ""),
        "broken-answers": ("failed", "does not say which template"),
        "corrupt": ("failed", "git"),
        "current": ("up to date", ""),
        "headless": ("failed", "git cannot read the repository"),
        "lost-template": ("failed", "cannot be read"),
        "no-git": ("failed", "not in a git repository"),
        "no-template": ("failed", "no project made from a template"),
        "z-conflict": ("conflicts", ""),
        "x": ("failed", "git clone"),
        "missing": ("failed", "no folder"),
    }
    for _ in range(2):
        named = [each for each in results if "localhost" not in each["repository"]]
        assert [each["name"] for each in named] == list(wanted)
        for result in named:
            state, said = wanted[result["name"]]
            assert (result["state"].replace("updated", "behind"), said in result["sentence"]) == (state, True), result
            assert "defect" not in result["sentence"]
        results = fleet("update", code=1)
    assert own.is_dir() and tip(here / "a-good")
    assert [each["state"] for each in results].count("updated") == 1
    assert fleet("update", "z-conflict", "a-good", "current", code=3)
    assert fleet("update", "a-good", "current", code=0)


def test_a_dry_run_writes_nothing(garscaffold: Garscaffold, make_project: MakeProject, here: Path, home: Path) -> None:
    orders = make_project()
    objects = sorted(orders.rglob("*"))
    done = garscaffold("fleet", "update", ".", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["orders", "1.0.0", "1", "behind", "1.1.0,", "4", "files", "?"]
    assert done.stdout.splitlines()[-1] == "1 project: 1 behind"
    assert sorted(orders.rglob("*")) == objects
    assert sorted(path.name for path in home.iterdir()) == [".gitconfig"]


def test_a_new_question_without_a_default_names_what_answers_it(
    fleet: Fleet, here: Path, tmp_path: Path, home: Path
) -> None:
    asking = tmp_path / "asking"
    release(asking, "1.0.0", {"copier.yml": "a: 1\n", "a.txt": "a\n"})
    release(asking, "1.1.0", {"copier.yml": "a: 1\nteam: {type: str}\n", "a.txt.jinja": "{{ team }}\n"})
    for name in ("one", "two"):
        start(put_project(here / name, asking))
    results = fleet("update", ".", code=1)
    assert {each["state"] for each in results} == {"failed"}
    assert all("team" in each["sentence"] + each["mend"] and "-d team=" in each["mend"] for each in results)
    assert {each["state"] for each in fleet("update", ".", "-d", "team=platform")} == {"updated"}
    assert shown(here / "two", "a.txt") == "platform"


def test_what_git_says_against_a_commit_is_passed_on_with_a_mend(
    fleet: Fleet, make_project: MakeProject, tmp_path: Path
) -> None:
    signed, guarded = make_project("signed"), make_project("guarded")
    write(tmp_path, "gpg", "#!/bin/sh\necho 'gpg: no such key' >&2\nexit 2\n", executable=True)
    git(signed, "config", "commit.gpgSign", "true")
    git(signed, "config", "gpg.program", str(tmp_path / "gpg"))
    write(guarded, ".git/hooks/reference-transaction", "#!/bin/sh\necho not today >&2\nexit 1\n", executable=True)
    found = {each["name"]: each for each in fleet("update", "signed", "guarded", code=1)}
    assert "could not be signed" in found["signed"]["sentence"]
    assert "gpg failed to sign the data" in found["signed"]["sentence"]
    assert "git config commit.gpgSign false" in found["signed"]["mend"]
    assert "not today" in found["guarded"]["sentence"]
    assert "reference-transaction" in found["guarded"]["mend"]
    assert not tip(signed) and not tip(guarded)


def test_an_answer_that_a_new_rule_refuses_fails_and_is_never_replaced(
    fleet: Fleet, here: Path, tmp_path: Path, home: Path
) -> None:
    ruled = tmp_path / "ruled"
    rule = "{% if region != region | lower %}In lower case.{% endif %}"
    release(ruled, "1.0.0", {"copier.yml": "region: EU\n", "a.txt.jinja": "{{ region }}\n"})
    questions = f'region: {{type: str, default: us, validator: "{rule}"}}\n'
    release(ruled, "1.1.0", {"copier.yml": questions, "a.txt.jinja": "in {{ region }}\n"})
    orders = start(put_project(here / "orders", ruled))
    for command in ("status", "update"):
        (result,) = fleet(command, ".", code=1)
        assert result["state"] == "failed"
        assert "--region: 'EU' is recorded. In lower case." in result["sentence"]
        assert result["mend"] == "Add -d region=…"
    assert not tip(orders)
    assert [each["state"] for each in fleet("update", ".", "-d", "region=eu")] == ["updated"]
    assert shown(orders, "a.txt") == "in eu"


@pytest.mark.clients
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_cut_off_in_the_middle_it_goes_on(
    fleet: Fleet, environment: dict[str, str], make_project: MakeProject, here: Path, number: signal.Signals
) -> None:
    first = make_project("p00")
    for index in range(1, 30):
        git(here, "clone", "--quiet", "--no-hardlinks", str(first), f"p{index:02}")
        git(here / f"p{index:02}", "remote", "remove", "origin")
    command = [sys.executable, "-m", "garscaffold", "fleet", "update", ".", "-j", "3"]
    with subprocess.Popen(command, cwd=here, env=environment, stderr=subprocess.PIPE, start_new_session=True) as run:
        stderr = run.stderr
        assert stderr is not None
        seen = 0
        while seen < 8:
            seen += b": updated" in stderr.readline()
        # All of them, as a terminal does.
        os.killpg(run.pid, number)
        stderr.read()
    assert run.returncode == (130 if number is signal.SIGINT else -number)
    done = {name: made for name in sorted(path.name for path in here.iterdir()) if (made := tip(here / name))}
    assert 8 <= len(done) < 30
    results = fleet("update", ".", "-j", "3")
    assert [each["state"] for each in results] == ["updated"] * 30
    assert {each["name"] for each in results if each["earlier"]} == set(done)
    assert {name: tip(here / name) for name in done} == done
    for index in range(30):
        folder = here / f"p{index:02}"
        assert git(folder, "rev-list", "--count", f"main..{BRANCH}") == "1"
        assert stray(folder) == []


def test_one_project_of_a_repository_never_stops_the_others_whatever_it_is(
    fleet: Fleet, here: Path, home: Path, template: Path, tmp_path: Path
) -> None:
    endless = tmp_path / "endless"
    release(endless, "1.0.0", {"copier.yml": "a: 1\n", "a.txt": "one\n"})
    endlessly = "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}"
    release(endless, "1.1.0", {"copier.yml": "a: 1\n", "a.txt.jinja": endlessly})
    mono = here / "mono"
    for name, source in (("a", template), ("b", endless), ("c", template)):
        render(source, "1.0.0", {}, mono / name, source=str(source))
    start(mono)
    for command, state in (("status", "behind"), ("update", "updated")):
        results = fleet(command, "mono", code=1)
        assert [each["state"] for each in results] == [state, "failed", state]
        assert "RecursionError" in results[1]["sentence"]


def test_quiet_says_nothing_of_what_went_well_and_all_that_did_not(
    garscaffold: Garscaffold, make_project: MakeProject, here: Path
) -> None:
    make_project("good")
    done = garscaffold("fleet", "update", ".", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    edit(make_project("meets"), "line 10\n", "ten\n")
    commit(here / "meets")
    (start(here / "bad") / ".copier-answers.yml").write_text("[broken")
    commit(here / "bad")
    done = garscaffold("fleet", "update", ".", "-q")
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be read" in done.stderr and "conflict  text.txt" in done.stderr
    assert done.stderr.splitlines()[-1] == "3 projects: 1 updated, 1 in conflict, 1 failed"
