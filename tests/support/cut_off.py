"""Runs of the program, each cut off before one of the steps that it takes in a folder.

One process imports the program and then forks for every run, since each of many steps gets a run of its own.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink"}
"""Audit events of what changes a disk, beside opening a file for writing (docs.python.org, "Audit events table")."""
OF_GIT = {"update-index", "hash-object"}
"""Commands by which git changes a repository here."""


@dataclass(frozen=True)
class Run:
    """How a run ended.

    Args:
        cut: It came to the step before which it was to be cut off.
        exit_code: Its exit code, or the negative number of the signal that ended it.
        said: What it wrote.
    """

    cut: bool
    exit_code: int
    said: str


@dataclass(frozen=True)
class CutOff:
    """The program, ready to run."""

    _process: "subprocess.Popen[str]"

    def __call__(self, folder: Path, *arguments: str, how: str = "kill", step: int = 0) -> Run:
        """Run it in a folder.

        Args:
            folder: Where it runs, and what counts as a step when it changes.
            arguments: Its arguments.
            how: What happens before the step: `kill`, `interrupt`, or that the disk is `full` from then on.
            step: The number of the step; 0 for none.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"folder": str(folder), "arguments": arguments, "how": how, "step": step}
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        return Run(**json.loads(self._process.stdout.readline()))


@contextmanager
def ready(environment: Mapping[str, str]) -> Iterator[CutOff]:
    """Give the program, ready to run with these variables."""
    with subprocess.Popen(
        [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield CutOff(process)
        assert process.stdin is not None
        process.stdin.close()


def _is_step(event: str, arguments: tuple[Any, ...], folder: str) -> bool:
    if event == "subprocess.Popen":
        return bool(OF_GIT & set(arguments[1]))
    if event == "open":
        path, _, flags = arguments
        return isinstance(path, str) and path.startswith(folder) and bool(flags & (os.O_WRONLY | os.O_RDWR))
    if event not in EVENTS:
        return False
    # Whoever empties a folder names its files beside a descriptor of the folder.
    path = os.fspath(arguments[0])
    return isinstance(path, str) and (path.startswith(folder) or not path.startswith("/"))


def _run(request: Mapping[str, Any], mark: int) -> int:
    from garscaffold.cli import run

    steps = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if not _is_step(event, arguments, request["folder"]):
            return
        steps += 1
        if steps != request["step"]:
            return
        os.write(mark, b"cut")
        if request["how"] == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        else:
            os.kill(os.getpid(), signal.SIGKILL if request["how"] == "kill" else signal.SIGINT)

    os.chdir(request["folder"])
    sys.addaudithook(watch)
    return run(request["arguments"])


def _forked(request: Mapping[str, Any]) -> Run:
    marks, mark = os.pipe()
    words, word = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(marks)
        os.close(words)
        os.dup2(word, 1)
        os.dup2(word, 2)
        os.close(word)
        os._exit(_run(request, mark))
    os.close(mark)
    os.close(word)
    with open(words, encoding="utf-8") as stream, open(marks, "rb") as flag:  # noqa: PTH123
        said, cut = stream.read(), bool(flag.read())
    return Run(cut, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said)


def _serve() -> None:
    import garscaffold.commands.update
    import garscaffold.template.plain  # noqa: F401

    for line in sys.stdin:
        run = _forked(json.loads(line))
        print(json.dumps({"cut": run.cut, "exit_code": run.exit_code, "said": run.said}), flush=True)  # noqa: T201


if __name__ == "__main__":
    _serve()
