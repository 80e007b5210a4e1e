"""`garscaffold fleet`: the same over many repositories."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from garscaffold import git, yaml_text
from garscaffold.commands.fleet_options import TARGETS_HELP, FleetRequest, Request, fleet_options
from garscaffold.commands.fleet_page import PAGE, checked_place, read_looks, write_page
from garscaffold.commands.options import HELP, console_options
from garscaffold.console import Console
from garscaffold.errors import ExitCode, GarscaffoldError, usage_error
from garscaffold.fleet import checks, run
from garscaffold.fleet.documents import Look, joined, to_document
from garscaffold.fleet.fleet_file import FLEET_FILE
from garscaffold.fleet.forges import AUTO, PROGRAMS, Forge
from garscaffold.fleet.job import MOST_TASKS, TOKENS, Job, definition
from garscaffold.fleet.results import Result, State, exit_code, summary
from garscaffold.fleet.rollout import Rollout, roll_out
from garscaffold.fleet.survey import Settings, survey
from garscaffold.fleet.targets import Target
from garscaffold.fleet.templates import Templates
from garscaffold.fleet.texts import line_for, one_line, status_text, update_text
from garscaffold.process import seconds


def look(request: FleetRequest, *, console: Console) -> Look:
    """Look at every project of a fleet."""
    with _settings(request, console) as settings:
        return _each(
            request, settings, lambda target: survey(target, settings), "Looking at", lambda result: [], console=console
        )


def carry_out(request: FleetRequest, rollout: Callable[[Settings], Rollout], *, console: Console) -> Look:
    """Update every project of a fleet, each repository on a branch."""

    def said(result: Result) -> list[str]:
        return [line_for(result.name, result)]

    checks.sweep()
    with _settings(request, console) as settings:
        chosen = rollout(settings)
        return _each(request, settings, lambda target: roll_out(target, chosen), "Updating", said, console=console)


@contextmanager
def _settings(request: FleetRequest, console: Console) -> Iterator[Settings]:
    with Templates() as templates:
        settings = Settings(templates, request.clones, request.version, request.given, request.template)
        yield replace(settings, discards_clones=request.discards_clones, tell=lambda line: console.say(one_line(line)))


def _each(
    request: FleetRequest,
    settings: Settings,
    work: run.Work,
    verb: str,
    said: Callable[[Result], list[str]],
    *,
    console: Console,
) -> Look:
    total = len(request.targets)
    found: dict[Target, Sequence[Result]] = {}
    coming = run.each(request.targets, work, jobs=request.jobs, stop=settings.stop)
    try:
        with console.counting(f"{verb} {_repositories(total)}", total) as done, closing(coming):
            for target, results in coming:
                found[target] = results
                done([line for result in results for line in said(result)])
    except (KeyboardInterrupt, SystemExit):
        so_far = [result for target in request.targets for result in found.get(target, ())]
        console.say(f"{update_text(so_far)}; {_repositories(total - len(found))} not begun")
        raise
    return Look([result for target in request.targets for result in found[target]], datetime.now(UTC))


def _repositories(count: int) -> str:
    return f"{count} repositor{'y' if count == 1 else 'ies'}"


def _check_limit(context: click.Context, parameter: click.Parameter, value: str | None) -> int:
    return seconds(value) if value else 0


@click.group(context_settings=HELP)
def fleet() -> None:
    """The same over many repositories, in parallel.

    One that fails never stops the others.
    """


@fleet.command(
    context_settings=HELP,
    epilog=f"""{TARGETS_HELP}

\b
Examples:
  garscaffold fleet status ~/work           every repository below a folder
  garscaffold fleet status fleet.toml --json
  cat urls | garscaffold fleet status -

\b
Nothing is touched. CONFLICTS are files that an update would leave for somebody to decide; DRIFT are files that
carry authentication and were edited away from the template.""",
)
@console_options
@fleet_options
def status(request: Request, console: Console) -> ExitCode:
    """Which version every project is at, and what an update would meet."""
    found = look(request(), console=console)
    console.result(status_text(found.results), to_document(found))
    return ExitCode.FAILED if State.FAILED in found.states else ExitCode.DONE


@fleet.command(
    context_settings=HELP,
    epilog=f"""{TARGETS_HELP}

\b
Examples:
  garscaffold fleet update ~/work --dry-run
  garscaffold fleet update ~/work           a branch in each repository
  garscaffold fleet update fleet.toml --check 'make check' --pull-request auto -y

