"""All-pairs coverage: few rows, in which every two values that can stand together stand together once.

Most faults of configurable programs show with two settings at once (Kuhn, Wallace and Gallo, "Software Fault
Interactions and Implications for Software Testing", 2004).
"""

from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations

Pair = tuple[Hashable, Hashable]


def pairs(row: Iterable[Hashable]) -> set[Pair]:
    """Return every two values of a row."""
    return set(combinations(row, 2))


def covering(rows: Sequence[Sequence[Hashable]]) -> list[int]:
    """Choose rows that hold, together, every pair that any row holds.

    Args:
        rows: Every row that is allowed, its values always in the same order.

    Returns:
        The indices of the chosen rows, in their order; the same for the same rows.
    """
    numbers: dict[Pair, int] = {}
    # Sets of pairs as bits: there are thousands of rows, and each is looked at for each that is chosen.
    masks = [sum(1 << numbers.setdefault(pair, len(numbers)) for pair in pairs(row)) for row in rows]
    uncovered = (1 << len(numbers)) - 1
    chosen: list[int] = []
    while uncovered:
        best = max(range(len(rows)), key=lambda index: ((masks[index] & uncovered).bit_count(), -index))
        chosen.append(best)
        uncovered &= ~masks[best]
    return sorted(_without_superfluous(chosen, masks))


def _without_superfluous(chosen: list[int], masks: Sequence[int]) -> list[int]:
    """Drop the rows whose pairs later choices came to hold as well."""
    kept = list(chosen)
    for index in chosen:
        others = [each for each in kept if each != index]
        held = 0
        for each in others:
            held |= masks[each]
        if not masks[index] & ~held:
            kept = others
    return kept
