"""`garscaffold sandbox`: Artifact Registry on loopback, at its real URLs."""

import os
import shlex
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from garscaffold.commands.options import HELP, console_options
from garscaffold.console import Console
from garscaffold.errors import ExitCode, GarscaffoldError
from garscaffold.sandbox.environment import shell_lines
from garscaffold.sandbox.faults import FAULTS
from garscaffold.sandbox.identities import ANONYMOUS, IDENTITIES
from garscaffold.sandbox.launch import Sandbox
from garscaffold.sandbox.programs import run_through
from garscaffold.sandbox.state import StateDirectory, default_directory

_START = "garscaffold sandbox start"


@click.group(context_settings=HELP)
def sandbox() -> None:
    """Try Artifact Registry on this machine, with real clients at the real URLs."""


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--name` and `--state`, and pass the state directory as the argument `place`."""

    @click.option("--name", default="default", show_default=True, help="Which sandbox; any number can run at once.")
    @click.option("--state", type=click.Path(path_type=Path), help="Its directory, instead of one named for it.")
    @wraps(command)
    def with_place(name: str, state: Path | None, **arguments: Any) -> Any:
        return command(place=StateDirectory(state.absolute()) if state else default_directory(name), **arguments)

    return with_place


def identity_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--identity` and `--metadata`."""
    identity = click.option(
        "--identity",
        type=click.Choice([*IDENTITIES, ANONYMOUS]),
        default="user",
        show_default=True,
        help="Who the clients are: a workstation's user, service accounts with the roles reader, writer or none.",
    )
    metadata = click.option(
        "--metadata", is_flag=True, help="Credentials from a metadata server, as on Google's machines, not from a file."
    )
    return identity(metadata(command))


def start_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a new sandbox can be told."""
    fault = click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="FAULT",
        help="Let something go wrong: NAME, NAME=SECONDS or NAME:TIMES (`sandbox faults` lists them).",
    )
    lifetime = click.option(
        "--token-lifetime",
        type=click.FloatRange(min=1),
        default=3600,
        show_default=True,
        metavar="SECONDS",
        help="When access tokens expire.",
    )
    index = click.option("--index-url", metavar="URL", help="What PyPI remotes read; by default what pip reads here.")
    return fault(lifetime(index(command)))


@sandbox.command(
    context_settings=HELP,
    epilog="""\b
Then, in a shell:
  eval "$(garscaffold sandbox env)"
  garscaffold repo bootstrap --gcp-project garscaffold-sandbox --location europe-west3""",
)
@start_options
@click.option(
    "--idle-timeout",
    type=click.FloatRange(min=0),
    default=8.0,
    show_default=True,
    metavar="HOURS",
    help="Stop by itself after that long without a connection; 0 for never.",
)
@place_options
@console_options
def start(console: Console, place: StateDirectory, idle_timeout: float, **options: Any) -> None:
    """Start a sandbox in the background, or say where it is running already."""
    running = Sandbox.find(place.path)
    if running is None:
        with console.progress("Starting the sandbox"):
            running = Sandbox.start(
                place.path,
                faults=options["faults"],
                token_lifetime=options["token_lifetime"],
                index_url=options["index_url"],
                idle_timeout=idle_timeout * 3600 or None,
                detached=True,
            )
    elif options["faults"]:
        running.set_faults(*options["faults"])
    console.result(_text(running), _document(running))
    which = "" if place.path == default_directory("default").path else f" --state {shlex.quote(str(place.path))}"
    console.tip(
        f'eval "$(garscaffold sandbox env{which})" makes pip, uv, Poetry, twine, curl and gcloud of a shell use it.'
    )


@sandbox.command(context_settings=HELP)
@place_options
@console_options
def status(console: Console, place: StateDirectory) -> None:
    """Say whether a sandbox is running, where, and what is in it."""
    running = Sandbox.find(place.path)
    if running is None:
        console.result(
            f"Not running; its state is {place.path}" if place.database.exists() else "Not running.",
            {"running": False, "state": str(place.path)},
        )
    else:
        console.result(_text(running), _document(running))


