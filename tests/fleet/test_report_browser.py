"""The page in a real Chromium: it loads nothing, can be used by keyboard, on a telephone, in the dark and on paper."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from garscaffold.fleet.report import report
from garscaffold.fleet.results import Result
from tests.fleet.fleets import EVERY, OCCASION, hostile, many

pytestmark = pytest.mark.browser

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# It shall talk to nobody but the page.
QUIET = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync")
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
FLEETS: dict[str, Sequence[Result]] = {"every": EVERY, "hostile": list(hostile()), "many": many(300), "none": []}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*QUIET, "--disable-component-update"], chromium_sandbox=False
        )
        yield browser
        browser.close()


@dataclass
class Heard:
    """What a page did besides being shown."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


Shown = Callable[..., Page]


@pytest.fixture
def show(chromium: Browser, tmp_path: Path) -> Iterator[Shown]:
    """Open a page; in the end it must have loaded nothing, and complained about nothing."""
    opened: list[tuple[str, Heard]] = []

    def shown(results: Sequence[Result], **settings: Any) -> Page:
        file = tmp_path / f"{len(opened)}.html"
        file.write_text(report(results, OCCASION), encoding="utf-8")
        page = chromium.new_context(**{"viewport": DESK, **settings}).new_page()
        opened.append((file.as_uri(), listen(page)))
        page.goto(file.as_uri())
        return page

    yield shown
    for context in chromium.contexts:
        context.close()
    for address, heard in opened:
        assert set(heard.requests) == {address}
        assert heard.complaints == []


def listen(page: Page) -> Heard:
    heard = Heard()

    def dialog(opened: Any) -> None:
        heard.complaints.append(f"dialog: {opened.message}")
        opened.dismiss()

    page.on("request", lambda request: heard.requests.append(request.url))
    page.on("console", lambda message: heard.complaints.append(message.text))
    page.on("pageerror", lambda error: heard.complaints.append(str(error)))
    page.on("dialog", dialog)
    page.on("popup", lambda popup: heard.complaints.append(f"popup: {popup.url}"))
    return heard


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder on loopback; gives its address, and what was asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def visible_rows(page: Page) -> list[str]:
    return [row.inner_text() for row in page.locator(".matrix tbody tr:visible th").all()]


def test_hostile_repositories_run_nothing_and_load_nothing(show: Shown) -> None:
    page = show(FLEETS["hostile"])
    page.get_by_role("button", name="Unfold all").click()
    page.get_by_label("Name").fill("<script>")
    page.get_by_role("button", name="Project").first.click()
    page.mouse.wheel(0, 20000)
    for part in page.locator("main *:visible").all()[::40]:
        part.hover(force=True)


def test_from_a_web_server_only_the_page_is_asked_for(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "fleet.html").write_text(report(FLEETS["hostile"], OCCASION), encoding="utf-8")
    with serving(tmp_path) as (address, asked):
        page = chromium.new_page()
        heard = listen(page)
        page.goto(f"{address}/fleet.html", wait_until="networkidle")
        assert asked == ["/fleet.html"]
        assert heard.complaints == []
        # What got in all the same would be stopped by the policy of the page.
        page.evaluate(
            """address => {
                for (const tag of ["img", "script", "iframe"]) {
                    const made = document.createElement(tag);
                    made.src = `${address}/${tag}`;
                    document.body.append(made);
                }
                const inline = document.createElement("script");
                inline.textContent = "document.title = 'taken over'";
                document.body.append(inline);
                document.body.setAttribute("style", `background: url(${address}/style)`);
                fetch(`${address}/fetch`).catch(() => {});
            }""",
            address,
        )
        page.wait_for_load_state("networkidle")
        assert asked == ["/fleet.html"]
        assert "Fleet" in page.title()
        assert len(heard.complaints) >= 6
        page.close()


def test_it_is_filtered_by_keyboard(show: Shown) -> None:
    page = show(EVERY)
    assert page.get_by_role("status").inner_text() == "5 of 5 shown"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the projects"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("nowhere")
    assert page.get_by_role("status").inner_text() == "0 of 5 shown"
    page.keyboard.press("Control+A")
    page.keyboard.type("Code/MONO")
    assert page.get_by_role("status").inner_text() == "1 of 5 shown"
    assert visible_rows(page) == ["mono/services/orders"]
    assert page.locator("article:visible").count() == 1
    assert page.locator(".group:visible").count() == 1
    assert page.locator("#updates tbody tr:visible").count() == 0
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    assert page.get_by_role("status").inner_text() == "5 of 5 shown"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "failed"
    page.keyboard.press("Space")
    assert "broken" not in visible_rows(page)
    assert page.get_by_role("status").inner_text() == "4 of 5 shown"
    assert page.locator("#failures article:visible").count() == 0


