"""Two commands timed by turns in one run, so that what else the machine does meets both."""

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """A command to time; `prepare` runs before each round and is not timed."""

    name: str
    command: Sequence[str]
    prepare: Callable[[], object] = lambda: None


def compare(ours: Contender, peer: Contender, *, bound: float, rounds: int = 15) -> bool:
    """Time both by turns, print medians and the median of the ratios, and tell whether it is within `bound`."""
    times: dict[str, list[float]] = {ours.name: [], peer.name: []}
    for number in range(rounds + 1):
        for contender in (ours, peer):
            contender.prepare()
            began = time.perf_counter()
            subprocess.run(contender.command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
            if number:  # the first round only warms the disk cache and the compiled files
                times[contender.name].append(time.perf_counter() - began)
    ratios = [a / b for a, b in zip(times[ours.name], times[peer.name], strict=True)]
    ratio = statistics.median(ratios)
    for name, seconds in times.items():
        print(f"  {name:<44} {statistics.median(seconds) * 1000:7.0f} ms")
    print(f"  ratio {ratio:.2f} (from {min(ratios):.2f} to {max(ratios):.2f}); bound {bound}")
    return ratio <= bound
