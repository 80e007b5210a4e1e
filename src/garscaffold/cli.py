"""Arguments to one command, and the only place where an error becomes an exit code."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Any

import click
from click.shell_completion import CompletionItem

from garscaffold import __version__
from garscaffold.errors import ExitCode, GarscaffoldError

# Name -> (where the click command is, its one-line help). The help stands here as well as in the command so that
# `--help` and completion import no command; a test holds the two together.
COMMANDS: dict[str, tuple[str, str]] = {
    "new": ("garscaffold.commands.new:new", "Create a service or a shared package."),
    "update": ("garscaffold.commands.update:update", "Bring a project to a newer version of its template."),
    "fleet": ("garscaffold.commands.fleet:fleet", "The same over many repositories, in parallel."),
    "repo": ("garscaffold.commands.repo:repo", "Repositories in Artifact Registry: plan, create, list, show, grant."),
    "sandbox": (
        "garscaffold.commands.sandbox:sandbox",
        "Try Artifact Registry on this machine, with real clients at the real URLs.",
    ),
    "demo": ("garscaffold.commands.demo:demo", "See it all work: repositories, a package, a service that installs it."),
    "template": (
        "garscaffold.commands.template:template",
        "The template that projects are made from: its versions, and one of your own.",
    ),
    "completion": ("garscaffold.commands.completion:completion", "Print the completion script for a shell."),
}

EPILOG = """\b
Examples:
  garscaffold new service orders            ask, show the plan, create ./orders
  garscaffold new package --defaults --gcp-project acme-prod acme-lib
  garscaffold new service orders --dry-run  name every file, write nothing

\b
Exit codes: 0 done, 1 failed and you can mend it, 2 wrong usage, 3 conflict,
70 a defect of garscaffold, 130 interrupted."""


# git sets these where it runs us from a hook or an alias; they would send our git, and Copier's, to that repository.
FROM_A_GIT_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run, and not to be listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names without importing them."""
        names = [CompletionItem(name, help=line) for name, (_, line) in COMMANDS.items() if name.startswith(incomplete)]
        return names if not incomplete.startswith("-") else click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
    no_args_is_help=True,
)
@click.version_option(__version__, "--version", prog_name="garscaffold")
def garscaffold() -> None:
    """Private Python packages on Google Artifact Registry, wired the right way in one command."""


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: The command line without the program's name.

    Returns:
        The exit code, one of `ExitCode` or what a program that was run for the user returned.
    """
    for name in FROM_A_GIT_HOOK:
        os.environ.pop(name, None)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _leave)
    try:
        status: Any = garscaffold.main(args=list(arguments), prog_name="garscaffold", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else ExitCode.DONE
    except GarscaffoldError as error:
        _complain(error.sentence, error.mend)
        return error.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        _complain("Interrupted; nothing was left half-written.")
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader went away (`| head`): no complaint, and none from the interpreter's own flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _complain(f"{error.strerror or error}{where}. Nothing was left half-written.", _mend_of(error))
        return ExitCode.FAILED
    except Exception as error:
        if os.environ.get("GARSCAFFOLD_DEBUG"):
            raise
        _complain(
            f"This is a defect of garscaffold {__version__}: {type(error).__name__}: {error}",
            "Run the same command with GARSCAFFOLD_DEBUG=1 for the traceback, and report it.",
        )
        return ExitCode.DEFECT


def _leave(number: int, frame: FrameType | None) -> None:
    """Turn a signal into an exception, so that everything under way cleans up after itself."""
    raise SystemExit(128 + number)


def _mend_of(error: OSError) -> str:
    import errno

    return {
        errno.ENOSPC: "Free some space on that disk, then run the same command again.",
        errno.EDQUOT: "Free some space of yours on that disk, then run the same command again.",
        errno.EACCES: "Choose a folder that you may write to, or change its permissions.",
        errno.EPERM: "Choose a folder that you may write to, or change its permissions (where it has them: lsattr).",
        errno.EROFS: "Choose a folder on a disk that can be written to.",
    }.get(error.errno or 0, "")


def _complain(sentence: str, mend: str = "") -> None:
    from garscaffold.console import to_person

    to_person(f"{click.style('error:', fg='red', bold=True)} {sentence}")
    if mend:
        to_person(f"{click.style('mend:', fg='green', bold=True)}  {mend}")