@sandbox.command(context_settings=HELP)
@place_options
@console_options
def stop(console: Console, place: StateDirectory) -> None:
    """Stop a sandbox; what is stored in it stays."""
    running = Sandbox.find(place.path)
    if running is not None:
        running.stop()
    console.result("Stopped." if running else "It was not running.", {"stopped": running is not None})


@sandbox.command(context_settings=HELP)
@click.option(
    "--shell", type=click.Choice(["bash", "fish", "powershell"]), help="Whose syntax; by default what SHELL names."
)
@identity_options
@place_options
@console_options
def env(console: Console, place: StateDirectory, identity: str, metadata: bool, shell: str | None) -> None:
    """Print the variables that make clients use the sandbox, for a shell's eval."""
    variables = _found(place).environment(identity, metadata=metadata)
    if shell is None:
        shell = "fish" if Path(os.environ.get("SHELL", "")).name == "fish" else "bash"
    console.result(shell_lines(variables, shell).rstrip("\n"), variables)


@sandbox.command(context_settings={**HELP, "ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@start_options
@identity_options
@place_options
def run(place: StateDirectory, command: tuple[str, ...], identity: str, metadata: bool, **options: Any) -> int:
    """Run one COMMAND against the sandbox and end with its exit code.

    A sandbox that is not running is started for the command and stopped after it.
    """
    running = Sandbox.find(place.path)
    if running is not None:
        if options["faults"]:
            running.set_faults(*options["faults"])
        return run_through(command, running.environment(identity, metadata=metadata))
    with Sandbox.start(
        place.path,
        faults=options["faults"],
        token_lifetime=options["token_lifetime"],
        index_url=options["index_url"],
    ) as started:
        return run_through(command, started.environment(identity, metadata=metadata))


@sandbox.command(context_settings=HELP)
@click.argument("switch_on", nargs=-1, metavar="[FAULT]...")
@click.option("--none", "switch_off", is_flag=True, help="Switch every fault off.")
@place_options
@console_options
def faults(console: Console, place: StateDirectory, switch_on: tuple[str, ...], switch_off: bool) -> None:
    """List what can go wrong, or let it: exactly these FAULTs are on afterwards.

    A FAULT is NAME, NAME=SECONDS or NAME:TIMES.
    """
    if switch_on and switch_off:
        raise GarscaffoldError(
            "Faults were named together with --none.", mend="Give one of them.", exit_code=ExitCode.USAGE
        )
    if switch_on or switch_off:
        _found(place).set_faults(*switch_on)
    running = Sandbox.find(place.path)
    on = {fault["name"] for fault in running.status()["faults"]} if running else set()
    lines = [f"{'*' if name in on else ' '} {name:<18} {meaning}" for name, meaning in FAULTS.items()]
    console.result(
        "\n".join(lines), [{"name": name, "meaning": meaning, "on": name in on} for name, meaning in FAULTS.items()]
    )


def _found(place: StateDirectory) -> Sandbox:
    running = Sandbox.find(place.path)
    if running is None:
        raise GarscaffoldError(f"No sandbox is running on {place.path}.", mend=f"Start it with `{_START}`.")
    return running


def _document(running: Sandbox) -> dict[str, Any]:
    answer = running.status()
    return {
        "running": True,
        "state": str(running.state.path),
        "pid": running.pid,
        "proxy_url": running.proxy_url,
        "ca_file": str(running.ca_file),
        "bundle_file": str(running.bundle_file),
        "faults": [fault["name"] for fault in answer["faults"]],
        "repositories": [dict(repository.resource) for repository in running.store.repositories()],
    }


def _text(running: Sandbox) -> str:
    document = _document(running)
    lines = [
        f"Running as process {running.pid}",
        f"  proxy         {running.proxy_url}",
        f"  certificates  {running.bundle_file}",
        f"  state         {running.state.path}",
        f"  faults        {', '.join(document['faults']) or 'none'}",
    ]
    for repository in running.store.repositories():
        mode = repository.mode.removesuffix("_REPOSITORY").lower()
        lines.append(f"  {repository.format.lower():<13} {mode:<9} {repository.name}")
    return "\n".join(lines)
