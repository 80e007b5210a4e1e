"""The checks of `garscaffold fleet update`: where they run, what they leave, and what ends them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from garscaffold.fleet.checks import PREFIX
from garscaffold.fleet.shown import plain
from tests.conftest import Garscaffold
from tests.fleet.conftest import BRANCH, Fleet, MakeProject, commit, edit, put_project, start, stray, tip
from tests.update.templates import git, write


@pytest.fixture
def aside(tmp_path: Path, environment: dict[str, str]) -> Path:
    """The system's temporary folder of the program, with nothing of others in it."""
    folder = tmp_path / "aside"
    folder.mkdir()
    environment["TMPDIR"] = str(folder)
    return folder


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def runs(number: str) -> bool:
    """Tell whether a process runs; one that has ended and waits to be buried does not."""
    try:
        return Path(f"/proc/{int(number)}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def written(path: Path) -> list[str]:
    """Return the whole lines of a file that may not be there yet."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def private(folder: Path) -> dict[str, bytes]:
    """Everything that git keeps of a repository, but for the objects and the branch of an update."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted((folder / ".git").rglob("*"))
        if path.is_file() and "objects" not in path.parts and BRANCH not in path.as_posix()
    }


STUBBORN = "trap '' INT TERM HUP; "


@pytest.mark.parametrize("how", ["", STUBBORN], ids=["politely", "stubborn"])
def test_a_check_that_hangs_is_ended_with_all_that_it_started(
    fleet: Fleet, make_project: MakeProject, here: Path, aside: Path, tmp_path: Path, how: str
) -> None:
    orders, billing = make_project("orders"), make_project("billing")
    on = tmp_path / "on"
    check = f"{how}sleep 300 & echo $! >> {on}; echo $$ >> {on}; echo waiting for a server; while :; do sleep 300; done"
    write(here, "fleet.toml", f"repositories = ['billing']\n[[repository]]\npath = 'orders'\ncheck = '''{check}'''\n")
    begin = time.monotonic()
    results = {each["name"]: each for each in fleet("update", "fleet.toml", "--check-timeout", "1s", code=1)}
    assert time.monotonic() - begin < 30
    assert results["billing"]["state"] == "updated" and tip(billing)
    assert "took more than 1 seconds and was ended" in results["orders"]["sentence"]
    assert results["orders"]["sentence"].endswith("\nwaiting for a server")
    assert "--check-timeout" in results["orders"]["mend"]
    assert not any(runs(number) for number in written(on)) and len(written(on)) == 2
    assert (tip(orders), list(aside.iterdir()), stray(orders)) == ("", [], [])


def test_each_repository_may_say_how_long_its_check_takes(fleet: Fleet, make_project: MakeProject, here: Path) -> None:
    make_project("a")
    make_project("b")
    write(
        here,
        "fleet.toml",
        "check = 'sleep 4'\ncheck_timeout = '1m'\nrepositories = ['a']\n"
        "[[repository]]\npath = 'b'\ncheck_timeout = 1\n",
    )
    results = fleet("update", "fleet.toml", code=1)
    assert [each["state"] for each in results] == ["updated", "failed"]
    assert "took more than 1 seconds" in results[1]["sentence"]


@pytest.mark.parametrize("time", ["0", "10 m", "1d", "-5", "1.5h", ""])
def test_a_time_that_is_none_is_said_at_once(garscaffold: Garscaffold, here: Path, time: str) -> None:
    done = garscaffold("fleet", "update", ".", f"--check-timeout={time}")
    if time:
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{time!r} is no time." in done.stderr
    write(here, "fleet.toml", f"check_timeout = {time!r}\nrepositories = ['a']\n")
    done = garscaffold("fleet", "update", "fleet.toml")
    assert done.returncode == 1
    assert f"In fleet.toml, check_timeout: {time!r} is no time." in done.stderr


