"""The one door to other programs."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from garscaffold.errors import GarscaffoldError, usage_error

WAITING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM") if hasattr(signal, name))
"""The signals whose handlers may raise."""
MOMENT = 0.1
"""Seconds within which a program that is waited for hears that nobody does any more."""
GRACE = 2.0
"""Seconds that a program has to end itself before it is killed."""
TAIL = 64 * 1024
"""How many bytes are kept of what a line in a shell wrote: its end."""

PATIENCE = "GARSCAFFOLD_NETWORK_TIMEOUT"
"""The variable that says how long a program may take that talks to another machine; ten minutes without it."""

_stop: ContextVar[threading.Event | None] = ContextVar("stop", default=None)


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


@dataclass(frozen=True)
class ShellResult:
    """How a line in a shell ended.

    Args:
        exit_code: Its exit code.
        said: The end of what it wrote, as it came.
        overdue: It was ended since its time was over.
        stopped: It was ended since nobody waits for it any more.
    """

    exit_code: int
    said: str
    overdue: bool = False
    stopped: bool = False


class OverdueError(GarscaffoldError):
    """A program took longer than it may."""


class StoppedError(GarscaffoldError):
    """A program was ended since nobody waits for it any more."""


@contextmanager
def ended_by(stop: threading.Event) -> Iterator[None]:
    """End programs that have a limit, in this block and thread, as soon as `stop` is set."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def patience() -> int:
    """Return how many seconds a program may take that talks to another machine.

    Raises:
        GarscaffoldError: The variable says something else.
    """
    try:
        return seconds(os.environ.get(PATIENCE) or "10m")
    except GarscaffoldError as error:
        raise usage_error(f"{PATIENCE}: {error.sentence}", mend=error.mend) from error


def seconds(text: str) -> int:
    """Read how long something may take: `600`, `90s`, `10m` or `2h`.

    Raises:
        GarscaffoldError: It is no time.
    """
    found = re.fullmatch(r"([0-9]{1,7})([smh]?)", text)
    if not found or not int(found[1]):
        raise usage_error(f"{text!r} is no time.", mend="Such as 600 (seconds), 10m or 2h.")
    return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def find(program: str) -> str | None:
    """Return the full path of `program` on PATH, or None."""
    return shutil.which(program)


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    check: bool = True,
    limit: float | None = None,
) -> Result:
    """Run a program to its end without giving it our standard input.

    Args:
        command: The program and its arguments; never a shell line.
        cwd: Where it runs; this process's folder when None.
        environment: Variables on top of this process's own.
        check: Raise when it ends with another code than 0.
        limit: Seconds that it may take, as `exchange` has them.

    Raises:
        GarscaffoldError: The program is not installed, it failed and `check` is set, or it was ended.
    """
    raw = exchange(command, cwd=cwd, environment=environment, limit=limit)
    done = Result(raw.exit_code, raw.stdout.decode("utf-8", "replace"), raw.stderr.decode("utf-8", "replace"))
    if check and done.exit_code != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise GarscaffoldError(
            f"`{' '.join(command[:3])}` failed with exit code {done.exit_code}"
            + (f": {said[-1]}" if said else ", and said nothing.")
        )
    return done


def shell(line: str, *, cwd: Path, limit: float) -> ShellResult:
    """Run a line of the user's own in a shell, with nothing on its standard input.

    It leads a session of its own, without the terminal. When it has ended, what it left running in its process group is
    ended as well; so is all of it when its time is over, or when nobody waits for it any more (`ended_by`).

    Args:
        line: The line.
        cwd: Where it runs.
        limit: Seconds that it may take.
    """
    if _is_stopped():
        return ShellResult(0, "", stopped=True)
    # A file and no pipe: nobody waits for what went on in a group of its own.
    with tempfile.TemporaryFile() as output:
        child = None
        try:
            with signals_wait():
                child = subprocess.Popen(
                    ["sh", "-c", line],
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            overdue, stopped = _waited_for(child, limit)
        finally:
            if child is not None:
                _end_group(child)
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - TAIL))
        return ShellResult(child.returncode, output.read(TAIL).decode("utf-8", "replace"), overdue, stopped)


