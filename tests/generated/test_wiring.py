"""What projects are compared by: the files that carry authentication, and the checks that three places run."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from garscaffold.template.interview import completed
from tests.generated.combinations import Answers, covering_combinations, questionnaire, unusual_combinations
from tests.generated.conftest import ANSWERS
from tests.generated.matrix import rendered
from tests.generated.pipelines import FILES, SHELLS, parsed

# What is generated is the same on every Python.
pytestmark = pytest.mark.generated

# A registry's host, a token, a secret, or a variable or program that gives one.
CARRIES = re.compile(
    r"pkg\.dev|access_token\b(?!\.py)|GAR_TOKEN|NETRC|_USERNAME|_PASSWORD|keyrings\.|KEYRING|gar_adc|CLOUDSDK_|config/gcloud"
    r"|GOOGLE_APPLICATION_CREDENTIALS|oauth2accesstoken|workload_?identity|OIDC|/run/secrets"
)
# Free text, what `make lock` writes, and what only keeps credentials out, which teams add to.
ASIDE = {
    *("README.md", "CHANGELOG.md", ".copier-answers.yml"),
    *("requirements.txt", "requirements-dev.txt"),
    *(".gitignore", ".dockerignore", ".pre-commit-config.yaml"),
}


def projects() -> Iterator[tuple[Answers, Mapping[str, str]]]:
    """Yield few combinations that hold every two choices, with the text of each of their files."""
    for answers in (*covering_combinations(), *unusual_combinations()):
        yield answers, {name: file.data.decode() for name, file in rendered(answers).items()}


def wiring(answers: Answers) -> list[str]:
    """Return what the template itself says about these answers."""
    found: list[str] = completed(questionnaire(), {**ANSWERS, **answers})["wiring"]
    return found


def test_every_file_that_carries_authentication_is_named_and_no_other() -> None:
    for answers, texts in projects():
        named = wiring(answers)
        assert len(set(named)) == len(named)
        assert {entry.partition("#")[0] for entry in named} == {
            name
            for name, text in texts.items()
            if PurePosixPath(name).name not in ASIDE
            and not name.startswith(("src/", "tests/"))
            and CARRIES.search(text)
        }, answers


def test_the_rest_of_a_toml_file_of_which_parts_are_named_carries_nothing() -> None:
    for answers, texts in projects():
        document = tomllib.loads(texts["pyproject.toml"])
        for entry in wiring(answers):
            path, _, dotted = entry.partition("#")
            assert path in texts
            assert bool(dotted) == path.endswith(".toml")
            if dotted:
                *tables, last = dotted.split(".")
                table: Any = document
                for name in tables:
                    table = table[name]
                assert table.pop(last)
        # What publishing is done with is among the dependencies by its name.
        document.pop("dependency-groups")
        assert not CARRIES.search(json.dumps(document)), answers


def test_nothing_is_recorded_of_it() -> None:
    assert "wiring" not in yaml.safe_load(rendered({})[".copier-answers.yml"].data)


# The checks, by what tells them in a command; a fix or a quiet option is no other check.
CHECKS = {
    "lock": r"poetry check --lock --strict|uv lock --check|tools/lock\.py --check",
    "sources": r"tools/check_sources\.py$|tools/lock\.py --check",
    "style": r"ruff check",
    "format": r"ruff format",
    "types": r"\bmypy$",
    "tests": r"\bpytest$",
}


def checks_in(lines: Iterable[str]) -> set[str]:
    return {name for line in lines for name, sign in CHECKS.items() if re.search(sign, line.strip())}


def test_a_commit_a_pipeline_and_make_check_the_same(tmp_path: Path) -> None:
    """A push runs the tests as well; that no credential is committed has to be checked before a pipeline sees it."""
    if shutil.which("make") is None:
        pytest.skip("no make here")
    for answers, texts in projects():
        (repository,) = yaml.safe_load(texts[".pre-commit-config.yaml"])["repos"]
        hooks = {hook["id"]: hook for hook in repository["hooks"]}
        assert hooks.pop("credentials")["language"] == "pygrep"
        assert [name for name, hook in hooks.items() if "stages" in hook] == ["pytest"]
        entries = [hook["entry"] for hook in hooks.values()]
        (tmp_path / "Makefile").write_text(texts["Makefile"])
        planned = subprocess.run(["make", "-n", "check"], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
        made = [command for line in planned.stdout.splitlines() for command in line.split(" && ")]
        for commands in (entries, made):
            assert checks_in(commands) == set(CHECKS)
            # pip's lock is checked together with what it is locked from.
            assert len(commands) == len(CHECKS) - (answers["package_manager"] == "pip")
        for ci in (ci for ci in FILES if FILES[ci] in texts):
            shell = "\n".join(SHELLS[ci](parsed(texts[FILES[ci]]), "change"))
            lines = [line.strip() for line in shell.splitlines()]
            # Letter by letter: none of them checks less in a pipeline.
            assert set(made) <= set(lines), (ci, answers)
