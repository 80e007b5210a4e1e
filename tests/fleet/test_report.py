"""The page as text: valid, escaped, complete, and in need of nothing else."""

import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garscaffold import __version__
from garscaffold.fleet.report import Occasion, Project, report, sides
from garscaffold.fleet.results import Conflict, Drift, Result, State
from tests.fleet.fleets import (
    BEHIND,
    CURRENT,
    EVERY,
    FAILED,
    HUNK,
    IN_CONFLICT,
    MOMENT,
    OCCASION,
    PAYLOADS,
    UPDATED,
    hostile,
    many,
)

FETCHING = {"src", "srcset", "action", "formaction", "poster", "background", "data", "cite", "ping", "manifest"}
NEVER = {"iframe", "object", "embed", "img", "video", "audio", "source", "base", "form", "applet", "frame", "template"}


def parsed(page: str) -> Element:
    """Parse a page as a browser does, and fail at the first thing that is not valid."""
    root = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    assert isinstance(root, Element)
    return root


def text_of(element: Element) -> str:
    return re.sub(r"\s+", " ", "".join(element.itertext())).strip()


def by_id(root: Element, name: str) -> Element:
    found = root.find(f".//*[@id='{name}']")
    assert found is not None, name
    return found


def rows(root: Element) -> list[list[str]]:
    return [[text_of(cell) for cell in row] for row in root.findall(".//section[@id='projects']//tbody/tr")]


