"""Results as a fleet has them: every state, three templates, and whatever a hostile repository could call itself."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from garscaffold.fleet.report import Occasion
from garscaffold.fleet.results import Conflict, Drift, Result, State

MOMENT = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
OCCASION = Occasion(MOMENT, [MOMENT])
CARRIED = "~/.local/share/garscaffold/template.bundle"
OWN = "git+https://git.example.com/acme/service-template.git"

HUNK = """\
<<<<<<< before updating
RUN pip install acme-lib  # a line of our own, too long for the width of a telephone that somebody holds upright

\tCOPY . /app
=======
RUN --mount=type=secret,id=gar_adc,required=true pip install acme-lib

\tCOPY . /app
>>>>>>> after updating"""

CURRENT = Result("/code/search", "", State.CURRENT, CARRIED, "1.1.0", "1.1.0", dirty=False, drift=())
BEHIND = Result("/code/ledger", "", State.BEHIND, CARRIED, "1.0.0", "1.1.0", 1, True, 4, drift=())
IN_CONFLICT = Result(
    "/code/mono",
    "services/orders/",
    State.CONFLICTS,
    OWN,
    "2.0.0",
    "2.3.0",
    3,
    False,
    7,
    (Conflict("Dockerfile", "2 conflicts", (HUNK, HUNK)), Conflict("Makefile", "deleted here, changed there")),
    (Drift("Dockerfile", "edited: +2 −1 lines"), Drift("pyproject.toml#tool.uv", "deleted")),
)
UPDATED = Result(
    "https://git.example.com/acme/billing.git",
    "",
    State.UPDATED,
    CARRIED,
    "1.0.0",
    "1.1.0",
    1,
    None,
    4,
    drift=None,
    earlier=True,
    branch="garscaffold/template-1.1.0",
    commit="0123456789abcdef0123456789abcdef01234567",
    pushed=True,
    pull_request="https://git.example.com/acme/billing/pull/7",
)
FAILED = Result(
    "/code/broken",
    "",
    State.FAILED,
    sentence="The check `make check` failed with exit code 2, so there is no branch:\nFAILED test_api.py",
    mend="Take the committed one: git checkout HEAD -- .copier-answers.yml",
)
EVERY = [CURRENT, BEHIND, IN_CONFLICT, UPDATED, FAILED]

PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    'https://evil.example/" onclick="alert(1)',
    "https://ada:hunter2@git.example.com/acme/billing.git",
    "{{ 7 * 191 }}{% raw %}",
    "-->]]><!--<svg/onload=alert(1)>",
    "&lt;b&gt;&amp;#60;",
    "\u202egnp.exe\u2066\u200b",
    "\x00\x07\x1b[31m\r\x7f\x9b",
    "\ud800 \udfff\ufffe\U0001ffff\ufdd0",
    "line\nline\ttab",
    "x" * 3000,
    "名前 ⚙️ שלום",
    "",
)


def hostile() -> Iterator[Result]:
    """Give results with a payload as every text that there is."""
    for state in State:
        for payload in PAYLOADS:
            texts: dict[str, Any] = {each.name: payload for each in fields(Result) if each.type is str}
            yield replace(
                IN_CONFLICT,
                **{**texts, "state": state},
                conflicts=(Conflict(payload, payload, (payload, HUNK.replace("RUN", payload))),),
                drift=(Drift(payload, payload),),
            )


def many(count: int) -> list[Result]:
    """Return a large fleet of two templates, one of them with more versions than fit side by side."""
    found = []
    for number in range(count):
        one = EVERY[number % len(EVERY)]
        own = number % 3 == 0 and one.template
        minor = number % 17
        versions: dict[str, Any] = (
            {"template": OWN, "version": f"2.{minor}.0", "target": "2.17.0", "behind": 17 - minor} if own else {}
        )
        found.append(replace(one, repository=f"{one.repository.removesuffix('.git')}-{number}", **versions))
    return found
