"""`garscaffold new`: a service or a shared package, from questions or from flags."""

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from garscaffold import git, process
from garscaffold.commands.answers import question_options, read_data, read_data_file
from garscaffold.commands.interviewer import Interviewer
from garscaffold.commands.options import HELP, console_options
from garscaffold.console import Console, plan_text
from garscaffold.errors import GarscaffoldError
from garscaffold.plan import Action, Change, Plan, Step
from garscaffold.registry import Registry
from garscaffold.registry.bootstrap import look
from garscaffold.repository_choices import request_for
from garscaffold.scaffold import move_into_place, refuse_occupied, staging
from garscaffold.surroundings import suggestions
from garscaffold.template import bundle
from garscaffold.template.interview import collect
from garscaffold.template.questions import Questionnaire
from garscaffold.template.render import render

BACKEND = "keyrings.google-artifactregistry-auth"
# For each package manager, the program that has to be there for it to install private packages, and how to get it.
TOOLS = {
    "poetry": ("poetry", f"pipx install poetry && pipx inject poetry {BACKEND} poetry-plugin-export"),
    "uv": ("uv", f"pipx install uv && uv tool install keyring --with {BACKEND}"),
    "pip": ("keyring", f"pipx install keyring && pipx inject keyring {BACKEND}"),
}


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


def create(request: NewProject, *, console: Console, questionnaire: Questionnaire) -> None:
    """Ask, show the plan, make the project, say what comes next.

    Raises:
        GarscaffoldError: Something is missing or in the way; then nothing was written.
    """
    if process.find("git") is None:
        raise GarscaffoldError("git is not installed, or not on PATH.", mend="Install git, then run it again.")
    if request.destination is not None:
        refuse_occupied(request.destination)
    interviewer = Interviewer(console)
    answers = collect(
        questionnaire,
        given=request.given,
        suggested=_suggested(request.destination),
        ask=interviewer if console.interactive and not request.take_defaults else None,
        take_defaults=request.take_defaults,
    )
    destination = request.destination or Path(answers["project_name"])
    refuse_occupied(destination)
    repositories = _repositories_plan(answers, interviewer.registry, console=console, bootstrap=request.bootstrap)
    commit = request.with_git and not git.is_inside_work_tree(_nearest_folder(destination))
    with bundle.packaged_bundle() as packaged, tempfile.TemporaryDirectory(prefix="garscaffold-") as aside:
        version = str(bundle.newest(packaged))
        project = Path(aside) / "project"
        with console.progress(f"Rendering template {version}"):
            render(packaged, version, answers, project, source=bundle.SOURCE)
        plan = Plan(repositories.steps + _project_plan(project, destination, answers, commit=commit).steps)
        heading = f"A new {answers['kind']} in {destination}, from template {version}:"
        document = {
            "destination": str(destination),
            "template": {"source": bundle.SOURCE, "version": version},
            "answers": answers,
            "changes": plan.to_json(),
            "applied": not request.dry_run,
            "next": next_commands(answers["kind"], destination),
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


def next_commands(kind: str, destination: Path) -> list[str]:
    """Return what to type next, in order."""
    commands = ["make lock install", "make run"] if kind == "service" else ["make install", "make test"]
    return [f"cd {shlex.quote(str(destination))}", *commands]


def _repositories_plan(
    answers: Mapping[str, Any], registry: Registry | None, *, console: Console, bootstrap: bool
) -> Plan:
    """Plan to create the repositories that lack, where that was asked for or somebody says yes to it now."""
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


def _project_plan(project: Path, destination: Path, answers: Mapping[str, Any], *, commit: bool) -> Plan:
    """Plan to put the rendered `project` at `destination`."""
    files = sorted(path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file())
    changes = [Change(Action.CREATE, "file", name) for name in files]
    if commit:
        changes.append(Change(Action.CREATE, "git repository", ".git", "with a first commit"))

    def make() -> None:
        with staging(destination.absolute()) as staged:
            shutil.copytree(project, staged, symlinks=True)
            if commit:
                git.start_repository(
                    staged,
                    f"chore: start {answers['project_name']} from the garscaffold template",
                    author_name=answers["author_name"],
                    author_email=answers["author_email"],
                )
            move_into_place(staged, destination)

    step = Step(f"Writing {len(files)} files to {destination}", tuple(changes), make)
    template = bundle.install_step(Path.home())
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
    for command in next_commands(answers["kind"], destination):
        console.say(f"  {command}")
    console.say()
    program, how = TOOLS[answers["package_manager"]]
    if process.find(program) is None:
        console.tip(f"{program} is not on PATH: {how}")
    if answers["private_packages"] or answers["index_mode"] == "virtual":
        console.tip(
            "Installing reads the private index; if you have not logged in: gcloud auth application-default login"
        )
    if not committed:
        console.tip("The files are not committed: git add --all && git commit")


QUESTIONNAIRE = Questionnaire.read(bundle.released())


@click.command(
    context_settings=HELP,
    epilog="""\b
Examples:
  garscaffold new service orders
  garscaffold new package acme-lib --defaults --gcp-project acme-prod
  garscaffold new service --defaults --data-file answers.yml -d framework=flask --dry-run
  garscaffold new service orders --defaults --gcp-project acme-prod --bootstrap

\b
In a terminal, what is not given is asked. Without one, everything is given by options, -d, --data-file
or --defaults; options win over -d, and -d over the file.""",
)
@click.argument(
    "kind",
    type=click.Choice([str(choice.value) for choice in QUESTIONNAIRE.choices(QUESTIONNAIRE["kind"], {})]),
    required=False,
)
@click.argument("destination", metavar="[DEST]", type=click.Path(path_type=Path), required=False)
@question_options(QUESTIONNAIRE)
@click.option("-d", "--data", metavar="KEY=VALUE", multiple=True, help="Answer a question; lists are written as YAML.")
@click.option(
    "--data-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A YAML file of answers."
)
@click.option("--defaults", is_flag=True, help="Take the default of everything that is not given.")
@click.option("--dry-run", is_flag=True, help="Name every file and write nothing.")
@click.option("--bootstrap", is_flag=True, help="Create the repositories that lack, in the same plan.")
@click.option("--no-git", is_flag=True, help="No git repository and no first commit.")
@console_options
def new(
    console: Console,
    kind: str | None,
    destination: Path | None,
    data: Sequence[str],
    data_file: Path | None,
    defaults: bool,
    dry_run: bool,
    bootstrap: bool,
    no_git: bool,
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
    create(request, console=console, questionnaire=QUESTIONNAIRE)
