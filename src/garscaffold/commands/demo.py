"""`garscaffold demo`: from no repository to a tested service, against the sandbox, with the clients' own programs."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
from platformdirs import user_cache_path

from garscaffold.commands.options import HELP, console_options
from garscaffold.console import Console
from garscaffold.errors import GarscaffoldError
from garscaffold.scaffold import refuse_occupied
from garscaffold.template.preference import VARIABLE

if TYPE_CHECKING:
    from garscaffold.sandbox import Sandbox

PROJECT, LOCATION = "garscaffold-sandbox", "europe-west1"
TOOLS = ("poetry==2.5.1", "poetry-plugin-export==1.10.1", "keyrings.google-artifactregistry-auth==1.1.2")
MARK = "garscaffold-demo.log"
SUPPORTED = ("3.11", "3.12", "3.13")
SHOWN_OF_A_FAILURE = 25


@dataclass(frozen=True)
class Stage:
    """A part of the story.

    Args:
        title: What happens, for a person.
        folder: Where the commands run.
        commands: What is run, as somebody would type it.
    """

    title: str
    folder: Path
    commands: tuple[tuple[str, ...], ...]


def story(destination: Path, python_version: str, image_build: tuple[str, ...] = ()) -> list[Stage]:
    """Return what the demo does, in order, in the folder `destination`; the image is built where a command is given."""
    where = ("--gcp-project", PROJECT, "--location", LOCATION)
    answers = (
        *("--defaults", "--index-mode", "virtual", *where, "--python-version", python_version),
        *("--author-name", "Ada Lovelace", "--author-email", "ada@example.com"),
    )
    package, service = destination / "acme-lib", destination / "orders"
    stages = [
        Stage("Create the repositories", destination, (("garscaffold", "repo", "bootstrap", *where, "-y"),)),
        Stage("Start a shared package", destination, (("garscaffold", "new", "package", "acme-lib", *answers),)),
        Stage("Install and test it", package, (("poetry", "install"), ("poetry", "run", "pytest"))),
        Stage(
            "Build and publish it",
            package,
            (("poetry", "build"), ("poetry", "run", "python", "tools/publish.py", *_built("acme_lib"))),
        ),
        Stage(
            "Start a service that needs it",
            destination,
            (("garscaffold", "new", "service", "orders", *answers, "--private-packages", "acme-lib>=0.1,<0.2"),),
        ),
        Stage("Lock and install it, the private package included", service, (("poetry", "install"),)),
        Stage(
            "Test it, and call the private package from it",
            service,
            (
                ("poetry", "run", "pytest"),
                ("poetry", "run", "python", "-c", "import acme_lib; print(acme_lib.greet('orders'))"),
            ),
        ),
    ]
    if image_build:
        stages.append(Stage("Build its image, with the same login as a build secret", service, (image_build,)))
    return [*stages, Stage("Look at the repository", destination, (("garscaffold", "repo", "show", "python", *where),))]


def run_demo(destination: Path, *, console: Console) -> None:
    """Play the whole story in `destination`.

    Raises:
        GarscaffoldError: A command failed; its last lines are shown, and all of them are in the log.
    """
    from garscaffold.sandbox import Sandbox

    began = time.monotonic()
    if find_spec("uvicorn") is None:
        raise GarscaffoldError(
            "The demo plays in a sandbox, whose own dependencies are not installed.",
            mend="pipx install --force 'garscaffold[sandbox]', or pip install 'garscaffold[sandbox]'",
        )
    _make_room(destination, console)
    with console.progress("Preparing Poetry and its keyring in an environment of their own"):
        tools = installed_tools()
    _forget_packages_of_earlier_demos()
    log = destination / MARK
    running = "{}.{}".format(*sys.version_info[:2])
    version = running if running in SUPPORTED else SUPPORTED[-1]
    seconds: list[float] = []
    with Sandbox.start(destination / "sandbox") as sandbox:
        has_image = _has_docker() and _has_image(f"python:{version}-slim", console)
        stages = story(destination, version, _image_build(sandbox) if has_image else ())
        environment = {**clean_environment(destination, tools), **sandbox.environment("user")}
        for number, stage in enumerate(stages, 1):
            started = time.monotonic()
            console.say(click.style(f"\n{number}/{len(stages)} {stage.title}", bold=True))
            for command in stage.commands:
                console.say(f"  $ {shlex.join(command)}")
                with console.progress(f"  {command[0]} {command[1]}") if console.interactive else nullcontext():
                    said = _run(command, stage.folder, environment, log)
                console.say(_indented(worth_showing(command, said)))
            seconds.append(time.monotonic() - started)
    summary = [{"stage": stage.title, "seconds": round(spent, 1)} for stage, spent in zip(stages, seconds, strict=True)]
    console.result(
        _summary_text(destination, time.monotonic() - began),
        {"destination": str(destination), "log": str(log), "stages": summary},
    )


def worth_showing(command: Sequence[str], said: str) -> str:
    """Return what of a command's output tells the story: all that `repo` says, of others the line that counts."""
    if command[:2] == ("garscaffold", "repo"):
        return said
    lines = [line for line in said.splitlines() if line.strip()]
    created = [line for line in lines if line.startswith("Created ") or " naming to " in line]
    return (created or lines or [""])[-1].strip("= ")