def test_what_a_check_leaves_running_is_ended(
    fleet: Fleet, make_project: MakeProject, aside: Path, tmp_path: Path
) -> None:
    orders = make_project()
    on = tmp_path / "on"
    # It goes on to write into the folder; and there is one that nothing can be removed from.
    busy = f"(while :; do date > log-$(date +%N); done) & echo $! > {on}"
    locked = "mkdir -p cache/module && touch cache/module/file && chmod -R a-w cache"
    (result,) = fleet("update", ".", "--check", f"{busy}; {locked}; sleep 0.2; test -e log-*", code=1)
    (result,) = fleet("update", ".", "--check", f"{busy}; {locked}; sleep 0.2", code=0)
    assert (result["state"], tip(orders) != "") == ("updated", True)
    assert not runs(*written(on))
    assert list(aside.iterdir()) == []


def test_what_a_check_does_to_its_repository_stays_there(
    fleet: Fleet, make_project: MakeProject, here: Path, aside: Path
) -> None:
    orders = make_project()
    git(orders, "tag", "-a", "v1", "-m", "one")
    git(orders, "remote", "add", "origin", "https://user:secret@git.example.com/x.git")
    git(orders, "config", "credential.helper", "store")
    git(orders, "config", "user.email", "other@example.com")
    git(orders, "worktree", "add", "--quiet", "-b", "other", str(here.parent / "linked"))
    hook = "h=$(git rev-parse --git-path hooks); mkdir -p $h; echo exit 1 > $h/pre-commit; chmod +x $h/pre-commit"
    steps = [
        "test -z \"$(git config --local --get-regexp '^(remote|credential|user)\\.')\"",
        hook,
        "git config core.hooksPath nowhere",
        "git config --local user.name Check",
        "echo >> text.txt",
        "git commit --quiet --all --no-verify --message=check",
        "git branch check",
        "git tag check",
        "git update-ref refs/heads/main HEAD",
        "git update-ref refs/heads/other HEAD",
        "git tag --delete v1",
        "git stash list",
        "git worktree add --quiet ../more",
        "git gc --quiet --prune=now",
    ]
    before = private(orders)
    (result,) = fleet("update", "orders", "--check", " && ".join(steps))
    assert result["state"] == "updated", result
    after = private(orders)
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} <= {".git/logs/HEAD"}
    assert git(orders, "log", "--format=%s", "--all") == "chore: update from template 1.0.0 to 1.1.0\nstate"
    git(orders, "fsck", "--no-dangling", "--strict", "--connectivity-only")
    assert list(aside.iterdir()) == []


@pytest.mark.clients
@pytest.mark.parametrize(
    "kind",
    ["plain", "linked", "bare", "shallow", "sha256", "borrowed", "borrowed twice", "packed", "partial", "named oddly"],
)
def test_a_check_has_history_branches_and_tags_of_every_kind_of_repository(
    fleet: Fleet, make_project: MakeProject, here: Path, template: Path, kind: str, aside: Path
) -> None:
    orders = make_project()
    if kind == "sha256":
        orders = put_project(here / "longer", template)
        git(orders, "init", "--quiet", "--object-format=sha256")
        commit(orders)
    if kind == "named oddly":
        orders = orders.rename(here / 'odd "name"\nof\\it')
    git(orders, "tag", "-a", "v1.0", "-m", "one")
    git(orders, "tag", "light")
    edit(orders, "line 40\n", "forty\n")
    commit(orders)
    git(orders, "branch", "topic/one")
    git(orders, "config", "uploadpack.allowFilter", "true")
    place, count = orders, 3
    if kind == "linked":
        place = here / "linked"
        git(orders, "worktree", "add", "--quiet", "-b", "feature", str(place))
    elif kind in ("bare", "shallow", "borrowed", "borrowed twice", "partial"):
        options = {
            "bare": ["--bare"], "shallow": ["--depth=1", "--no-single-branch"], "borrowed": ["--shared"],
            "borrowed twice": ["--shared"], "partial": ["--filter=blob:none", "--no-checkout"],
        }[kind]  # fmt: skip
        place = here / "clone"
        source = f"file://{orders}" if kind in ("shallow", "partial") else str(orders)
        if kind == "borrowed twice":
            git(here, "clone", "--quiet", "--shared", str(orders), "between")
            git(here / "between", "fetch", "--quiet", "origin", "topic/one:topic/one")
            source = "between"
        git(here, "clone", "--quiet", *options, source, str(place))
        count = 2 if kind == "shallow" else 3
    elif kind == "packed":
        git(orders, "pack-refs", "--all")
        git(orders, "gc", "--quiet")
    described = "" if kind == "shallow" else 'test "$(git describe HEAD | cut -c 1-7)" = v1.0-2-; git rev-parse light;'
    branch = "origin/topic/one" if kind in ("shallow", "borrowed", "borrowed twice", "partial") else "topic/one"
    check = f"""set -e
        test "$(git rev-list --count HEAD)" = {count}
        {described}
        git diff --name-only {branch} | grep '^added/new.txt$'
        test "$(git rev-parse --abbrev-ref HEAD)" = HEAD
        test -z "$(git status --porcelain)"
        grep forty text.txt
        {"" if kind == "partial" else "git fsck --connectivity-only"}
    """
    (result,) = fleet("update", place, "--check", check)
    assert result["state"] == "updated"
    assert list(aside.iterdir()) == []


