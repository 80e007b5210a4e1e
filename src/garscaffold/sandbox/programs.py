"""Runs programs in a sandbox's environment."""

import os
import subprocess
from collections.abc import Mapping, Sequence

from garscaffold.errors import GarscaffoldError
from garscaffold.sandbox.launch import Sandbox


def run_in(
    sandbox: Sandbox, command: Sequence[str], *, identity: str = "user", environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a client to its end in the sandbox's environment and return what it said; for tests and the demo."""
    return subprocess.run(
        command,
        env={**os.environ, **sandbox.environment(identity), **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def run_through(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a program for the user, with our terminal and standard streams, and return its exit code.

    Args:
        command: The program and its arguments.
        variables: On top of this process's own; an empty one is taken away where the program would misread it.

    Raises:
        GarscaffoldError: The program is not there (exit code 127 in a shell).
    """
    try:
        process = subprocess.Popen(command, env={**os.environ, **variables})
    except FileNotFoundError:
        raise GarscaffoldError(
            f"The program {command[0]} is not installed, or not on PATH.", mend=f"Install {command[0]}."
        ) from None
    except PermissionError:
        raise GarscaffoldError(f"{command[0]} may not be run.", mend=f"Make {command[0]} executable.") from None
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            # The terminal sent it to the program as well, which decides for itself what to do about it.
            continue
        except BaseException:
            process.terminate()
            process.wait()
            raise
        return code if code >= 0 else 128 - code
