"""The page about a fleet as a file, and the result files that it is made from."""

import os
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from garscaffold.errors import GarscaffoldError, usage_error
from garscaffold.fleet.documents import FROM, Look, read_document
from garscaffold.fleet.report import Occasion, report

PAGE = click.Path(dir_okay=False, path_type=Path)


def checked_place(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a file that cannot be made, before anything is looked at or updated; for click, as a callback."""
    if value is not None and not value.resolve().parent.is_dir():
        raise usage_error(f"There is no folder {value.parent} for {value.name}.", mend=f"mkdir -p {value.parent}")
    return value


def write_page(path: Path, found: Look, looks: Sequence[Look], *, files: int = 0) -> None:
    """Write the page, all of it or nothing; what was there before is replaced.

    Args:
        path: The file.
        found: What it shows.
        looks: What that is joined from.
        files: How many result files that was read from; 0 where it was looked just now.

    Raises:
        OSError: It cannot be written.
    """
    # The other end of a link is what somebody wants to be written, and a pipe cannot be replaced.
    place = path.resolve()
    moments = [look.moment for look in looks if look.moment]
    page = report(found.results, Occasion(datetime.now(UTC), moments, files))
    if path.exists() and not path.is_file():
        # A pipe or a terminal cannot be replaced.
        path.write_text(page, encoding="utf-8", newline="\n")
        return
    # The other end of a link is what somebody wants to be written.
    place = path.resolve()
    draft = place.with_name(f".{place.name[:100]}.{secrets.token_hex(4)}")
    try:
        with draft.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(page)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


def read_looks(paths: Sequence[Path]) -> list[Look]:
    """Read result files; `-` is standard input.

    Raises:
        GarscaffoldError: One of them is something else.
    """
    return [_read_look(path) for path in paths]


def _read_look(path: Path) -> Look:
    data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    name = "Standard input" if str(path) == "-" else str(path)
    try:
        return read_document(data.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        raise GarscaffoldError(f"{name} is no text in UTF-8.", mend=FROM) from error