def test_it_is_sorted_by_keyboard(show: Shown) -> None:
    page = show(many(40))
    table = page.locator(".matrix").first
    head = table.get_by_role("columnheader", name="Version")
    assert table.get_by_role("columnheader", name="State").get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    places = table.locator("tbody td:nth-child(3)").evaluate_all("cells => cells.map(c => Number(c.dataset.value))")
    assert places == sorted(places)
    assert places != sorted(places, reverse=True)
    assert head.get_attribute("aria-sort") == "ascending"
    assert table.locator("[aria-sort]").count() == 1
    page.keyboard.press("Enter")
    places = table.locator("tbody td:nth-child(3)").evaluate_all("cells => cells.map(c => Number(c.dataset.value))")
    assert places == sorted(places, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    table.get_by_role("columnheader", name="Project").get_by_role("button").press("Space")
    names = table.locator("tbody th").all_inner_texts()
    numbers = [int(name.rpartition("-")[2]) for name in names if name.startswith("billing-")]
    assert len(numbers) > 2
    assert numbers == sorted(numbers), "a number in a name is a number"


def test_hunks_are_unfolded_by_keyboard_and_all_at_once(show: Shown) -> None:
    page = show(EVERY)
    hunk = page.locator(".hunk pre").first
    assert not hunk.is_visible()
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert hunk.is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "PRE"
    page.get_by_role("button", name="Unfold all").press("Enter")
    assert all(pre.is_visible() for pre in page.locator("pre").all())
    page.get_by_role("button", name="Fold all").press("Enter")
    assert not any(pre.is_visible() for pre in page.locator("pre").all())


def test_a_command_is_copied(show: Shown) -> None:
    page = show(EVERY, permissions=["clipboard-read", "clipboard-write"])
    copy = page.locator("#failures .run button")
    copy.press("Enter")
    page.wait_for_function("document.querySelector('#failures .run button').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == "git checkout HEAD -- .copier-answers.yml"


def test_a_link_in_the_matrix_leads_to_the_conflict(show: Shown) -> None:
    page = show(EVERY)
    page.locator(".matrix tbody a[href$='-conflicts']").first.press("Enter")
    assert page.locator("article:target h3").inner_text() == "mono/services/orders 2.0.0 → 2.3.0"


@pytest.mark.parametrize("fleet", FLEETS)
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_only_boxes_of_their_own_scroll_sideways(show: Shown, fleet: str, viewport: dict[str, int]) -> None:
    page = show(FLEETS[fleet], viewport=viewport)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert page.evaluate("document.scrollingElement.scrollWidth") == viewport["width"]
    wide = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
            .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, pre, svg"))
            .map(one => one.outerHTML.slice(0, 100))"""
    )
    assert wide == []
    if fleet == "many" and viewport is PHONE:
        box = page.locator(".tall").first
        assert box.evaluate("box => box.scrollWidth > box.clientWidth")


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no script"])
def test_on_paper_hunks_are_unfolded_and_nothing_is_cut_off(show: Shown, javascript: bool) -> None:
    # The width of A4 within its margins.
    page = show([*EVERY, *many(60)], viewport={"width": 687, "height": 971}, java_script_enabled=javascript)
    page.emulate_media(media="print", color_scheme="dark")
    for selector in ("pre", "table", ".said", ".mend", ".command", "thead th"):
        found = page.locator(selector).all()
        assert found
        for each in found:
            box = each.bounding_box()
            assert box is not None, selector
            assert box["height"] > 0
            assert box["x"] + box["width"] <= 688, selector
    for selector in (".run button", "nav", ".filter", "h2 + button"):
        assert not any(each.is_visible() for each in page.locator(selector).all())
    assert page.locator("thead th").first.inner_text() == "Project"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_without_a_script_all_of_it_can_be_read(show: Shown) -> None:
    page = show(EVERY, java_script_enabled=False)
    assert len(visible_rows(page)) == 5
    assert page.locator("article:visible").count() == 2
    assert page.locator("button").count() == 0
    assert not page.locator(".filter").is_visible()
    page.locator("summary").first.click()
    assert page.locator(".hunk pre").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("fleet", ["every", "none"])
def test_axe_finds_nothing(show: Shown, fleet: str, viewport: dict[str, int], scheme: str) -> None:
    page = show(FLEETS[fleet], viewport=viewport, color_scheme=scheme)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    found = Axe().run(page).response
    broken = {each["id"]: [node["html"] for node in each["nodes"]] for each in found["violations"]}
    assert broken == {}
    # What axe does not decide is no pass. It leaves out single characters and signs; those are measured below.
    undecided = [node for each in found["incomplete"] if each["id"] == "color-contrast" for node in each["nodes"]]
    reasons = {check["data"]["messageKey"] for node in undecided for check in node["any"]}
    assert reasons <= {"shortTextContent", "nonBmp"}
    assert "color-contrast" in {each["id"] for each in found["passes"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(show: Shown, scheme: str) -> None:
    """Measured on what the browser computes, marks in front of lines and on heads included: at least 4.5 to 1."""
    page = show(EVERY, color_scheme=scheme)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    ratios = page.evaluate(CONTRAST)
    assert len(ratios) > 100
    assert [found for found in ratios if found["ratio"] < 4.5] == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")


# The formula of https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
CONTRAST = """() => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const light = rgb => {
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let one = element; one; one = one.parentElement) {
      const [r, g, b, alpha = 1] = numbers(getComputedStyle(one).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    if (!element.getClientRects().length) continue;
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    const parts = own ? [""] : [];
    for (const pseudo of ["::before", "::after"]) {
      if (!["none", "normal", '""'].includes(getComputedStyle(element, pseudo).content)) parts.push(pseudo);
    }
    for (const pseudo of parts) {
      const text = numbers(getComputedStyle(element, pseudo || null).color).slice(0, 3);
      const [high, low] = [light(text), light(ground(element))].sort((a, b) => b - a);
      found.push({ html: pseudo + element.outerHTML.slice(0, 80), ratio: (high + 0.05) / (low + 0.05) });
    }
  }
  return found;
}"""
