"""Which repositories a fleet has, from everything that can name them."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from garscaffold.errors import ExitCode, GarscaffoldError
from garscaffold.fleet.fleet_file import parse_fleet_file
from garscaffold.fleet.listing import read_targets
from garscaffold.fleet.targets import Shard, Target
from tests.fleet.conftest import MakeProject, put_project, start
from tests.template import forks
from tests.update.templates import git, write


@pytest.fixture(autouse=True)
def _in_here(here: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))


def places(words: Iterable[str | Path], lines: Iterable[str] = ()) -> list[tuple[str, str]]:
    here = f"{Path.cwd()}/"
    found = read_targets([str(word) for word in words], lines)
    return [(target.place.removeprefix(here), target.under) for target in found]


def test_a_folder_is_searched_and_what_nobody_means_is_passed_by(here: Path, template: Path) -> None:
    for name in ("a", "nested/deep/b", "with blank", "ünï/日本", "line\nbreak", "-option", "nested/.hidden/c"):
        start(here / name)
    for name in ("node_modules/d", "nested/venv/e", "x/site-packages/f", "1/2/3/4/5/6/7/too-deep"):
        start(here / name)
    start(here / "a" / "inner")
    put_project(here / "no-git", template)
    (here / "nested" / "loop").symlink_to(here)
    (here / "link").symlink_to(here / "a")
    assert places(["."]) == [
        (name, "") for name in ("-option", "a", "line\nbreak", "nested/deep/b", "no-git", "with blank", "ünï/日本")
    ]
    assert places([]) == places(["."])
    assert places(["1/2"]) == [("1/2/3/4/5/6/7/too-deep", "")]


def test_a_folder_in_a_repository_is_that_part_of_it(here: Path, template: Path) -> None:
    put_project(here / "mono/services/orders", template)
    put_project(here / "mono/services/billing", template)
    start(here / "mono")
    assert places(["mono"]) == [("mono", "")]
    assert places(["mono/services/orders"]) == [("mono", "services/orders/")]
    assert places(["mono/services/orders", "mono/services/billing"]) == [
        ("mono", "services/orders/"),
        ("mono", "services/billing/"),
    ]
    # What is in a folder that is named, too, is there once.
    assert places(["mono/services/orders", "mono/services"]) == [("mono", "services/")]
    assert places(["mono/services/orders", "mono"]) == [("mono", "")]


def test_repositories_in_a_home_folder_that_is_one_itself_are_found(here: Path) -> None:
    start(here)
    start(here / "work/a")
    assert places(["work"]) == [("work/a", "")]
    assert places(["."]) == [("work/a", "")]
    (here / "work").rename(here / ".work")
    assert places(["."]) == [(str(here), "")]


def test_a_bare_repository_and_a_linked_checkout(here: Path, make_project: MakeProject) -> None:
    orders = make_project()
    git(orders, "worktree", "add", "--quiet", "--detach", "../a-linked")
    assert places(["."]) == [("orders", "")]
    assert places(["a-linked"]) == [("a-linked", "")]
    git(here, "clone", "--quiet", "--bare", "orders", "bare.git")
    assert places(["bare.git"]) == [("bare.git", "")]
    # Checkouts around a bare one that no search finds: one of them stands for all.
    (here / "around").mkdir()
    git(here, "clone", "--quiet", "--bare", "orders", "around/.bare")
    for name in ("main", "feature"):
        git(here / "around/.bare", "worktree", "add", "--quiet", "--detach", f"../{name}")
    assert places(["around"]) == [("around/feature", "")]


@pytest.mark.parametrize(
    ("named", "place"),
    [
        ("https://git.acme.example/acme/orders.git", "https://git.acme.example/acme/orders.git"),
        ("https://github.com/acme/orders", "https://github.com/acme/orders.git"),
        ("git@git.acme.example:acme/orders.git", "git@git.acme.example:acme/orders.git"),
        ("ssh://git@git.acme.example:2222/acme/orders", "ssh://git@git.acme.example:2222/acme/orders"),
        ("file:///srv/orders.git", "file:///srv/orders.git"),
        ("gh:acme/orders", "https://github.com/acme/orders.git"),
        ("gl:acme/orders", "https://gitlab.com/acme/orders.git"),
    ],
)
def test_a_url_is_one_wherever_it_stands(named: str, place: str) -> None:
    target = Target(place)
    assert target.is_remote
    assert target.name == "orders"
    assert read_targets([named], []) == [target]
    assert read_targets(["-"], [f"  {named}\n"]) == [target]
    assert parse_fleet_file(f'repositories = ["{named}"]', Path("/")) == [target]
    assert parse_fleet_file(f'[[repository]]\nurl = "{named}"', Path("/")) == [target]


def test_lines_of_standard_input(here: Path) -> None:
    start(here / "a")
    lines = ["\n", "# a comment\n", "a\n", f"{here}/a\n", "gh:acme/b\n", "missing\n", "~nobody-here/x\n", "a\0b\n"]
    assert places(["-"], lines) == [
        ("a", ""),
        ("https://github.com/acme/b.git", ""),
        ("missing", ""),
        ("~nobody-here/x", ""),
        ("a\0b", ""),
    ]
    assert places(["-"], ["x" * 5000]) == [("x" * 5000, "")]


def test_a_fleet_file_has_settings_for_all_and_for_one(here: Path, template: Path) -> None:
    for name in ("list/a", "list/folder/b", "list/folder/c"):
        start(here / name)
    put_project(here / "list/mono/one", template)
    start(here / "list/mono")
    write(
        here,
        "list/fleet.toml",
        'base = "main"\ncheck = "make"\nrepositories = ["a", "gh:acme/d"]\n'
        '[[repository]]\npath = "folder"\ncheck = "other"\n'
        '[[repository]]\nurl = "git@h:e.git"\nbase = "develop"\n'
        '[[repository]]\npath = "mono/one"\n[[repository]]\npath = "~/gone"\n',
    )
    top = here / "list"
    wanted = [
        Target(f"{top}/a", "", "main", "make"),
        Target("https://github.com/acme/d.git", "", "main", "make"),
        Target(f"{top}/folder/b", "", "main", "other"),
        Target(f"{top}/folder/c", "", "main", "other"),
        Target("git@h:e.git", "", "develop", "make"),
        Target(f"{top}/mono", "one/", "main", "make"),
        Target(f"{Path.home()}/gone", "", "main", "make"),
    ]
    assert read_targets(["list/fleet.toml"], []) == wanted
    os.chdir(top)
    assert read_targets([], []) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("repositories = [", "cannot be read"),
        ('repositories = "a"', "no list of paths and URLs"),
        ("repositories = [1]", "no list of paths and URLs"),
        ('repositories = [""]', "no list of paths and URLs"),
        ('repos = ["a"]', "repos, which means nothing here"),
        ("base = 1", "base are texts"),
        ('check = ["make"]', "check are texts"),
        ('[repository]\npath = "a"', "no list of tables"),
        ("repository = 1", "no list of tables"),
        ('repository = ["a"]', "either a path or a url"),
        ("[[repository]]\n", "either a path or a url"),
        ('[[repository]]\npath = "a"\nurl = "gh:a/b"', "either a path or a url"),
        ("[[repository]]\npath = 1", "a repository has path"),
        ('[[repository]]\npath = "a"\nbranch = "b"', "a repository has branch"),
        ('[[repository]]\npath = "a"\ncheck = 1', "a repository has check"),
        ('[[repository]]\npath = ""', "empty path or url"),
        ('[[repository]]\nurl = ""', "empty path or url"),
        ('[[repository]]\nurl = "services/orders"', "no URL of git's"),
        ('[[repository]]\nurl = "--upload-pack=touch x"', "no URL of git's"),
        ('[[repository]]\nurl = "--upload-pack=touch x://y"', "no URL of git's"),
        ("[[repository]]\nurl = \"ext::sh -c 'touch x' https://a\"", "no URL of git's"),
        ('[[repository]]\nurl = "ssh://-oProxyCommand=touch/x"', "no URL of git's"),
        ('[[repository]]\nurl = "-a@h:x"', "no URL of git's"),
        ('[[repository]]\nurl = "a@h::x"', "no URL of git's"),
        ('repositories = ["https://ada:secret@h/x.git"]', "holds a user name or a password"),
        ('[[repository]]\nurl = "https://secret@h/x.git"', "holds a user name or a password"),
    ],
)
def test_a_broken_fleet_file_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(GarscaffoldError) as refused:
        parse_fleet_file(text, Path("/"), name="list.toml")
    assert said in refused.value.sentence
    assert refused.value.mend
    assert "secret" not in refused.value.sentence + refused.value.mend


def test_a_file_that_is_no_text_and_a_word_that_is_nothing(here: Path) -> None:
    (here / "fleet.toml").write_bytes(b'repositories = ["\xff"]')
    with pytest.raises(GarscaffoldError, match="not UTF-8"):
        read_targets([], [])
    with pytest.raises(GarscaffoldError, match="no folder or file nothing") as refused:
        read_targets(["nothing"], [])
    assert refused.value.exit_code is ExitCode.USAGE
    (here / "empty").mkdir()
    for words in (["empty"], ["-"]):
        with pytest.raises(GarscaffoldError, match="No repository was found"):
            read_targets(words, [])


def test_the_parts_of_a_fleet_are_all_of_it_and_a_repository_is_in_one() -> None:
    fleet = [Target(f"/r/{number % 23}", f"{number}/") for number in range(101)]
    for count in (1, 2, 7, 23, 40):
        parts = [Shard(number, count).take(fleet) for number in range(1, count + 1)]
        assert sorted((target for part in parts for target in part), key=fleet.index) == fleet
        assert [Shard(number, count).take(list(fleet)) for number in range(1, count + 1)] == parts
        owners = [{target.place for target in part} for part in parts]
        assert sum(map(len, owners)) == 23
        assert max(map(len, owners)) - min(map(len, owners)) <= 1


def test_a_task_of_a_job_knows_its_part() -> None:
    assert Shard.of_task({"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "4"}) == Shard(1, 4)
    assert Shard.of_task({"CLOUD_RUN_TASK_INDEX": "3", "CLOUD_RUN_TASK_COUNT": "4"}) == Shard(4, 4)
    assert Shard.of_task({"CLOUD_RUN_TASK_INDEX": "3"}) is None
    assert Shard.of_task({}) is None
    for index, count in (("4", "4"), ("x", "4"), ("0", "0"), ("-1", "2"), ("²", "4")):
        with pytest.raises(GarscaffoldError, match="is no shard"):
            Shard.of_task({"CLOUD_RUN_TASK_INDEX": index, "CLOUD_RUN_TASK_COUNT": count})


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/0", "-1/2", "1/2/3", " 1/2", "1.0/2", "1/9999999"])
def test_what_is_no_part_is_wrong_usage(text: str) -> None:
    with pytest.raises(GarscaffoldError, match="is no shard") as refused:
        Shard.parse(text)
    assert refused.value.exit_code is ExitCode.USAGE


def test_a_name_is_the_last_part_of_a_place(tmp_path: Path) -> None:
    assert Target("/code/a:b").name == "a:b"
    assert Target("/code/orders.git").name == "orders"
    assert Target("git@h:orders.git").name == "orders"
    assert Target(str(forks.bare(tmp_path / "x.git"))).name == "x"
