import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

import pytest

from garscaffold import process
from garscaffold.errors import GarscaffoldError


def python(program: str, **options: object) -> process.Result:
    return process.run([sys.executable, "-c", program], **options)  # type: ignore[arg-type]


def test_returns_what_the_program_said() -> None:
    done = python("import sys; print('out'); print('err', file=sys.stderr)")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "out\n", "err\n")


def test_a_failure_is_a_sentence_with_the_last_thing_said() -> None:
    with pytest.raises(GarscaffoldError, match="exit code 3: it broke"):
        python("import sys; print('first'); print('it broke', file=sys.stderr); sys.exit(3)")


def test_a_failure_may_be_expected() -> None:
    assert python("raise SystemExit(3)", check=False).exit_code == 3


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(GarscaffoldError, match="no-such-program is not installed"):
        process.run(["no-such-program"])


def test_our_standard_input_is_not_given_away(tmp_path: Path) -> None:
    assert python("import sys; print(repr(sys.stdin.read()))").stdout == "''\n"


def test_variables_are_added(tmp_path: Path) -> None:
    assert python("import os; print(os.environ['X'])", environment={"X": "1"}, cwd=tmp_path).stdout == "1\n"


def test_output_that_is_no_text_is_kept_readable() -> None:
    assert python("import sys; sys.stdout.buffer.write(b'\\xff')").stdout == "\ufffd"


def test_no_program_is_left_behind_by_a_signal_at_any_moment() -> None:
    class SignalledError(Exception):
        pass

    def leave(number: int, frame: FrameType | None) -> None:
        raise SignalledError

    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if not children.exists():
        pytest.skip("no list of a process's children here")
    others = children.read_text().split()
    before = signal.signal(signal.SIGALRM, leave)
    try:
        for number in range(300):
            with suppress(SignalledError):
                signal.setitimer(signal.ITIMER_REAL, 0.0002 + number * 1e-5)
                process.exchange(["sleep", "60"])
            signal.setitimer(signal.ITIMER_REAL, 0)
            # None runs on, and none waits to be buried.
            assert children.read_text().split() == others
    finally:
        signal.signal(signal.SIGALRM, before)