def _waited_for(child: subprocess.Popen[bytes], limit: float) -> tuple[bool, bool]:
    """Wait for a program; tell whether its time is over, and whether nobody waits for it any more."""
    end = time.monotonic() + limit
    while True:
        try:
            child.wait(MOMENT)
        except subprocess.TimeoutExpired:
            overdue, stopped = time.monotonic() > end, _is_stopped()
            if overdue or stopped:
                return overdue, stopped
        else:
            return False, False


def _is_stopped() -> bool:
    stop = _stop.get()
    return stop is not None and stop.is_set()


def exchange(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    limit: float | None = None,
) -> RawResult:
    """Run a program to its end, give it `stdin`, and return what it wrote byte for byte, whatever its exit code.

    Args:
        command: The program and its arguments.
        cwd: Where it runs; this process's folder when None.
        environment: Variables on top of this process's own.
        stdin: What it reads.
        limit: Seconds that it may take; None for a program that needs nobody else to come to its end. One that has a
            limit has no terminal, and is ended with all that it started, when its time is over or by `ended_by`.

    Raises:
        GarscaffoldError: The program is not installed.
        OverdueError: It took too long.
        StoppedError: Nobody waits for it any more.
    """
    try:
        return _run(command, cwd, {**os.environ, **(environment or {})}, stdin, limit)
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise
        raise GarscaffoldError(
            f"The program {command[0]} is not installed, or not on PATH.",
            mend=f"Install {command[0]}, then run the command again.",
        ) from error


def _run(
    command: Sequence[str], cwd: Path | None, environment: Mapping[str, str], stdin: bytes, limit: float | None
) -> RawResult:
    child = None
    # `communicate` can be asked again after a while, but forgets then what it has not written yet (CPython 3.11).
    with tempfile.TemporaryFile() if limit is not None and stdin else nullcontext() as given:
        if given is not None:
            given.write(stdin)
            given.seek(0)
        try:
            with signals_wait():
                child = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env=environment,
                    stdin=subprocess.PIPE if limit is None else given or subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=limit is not None,
                )
            stdout, stderr = child.communicate(stdin) if limit is None else _within(limit, child, command)
        except BaseException:
            # Whoever cleans up after us finds no program at work any more.
            if child is not None:
                if limit is None:
                    child.kill()
                else:
                    _end_group(child)
                child.__exit__(None, None, None)
            raise
    return RawResult(child.returncode, stdout, stderr)


def _within(limit: float, child: subprocess.Popen[bytes], command: Sequence[str]) -> tuple[bytes, bytes]:
    end = time.monotonic() + limit
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=MOMENT)
        if _is_stopped():
            raise StoppedError("It was interrupted.", mend="Run it again: it goes on.")
        if time.monotonic() > end:
            raise OverdueError(
                f"`{' '.join(command[:3])}` did not end within {limit:g} seconds.",
                mend=f"Check the network; a slow one gets more time with {PATIENCE}=1h",
            )


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End what is left of a program that leads a process group, and of the group: first asked, then killed."""
    with signals_wait():
        for number in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + GRACE
            there = _signalled(child, number)
            while there and time.monotonic() < end:
                time.sleep(0.01)
                there = _signalled(child, 0)
        child.wait()


def _signalled(child: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal, or 0 for none, to a group; tell whether anybody is in it."""
    # Who has ended is in it until somebody asks how: we, and for orphans too where we are the first process of a
    # container.
    child.poll()
    with suppress(ChildProcessError):
        while os.waitpid(-child.pid, os.WNOHANG)[0]:
            pass
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@contextmanager
def signals_wait(heard: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Let signals take effect when the block is left.

    Python runs their handlers between any two steps. One that raises while a program is being started would leave a
    program that nobody knows.

    Args:
        heard: Called at once when one comes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []

    def hear(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))
        heard()

    handlers = {number: handler for number in WAITING if callable(handler := signal.getsignal(number))}
    try:
        for number in handlers:
            signal.signal(number, hear)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in came:
            handlers[signal.Signals(number)](number, frame)
