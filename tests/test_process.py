import os
import signal
import sys
import threading
import time
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


@pytest.mark.parametrize("limit", [None, 60])
def test_no_program_is_left_behind_by_a_signal_at_any_moment(limit: float | None) -> None:
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
                process.exchange(["sleep", "60"], limit=limit)
            signal.setitimer(signal.ITIMER_REAL, 0)
            # None runs on, and none waits to be buried.
            assert children.read_text().split() == others
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("setting", ["", "trap '' TERM; "], ids=["politely", "stubborn"])
def test_a_program_with_a_limit_is_ended_with_all_that_it_started(tmp_path: Path, setting: str) -> None:
    on = tmp_path / "on"
    line = f"{setting}(while :; do date > {on}; sleep 0.01; done) & cat; sleep 300"
    with pytest.raises(process.OverdueError, match="did not end within 1 seconds"):
        process.exchange(["sh", "-c", line], stdin=b"x" * 1_000_000, limit=1)
    on.unlink()
    time.sleep(0.1)
    assert not on.exists()


def test_what_a_program_with_a_limit_reads_and_writes_is_whole() -> None:
    data = os.urandom(3_000_000)
    slow = "import shutil, sys, time; time.sleep(0.5); shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    assert process.exchange([sys.executable, "-c", slow], stdin=data, limit=60).stdout == data


def test_what_nobody_waits_for_is_ended_where_it_has_a_limit() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    begin = time.monotonic()
    with process.ended_by(stop):
        with pytest.raises(process.StoppedError):
            process.run(["sleep", "60"], limit=60)
        assert process.shell("touch begun", cwd=Path("/"), limit=60).stopped
        assert process.run(["echo", "short"]).stdout == "short\n"
    assert time.monotonic() - begin < 10
    assert process.shell("exit 3", cwd=Path("/"), limit=60) == process.ShellResult(3, "")


def test_a_signal_waits_and_is_heard_at_once() -> None:
    heard = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), process.signals_wait(lambda: heard.append(True)):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)
            heard.append(False)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [True, True, False]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("text", "wanted"), [("600", 600), ("90s", 90), ("10m", 600), ("2h", 7200)])
def test_times_are_read(text: str, wanted: int) -> None:
    assert process.seconds(text) == wanted
