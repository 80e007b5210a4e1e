"""`garscaffold fleet report` and `fleet update --report` on real repositories: the page, and how it is written."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from garscaffold.errors import ExitCode
from tests.conftest import Garscaffold
from tests.fleet.test_report import parsed, rows, text_of
from tests.update.templates import LINES, changed, git, release, render


@pytest.fixture
def fleet(tmp_path: Path, here: Path, home: Path) -> Path:
    """Three repositories: one behind, one in conflict, one broken."""
    template = tmp_path / "template"
    release(template, "1.0.0", {"copier.yml": "name: orders\n", "text.txt": "".join(LINES)})
    release(template, "1.1.0", {"copier.yml": "name: orders\n", "text.txt": changed(LINES, _10="line 10 new\n")})
    for name in ("billing", "orders", "broken"):
        folder = here / "work" / name
        render(template, "1.0.0", {}, folder, source=str(template))
        if name == "orders":
            (folder / "text.txt").write_text(changed(LINES, _10="<script>alert(10)</script>\n"))
        if name == "broken":
            (folder / ".copier-answers.yml").write_text("_commit: [\n")
        git(folder, "init", "--quiet")
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message=state")
    return here / "work"


def states(page: Path) -> dict[str, str]:
    return {row[0]: row[1] for row in rows(parsed(page.read_text()))}


def test_looks_and_writes_the_page(garscaffold: Garscaffold, fleet: Path, here: Path) -> None:
    done = garscaffold("fleet", "report", "work", "-o", "page.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "page.html: 3 projects: 1 behind, 1 in conflict, 1 failed\n"
    page = here / "page.html"
    assert states(page) == {"broken": "✕ failed", "orders": "≠ conflicts", "billing": "↑ 1 behind"}
    root = parsed(page.read_text())
    hunk = root.find(".//div[@class='hunk']")
    assert hunk is not None
    assert [text_of(pre) for pre in hunk.iter("pre")] == ["<script>alert(10)</script>", "line 10 new"]
    assert [path.name for path in here.iterdir() if path.name != "work"] == ["page.html"]


def test_from_results_nothing_is_looked_at(garscaffold: Garscaffold, fleet: Path, here: Path) -> None:
    for number in (1, 2):
        part = garscaffold("fleet", "status", "work", "--json", "--shard", f"{number}/2")
        (here / f"{number}.json").write_text(part.stdout)
    git(fleet / "billing", "rm", "-q", ".copier-answers.yml")
    git(fleet / "billing", "commit", "-q", "-m", "gone")
    done = garscaffold("fleet", "report", "--from", "1.json", "--from", "2.json", "--json", PATH="/nowhere")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["report"] == "fleet.html"
    assert document["summary"]["all"] == 3
    assert states(here / "fleet.html")["billing"] == "↑ 1 behind"
    assert "Made from 2 result files" in (here / "fleet.html").read_text()
    assert "Looking at" not in done.stderr


def test_a_project_is_shown_as_the_last_file_says(garscaffold: Garscaffold, fleet: Path, here: Path) -> None:
    (here / "before.json").write_text(garscaffold("fleet", "status", "work", "--json").stdout)
    updated = garscaffold("fleet", "update", "work", "--json", "--report", "update.html")
    assert updated.returncode == ExitCode.FAILED
    (here / "after.json").write_text(updated.stdout)
    garscaffold("fleet", "report", "--from", "before.json", "--from", "after.json", "-o", "joined.html")
    wanted = {"broken": "✕ failed", "orders": "≠ conflicts", "billing": "➜ updated"}
    assert states(here / "joined.html") == states(here / "update.html") == wanted
    branch = parsed((here / "update.html").read_text()).findall(".//section[@id='updates']//td/code")
    assert text_of(branch[0]) == "garscaffold/template-1.1.0"
    assert text_of(branch[1]) == git(fleet / "billing", "rev-parse", "garscaffold/template-1.1.0")[:12]


def test_a_dry_run_has_a_page_too(garscaffold: Garscaffold, fleet: Path, here: Path) -> None:
    done = garscaffold("fleet", "update", "work", "--dry-run", "--report", "page.html")
    assert "The page about it: page.html" in done.stderr
    assert states(here / "page.html")["billing"] == "↑ 1 behind"
    assert git(fleet / "billing", "branch", "--list", "garscaffold/*") == ""


def test_results_come_by_a_pipe_as_well(
    garscaffold: Garscaffold, fleet: Path, here: Path, environment: dict[str, str]
) -> None:
    status = garscaffold("fleet", "status", "work", "--json").stdout
    done = subprocess.run(
        [sys.executable, "-m", "garscaffold", "fleet", "report", "--from", "-", "-o", "/dev/stdout"],
        input=status,
        cwd=here,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    page, _, said = done.stdout.partition("</html>\n")
    assert len(rows(parsed(f"{page}</html>\n"))) == 3
    assert said == "/dev/stdout: 3 projects: 1 behind, 1 in conflict, 1 failed\n"


def test_a_page_that_is_there_is_replaced_and_a_link_is_followed(
    garscaffold: Garscaffold, fleet: Path, here: Path
) -> None:
    (here / "public").mkdir()
    (here / "public/index.html").write_text("old")
    (here / "page.html").symlink_to("public/index.html")
    assert garscaffold("fleet", "report", "work", "-o", "page.html").returncode == 0
    assert (here / "page.html").is_symlink()
    written = here / "public/index.html"
    assert "<!DOCTYPE html>" in written.read_text()
    assert stat.S_IMODE(written.stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    found = re.search(r"^Umask:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1], 8)


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    garscaffold: Garscaffold, fleet: Path, here: Path, environment: dict[str, str]
) -> None:
    (here / "fleet.html").write_text("old")
    (here / "r.json").write_text(garscaffold("fleet", "status", "work", "--json").stdout)
    limit = f"ulimit -f 1; trap '' XFSZ; exec {sys.executable} -m garscaffold fleet report --from r.json"
    done = subprocess.run(["sh", "-c", limit], cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.FAILED
    assert "File too large" in done.stderr
    assert (here / "fleet.html").read_text() == "old"
    assert sorted(path.name for path in here.iterdir()) == ["fleet.html", "r.json", "work"]


@pytest.mark.parametrize(
    ("arguments", "sentence", "mend", "code"),
    [
        (["--from", "work/orders/text.txt"], "text.txt is no JSON", "fleet status --json", ExitCode.FAILED),
        (["--from", "latin.json"], "latin.json is no text in UTF-8.", "fleet status --json", ExitCode.FAILED),
        (["--from", "r.json", "work"], "With --from nothing is looked at.", "Leave out", ExitCode.USAGE),
        (["--from", "none.json"], "'none.json' does not exist", "", ExitCode.USAGE),
        (["work", "-o", "no/where/page.html"], "There is no folder no/where", "mkdir -p no/where", ExitCode.USAGE),
        (["work", "-o", "work"], "'work' is a directory", "", ExitCode.USAGE),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_looked_at(
    garscaffold: Garscaffold,
    fleet: Path,
    here: Path,
    arguments: list[str],
    sentence: str,
    mend: str,
    code: ExitCode,
) -> None:
    (here / "latin.json").write_bytes(b'{"projects": "\xe9"}')
    (here / "r.json").write_text('{"projects": []}')
    done = garscaffold("fleet", "report", *arguments)
    assert done.returncode == code
    assert sentence in done.stderr
    assert mend in done.stderr
    assert "Looking at" not in done.stderr
    assert not (here / "fleet.html").exists()