def test_files_look_as_the_settings_of_their_repository_make_them(
    fleet: Fleet, make_project: MakeProject, here: Path, tmp_path: Path
) -> None:
    orders = make_project()
    write(orders, "secret.txt", "smudged\n")
    write(orders, ".gitattributes", "secret.txt filter=mask\n")
    git(orders, "config", "filter.mask.clean", 'sed "s/smudged/clean/" #"')
    git(orders, "config", "filter.mask.smudge", "sed s/clean/smudged/")
    git(orders, "config", "filter.mask.required", "true")
    git(orders, "config", "core.autocrlf", "true")
    write(orders, ".git/info/attributes", "run.sh eol=lf\n")
    commit(orders)
    git(orders, "sparse-checkout", "set", "added")
    assert not (orders / "secret.txt").exists() or git(orders, "config", "core.sparseCheckoutCone") == "true"
    check = """set -e
        test "$(cat secret.txt | tr -d '\\r')" = smudged
        test "$(git show HEAD:secret.txt)" = clean
        grep -c "$(printf '\\r')$" text.txt
        grep "$(printf '\\r')$" run.sh && exit 1
        test -z "$(git status --porcelain)"
        touch secret.txt text.txt run.sh
        test -z "$(git status --porcelain)"
    """
    (result,) = fleet("update", ".", "--check", check)
    assert result["state"] == "updated", result


def test_a_run_that_was_killed_leaves_a_folder_that_the_next_one_removes(
    fleet: Fleet, environment: dict[str, str], make_project: MakeProject, here: Path, aside: Path, tmp_path: Path
) -> None:
    orders = make_project()
    before = private(orders)
    on = tmp_path / "on"
    foreign = aside / "garscaffold-other"
    foreign.mkdir()
    with _running(environment, here, f"echo $$ >> {on}; exec sleep 300") as run:
        until(lambda: written(on))
        # One that is at work is nobody's leftover.
        other = make_project("other")
        assert fleet("update", "other", "--check", f"ls -d {aside}/{PREFIX}*/project")[0]["state"] == "updated"
        (folder,) = aside.glob(f"{PREFIX}*")
        run.kill()
    os.killpg(int(written(on)[0]), signal.SIGKILL)
    assert (private(orders), stray(orders)) == (before, [])
    assert (folder / "project" / "added").is_dir()
    assert fleet("update", "other")[0]["earlier"] and tip(other)
    assert list(aside.iterdir()) == [foreign]


