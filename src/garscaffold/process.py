"""The one door to other programs."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from garscaffold.errors import GarscaffoldError

WAITING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM") if hasattr(signal, name))
"""The signals whose handlers may raise."""


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


def shell(line: str, *, cwd: Path) -> Result:
    """Run a line of the user's own in a shell, with nothing on its standard input.

    Returns:
        How it ended, with all that it wrote, as it came, as standard output.
    """
    # A file and no pipe: nobody waits for what the line leaves running in the background.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            ["sh", "-c", line], cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
        output.seek(0)
        return Result(done.returncode, output.read().decode("utf-8", "replace"), "")


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
        return _run(command, cwd, {**os.environ, **(environment or {})}, stdin)
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise
        raise GarscaffoldError(
            f"The program {command[0]} is not installed, or not on PATH.",
            mend=f"Install {command[0]}, then run the command again.",
        ) from error


def _run(command: Sequence[str], cwd: Path | None, environment: Mapping[str, str], stdin: bytes) -> RawResult:
    child = None
    try:
        with signals_wait():
            child = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        stdout, stderr = child.communicate(stdin)
    except BaseException:
        # Whoever cleans up after us finds no program at work any more.
        if child is not None:
            child.kill()
            child.__exit__(None, None, None)
        raise
    return RawResult(child.returncode, stdout, stderr)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Let signals take effect when the block is left.

    Python runs their handlers between any two steps. One that raises while a program is being started would leave a
    program that nobody knows.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    handlers = {number: handler for number in WAITING if callable(handler := signal.getsignal(number))}
    try:
        for number in handlers:
            signal.signal(number, lambda *arguments: came.append(arguments))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in came:
            handlers[signal.Signals(number)](number, frame)
