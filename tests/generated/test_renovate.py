"""Renovate's settings follow where the template is recorded: a file of one machine is nothing that it could read."""

import json
from pathlib import Path
from typing import Any

import pytest
from copier import run_copy
from plumbum import local

from garscaffold.template.plain import Wish
from tests.conftest import Garscaffold
from tests.generated.conftest import ANSWERS, commit
from tests.generated.matrix import working_tree

pytestmark = pytest.mark.generated

FILES = [
    "~/.local/share/garscaffold/template.bundle",
    "/srv/templates/python",
    "../template",
    "file:///srv/templates/python.git",
    "git+file:///srv/templates/python.git",
    "C:\\templates\\python",
]
URLS = [
    "https://git.example.com/platform/template.git",
    "git+https://git.example.com/platform/template",
    "ssh://git@git.example.com/platform/template.git",
    "git@git.example.com:platform/template.git",
    "gh:platform/template",
]


def looks_for_updates(settings: str | bytes) -> bool:
    """Tell from Renovate's settings whether it looks for new versions of the template."""
    document: dict[str, Any] = json.loads(settings)
    return bool(document.get("copier", {}).get("enabled", True))


@pytest.mark.parametrize(("source", "looks"), [*((each, False) for each in FILES), *((each, True) for each in URLS)])
def test_renovate_looks_for_a_template_that_has_a_url(source: str, looks: bool) -> None:
    wish = Wish(ANSWERS, {}, {"_commit": "1.0.0", "_src_path": source})
    assert looks_for_updates(working_tree().render(wish).files["renovate.json"].data) == looks


@pytest.fixture
def instead(template: Path) -> dict[str, str]:
    """Variables with which a host answers with the template of this machine."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{template}.insteadOf",
        "GIT_CONFIG_VALUE_0": URLS[0],
    }


def test_copier_renders_the_same(template: Path, instead: dict[str, str], tmp_path: Path) -> None:
    for source, looks in ((str(template), False), (URLS[0], True)):
        project = tmp_path / str(looks)
        with local.env(**instead):
            run_copy(source, project, data=dict(ANSWERS), defaults=True, quiet=True)
        assert f"_src_path: {source}\n" in (project / ".copier-answers.yml").read_text()
        assert looks_for_updates((project / "renovate.json").read_text()) == looks


def test_it_begins_to_look_when_the_project_moves_to_a_template_with_a_url_and_ends_again(
    template: Path, instead: dict[str, str], garscaffold: Garscaffold, here: Path
) -> None:
    answers = ["--defaults", "--gcp-project", "acme-prod", "--template", str(template)]
    made = garscaffold("new", "package", "orders", *answers)
    assert made.returncode == 0, made.stderr
    assert not looks_for_updates((here / "orders/renovate.json").read_text())
    for source, looks in ((URLS[0], True), (str(template), False)):
        done = garscaffold("update", "orders", "--template", source, **instead)
        assert done.returncode == 0, done.stderr
        assert looks_for_updates((here / "orders/renovate.json").read_text()) == looks
        commit(here / "orders")