@contextmanager
def _running(environment: dict[str, str], here: Path, check: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "garscaffold", "fleet", "update", ".", "--check", check, *more]
    with subprocess.Popen(
        command, cwd=here, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        try:
            yield run
        finally:
            run.kill()


@pytest.mark.parametrize("how", ["", STUBBORN], ids=["politely", "stubborn"])
@pytest.mark.parametrize(
    ("signals", "code"),
    [((signal.SIGINT,), 130), ((signal.SIGINT,) * 3, 130), ((signal.SIGTERM,), 143), ((signal.SIGHUP,), 129)],
    ids=["Ctrl-C", "Ctrl-C again and again", "SIGTERM", "SIGHUP"],
)
def test_a_run_that_is_interrupted_ends_its_checks_and_says_what_it_has_done(
    environment: dict[str, str],
    here: Path,
    template: Path,
    aside: Path,
    tmp_path: Path,
    signals: tuple[signal.Signals, ...],
    code: int,
    how: str,
) -> None:
    mono = here / "mono"
    for name in ("a", "b", "c"):
        put_project(mono / name, template)
    start(mono)
    for name in ("first", "x", "y", "z"):
        start(put_project(here / name, template))
    on = tmp_path / "on"
    check = f"test -e {tmp_path}/seen || {{ touch {tmp_path}/seen; exit 0; }}; {how}sleep 300 & "
    check += f"echo $! >> {on}; echo $$ >> {on}; while :; do sleep 300; done"
    begin = time.monotonic()
    with _running(environment, here, check, "-j", "1") as run:
        until(lambda: len(written(on)) == 2)
        for number in signals:
            os.killpg(run.pid, number)
            time.sleep(0.1)
        _, said = run.communicate(timeout=50)
    assert time.monotonic() - begin < 30
    assert run.returncode == code
    assert "first: updated" in said
    assert "It was interrupted during the check" in said
    assert said.count("It was interrupted before this project.\n") == 4
    assert "4 projects: 1 updated, 3 failed; 3 repositories not begun\n" in said
    assert ("error: Interrupted" in said) == (code == 130)
    assert not any(runs(number) for number in written(on)) and len(written(on)) == 2
    assert [bool(tip(here / name)) for name in ("first", "mono", "x", "y", "z")] == [True, False, False, False, False]
    assert list(aside.iterdir()) == []
    assert stray(mono) == []


def test_what_a_check_said_is_kept_to_its_end_and_fit_to_be_shown(fleet: Fleet, make_project: MakeProject) -> None:
    make_project()
    check = r"""seq 100; head -c 100000 /dev/zero | tr '\0' x; printf '\n\033[31mred\033[0m \033]0;title\007\302\n'
        printf ' 10%%\r 100%% done\r\n\0 https://ada:hunter2@git.example.com/x\n'; exit 1"""
    (result,) = fleet("update", ".", "--check", check, code=1)
    said = result["sentence"].split("no branch:\n")[1].splitlines()
    assert said[-3:] == ["red \ufffd", " 100% done", "\\u{0} https://…@git.example.com/x"]
    assert said[-4] == "x" * 500 + "…"


def test_colours_and_progress_are_left_out_and_other_controls_written_out() -> None:
    assert plain("\x1b[1;31mred\x1b[m") == "red"
    assert plain("\x1b]8;;https://x.example\x1b\\link\x1b]8;;\x1b\\") == "link"
    assert plain("10%\r20%\r\nnext\r\n") == "20%\nnext\n"
    assert plain("\x1b[?25l\x1b(Bplain\x1b7") == "\\u{1b}(Bplain\\u{1b}7" or plain("\x1b[?25lplain") == "plain"
    assert plain("bell\x07 \u202e") == "bell\\u{7} \\u{202e}"


def test_memory_does_not_grow_with_what_a_check_writes(
    environment: dict[str, str], make_project: MakeProject, here: Path
) -> None:
    orders = make_project()
    check = "head -c 500000000 /dev/zero | tr '\\0' x; exit 1"
    # A limit in KiB; without it, reading all of that takes some GB.
    limited = ["sh", "-c", 'ulimit -v 1000000; exec "$@"', "sh", sys.executable, "-m", "garscaffold"]
    done = subprocess.run(
        [*limited, "fleet", "update", ".", "-j", "1", "--check", check],
        cwd=here,
        env={**environment, "TMPDIR": tempfile.gettempdir()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, tip(orders)) == (1, "")
    assert "failed with exit code 1, so there is no branch" in done.stderr
