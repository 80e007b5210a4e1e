"""What every command of `garscaffold fleet` is told: which repositories, which version, how many at a time."""

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import platformdirs

from garscaffold import git
from garscaffold.commands.answers import read_data, read_data_file
from garscaffold.fleet.listing import read_targets
from garscaffold.fleet.targets import Shard, Target
from garscaffold.template.source import recorded_source

TARGETS_HELP = """\b
TARGETS are folders (repositories are found in them), git URLs, a fleet.toml, or - for a list of paths and URLs on
standard input; without any, ./fleet.toml or the folder where you are."""


@dataclass(frozen=True)
class FleetRequest:
    """What every command of the fleet is told.

    Args:
        targets: The repositories.
        version: The version to go to; None for the newest.
        template: The template that every project moves to; None for its own.
        given: Answers to new questions, and other answers to old ones.
        jobs: How many repositories at a time.
        clones: The folder of the clones.
        discards_clones: Remove each clone when its repository is done.
    """

    targets: Sequence[Target]
    version: str | None
    template: str | None
    given: Mapping[str, Any]
    jobs: int
    clones: Path
    discards_clones: bool


def _lines() -> Iterator[str]:
    # Paths are bytes; those that are no text are paths, too.
    return (line.decode("utf-8", "surrogateescape") for line in sys.stdin.buffer)


Request = Callable[[], FleetRequest]


def fleet_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every command of the fleet takes, and pass what reads it as the argument `request`.

    It is read when the command asks: one that has its results already needs no repository.
    """

    @click.argument("targets", nargs=-1)
    @click.option("--to", "version", metavar="VERSION", help="The version to go to; the newest by default.")
    @click.option("--template", metavar="URL", help="Move to another template; default is garscaffold's own.")
    @click.option("-d", "--data", metavar="KEY=VALUE", multiple=True, help="Answer a question, new or anew.")
    @click.option(
        "--data-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A YAML file of answers."
    )
    @click.option("--base", metavar="REF", default="", help="Start from this branch; else from what is checked out.")
    @click.option(
        "--shard", metavar="I/N", help="Only the I-th of N equal parts; tasks of a Cloud Run job know theirs."
    )
    @click.option(
        "-j", "--jobs", type=click.IntRange(1, 64), default=min(8, os.cpu_count() or 1), help="How many at a time."
    )
    @click.option("--clones", type=click.Path(file_okay=False, path_type=Path), help="Where clones of URLs are kept.")
    @click.option(
        "--discard-clones",
        is_flag=True,
        help="Remove each clone when it is done, unless its update is not pushed.",
    )
    @functools.wraps(command)
    def with_request(
        targets: Sequence[str],
        version: str | None,
        template: str | None,
        data: Sequence[str],
        data_file: Path | None,
        base: str,
        shard: str | None,
        jobs: int,
        clones: Path | None,
        discard_clones: bool,
        **arguments: Any,
    ) -> Any:
        @functools.cache
        def request() -> FleetRequest:
            git.refuse_missing()
            found = [replace(each, base=base or each.base) for each in read_targets(targets, _lines())]
            part = Shard.parse(shard) if shard else Shard.of_task(os.environ)
            return FleetRequest(
                part.take(found) if part else found,
                version,
                recorded_source(template, home=Path.home(), here=Path.cwd()) if template is not None else None,
                {**(read_data_file(data_file) if data_file else {}), **read_data(data)},
                jobs,
                (clones or platformdirs.user_cache_path("garscaffold") / "fleet").absolute(),
                discard_clones,
            )

        return command(request=request, **arguments)

    return with_request
