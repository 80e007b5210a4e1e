"""The same work on every repository of a fleet, several at a time; one that fails never stops the others."""

import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from garscaffold import process
from garscaffold.fleet.results import Result, State, told
from garscaffold.fleet.targets import Target

Work = Callable[[Target], Sequence[Result]]


def each(
    targets: Sequence[Target], work: Work, *, jobs: int, stop: threading.Event
) -> Generator[tuple[Target, Sequence[Result]]]:
    """Do the work on every target, and give the results as they come.

    After Ctrl-C, or when the caller stops listening, what has not begun never begins; of what has begun, checks and
    programs that talk to somebody else are ended, and the rest is waited for. A signal takes effect after that, so that
    a second one finds nothing half-done.

    Args:
        targets: The repositories.
        work: What is done with one.
        jobs: How many at a time.
        stop: Set when nobody waits for the rest any more, for work that has several parts.
    """
    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="fleet")
    waiting: set[Future[list[tuple[Target, Sequence[Result]]]]] = set()
    remaining = iter(_by_place(targets))
    with process.signals_wait(stop.set):
        try:
            while True:
                # Not all at once: what is kept in memory does not grow with the fleet.
                while len(waiting) < 2 * jobs and not stop.is_set() and (group := next(remaining, None)):
                    waiting.add(pool.submit(_in_turn, group, work, stop))
                if not waiting:
                    return
                done = wait(waiting, return_when=FIRST_COMPLETED).done
                waiting -= done
                for future in done:
                    yield from future.result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _by_place(targets: Sequence[Target]) -> Iterable[Sequence[Target]]:
    # Folders of one repository share its branches.
    groups: dict[str, list[Target]] = {}
    for target in targets:
        groups.setdefault(target.place, []).append(target)
    return groups.values()


def _in_turn(targets: Sequence[Target], work: Work, stop: threading.Event) -> list[tuple[Target, Sequence[Result]]]:
    with process.ended_by(stop):
        return [(target, _safely(target, work)) for target in targets if not stop.is_set()]


def _safely(target: Target, work: Work) -> Sequence[Result]:
    try:
        return work(target)
    except Exception as error:
        sentence, mend = told(error)
        return [Result(target.place, target.under, State.FAILED, sentence=sentence, mend=mend)]
