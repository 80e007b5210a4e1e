"""`garscaffold update`: one project, to a newer version of its template."""

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from garscaffold import git
from garscaffold.commands.answers import read_data, read_data_file
from garscaffold.commands.options import HELP, console_options
from garscaffold.commands.update_waiting import abort, finish, take_back, unmarked_text
from garscaffold.console import Console
from garscaffold.errors import ExitCode, GarscaffoldError, usage_error
from garscaffold.git_words import without_credentials
from garscaffold.plan import Step
from garscaffold.template.interview import Ask
from garscaffold.template.render import Workshop
from garscaffold.template.repository import opened, released_versions, version_of
from garscaffold.template.source import recorded_source
from garscaffold.update.journal import Journal
from garscaffold.update.merge import Outcome
from garscaffold.update.planning import Update, choose_move, choose_route, plan_update
from garscaffold.update.preview import answers_text, changelog_text, changes_text, diff_text, heading
from garscaffold.update.project import Checkout, Recorded, open_checkout, refuse_under_way, refuse_unsaved
from garscaffold.update.templates import former_template, template_at


@dataclass(frozen=True)
class UpdateRequest:
    """What was asked for on the command line.

    Args:
        folder: The project.
        version: The version to go to; None for the newest.
        given: Answers from files and options, by question.
        take_defaults: Take the default of every new question that was not given.
        dry_run: Show what would change and write nothing.
        template: The template to move to, as projects record it; None for the project's own.
        words: The questions that were answered by an option of their own name.
    """

    folder: Path
    version: str | None
    given: Mapping[str, Any]
    take_defaults: bool
    dry_run: bool
    template: str | None = None
    words: frozenset[str] = frozenset()


def bring_up(request: UpdateRequest, *, console: Console) -> None:
    """Show what an update does, ask, and do it.

    Raises:
        GarscaffoldError: It cannot be done, or there are conflicts to resolve.
    """
    checkout = open_checkout(request.folder)
    journal = Journal(checkout.folder, checkout.work_tree)
    if take_back(journal, dry_run=request.dry_run, console=console):
        # What it claims is another version now.
        checkout = open_checkout(request.folder)
    source = request.template or checkout.source
    with ExitStack() as stack:
        location, install = stack.enter_context(template_at(source))
        with console.progress(f"Reading the template's versions from {without_credentials(location)}"):
            versions = released_versions(location)
        former = None
        if source == checkout.source:
            route = choose_route(checkout.version, versions, request.version)
            if not route.between and not request.given:
                _say_up_to_date(checkout, route.start, console=console)
                return
        refuse_under_way(checkout)
        refuse_unsaved(checkout)
        workshop = Workshop(stack.enter_context(opened(location)))
        if source != checkout.source:
            former, old = stack.enter_context(former_template(checkout, workshop, versions, console.warn))
            route = choose_move(checkout.version, old, versions, request.version)
        _refuse_unknown(request, checkout, workshop, route.end)
        update = plan_update(
            checkout,
            route,
            workshop.repository,
            workshop,
            given=request.given,
            ask=_interviewer(console) if console.interactive and not request.take_defaults else None,
            take_defaults=request.take_defaults,
            former=former,
            source=source,
        )
        _carry_out(update, journal, install, request, console=console)


def _carry_out(
    update: Update, journal: Journal, install: Step | None, request: UpdateRequest, *, console: Console
) -> None:
    document = _document(update, journal.folder, applied=not request.dry_run)
    parts = [f"\n{text}\n" for text in (changelog_text(update), answers_text(update)) if text]
    shown = "\n".join([heading(update), *parts, changes_text(update)])
    if request.dry_run:
        text = diff_text([*update.changes, update.answers])
        console.say(f"{shown}\n")
        console.result(text.removesuffix("\n"), {**document, "diff": text})
        return
    console.say(shown)
    if update.is_empty:
        console.result("", {**document, "state": "up-to-date"})
        return
    if update.moves and _is_lower(update.end, update.start):
        console.warn(f"{update.end} is a lower number than {update.start}: it may lack what the project has by now.")
    if not console.confirm("Update it?"):
        raise GarscaffoldError("Nothing was changed, as you said.")
    if install:
        install.apply()
    with journal.alone(), console.progress("Writing the changes"):
        journal.apply(update.changes, answers=update.answers, details={"from": update.start, "to": update.end})
    console.result("", document)
    where = "" if request.folder == Path() else f" {shlex.quote(str(request.folder))}"
    if update.conflicts:
        names = ", ".join(change.path for change in update.conflicts)
        if unmarked := unmarked_text(journal.read() or {"unmarked": {}}):
            console.warn(unmarked)
        raise GarscaffoldError(
            f"Your changes and the template's meet in {names}. The version is not recorded until they are resolved.",
            mend=f"Resolve them, git add them, then: garscaffold update{where} --finish"
            f"\n       or bring back everything with: garscaffold update{where} --abort",
            exit_code=ExitCode.CONFLICT,
        )
    console.say("\nDone. Look at it with git diff, pass your tests, then: git add --all && git commit")


