"""The lines in which a team's changes and the template's meet, short enough to be kept for a whole fleet."""

from collections.abc import Iterator

from garscaffold.update.project import LABELS

HUNKS = 20
"""How many hunks of a file are kept: somebody has to look into the file anyway."""
LINES = 40
"""How many lines of each side."""
WIDTH = 240
"""How many characters of a line."""
SIZE = 8192
"""How many characters of a file, after which no further hunk begins."""
MARKERS = tuple(f"{sign} {label}" for sign, label in zip(("<<<<<<<", "|||||||", ">>>>>>>"), LABELS, strict=True))


def hunks_of(text: str) -> list[str]:
    """Return the hunks of a merged file, each with its markers; what is left out is said in its place.

    Args:
        text: The file, with markers.
    """
    kept: list[str] = []
    size = left_out = 0
    for hunk in _hunks(text):
        if len(kept) == HUNKS or size > SIZE:
            left_out += 1
            continue
        kept.append("\n".join(_cut(hunk)))
        size += len(kept[-1])
    if left_out:
        kept.append(f"… and {left_out} more conflict{'s' if left_out > 1 else ''} in this file")
    return kept


def _hunks(text: str) -> Iterator[list[str]]:
    hunk: list[str] | None = None
    for line in text.splitlines():
        if line == f"<<<<<<< {LABELS[0]}":
            hunk = []
        if hunk is not None:
            hunk.append(line)
        if line == f">>>>>>> {LABELS[2]}" and hunk is not None:
            yield hunk
            hunk = None


def _cut(hunk: list[str]) -> Iterator[str]:
    count = 0
    for line in hunk:
        if line == "=======" or line.startswith(MARKERS):
            if count > LINES:
                yield f"… {count - LINES} more lines"
            count = 0
        else:
            count += 1
        if count <= LINES:
            yield line if len(line) <= WIDTH else f"{line[:WIDTH]}…"