RESULTS: st.SearchStrategy[Result] = st.builds(
    Result,
    **{name: st.text(st.characters(), max_size=12) for name in ("repository", "project", "template", "version")},
    **{name: st.text(st.characters(), max_size=12) for name in ("target", "branch", "sentence", "mend")},
    state=st.sampled_from(State),
    behind=st.integers(0, 99),
    dirty=st.sampled_from([None, True, False]),
    conflicts=st.lists(
        st.builds(
            Conflict,
            st.text(st.characters(), max_size=12),
            st.text(max_size=5),
            st.lists(st.text(st.characters()) | st.just(HUNK), max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    drift=st.none() | st.lists(st.builds(Drift, st.text(max_size=9), st.text(max_size=9)), max_size=2).map(tuple),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(RESULTS, max_size=4))
def test_whatever_the_results_are_the_page_is_valid(results: list[Result]) -> None:
    page = report(results, OCCASION)
    page.encode("utf-8")
    root = parsed(page)
    assert len(root.findall(".//script")) == 1
    assert len(root.findall(".//section[@id='projects']//tbody/tr")) == len(results)


@pytest.mark.parametrize("results", [EVERY, [], [CURRENT], [FAILED], list(hostile()), many(60)], ids=len)
def test_nothing_is_fetched_run_or_styled_but_what_the_page_holds(results: list[Result]) -> None:
    root = parsed(report(results, OCCASION))
    for element in root.iter():
        assert element.tag not in NEVER
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (element.tag, name)
            assert name != "style"
            assert name not in FETCHING, (element.tag, name, value)
            if name == "href":
                assert re.match(r"#|https?://[A-Za-z0-9\[]" if element.tag == "a" else r"data:,$", value), value
    assert [element.tag for element in root.findall(".//link")] == ["link"]
    assert len(root.findall(".//script")) == len(root.findall(".//style")) == 1
    style = text_of(by_tag(root, "style"))
    assert "url(" not in style
    assert "@import" not in style


def by_tag(root: Element, tag: str) -> Element:
    found = root.find(f".//{tag}")
    assert found is not None
    return found


def test_the_policy_lets_run_only_what_the_page_holds() -> None:
    root = parsed(report(EVERY, OCCASION))
    policy = by_tag(root, "meta[@http-equiv='Content-Security-Policy']").attrib["content"]
    hashes = {
        tag: base64.b64encode(hashlib.sha256((by_tag(root, tag).text or "").encode()).digest()).decode()
        for tag in ("style", "script")
    }
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{hashes['style']}'",
        f"script-src 'sha256-{hashes['script']}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]


@pytest.mark.parametrize("payload", [each for each in PAYLOADS if each.isprintable() and "hunter2" not in each])
def test_a_hostile_text_is_shown_as_it_is(payload: str) -> None:
    """What is said of a project comes out of the parser as it went in, so nothing of it became a tag or was lost."""
    result = replace(FAILED, repository="/x", sentence=f"[{payload}]")
    root = parsed(report([result], OCCASION))
    said = root.find(".//p[@class='said']")
    assert said is not None
    assert said.text == f"[{payload}]"
    assert not list(said)


def test_no_credential_reaches_the_page() -> None:
    url = "https://ada:hunter2@git.example.com/acme/billing.git"
    words = f"fatal: cannot read {url}"
    result = replace(
        UPDATED,
        repository=url,
        template=f"git+{url}",
        pull_request=url,
        sentence=words,
        mend=f"git clone {url}",
        conflicts=(Conflict("x", "", (HUNK.replace("acme-lib", url),)),),
    )
    page = report([replace(result, state=state) for state in State], OCCASION)
    assert "git.example.com/acme/billing" in page
    assert "hunter2" not in page
    assert "ada" not in re.findall(r"[\w]+", page)


def test_links_lead_to_what_is_on_the_page_and_no_id_is_twice() -> None:
    root = parsed(report([*EVERY, *many(40)], OCCASION))
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    for link in root.findall(".//a"):
        target = link.attrib["href"]
        assert not target.startswith("#") or target[1:] in ids, target
    for element in root.iter():
        assert element.attrib.get("aria-labelledby", ids[0]) in ids


def test_every_project_is_in_the_matrix_and_those_first_that_need_somebody() -> None:
    root = parsed(report(EVERY, OCCASION))
    found = {row[0]: row[1:] for row in rows(root)}
    assert found == {
        "billing": ["➜ updated", "1.0.0 → 1.1.0", "here", "on a branch", "4", "", "?", ""],
        "ledger": ["↑ 1 behind", "1.0.0 → 1.1.0", "here", "next", "4", "", "", "yes"],
        "search": ["✓ up to date", "1.1.0", "", "here", "", "", "", ""],
        "mono/services/orders": ["≠ conflicts", "2.0.0 → 2.3.0", "here", "next", "7", "2", "2", ""],
        "broken": ["✕ failed", "not known", "", "", "?", ""],
    }
    assert [row[0] for row in rows(root)[:3]] == ["ledger", "billing", "search"]
    for table in root.findall(".//table"):
        assert all(cell.attrib.get("scope") in {"col", "row", "rowgroup"} for cell in table.iter("th"))


def test_the_numbers_are_those_of_the_projects() -> None:
    root = parsed(report([*EVERY, FAILED, replace(CURRENT, repository="/x")], Occasion(MOMENT, [MOMENT])))
    tiles = [text_of(tile) for tile in by_tag(root, "ul[@class='tiles']")]
    assert tiles == ["✕ 2 failed", "≠ 1 conflicts", "↑ 1 behind", "➜ 1 updated", "✓ 2 up to date"]
    assert text_of(by_tag(root, "h1")) == "Fleet: 7 projects"
    assert [text_of(fact) for fact in by_tag(root, "ul[@class='facts']")] == [
        "2 files in conflict",
        "1 project with drift of the wiring",
        "1 checkout with changes that are not committed",
    ]
    shares = [
        (float(each.attrib["x"]), float(each.attrib["width"])) for each in root.iter() if each.tag.endswith("rect")
    ]
    assert shares == [(0, 2), (2, 1), (3, 1), (4, 1), (5, 2)]


def test_a_failure_is_told_with_its_mend_and_the_command_to_copy() -> None:
    article = parsed(report([FAILED], OCCASION)).find(".//section[@id='failures']/article")
    assert article is not None
    assert text_of(article) == (
        "broken in /code/broken The check `make check` failed with exit code 2, so there is no branch: FAILED "
        "test_api.py Mend: Take the committed one: git checkout HEAD -- .copier-answers.yml "
        "git checkout HEAD -- .copier-answers.yml"
    )
    assert by_tag(article, "code[@data-copy]").text == "git checkout HEAD -- .copier-answers.yml"


def test_a_conflict_is_shown_side_by_side_and_what_differs_is_marked() -> None:
    root = parsed(report([IN_CONFLICT], OCCASION))
    assert [text_of(summary) for summary in root.findall(".//summary")] == ["Dockerfile 2 conflicts"]
    assert [text_of(each) for each in root.findall(".//p[@class='file']")] == ["Makefile deleted here, changed there"]
    hunk = by_tag(root, "div[@class='hunk']")
    assert [text_of(each) for each in hunk.iter("figcaption")] == ["The project’s", "The template’s"]
    ours, theirs = hunk.iter("pre")
    lines = HUNK.splitlines()
    assert "".join(ours.itertext()).splitlines() == lines[1:4]
    assert "".join(theirs.itertext()).splitlines() == lines[5:8]
    assert [span.attrib.get("class") for span in ours] == ["only", None, None]


def test_sides_of_any_hunk() -> None:
    found = sides(HUNK.replace("=======", "||||||| last update\nbase\n=======\n======="))
    assert [(side.kind, len(side.lines)) for side in found] == [("ours", 3), ("base", 1), ("theirs", 4)]
    assert found[2].lines[0] == ("=======", True)
    assert [side.kind for side in sides("<<<<<<< before updating\n=======\n>>>>>>> after updating")] == [
        "ours",
        "theirs",
    ]
    for text in ("", "no markers", "<<<<<<< before updating\nx", "=======\n<<<<<<< before updating"):
        assert [(side.kind, [line for line, _ in side.lines]) for side in sides(text)] == [("both", text.splitlines())]


def test_updates_link_to_their_pull_requests() -> None:
    results = [
        UPDATED,
        replace(UPDATED, repository="/code/a", pull_request="", pushed=False, earlier=False),
        replace(UPDATED, repository="/code/b", pull_request="javascript:alert(1)"),
    ]
    section = by_id(parsed(report(results, OCCASION)), "updates")
    assert [[text_of(cell) for cell in row] for row in section.findall(".//tbody/tr")] == [
        ["a", "1.0.0 → 1.1.0", "4", "garscaffold/template-1.1.0 not pushed", "0123456789ab", "none"],
        [
            "b",
            "1.0.0 → 1.1.0",
            "4",
            "garscaffold/template-1.1.0 pushed, by an earlier run",
            "0123456789ab",
            "javascript:alert(1)",
        ],
        [
            "billing",
            "1.0.0 → 1.1.0",
            "4",
            "garscaffold/template-1.1.0 pushed, by an earlier run",
            "0123456789ab",
            "https://git.example.com/acme/billing/pull/7",
        ],
    ]
    assert [link.attrib["href"] for link in section.findall(".//td/a")] == [UPDATED.pull_request]


def test_drift_is_told_file_by_file() -> None:
    section = by_id(parsed(report(EVERY, OCCASION)), "drift")
    assert [[text_of(cell) for cell in row] for row in section.findall(".//tbody/tr")] == [
        ["mono/services/orders", "Dockerfile", "edited: +2 −1 lines"],
        ["pyproject.toml#tool.uv", "deleted"],
    ]


def test_what_nobody_looked_at_is_not_shown_as_nothing_found() -> None:
    root = parsed(report([replace(BEHIND, drift=None, dirty=None)], OCCASION))
    heads = [text_of(head) for head in root.findall(".//thead/tr/th")]
    assert "Drift" not in heads
    assert "Unsaved" not in heads
    assert root.find(".//section[@id='drift']") is None
    looked = by_id(parsed(report([BEHIND], OCCASION)), "drift")
    assert "No file that carries authentication was edited" in text_of(looked)


@pytest.mark.parametrize(
    ("occasion", "words"),
    [
        (Occasion(MOMENT, [MOMENT]), "Looked at on 21 November 2026, 08:30 UTC."),
        (
            Occasion(MOMENT + timedelta(days=2), [MOMENT, MOMENT + timedelta(hours=9)], 3),
            "Looked at on 21 November 2026, 08:30 UTC to 21 November 2026, 17:30 UTC. "
            "Made from 3 result files on 23 November 2026, 08:30 UTC.",
        ),
        (Occasion(MOMENT, [], 1), "Made from 1 result file on 21 November 2026, 08:30 UTC."),
    ],
)
def test_the_page_says_when_and_by_what(occasion: Occasion, words: str) -> None:
    root = parsed(report([CURRENT], occasion))
    assert text_of(by_tag(root, "p[@class='occasion']")) == f"{words} By garscaffold {__version__}."


@pytest.mark.parametrize(
    ("repository", "project", "command"),
    [
        ("/code/orders", "", "garscaffold update /code/orders"),
        ("/code/a b;rm", "x/", "garscaffold update '/code/a b;rm/x'"),
        ("https://git.example.com/x.git", "", "garscaffold update"),
        ("git@git.example.com:x.git", "services/api/", "garscaffold update services/api"),
        ("/code/a\nb", "", "garscaffold update"),
        ("/code/\u202eb", "", "garscaffold update"),
    ],
)
def test_the_command_that_updates_a_project_can_be_pasted(repository: str, project: str, command: str) -> None:
    assert Project("p1", "x", Result(repository, project, State.CONFLICTS)).update == command


def test_the_same_results_give_the_same_page() -> None:
    results: list[Any] = many(30)
    assert report(results, OCCASION) == report(list(results), OCCASION)


def test_the_wheel_carries_what_the_page_is_made_of(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        for name in ("report.html.jinja", "report.css", "report.js"):
            path = f"garscaffold/fleet/{name}"
            assert files.read(path) == (root / "src" / path).read_bytes()
