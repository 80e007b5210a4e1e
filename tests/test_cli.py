"""The command line as a whole: help, versions, completion, and how errors end."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

import garscaffold as package
from garscaffold.cli import COMMANDS, run
from garscaffold.cli import garscaffold as root
from garscaffold.errors import ExitCode, GarscaffoldError
from tests.conftest import Garscaffold

REPOSITORY = Path(__file__).parent.parent


def every_command() -> list[tuple[str, click.Command]]:
    context = click.Context(root)
    found: list[tuple[str, click.Command]] = []

    def walk(path: str, command: click.Command) -> None:
        found.append((path, command))
        if isinstance(command, click.Group) and command is not root:
            for name, child in command.commands.items():
                walk(f"{path} {name}", child)

    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        walk(name, command)
    return [(path, command) for path, command in found if not command.hidden]


def test_the_listing_says_what_the_commands_say() -> None:
    context = click.Context(root)
    for name, (_, line) in COMMANDS.items():
        command = root.get_command(context, name)
        assert command is not None
        assert (command.help or "").splitlines()[0] == line


@pytest.mark.parametrize(("path", "command"), every_command())
def test_every_command_and_option_has_help(path: str, command: click.Command) -> None:
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path} {parameter.opts}"


def test_h_is_help_everywhere(garscaffold: Garscaffold) -> None:
    for arguments in ([], ["new"], ["template"], ["template", "install"], ["completion"]):
        assert garscaffold(*arguments, "-h").stdout.startswith("Usage: garscaffold"), arguments


def test_version(garscaffold: Garscaffold) -> None:
    assert garscaffold("--version").stdout == f"garscaffold, version {package.__version__}\n"


def test_the_console_script_is_the_module() -> None:
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"garscaffold": "garscaffold.__main__:main"}
    script = Path(sys.executable).with_name("garscaffold")
    assert subprocess.run([script, "--version"], check=True, capture_output=True).stdout.startswith(b"garscaffold")


def test_an_unknown_command_is_wrong_usage(garscaffold: Garscaffold) -> None:
    done = garscaffold("nwe")
    assert done.returncode == ExitCode.USAGE
    assert "No such command 'nwe'" in done.stderr


def test_without_a_command_help_is_shown(garscaffold: Garscaffold) -> None:
    done = garscaffold()
    assert done.returncode == ExitCode.USAGE
    assert "Commands:" in done.stderr + done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(garscaffold: Garscaffold, shell: str) -> None:
    assert "_GARSCAFFOLD_COMPLETE" in garscaffold("completion", shell).stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("garscaffold n", ["new"]),
        ("garscaffold new ser", ["service"]),
        ("garscaffold new service --frame", ["--framework"]),
        ("garscaffold new service --framework fl", ["flask"]),
        ("garscaffold template in", ["install"]),
    ],
)
def test_bash_completes_commands_options_and_answers(
    environment: dict[str, str], garscaffold: Garscaffold, line: str, expected: list[str]
) -> None:
    """Real bash loads the real script and completes the line."""
    script = garscaffold("completion", "bash").stdout
    words = " ".join(f"'{word}'" for word in line.split())
    program = (
        f"{script}\nCOMP_WORDS=({words}) COMP_CWORD={len(line.split()) - 1}\n_garscaffold_completion garscaffold\n"
    )
    program += 'printf "%s\\n" "${COMPREPLY[@]}"'
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", program], env={**environment, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == expected, done.stderr


class Broken(click.Command):
    def __init__(self, error: BaseException) -> None:
        super().__init__("broken")
        self.error = error

    def invoke(self, ctx: click.Context) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (GarscaffoldError("It rained.", mend="Take an umbrella."), 1, ["It rained.", "mend:", "Take an umbrella."]),
        (GarscaffoldError("Both changed it.", exit_code=ExitCode.CONFLICT), 3, ["Both changed it."]),
        (KeyboardInterrupt(), 130, ["Interrupted"]),
        (OSError(28, "No space left on device", "/x/y"), 1, ["No space left on device: /x/y", "Free some space"]),
        (
            ZeroDivisionError("division by zero"),
            70,
            ["defect of garscaffold", "division by zero", "GARSCAFFOLD_DEBUG=1"],
        ),
    ],
)
def test_an_error_is_a_sentence_a_mend_and_an_exit_code(
    error: BaseException,
    code: int,
    said: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(root, "get_command", lambda context, name: Broken(error))
    assert run(["broken"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    for words in said:
        assert words in captured.err
    assert "Traceback" not in captured.err


def test_a_reader_that_goes_away_is_no_error(environment: dict[str, str]) -> None:
    command = f"{sys.executable} -m garscaffold new --help | head -1"
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("Usage:")
    assert done.stderr == ""


@pytest.mark.parametrize(("variable", "coloured"), [("NO_COLOR", False), ("FORCE_COLOR", True), ("UNUSED", False)])
def test_colour_is_used_as_the_environment_says(garscaffold: Garscaffold, variable: str, coloured: bool) -> None:
    done = garscaffold("new", "service", "--defaults", **{variable: "1"})
    assert ("\x1b[" in done.stderr) is coloured


def test_the_documented_exit_codes_are_the_ones_in_use() -> None:
    table = (REPOSITORY / "docs" / "exit-codes.md").read_text()
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == sorted(ExitCode)
