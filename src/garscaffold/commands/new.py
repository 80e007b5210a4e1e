"""`garscaffold new`: a service or a shared package, from questions or from flags."""

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from garscaffold import git, process
from garscaffold.commands.answers import read_data, read_data_file
from garscaffold.commands.interviewer import Interviewer
from garscaffold.commands.new_options import QUESTIONNAIRE, NewCommand, edition_of
from garscaffold.commands.options import HELP, console_options
from garscaffold.console import Console, plan_text
from garscaffold.errors import GarscaffoldError, usage_error
from garscaffold.plan import Action, Change, Plan, Step
from garscaffold.registry import Registry
from garscaffold.registry.bootstrap import look
from garscaffold.repository_choices import request_for
from garscaffold.scaffold import move_into_place, refuse_occupied, staging
from garscaffold.surroundings import suggestions
from garscaffold.template import bundle
from garscaffold.template.edition import Edition, carried_edition
from garscaffold.template.interview import collect
from garscaffold.template.render import write_tree

BACKEND = "keyrings.google-artifactregistry-auth"
# For each package manager, the program that has to be there for it to install private packages, and how to get it.
TOOLS = {
    "poetry": ("poetry", f"pipx install poetry && pipx inject poetry {BACKEND} poetry-plugin-export"),
    "uv": ("uv", f"pipx install uv && uv tool install keyring --with {BACKEND}"),
    "pip": ("keyring", f"pipx install keyring && pipx inject keyring {BACKEND}"),
}


ABOUT_REPOSITORIES = frozenset({"gcp_project", "location", "python_repository", "python_index"})
"""The answers that say which repositories a project needs, and where."""


@dataclass(frozen=True)
class NewProject:
    """What was asked for on the command line.

    Args:
        destination: Where the project goes; None for a folder of the project's name.
        given: Answers from files and options, by question.
        take_defaults: Take the default of every question that was not given.
        dry_run: Show the plan and write nothing.
        with_git: Make the project a git repository with a first commit.
        bootstrap: Create the repositories that lack, in the same plan.
    """

    destination: Path | None
    given: Mapping[str, Any]
    take_defaults: bool
    dry_run: bool
    with_git: bool
    bootstrap: bool


def create(request: NewProject, *, console: Console, edition: Edition) -> None:
    """Ask, show the plan, make the project, say what comes next.

    Args:
        request: What was asked for.
        console: Where it is shown and asked.
        edition: What the project is made from.

    Raises:
        GarscaffoldError: Something is missing or in the way; then nothing was written.
    """
    git.refuse_missing()
    if request.destination is not None:
        refuse_occupied(request.destination)
    interviewer = Interviewer(console)
    answers = collect(
        edition.questionnaire,
        given=request.given,
        suggested=_suggested(request.destination),
        ask=interviewer if console.interactive and not request.take_defaults else None,
        take_defaults=request.take_defaults,
    )
    destination = request.destination or _named_by(answers)
    refuse_occupied(destination)
    repositories = _repositories_plan(answers, interviewer.registry, console=console, bootstrap=request.bootstrap)
    commit = request.with_git and not git.is_inside_work_tree(_nearest_folder(destination))
    with tempfile.TemporaryDirectory(prefix="garscaffold-") as aside:
        project = Path(aside) / "project"
        with console.progress(f"Rendering template {edition.version}"):
            write_tree(edition.render(answers).files, project)
        made = _project_plan(project, destination, answers, edition=edition, commit=commit)
        plan = Plan(repositories.steps + made.steps)
        whose = "" if edition.source == bundle.SOURCE else f" of {edition.source}"
        heading = f"A new {answers.get('kind', 'project')} in {destination}, from template {edition.version}{whose}:"
        document = {
            "destination": str(destination),
            "template": {"source": edition.source, "version": edition.version},
            "answers": answers,
            "changes": plan.to_json(),
            "applied": not request.dry_run,
            "next": next_commands(answers, destination),
        }
        if request.dry_run:
            console.result(plan_text(plan, heading), document)
            return
        console.show(plan, heading)
        if not console.confirm("Create it?"):
            raise GarscaffoldError("Nothing was created, as you said.")
        console.apply(plan)
    _say_what_comes_next(console, answers, destination, committed=commit)
    console.result("", document)


def next_commands(answers: Mapping[str, Any], destination: Path) -> list[str]:
    """Return what to type next, in order."""
    commands = {"service": ["make lock install", "make run"], "package": ["make install", "make test"]}
    return [f"cd {shlex.quote(str(destination))}", *commands.get(answers.get("kind", ""), [])]


def _named_by(answers: Mapping[str, Any]) -> Path:
    name = answers.get("project_name")
    if not isinstance(name, str) or not name:
        raise usage_error("This template does not name its projects by itself.", mend="garscaffold new FOLDER …")
    return Path(name)


