"""The options that commands have in common, handed on as one `Console`."""

import functools
from collections.abc import Callable
from typing import Any

import click

from garscaffold.console import Console, is_interactive

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def console_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`, `-q` and `-y`, and pass a `Console` as the argument `console`."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
    @click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors and the result.")
    @click.option("-y", "--yes", is_flag=True, help="Do not ask before the plan is applied.")
    @functools.wraps(command)
    def with_console(as_json: bool, quiet: bool, yes: bool, **arguments: Any) -> Any:
        console = Console(as_json=as_json, quiet=quiet, assume_yes=yes, interactive=is_interactive())
        return command(console=console, **arguments)

    return with_console
