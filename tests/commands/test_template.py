"""`garscaffold template versions`, `changelog` and `use`."""

import json
from pathlib import Path

import pytest

from garscaffold.template import bundle
from tests.conftest import Garscaffold
from tests.template import forks
from tests.update.templates import git, release

QUESTIONS = "name: {type: str, default: orders}\n"


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A template with releases that are not in the order of their days, a pre-release, and a tag that is none."""
    folder = tmp_path / "acme"
    release(folder, "1.0.0", {"copier.yml": QUESTIONS}, notes="The first.")
    release(folder, "1.10.0", {"copier.yml": QUESTIONS, "a": "1"}, notes="A file.\n\n- and `code`")
    release(folder, "1.9.0", {"copier.yml": QUESTIONS, "a": "2"}, notes="A mend for those who stay.")
    release(folder, "2.0.0rc1", {"copier.yml": QUESTIONS, "a": "3"}, notes="A try.")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=Nothing")
    git(folder, "tag", "1.11.0")
    git(folder, "tag", "deployed")
    return folder


@pytest.fixture
def settings(home: Path) -> Path:
    return home / ".config" / "garscaffold" / "config.toml"


def days(folder: Path) -> str:
    return git(folder, "for-each-ref", "--format=%(creatordate:short)", "refs/tags/1.0.0")


def test_versions_are_listed_by_their_numbers_with_the_newest_marked(garscaffold: Garscaffold, acme: Path) -> None:
    done = garscaffold("template", "versions", "--template", acme)
    assert done.returncode == 0, done.stderr
    assert f"The template at {acme}:" in done.stderr
    day = days(acme)
    assert done.stdout.splitlines() == [
        f"1.0.0     {day}",
        f"1.9.0     {day}",
        f"1.10.0    {day}",
        f"1.11.0    {day}  newest",
        f"2.0.0rc1  {day}  pre-release",
    ]
    document = json.loads(garscaffold("template", "versions", "--template", acme.as_uri(), "--json").stdout)
    assert (document["source"], document["newest"]) == (f"git+{acme.as_uri()}", "1.11.0")
    assert document["versions"][-1] == {"version": "2.0.0rc1", "date": day, "newest": False, "prerelease": True}


def test_our_own_versions_are_listed_wherever_one_stands(garscaffold: Garscaffold) -> None:
    done = garscaffold("template", "versions", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    with bundle.packaged_bundle() as packaged:
        assert [row["version"] for row in document["versions"]] == [str(each) for each in bundle.versions(packaged)]
    assert (document["source"], document["newest"]) == (bundle.SOURCE, forks.newest())


@pytest.mark.parametrize(
    ("between", "versions"),
    [
        ((), ["1.11.0", "1.10.0", "1.9.0", "1.0.0"]),
        (("1.9.0",), ["1.11.0", "1.10.0"]),
        (("1.0", "v1.10.0"), ["1.10.0", "1.9.0"]),
        (("1.11.0",), []),
        (("1.11.0", "2.0.0rc1"), ["2.0.0rc1"]),
        (("2.0.0rc1",), []),
        (("1.9.0", "1.9.0"), []),
    ],
)
def test_the_changelog_lies_between_two_versions_newest_first(
    garscaffold: Garscaffold, acme: Path, between: tuple[str, ...], versions: list[str]
) -> None:
    done = garscaffold("template", "changelog", *between, "--template", acme, "--json")
    assert done.returncode == 0, done.stderr
    assert [each["version"] for each in json.loads(done.stdout)["versions"]] == versions


def test_a_changelog_is_read_by_a_person(garscaffold: Garscaffold, acme: Path) -> None:
    day = days(acme)
    done = garscaffold("template", "changelog", "1.9.0", "--template", acme)
    assert done.stdout == (
        f"1.11.0  {day}\n\nIts author says nothing about it.\n\n1.10.0  {day}\n\nA file.\n\n- and `code`\n"
    )
    assert "Nothing was released after 1.11.0." in garscaffold(
        "template", "changelog", "1.11.0", "--template", acme
    ).stderr  # fmt: skip
    ours = garscaffold("template", "changelog", "1.0.0", "1.1.0").stdout
    assert "**uv and pip** beside Poetry" in ours
    assert "The first release" not in ours


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("changelog", "1.10.0", "1.9.0"), 2, "1.10.0 is newer than 1.9.0"),
        (("changelog", "3.0.0"), 2, "The template has no version 3.0.0.\nmend:  It has: 1.0.0, 1.9.0, 1.10.0"),
        (("changelog", "deployed"), 2, "The template has no version deployed."),
        (("changelog", "1.0.0", "--template", "../none"), 1, "cannot be read"),
        (("versions", "--template", "../empty"), 1, "has no version"),
        (("versions", "--template", "/etc/hostname"), 1, "cannot be read"),
    ],
)
def test_what_cannot_be_told_is_a_sentence(
    garscaffold: Garscaffold, acme: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    forks.bare(tmp_path / "empty")
    done = garscaffold("template", *arguments, GARSCAFFOLD_TEMPLATE=str(acme))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""


def test_use_stores_an_address_and_default_takes_it_away(
    garscaffold: Garscaffold, acme: Path, settings: Path, here: Path
) -> None:
    assert bundle.SOURCE in garscaffold("template", "use").stdout
    dry = garscaffold("template", "use", "../acme", "--dry-run", "--json")
    assert json.loads(dry.stdout)["changes"] == [
        {"action": "create", "kind": "setting", "name": "template.source", "detail": str(acme)}
    ]
    assert not settings.exists()

    done = garscaffold("template", "use", "../acme")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"New projects are made from {acme}, now at 1.11.0.\n"
    assert settings.read_text() == f'[template]\nsource = "{acme}"\n'
    shown = garscaffold("template", "use")
    assert shown.stdout == f"New projects are made from {acme}\nSo says {settings}.\n"
    assert json.loads(garscaffold("template", "use", "../acme", "--json").stdout)["changes"] == []
    assert json.loads(garscaffold("template", "versions", "--json").stdout)["source"] == str(acme)

    by_variable = garscaffold("template", "use", "--json", GARSCAFFOLD_TEMPLATE="default")
    assert json.loads(by_variable.stdout) == {"source": bundle.SOURCE, "said_by": "GARSCAFFOLD_TEMPLATE"}
    assert "goes before it" in garscaffold("template", "use", "../acme", GARSCAFFOLD_TEMPLATE="default").stderr

    assert garscaffold("template", "use", "--default").returncode == 0
    assert not settings.exists()
    assert json.loads(garscaffold("template", "use", "--reset", "--json").stdout)["changes"] == []


def test_what_else_is_in_the_settings_stays(garscaffold: Garscaffold, acme: Path, settings: Path) -> None:
    settings.parent.mkdir(parents=True)
    before = '# mine\n[template]\nother = 1 # too\n\n[else]\nkey = "value"\n'
    settings.write_text(before)
    assert garscaffold("template", "use", acme).returncode == 0
    assert f'other = 1 # too\nsource = "{acme}"\n' in settings.read_text()
    assert garscaffold("template", "use", "--default").returncode == 0
    assert settings.read_text() == before


def test_the_settings_are_where_xdg_says(garscaffold: Garscaffold, acme: Path, tmp_path: Path) -> None:
    assert garscaffold("template", "use", acme, XDG_CONFIG_HOME=str(tmp_path / "xdg")).returncode == 0
    assert (tmp_path / "xdg" / "garscaffold" / "config.toml").is_file()


@pytest.mark.parametrize("text", ["[template", "template = 1\n", "[template]\nsource = 1\n", "\udcff"])
def test_settings_that_cannot_be_read_are_said(garscaffold: Garscaffold, settings: Path, text: str) -> None:
    settings.parent.mkdir(parents=True)
    settings.write_bytes(text.encode("utf-8", "surrogateescape"))
    for command in (("template", "use"), ("new", "service", "orders", "--defaults"), ("template", "use", "--default")):
        done = garscaffold(*command)
        assert done.returncode == 1, done.stderr
        assert f"The settings in {settings} cannot be read" in done.stderr
    assert settings.read_bytes() == text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"copier.yml": QUESTIONS + "_tasks: [touch ran]\n"}, "runs code of its own on this machine (_tasks)"),
        ({"copier.yml": QUESTIONS + "_jinja_extensions: [x.Y]\n"}, "(_jinja_extensions)"),
        ({"copier.yml": "!include parts/*.yml\n---\n" + QUESTIONS}, "which only Copier reads"),
        ({"copier.yml": "- a\n- list\n"}, "which only Copier reads"),
        ({"README.md": ""}, "which only Copier reads"),
    ],
)
def test_a_template_that_new_cannot_use_is_refused(
    garscaffold: Garscaffold, tmp_path: Path, settings: Path, files: dict[str, str], said: str
) -> None:
    release(tmp_path / "bad", "1.0.0", files)
    for command in (("template", "use", "../bad"), ("new", "x", "--template", "../bad")):
        done = garscaffold(*command)
        assert done.returncode == 1, done.stderr
        assert said in done.stderr
    assert not settings.exists()
    assert not (tmp_path / "here" / "x").exists()


def test_an_address_and_default_exclude_each_other(garscaffold: Garscaffold) -> None:
    assert garscaffold("template", "use", "x", "--default").returncode == 2
    assert garscaffold("template", "use", "").returncode == 2
