"""`garscaffold template`: which template projects are made from, its versions, and where it is kept."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from garscaffold import git
from garscaffold.commands.options import HELP, console_options
from garscaffold.commands.template_publish import publish
from garscaffold.console import Console
from garscaffold.errors import usage_error
from garscaffold.plan import Plan
from garscaffold.template import bundle
from garscaffold.template.edition import newest_edition
from garscaffold.template.preference import VARIABLE, Preference, preferred, settings_file, use_step
from garscaffold.template.releases import VersionTag, between, newest_of, version_tags
from garscaffold.template.repository import TemplateRepository, location_of, opened
from garscaffold.template.source import CARRIED, recorded_source


@click.group(context_settings=HELP)
def template() -> None:
    """The template that projects are made from: its versions, and one of your own."""


template.add_command(publish)


@template.command(
    context_settings=HELP,
    epilog="""\b
Projects record the template as ~/.local/share/garscaffold/template.bundle. On a machine that never made a
project, this command puts it there, and `copier update` works.""",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@console_options
def install(console: Console, dry_run: bool) -> None:
    """Put the template where generated projects look for it."""
    step = bundle.install_step(Path.home())
    plan = Plan((step,) if step else ())
    if not dry_run:
        console.apply(plan)
    state = "would be put" if dry_run and plan else "is"
    console.result(
        f"The template {state} at {bundle.SOURCE}.",
        {"source": bundle.SOURCE, "changes": plan.to_json(), "applied": not dry_run},
    )


_template_option = click.option(
    "--template", metavar="URL", help="Another template than the one in use; default is garscaffold's own."
)


@template.command(
    context_settings=HELP,
    epilog="""\b
Examples:
  garscaffold template versions
  garscaffold template versions --template https://git.acme.example/platform/template.git --json""",
)
@_template_option
@console_options
def versions(console: Console, template: str | None) -> None:
    """List the released versions, oldest first."""
    with _reading(template, console) as (preference, repository):
        tags = version_tags(repository)
    newest = newest_of(tags)
    console.say(_whose(preference))
    width = max(len(each.tag) for each in tags)
    lines = [f"{each.tag:<{width}}  {each.date}{_remark(each, newest)}" for each in tags]
    rows = [
        {
            "version": each.tag,
            "date": each.date,
            "newest": each == newest,
            "prerelease": each.version.is_prerelease,
        }
        for each in tags
    ]
    document = {"source": preference.source, "newest": newest.tag if newest else None, "versions": rows}
    console.result("\n".join(lines), document)


@template.command(
    context_settings=HELP,
    epilog="""\b
Examples:
  garscaffold template changelog              all of it
  garscaffold template changelog 1.0.0        what came after 1.0.0
  garscaffold template changelog 1.0.0 1.1.0  what an update from 1.0.0 to 1.1.0 brings""",
)
@click.argument("after", metavar="[FROM]", required=False)
@click.argument("up_to", metavar="[TO]", required=False)
@_template_option
@console_options
def changelog(console: Console, after: str | None, up_to: str | None, template: str | None) -> None:
    """Show what changed after one version, up to another, newest first."""
    with _reading(template, console) as (preference, repository):
        tags = between(version_tags(repository), after, up_to)
    texts = [_notes_text(each) for each in tags]
    document: dict[str, Any] = {
        "source": preference.source,
        "versions": [{"version": each.tag, "date": each.date, "notes": each.notes} for each in tags],
    }
    if not texts:
        console.say(f"Nothing was released after {after}.")
    console.result("\n\n".join(texts), document)


@template.command(
    context_settings=HELP,
    epilog="""\b
Examples:
  garscaffold template use                    which one is in use, and who says so
  garscaffold template use https://git.acme.example/platform/template.git
  garscaffold template use --default          garscaffold's own again

\b
For one project only: garscaffold new --template URL, or the variable GARSCAFFOLD_TEMPLATE.
Projects that are there stay with their template; garscaffold update --template URL moves one.""",
)
@click.argument("source", metavar="[URL]", required=False)
@click.option("--default", "--reset", "default", is_flag=True, help="Go back to the template that garscaffold carries.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@console_options
def use(console: Console, source: str | None, default: bool, dry_run: bool) -> None:
    """Make new projects from a template of your own."""
    settings = settings_file()
    if source is not None and default:
        raise usage_error("A URL and --default exclude each other.")
    if source is None and not default:
        in_use = preferred(None, os.environ, settings, home=Path.home())
        why = f"So says {in_use.said_by}." if in_use.said_by else "It is garscaffold's own, the default."
        document = {"source": in_use.source, "said_by": in_use.said_by or None}
        console.result(f"New projects are made from {in_use.source}\n{why}", document)
        return
    git.refuse_missing()
    wished = recorded_source(CARRIED if default else source or "", home=Path.home(), here=Path.cwd())
    version = _newest(wished, console)
    step = use_step(wished, settings)
    plan = Plan((step,) if step else ())
    if not dry_run:
        console.apply(plan)
    would = "would be" if dry_run and plan else "are"
    console.result(
        f"New projects {would} made from {wished}, now at {version}.",
        {"source": wished, "version": version, "changes": plan.to_json(), "applied": not dry_run},
    )
    if os.environ.get(VARIABLE):
        console.warn(f"{VARIABLE} is set here, and goes before it: {os.environ[VARIABLE]}")


@contextmanager
def _reading(option: str | None, console: Console) -> Iterator[tuple[Preference, TemplateRepository]]:
    """Open the template that an option names, or the one in use; ours as this garscaffold carries it."""
    git.refuse_missing()
    preference = preferred(option, os.environ, settings_file(), home=Path.home())
    if preference.is_ours:
        with bundle.packaged_bundle() as packaged, opened(str(packaged)) as repository:
            yield preference, repository
        return
    with ExitStack() as stack:
        with console.progress(f"Reading {preference.source}"):
            repository = stack.enter_context(opened(location_of(preference.source)))
        yield preference, repository


def _newest(source: str, console: Console) -> str:
    """Return the version that a new project would be made from; raises where none can be."""
    if source == bundle.SOURCE:
        with bundle.packaged_bundle() as packaged:
            return str(bundle.newest(packaged))
    with console.progress(f"Reading {source}"), newest_edition(source) as edition:
        return edition.version


def _whose(preference: Preference) -> str:
    return "The template that garscaffold carries:" if preference.is_ours else f"The template at {preference.source}:"


def _remark(each: VersionTag, newest: VersionTag | None) -> str:
    if each == newest:
        return "  " + click.style("newest", fg="green")
    return "  pre-release" if each.version.is_prerelease else ""


def _notes_text(each: VersionTag) -> str:
    title = f"{click.style(each.tag, bold=True)}  {each.date}"
    return f"{title}\n\n{each.notes or 'Its author says nothing about it.'}"
