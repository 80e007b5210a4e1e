"""A home folder of its own for every test that runs the program, and the program itself."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Garscaffold = Callable[..., subprocess.CompletedProcess[str]]

# Kept from the machine: what finds programs and reaches the package index. All else would make results depend on it.
KEPT = (
    "PATH",
    "LANG",
    "TMPDIR",
    "PYENV_ROOT",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
)

# Reasons, one a line, for which tests may be skipped. Where it is set, any other reason fails the run.
EXPECTED_SKIPS = "GARSCAFFOLD_EXPECTED_SKIPS"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--live", metavar="PROJECT", help="run the contract against Artifact Registry in this project too")
    parser.addoption("--live-location", metavar="LOCATION", default="europe-west1", help="where (default: %(default)s)")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let no test be skipped silently where somebody said which ones may be."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if EXPECTED_SKIPS not in os.environ or reporter is None:
        return
    expected = [line.strip() for line in os.environ[EXPECTED_SKIPS].splitlines() if line.strip()]
    reasons = {str(report.longrepr[2]) for report in reporter.stats.get("skipped", [])}
    surprising = sorted(reason for reason in reasons if not any(words in reason for words in expected))
    if surprising:
        reporter.ensure_newline()
        reporter.write_line(f"Skipped, though nobody expected it: {'; '.join(surprising)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder in which git knows who somebody is."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".gitconfig").write_text("[user]\nname = Ada Lovelace\nemail = ada@example.com\n")
    return folder


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    """The variables that the program runs with: a plain terminal of a person who is not in CI."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PIP_")}
    return {**kept, "HOME": str(home), "TERM": "xterm-256color", "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def garscaffold(environment: Mapping[str, str], tmp_path: Path) -> Garscaffold:
    """Run the program without a terminal, in an empty folder, and return how it ended."""
    folder = tmp_path / "here"
    folder.mkdir()

    def run(*arguments: str | Path, cwd: Path = folder, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "garscaffold", *map(str, arguments)],
            cwd=cwd,
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def here(garscaffold: Garscaffold, tmp_path: Path) -> Path:
    """The folder in which `garscaffold` runs."""
    return tmp_path / "here"
