"""The program in a real pseudo-terminal, with real keystrokes."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pexpect

Terminal = Callable[..., "pexpect.spawn[str]"]


@contextmanager
def pseudo_terminal(environment: Mapping[str, str], folder: Path) -> Iterator[Terminal]:
    """Give what starts the program in a folder, in a pseudo-terminal of 120 columns; all of them end with the block."""
    started: list[pexpect.spawn[str]] = []

    def start(*arguments: str, **variables: str) -> "pexpect.spawn[str]":
        program = pexpect.spawn(
            sys.executable,
            ["-m", "garscaffold", *arguments],
            cwd=str(folder),
            env=cast("Any", {**environment, **variables}),
            encoding="utf-8",
            dimensions=(50, 120),
            timeout=30,
        )
        started.append(program)
        return program

    try:
        yield start
    finally:
        for program in started:
            program.close(force=True)


def ended(program: "pexpect.spawn[str]") -> int | None:
    """Wait until a program is at its end and return its exit code."""
    program.expect(pexpect.EOF)
    program.close()
    return program.exitstatus