def _built(module: str) -> tuple[str, str]:
    return f"dist/{module}-0.1.0-py3-none-any.whl", f"dist/{module}-0.1.0.tar.gz"


def _make_room(destination: Path, console: Console) -> None:
    if (destination / MARK).is_file():
        console.say(f"Replacing the demo in {destination}.")
        shutil.rmtree(destination)
    refuse_occupied(destination)
    (destination / "home").mkdir(parents=True)
    (destination / MARK).touch()


def _forget_packages_of_earlier_demos() -> None:
    """Take out of Poetry's cache what a new demo publishes anew under the same name, version and URL."""
    cache = _cache() / "poetry"
    shutil.rmtree(cache / "cache" / "repositories", ignore_errors=True)
    for file in (cache / "artifacts").rglob("acme_lib-*"):
        file.unlink()


def _cache() -> Path:
    return user_cache_path("garscaffold") / "demo"


def installed_tools() -> Path:
    """Return the folder of the programs that the demo runs, installed on first use."""
    name = "-".join([*(tool.replace("==", "-") for tool in TOOLS), sys.implementation.cache_tag or "python"])
    folder = _cache() / name
    ready = folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *TOOLS],
        ):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode:
                raise GarscaffoldError(
                    f"The demo's tools could not be installed: {worth_showing((), done.stderr or done.stdout)}",
                    mend="See that pip reaches the package index and that this Python has venv, then run it again.",
                )
        ready.touch()
    return folder / "bin"


def _has_docker() -> bool:
    if shutil.which("docker") is None:
        return False
    done = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return done.returncode == 0 and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _has_image(name: str, console: Console) -> bool:
    """Tell whether a base image is there, or can be had."""
    for command in (["docker", "image", "inspect", name], ["docker", "pull", "--quiet", name]):
        with console.progress(f"Getting the base image {name}"):
            if subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0:
                return True
    console.warn(f"No image is built: {name} is not here and cannot be pulled.")
    return False


def _image_build(sandbox: "Sandbox") -> tuple[str, ...]:
    """Return the command that builds an image: the sandbox is reached like Google from behind a company's proxy."""
    secrets = {"ca_bundle": sandbox.bundle_file, "gar_adc": sandbox.adc_file()}
    return (
        *("docker", "build", "--network=host", "--build-arg=HTTPS_PROXY", "--tag=garscaffold-demo"),
        *(f"--secret=id={name},src={path}" for name, path in secrets.items()),
        ".",
    )


def clean_environment(destination: Path, tools: Path) -> dict[str, str]:
    """Return variables under which none of this machine's own settings take part but those that reach its index."""
    ours = Path(sys.executable).parent
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("POETRY_", "PYTHON", "XDG_", "GIT_", "TWINE_", "UV_", "VIRTUAL_ENV", VARIABLE))
    }
    return {
        **kept,
        "HOME": str(destination / "home"),
        "PATH": os.pathsep.join([str(tools), str(ours), os.environ.get("PATH", os.defpath)]),
        "POETRY_CACHE_DIR": str(_cache() / "poetry"),
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "NO_COLOR": "1",
    }


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ cd {shlex.quote(str(folder))}; {shlex.join(command)}\n{done.stdout}\n")
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-SHOWN_OF_A_FAILURE:])
        raise GarscaffoldError(
            f"`{shlex.join(command)}` failed with exit code {done.returncode}:\n{_indented(end)}",
            mend=f"The whole output is in {log}.",
        )
    return done.stdout


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())


def _summary_text(destination: Path, seconds: float) -> str:
    return f"""
All of it worked, in {seconds:.0f} s, against a sandbox on this machine: real clients at the real URLs.

  {destination}/acme-lib   the shared package, published to the repository `python`
  {destination}/orders     the service that installs it; see its poetry.lock
  {destination}/{MARK}   everything that was run and said
  garscaffold sandbox start --state {destination}/sandbox   takes the sandbox up again

The same for real:
  gcloud auth application-default login
  gcloud services enable artifactregistry.googleapis.com --project YOUR-PROJECT
  garscaffold repo bootstrap --gcp-project YOUR-PROJECT --location {LOCATION}
  garscaffold new package acme-lib --gcp-project YOUR-PROJECT --location {LOCATION} --index-mode virtual
  garscaffold new service orders --gcp-project YOUR-PROJECT --location {LOCATION} --index-mode virtual"""


@click.command(
    context_settings=HELP,
    epilog="""\b
Examples:
  garscaffold demo
  garscaffold demo /tmp/demo --json

\b
Needs the extra garscaffold[sandbox] and git. Poetry and its keyring backend are installed into the
cache folder on first use. Where a Docker engine answers, the service's image is built as well.""",
)
@click.argument("destination", metavar="[DEST]", type=click.Path(path_type=Path), default=Path("garscaffold-demo"))
@console_options
def demo(console: Console, destination: Path) -> None:
    """See it all work: repositories, a package, a service that installs it."""
    run_demo(destination.absolute(), console=console)
