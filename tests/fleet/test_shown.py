"""Texts of others: nothing invisible, no credential, links to the web only, a command that can be pasted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garscaffold.fleet.shown import command_in, shown, web_link


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain\n\ttext ünd 名前 👩\u200d🚀", "plain\n\ttext ünd 名前 👩\u200d🚀"),
        ("a\rb\x00c\x1b[31m\x7f\x85", r"a\u{d}b\u{0}c\u{1b}[31m\u{7f}\u{85}"),
        ("\u202etxt.exe\u2069\u200b\ufeff\u2028", r"\u{202e}txt.exe\u{2069}\u{200b}\u{feff}\u{2028}"),
        ("\ud800 \ufffe \U0010ffff \ufdd0", r"\u{d800} \u{fffe} \u{10ffff} \u{fdd0}"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, seen: str) -> None:
    assert shown(text) == seen


@given(st.text(st.characters()))
def test_what_is_shown_can_be_written_and_read(text: str) -> None:
    seen = shown(text)
    assert shown(seen) == seen
    assert seen.encode("utf-8").decode("utf-8") == seen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("https://ada:hunter2@git.example.com/x", "https://…@git.example.com/x"),
        ("cannot read https://ghp_0123@github.com/x.git.", "cannot read https://…@github.com/x.git."),
        ("http://t0ken@host/x http://:t0ken@host/", "http://…@host/x http://…@host/"),
        ("git+https://a:b@host and postgres://u:p@db/x", "git+https://…@host and postgres://…@db/x"),
        ("ssh://git@host/x git@host:x ada@example.com", "ssh://git@host/x git@host:x ada@example.com"),
        ("https://host/a:b@c", "https://host/a:b@c"),
    ],
)
def test_no_credential_of_a_url_is_shown(text: str, seen: str) -> None:
    assert shown(text) == seen


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://git.example.com/acme/x/pull/7?a=b#c", "https://git.example.com/acme/x/pull/7?a=b#c"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
        ("https://ada:hunter2@git.example.com/x", "https://git.example.com/x"),
        ("javascript:alert(1)", ""),
        ("JAVASCRIPT://example.com/%0aalert(1)", ""),
        ("data:text/html,x", ""),
        ("//example.com/x", ""),
        ("https:///x", ""),
        ("https://", ""),
        ("https://example.com:99999/x", ""),
        ("https://[::1/x", ""),
        ("https://example.com\\@evil.example/", ""),
        ('https://example.com/"onclick=', ""),
        ("https://example.com/ x", ""),
        (" https://example.com/", ""),
        ("https://example.com/\n", ""),
        ("https://exam\u202eple.com/", ""),
        ("git@git.example.com:acme/x.git", ""),
        ("/code/orders", ""),
        ("", ""),
    ],
)
def test_only_addresses_of_the_web_are_linked(url: str, link: str) -> None:
    assert web_link(url) == link


@pytest.mark.parametrize(
    ("mend", "command"),
    [
        ("gcloud auth application-default login", "gcloud auth application-default login"),
        ("Delete it, then run: garscaffold template install", "garscaffold template install"),
        (
            "Take the committed one: git checkout HEAD -- .copier-answers.yml",
            "git checkout HEAD -- .copier-answers.yml",
        ),
        ("Start it with `garscaffold sandbox start`.", "garscaffold sandbox start"),
        ("Install gh, sign in with `gh auth login`, then run it again.", "gh auth login"),
        ("See who you are there with: gh auth status; then run it again.", "gh auth status"),
        ("Update it by hand: garscaffold update, then see what the check says.", "garscaffold update"),
        (
            "Resolve them and run: garscaffold update --finish, or: garscaffold update --abort",
            "garscaffold update --finish",
        ),
        ("gcloud services enable x --project=y (then wait a minute)", "gcloud services enable x --project=y"),
        ("cd /x && git init && git commit -m 'The project'", "cd /x && git init && git commit -m 'The project'"),
        ("To undo one that is done and not committed: git restore .", "git restore ."),
        ("Name one that it has as base, or commit first.", ""),
        ("Say it: --pull-request gh, or --pull-request glab", ""),
        ("Run: rm -rf /", ""),
        ("git status\nrm -rf /", ""),
        ("git status \u202e", ""),
        ("git clone https://ada:hunter2@host/x", ""),
        ("", ""),
    ],
)
def test_the_command_of_a_mend_is_found_to_be_copied(mend: str, command: str) -> None:
    assert command_in(mend) == command