def _refuse_unknown(request: UpdateRequest, checkout: Checkout, workshop: Workshop, version: str) -> None:
    """Refuse a mistyped option, where only Copier knows all the questions and would take it for an answer."""
    if not request.words or workshop.questionnaire(workshop.repository.commit(version)) is not None:
        return
    unknown = sorted(request.words - checkout.answers.keys())
    if unknown:
        raise usage_error(
            f"No such option: --{unknown[0].replace('_', '-')}, and the project has no answer {unknown[0]} yet.",
            mend=f"garscaffold update -h; or, where the template asks for it from now on: -d {unknown[0]}=…",
        )


def _is_lower(end: str, start: str) -> bool:
    ending, starting = version_of(end), version_of(start)
    return ending is not None and starting is not None and ending < starting


def _say_up_to_date(checkout: Checkout, version: str, *, console: Console) -> None:
    document = {
        "state": "up-to-date",
        **_template_json(checkout, checkout.folder, version, version, checkout.source),
        "changes": [],
    }
    console.result(f"{checkout.name} is up to date: template {version}.", document)


def _interviewer(console: Console) -> Ask:
    # Here and not above: without anybody to ask, none of it is needed.
    from garscaffold.commands.interviewer import Interviewer

    return Interviewer(console)


def _document(update: Update, folder: Path, *, applied: bool) -> dict[str, Any]:
    state = "planned" if not applied else "conflicts" if update.conflicts else "updated"
    return {
        "state": state,
        **_template_json(update.project, folder, update.start, update.end, update.source),
        "changelog": [release.to_json() for release in update.changelog],
        "new_answers": dict(update.new_answers),
        "changed_answers": {name: {"from": old, "to": new} for name, (old, new) in update.changed_answers.items()},
        "changes": [change.to_json() for change in update.changes],
        "conflicts": [change.path for change in update.changes if change.outcome is Outcome.CONFLICTING],
        "applied": applied,
    }


def _template_json(project: Recorded, folder: Path, start: str, end: str, source: str) -> dict[str, Any]:
    moved = {"previous_source": without_credentials(project.source)} if source != project.source else {}
    named = without_credentials(source)
    return {"project": os.fspath(folder), "template": {"source": named, **moved, "from": start, "to": end}}


def read_words(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Split what is left of a command line into paths and answers: `--QUESTION ANSWER` or `--QUESTION=ANSWER`.

    The questions are those of the project's own template, which nobody knows before it is read.

    Raises:
        GarscaffoldError: An option has no answer, or is no question.
    """
    paths: list[str] = []
    answers: dict[str, Any] = {}
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        if not word.startswith("-"):
            paths.append(word)
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name or (not equals and not remaining):
            raise usage_error(f"No such option: {word}", mend="garscaffold update -h")
        question = name.replace("-", "_")
        value = value if equals else remaining.pop(0)
        if question in answers:
            earlier = answers[question]
            answers[question] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
        else:
            answers[question] = value
    return paths, answers


@click.command(
    context_settings={**HELP, "ignore_unknown_options": True},
    epilog="""\b
Examples:
  garscaffold update                        what is new, file by file; then ask, then do it
  garscaffold update services/orders --dry-run
  garscaffold update --to 1.1.0 --defaults -y
  garscaffold update --deploy cloud-run     every question of the template is an option
  garscaffold update --template https://git.acme.example/platform/template.git
                                            move to another template, such as your own fork
  garscaffold update --finish               after the conflicts are resolved

\b
Exit code 3: your changes and the template's meet in the same lines. They are marked, in the files and in
git's index; --finish records the new version, --abort brings back everything as it was.""",
)
@click.argument("words", metavar="[PATH] [--QUESTION ANSWER]...", nargs=-1, type=click.UNPROCESSED)
@click.option("--to", "version", metavar="VERSION", help="The version to go to; the newest by default.")
@click.option("--template", metavar="URL", help="Move the project to another template; default is garscaffold's own.")
@click.option("-d", "--data", metavar="KEY=VALUE", multiple=True, help="Answer a question; lists are written as YAML.")
@click.option(
    "--data-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A YAML file of answers."
)
@click.option("--defaults", is_flag=True, help="Take the default of every new question that is not given.")
@click.option("--dry-run", is_flag=True, help="Show the diff and touch nothing.")
@click.option("--finish", "finishing", is_flag=True, help="Record the new version: the conflicts are resolved.")
@click.option("--abort", "aborting", is_flag=True, help="Bring everything back as it was before the update.")
@console_options
def update(
    console: Console,
    words: Sequence[str],
    version: str | None,
    template: str | None,
    data: Sequence[str],
    data_file: Path | None,
    defaults: bool,
    dry_run: bool,
    finishing: bool,
    aborting: bool,
) -> None:
    """Bring a project to a newer version of its template."""
    paths, flags = read_words(words)
    if len(paths) > 1:
        raise usage_error(f"One project at a time, and not {' and '.join(paths)}.")
    folder = Path(paths[0]) if paths else Path()
    given = {**(read_data_file(data_file) if data_file else {}), **read_data(data), **flags}
    git.refuse_missing()
    if finishing or aborting:
        if given or version or template or dry_run or (finishing and aborting):
            raise usage_error("--finish and --abort stand alone.")
        (finish if finishing else abort)(folder, console=console)
        return
    source = recorded_source(template, home=Path.home(), here=Path.cwd()) if template is not None else None
    request = UpdateRequest(folder, version, given, defaults, dry_run, source, frozenset(flags))
    bring_up(request, console=console)