\b
No work tree is touched: each update is a commit on a branch of its own, made from what is committed. A project
with conflicts gets none; it is for `garscaffold update`. Run again, it goes on where it was cut off.
Exit codes: 1 when a repository failed, 3 when none failed and some have conflicts.""",
)
@click.option("--branch", metavar="NAME", default="", help="The branch; garscaffold/template-VERSION by default.")
@click.option("--check", metavar="COMMAND", default="", help="Must succeed in each updated project, in a shell.")
@click.option(
    "--check-timeout",
    "check_limit",
    metavar="TIME",
    callback=_check_limit,
    help="How long a check may take, such as 600, 10m or 2h; 30m by default.",
)
@click.option("--push", is_flag=True, help="Push the branches to origin.")
@click.option(
    "--pull-request",
    type=click.Choice([AUTO, *PROGRAMS]),
    help="Push, and make pull requests: by gh for GitHub, by glab for GitLab.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--report", type=PAGE, callback=checked_place, help="Write a page about it, as `fleet report` does.")
@console_options
@fleet_options
def update(
    request: Request,
    console: Console,
    branch: str,
    check: str,
    check_limit: int,
    push: bool,
    pull_request: str | None,
    dry_run: bool,
    report: Path | None,
) -> ExitCode:
    """Update every project to a newer version of its template, on a branch."""
    if branch and not git.is_branch_name(branch):
        raise usage_error(f"{branch!r} is no name for a branch.", mend="Such as: --branch template-update")
    if dry_run or (console.interactive and not console.assume_yes):
        found = look(request(), console=console)
        if dry_run:
            console.result(status_text(found.results), to_document(found))
            _report(report, found, console)
            return exit_code(found.results)
        console.say(status_text(found.results))
        if State.BEHIND in found.states and not console.confirm("Update those behind?"):
            raise GarscaffoldError("Nothing was changed, as you said.")
    done = carry_out(
        request(),
        lambda settings: Rollout(
            settings,
            branch,
            check,
            check_limit,
            push or bool(pull_request),
            Forge(pull_request) if pull_request else None,
        ),
        console=console,
    )
    code = exit_code(done.results)
    (console.say if code is ExitCode.DONE else console.complain)(update_text(done.results))
    console.result("", to_document(done))
    _report(report, done, console)
    return code


@fleet.command(
    context_settings=HELP,
    epilog=f"""{TARGETS_HELP}

\b
Examples:
  garscaffold fleet report ~/work
  garscaffold fleet report fleet.toml -o public/fleet.html
  garscaffold fleet report --from part-1.json --from part-2.json

\b
The page is one file that needs no network. A file that is there is replaced. A project that is in several result
files is shown as the last one says. The exit code is 0 when the page is written, whatever it tells.""",
)
@click.option(
    "-o", "--output", type=PAGE, callback=checked_place, default="fleet.html", help="The page; fleet.html by default."
)
@click.option(
    "--from",
    "documents",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    multiple=True,
    help="Do not look: take what `status --json` or `update --json` wrote to this file; may be repeated.",
)
@console_options
@fleet_options
def report(request: Request, console: Console, output: Path, documents: Sequence[Path]) -> None:
    """Write a page about the fleet: versions, conflicts, failures, drift, pull requests."""
    if documents and click.get_current_context().params["targets"]:
        raise usage_error("With --from nothing is looked at.", mend="Leave out either --from or the TARGETS.")
    looks = read_looks(documents) if documents else [look(request(), console=console)]
    found = joined(looks)
    write_page(output, found, looks, files=len(documents))
    console.result(f"{output}: {summary(found.results)}", {**to_document(found), "report": str(output)})


@fleet.command(
    context_settings=HELP,
    epilog="""\b
Examples:
  garscaffold fleet job --image IMAGE --tasks 20 --secret fleet-token --author 'Fleet <fleet@example.com>' \\
      -- fleet.toml --pull-request gh >job.yaml
  gcloud run jobs replace job.yaml --region europe-west1

\b
ARGUMENTS are those of `fleet update`; fleet.toml --pull-request gh or glab by default. Nothing is created.
docs/fleet.md says what the image needs, and when a job is worth it.""",
)
@click.option("--image", required=True, help="An image with garscaffold, git, gh or glab, and the fleet.toml.")
@click.option("--tasks", type=click.IntRange(1, MOST_TASKS), required=True, help="How many parts to divide it into.")
@click.option("--secret", metavar="NAME", required=True, help="The forge's token in Secret Manager.")
@click.option("--author", metavar="'NAME <EMAIL>'", required=True, help="Who commits.")
@click.option("--forge", type=click.Choice(list(TOKENS)), default="gh", help="Whose login git uses; gh by default.")
@click.option("--name", default="fleet-update", help="The name of the job; fleet-update by default.")
@click.argument("arguments", nargs=-1)
@console_options
def job(
    console: Console, image: str, tasks: int, secret: str, author: str, forge: str, name: str, arguments: Sequence[str]
) -> None:
    """Print the definition of a Cloud Run job that updates the fleet, a part a task."""
    who = re.fullmatch(r"\s*([^<>\n]*[^<>\s])\s*<([^<>\s]+@[^<>\s]+)>\s*", author)
    if who is None:
        raise usage_error(f"{author!r} is no author.", mend="Such as: --author 'Fleet <fleet@example.com>'")
    given = list(arguments) or [FLEET_FILE, "--pull-request", forge]
    # What `fleet update` does not know is said now, and not by a hundred tasks.
    update.make_parser(click.Context(update, info_name="fleet update")).parse_args(list(given))
    document = definition(Job(name, image, tasks, given, (who[1], who[2]), forge, secret))
    console.result(document.rstrip(), yaml_text.load(document))


def _report(path: Path | None, found: Look, console: Console) -> None:
    if path is not None:
        write_page(path, found, [found])
        console.say(f"The page about it: {path}")
