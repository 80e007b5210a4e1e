"""`garscaffold new`: a service or a shared package, from questions or from flags."""

import functools
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from garscaffold import git, process
from garscaffold.commands.options import HELP, console_options
from garscaffold.console import Console, Option, plan_text
from garscaffold.errors import GarscaffoldError, usage_error
from garscaffold.plan import Action, Change, Plan, Step
from garscaffold.scaffold import move_into_place, refuse_occupied, staging
from garscaffold.surroundings import suggestions
from garscaffold.template import bundle
from garscaffold.template.interview import Prompt, collect
from garscaffold.template.questions import Question, Questionnaire
from garscaffold.template.render import render

TOOLS = {
    "poetry": "pipx install poetry && pipx inject poetry keyrings.google-artifactregistry-auth poetry-plugin-export",
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
    """

    destination: Path | None
    given: Mapping[str, Any]
    take_defaults: bool
    dry_run: bool
    with_git: bool


def create(request: NewProject, *, console: Console, questionnaire: Questionnaire) -> None:
    """Ask, show the plan, make the project, say what comes next.

    Raises:
        GarscaffoldError: Something is missing or in the way; then nothing was written.
    """
    if process.find("git") is None:
        raise GarscaffoldError("git is not installed, or not on PATH.", mend="Install git, then run it again.")
    if request.destination is not None:
        refuse_occupied(request.destination)
    answers = collect(
        questionnaire,
        given=request.given,
        suggested=_suggested(request.destination),
        ask=functools.partial(_ask, console) if console.interactive and not request.take_defaults else None,
        take_defaults=request.take_defaults,
    )
    destination = request.destination or Path(answers["project_name"])
    refuse_occupied(destination)
    commit = request.with_git and not git.is_inside_work_tree(_nearest_folder(destination))
    with bundle.packaged_bundle() as packaged, tempfile.TemporaryDirectory(prefix="garscaffold-") as aside:
        version = str(bundle.newest(packaged))
        project = Path(aside) / "project"
        with console.progress(f"Rendering template {version}"):
            render(packaged, version, answers, project, source=bundle.SOURCE)
        plan = _plan(project, destination, answers, commit=commit)
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
    return [f"cd {shlex.quote(str(destination))}", "make install", "make run" if kind == "service" else "make test"]


def _plan(project: Path, destination: Path, answers: Mapping[str, Any], *, commit: bool) -> Plan:
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


def _ask(console: Console, prompt: Prompt) -> Any:
    question, options = prompt.question, [Option(choice.label, choice.value) for choice in prompt.choices]
    if question.multiselect:
        return console.ask_many(prompt.text, options, default=prompt.default or [], check=prompt.check)
    if options:
        return console.ask_choice(prompt.text, options, default=prompt.default)
    if question.is_list:
        return console.ask_list(prompt.text, default=prompt.default or [], check=prompt.check)
    default = "" if prompt.default is None else str(prompt.default)
    return console.ask_text(prompt.text, default=default, check=prompt.check, hint=question.placeholder)


def _say_what_comes_next(console: Console, answers: Mapping[str, Any], destination: Path, *, committed: bool) -> None:
    console.say(f"\nCreated {destination}. Next:\n")
    for command in next_commands(answers["kind"], destination):
        console.say(f"  {command}")
    console.say()
    manager = answers["package_manager"]
    if process.find(manager) is None:
        console.tip(f"{manager} is not on PATH: {TOOLS[manager]}")
    if answers["private_packages"] or answers["index_mode"] == "virtual":
        console.tip(
            "Installing reads the private index; if you have not logged in: gcloud auth application-default login"
        )
    if not committed:
        console.tip("The files are not committed: git add --all && git commit")


def _read_data_file(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise usage_error(f"{path} is not YAML in UTF-8: {str(error).splitlines()[0]}.") from error
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise usage_error(f"{path} is not a mapping of answers.", mend="Write one `question: answer` a line.")
    return document


def _read_data(pairs: Sequence[str]) -> dict[str, str]:
    answers = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise usage_error(f"{pair!r} is not KEY=VALUE.", mend="For example: -d framework=flask")
        answers[name] = value
    return answers


def _question_options(questionnaire: Questionnaire) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option for each question."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for question in reversed(questionnaire.questions):
            if not question.is_computed and question.name != "kind":
                command = _option(questionnaire, question)(command)
        return command

    return add


def _option(questionnaire: Questionnaire, question: Question) -> Callable[[Callable[..., None]], Callable[..., None]]:
    written = isinstance(question.choices, str)
    values = [] if written else [str(choice.value) for choice in questionnaire.choices(question, {})]
    return click.option(
        question.flag,
        question.name,
        type=click.Choice(values) if values else click.STRING,
        multiple=question.is_list,
        help=questionnaire.help(question, {}) + (" Repeat it for more." if question.is_list else ""),
    )


QUESTIONNAIRE = Questionnaire.read(bundle.released())


@click.command(
    context_settings=HELP,
    epilog="""\b
Examples:
  garscaffold new service orders
  garscaffold new package acme-lib --defaults --gcp-project acme-prod
  garscaffold new service --defaults --data-file answers.yml -d framework=flask --dry-run

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
@_question_options(QUESTIONNAIRE)
@click.option("-d", "--data", metavar="KEY=VALUE", multiple=True, help="Answer a question; lists are written as YAML.")
@click.option(
    "--data-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A YAML file of answers."
)
@click.option("--defaults", is_flag=True, help="Take the default of everything that is not given.")
@click.option("--dry-run", is_flag=True, help="Name every file and write nothing.")
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
    no_git: bool,
    **options: Any,
) -> None:
    """Create a service or a shared package."""
    flags = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
    given = {
        **(_read_data_file(data_file) if data_file else {}),
        **_read_data(data),
        **{name: value for name, value in flags.items() if value not in (None, [])},
        **({"kind": kind} if kind else {}),
    }
    request = NewProject(destination, given, take_defaults=defaults, dry_run=dry_run, with_git=not no_git)
    create(request, console=console, questionnaire=QUESTIONNAIRE)
