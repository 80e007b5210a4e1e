"""`garscaffold new` with real keystrokes in a real pseudo-terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.commands.terminal import Terminal, ended, pseudo_terminal

pytestmark = pytest.mark.terminal

DOWN, CTRL_C, CTRL_U, ENTER, SPACE = "\x1b[B", "\x03", "\x15", "\r", " "


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def terminal(environment: dict[str, str], here: Path) -> Iterator[Terminal]:
    with pseudo_terminal(environment, here) as start:
        yield start


def answers(project: Path) -> dict[str, object]:
    document = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert isinstance(document, dict)
    return document


def test_every_question_can_be_answered_with_enter_but_the_project(terminal: Terminal, here: Path) -> None:
    program = terminal("new", "service", GOOGLE_CLOUD_PROJECT="acme-prod")
    for asked in (
        "the project,",
        "module", "in one line", "author or team", "Email", "Google Cloud project", "Region",
        "packages are published", "kept apart", "installs read from", "Name of the private index", "Private packages",
        "built on",
        "Python",
        "Tool that locks",
        "Docker repository", "image gets its packages", "tested, built", "deployed", "Cloud Build",
        "development container",
    ):  # fmt: skip
        program.expect(asked)
        program.send(ENTER)
    program.expect("A new service in my-service")
    program.expect("pyproject.toml")
    program.expect("Create it")
    program.send(ENTER)
    program.expect("make lock install")
    assert ended(program) == 0
    assert answers(here / "my-service")["author_name"] == "Ada Lovelace"
    assert answers(here / "my-service")["gcp_project"] == "acme-prod"


GIVEN = (
    "--module-name=orders", "--description=Orders.", "--author-name=Ada", "--author-email=ada@example.com",
    "--location=us", "--python-repository=python", "--python-index=python", "--source-name=gar-private",
    "--python-version=3.12",
    "--package-manager=poetry",
    "--docker-repository=docker", "--image-install=secret", "--build-service-account=x",
)  # fmt: skip
FEW = tuple(option for option in GIVEN if not option.startswith("--build"))


def test_wrong_input_is_told_the_rule_and_can_be_corrected(terminal: Terminal, here: Path) -> None:
    program = terminal("new", "service", "orders", *FEW)
    program.expect("Name of the project")
    program.send("Not A Name!")
    program.expect("A project name has at most 49 lower-case letters")
    program.send(CTRL_U + "orders" + ENTER)
    program.expect("Google Cloud project")
    program.send(ENTER)
    program.expect("A project id has 6 to 30 lower-case letters")
    program.send("acme-prod" + ENTER)
    program.expect("kept apart")
    program.send(CTRL_C)
    program.expect("Interrupted")
    assert ended(program) == 130
    assert list(here.iterdir()) == []


def test_arrows_choose_and_the_space_bar_ticks(terminal: Terminal, here: Path) -> None:
    program = terminal("new", "service", "orders", *FEW, "--project-name=orders", "--gcp-project=acme-prod")
    program.expect("kept apart")
    program.send(ENTER)
    program.expect("Private packages")
    program.send("acme-lib>=1,<2" + ENTER)
    program.expect("and .Enter to go on")
    program.send("acme-lib")
    program.expect("in the list twice")
    program.send(CTRL_U + ENTER)
    program.expect("built on")
    program.send(DOWN + DOWN + ENTER)
    program.expect("tested, built")
    program.send(SPACE + ENTER)
    program.expect("development container")
    program.send("no" + ENTER)
    program.expect("Create it")
    program.send(ENTER)
    program.expect("make run")
    assert ended(program) == 0
    made = answers(here / "orders")
    assert made["framework"] == "worker"
    assert made["private_packages"] == ["acme-lib>=1,<2"]
    assert made["ci"] == []
    assert made["devcontainer"] is False


def test_no_to_the_plan_creates_nothing(terminal: Terminal, here: Path) -> None:
    program = terminal("new", "service", "orders", "--defaults", "--gcp-project=acme-prod")
    program.expect("Create it")
    program.send("n")
    program.expect("Nothing was created")
    assert ended(program) == 1
    assert list(here.iterdir()) == []


def test_yes_does_not_ask(terminal: Terminal, here: Path) -> None:
    program = terminal("new", "service", "orders", "--defaults", "--gcp-project=acme-prod", "-y")
    program.expect("Created orders")
    assert ended(program) == 0


def test_ctrl_c_at_the_plan_leaves_nothing(terminal: Terminal, here: Path, home: Path) -> None:
    program = terminal("new", "service", "orders", "--defaults", "--gcp-project=acme-prod")
    program.expect("Create it")
    program.send(CTRL_C)
    assert ended(program) == 130
    assert list(here.iterdir()) == []
    assert [path.name for path in home.iterdir()] == [".gitconfig"]


def test_in_ci_a_terminal_is_asked_nothing(terminal: Terminal) -> None:
    program = terminal("new", "service", "orders", CI="true")
    program.expect("There is nobody to ask")
    assert ended(program) == 2


def test_a_destination_in_use_is_refused_before_the_first_question(terminal: Terminal, here: Path) -> None:
    (here / "orders").mkdir()
    (here / "orders" / "mine").write_text("")
    program = terminal("new", "service", "orders")
    program.expect("not empty")
    assert ended(program) == 1
