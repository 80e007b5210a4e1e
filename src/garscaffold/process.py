"""The one door to other programs."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from garscaffold.errors import GarscaffoldError


@dataclass(frozen=True)
class Result:
    """What a finished program left: exit code, standard output and error as text."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class RawResult:
    """What a finished program left, as bytes."""

    exit_code: int
    stdout: bytes
    stderr: bytes


def find(program: str) -> str | None:
    """Return the full path of `program` on PATH, or None."""
    return shutil.which(program)


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    check: bool = True,
) -> Result:
    """Run a program to its end without giving it our standard input.

    Args:
        command: The program and its arguments; never a shell line.
        cwd: Where it runs; this process's folder when None.
        environment: Variables on top of this process's own.
        check: Raise when it ends with another code than 0.

    Raises:
        GarscaffoldError: The program is not installed, or it failed and `check` is set.
    """
    raw = exchange(command, cwd=cwd, environment=environment)
    done = Result(raw.exit_code, raw.stdout.decode("utf-8", "replace"), raw.stderr.decode("utf-8", "replace"))
    if check and done.exit_code != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise GarscaffoldError(
            f"`{' '.join(command[:3])}` failed with exit code {done.exit_code}"
            + (f": {said[-1]}" if said else ", and said nothing.")
        )
    return done


def exchange(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> RawResult:
    """Run a program to its end, give it `stdin`, and return what it wrote byte for byte, whatever its exit code.

    Raises:
        GarscaffoldError: The program is not installed.
    """
    try:
        done = subprocess.run(
            command, cwd=cwd, env={**os.environ, **(environment or {})}, input=stdin, capture_output=True, check=False
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise
        raise GarscaffoldError(
            f"The program {command[0]} is not installed, or not on PATH.",
            mend=f"Install {command[0]}, then run the command again.",
        ) from error
    return RawResult(done.returncode, done.stdout, done.stderr)