def _repositories_plan(
    answers: Mapping[str, Any], registry: Registry | None, *, console: Console, bootstrap: bool
) -> Plan:
    """Plan to create the repositories that lack, where that was asked for or somebody says yes to it now."""
    if not ABOUT_REPOSITORIES.issubset(answers):
        if bootstrap:
            raise usage_error("This template does not ask about repositories.", mend="Run it without --bootstrap.")
        return Plan()
    if bootstrap and registry is None:
        # Here and not above: Google's client takes longer to load than all the rest.
        from garscaffold.registry.gar import connect

        registry = connect()
    if registry is None:
        return Plan()
    wanted = request_for(answers)
    with console.progress(f"Reading what is in {wanted.project}, {wanted.location}"):
        outlook = look(wanted, registry, console.say)
    for difference in outlook.differences:
        console.warn(difference.sentence)
    lacking = [change.name for change in outlook.plan.changes if change.action is Action.CREATE]
    if not lacking or bootstrap:
        return outlook.plan
    are = "is" if len(lacking) == 1 else "are"
    wish = console.confirm(f"{', '.join(lacking)} {are} not in Artifact Registry yet. Create what lacks, too?")
    return outlook.plan if wish else Plan()


def _project_plan(
    project: Path, destination: Path, answers: Mapping[str, Any], *, edition: Edition, commit: bool
) -> Plan:
    """Plan to put the rendered `project` at `destination`."""
    files = sorted(path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file())
    changes = [Change(Action.CREATE, "file", name) for name in files]
    if commit:
        changes.append(Change(Action.CREATE, "git repository", ".git", "with a first commit"))

    template_name = "the garscaffold template" if edition.source == bundle.SOURCE else edition.source

    def make() -> None:
        with staging(destination.absolute()) as staged:
            shutil.copytree(project, staged, symlinks=True)
            if commit:
                git.start_repository(
                    staged,
                    f"chore: start {answers.get('project_name', destination.name)} from {template_name}",
                    author_name=answers.get("author_name", ""),
                    author_email=answers.get("author_email", ""),
                )
            move_into_place(staged, destination)

    step = Step(f"Writing {len(files)} files to {destination}", tuple(changes), make)
    template = bundle.install_step(Path.home()) if edition.source == bundle.SOURCE else None
    return Plan((template, step) if template else (step,))


def _nearest_folder(path: Path) -> Path:
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())


def _suggested(destination: Path | None) -> dict[str, str]:
    found = suggestions(os.environ, Path.home())
    if destination is not None:
        found["project_name"] = re.sub(r"[^a-z0-9]+", "-", destination.absolute().name.lower()).strip("-")
    return found


def _say_what_comes_next(console: Console, answers: Mapping[str, Any], destination: Path, *, committed: bool) -> None:
    console.say(f"\nCreated {destination}. Next:\n")
    for command in next_commands(answers, destination):
        console.say(f"  {command}")
    console.say()
    program, how = TOOLS.get(answers.get("package_manager", ""), ("", ""))
    if program and process.find(program) is None:
        console.tip(f"{program} is not on PATH: {how}")
    if answers.get("private_packages") or answers.get("index_mode") == "virtual":
        console.tip(
            "Installing reads the private index; if you have not logged in: gcloud auth application-default login"
        )
    if not committed:
        console.tip("The files are not committed: git add --all && git commit")


@click.command(
    cls=NewCommand,
    context_settings=HELP,
    epilog="""\b
Examples:
  garscaffold new service orders
  garscaffold new package acme-lib --defaults --gcp-project acme-prod
  garscaffold new service --defaults --data-file answers.yml -d framework=flask --dry-run
  garscaffold new service orders --defaults --gcp-project acme-prod --bootstrap
  garscaffold new service orders --template https://git.acme.example/platform/template.git

\b
In a terminal, what is not given is asked. Without one, everything is given by options, -d, --data-file
or --defaults; options win over -d, and -d over the file.""",
)
@click.option("-d", "--data", metavar="KEY=VALUE", multiple=True, help="Answer a question; lists are written as YAML.")
@click.option(
    "--data-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A YAML file of answers."
)
@click.option("--defaults", is_flag=True, help="Take the default of everything that is not given.")
@click.option("--dry-run", is_flag=True, help="Name every file and write nothing.")
@click.option("--bootstrap", is_flag=True, help="Create the repositories that lack, in the same plan.")
@click.option(
    "--template",
    metavar="URL",
    expose_value=False,  # The command has opened it by now.
    help="Make it from this template; default is garscaffold's own.",
)
@click.option("--no-git", is_flag=True, help="No git repository and no first commit.")
@console_options
def new(
    console: Console,
    destination: Path | None,
    data: Sequence[str],
    data_file: Path | None,
    defaults: bool,
    dry_run: bool,
    bootstrap: bool,
    no_git: bool,
    kind: str | None = None,
    **options: Any,
) -> None:
    """Create a service or a shared package."""
    flags = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
    given = {
        **(read_data_file(data_file) if data_file else {}),
        **read_data(data),
        **{name: value for name, value in flags.items() if value not in (None, [])},
        **({"kind": kind} if kind else {}),
    }
    request = NewProject(
        destination,
        given,
        take_defaults=defaults,
        dry_run=dry_run,
        with_git=not no_git,
        bootstrap=bootstrap,
    )
    edition = edition_of(click.get_current_context())
    with nullcontext(edition) if edition else carried_edition(QUESTIONNAIRE) as opened:
        create(request, console=console, edition=opened)
