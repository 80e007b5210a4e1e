"""`garscaffold template publish`: the template on an organisation's own git host."""

from pathlib import Path

import click

from garscaffold import git
from garscaffold.commands.options import HELP, console_options
from garscaffold.console import Console, plan_text
from garscaffold.errors import GarscaffoldError, usage_error
from garscaffold.template import bundle
from garscaffold.template.publishing import head_is_missing, plan_publication
from garscaffold.template.repository import location_of, opened
from garscaffold.template.source import recorded_source


@click.command(
    context_settings=HELP,
    epilog="""\b
Examples:
  garscaffold template publish git@git.acme.example:platform/template.git
  garscaffold template publish https://git.acme.example/platform/template.git --dry-run
  garscaffold template publish /srv/git/template.git -y

\b
Nothing that is there is rewritten: tags stay, and the default branch goes forward or stays as it is. A remote
that has other contents under the same tags, or is another project, is refused.
Without a terminal, -y is needed.""",
)
@click.argument("remote", metavar="REMOTE")
@click.option("--tags-only", is_flag=True, help="Push the versions, and leave the branch as it is.")
@click.option("--dry-run", is_flag=True, help="Say what would be pushed.")
@console_options
def publish(console: Console, remote: str, tags_only: bool, dry_run: bool) -> None:
    """Push the template's versions to a git host of your own."""
    git.refuse_missing()
    source = recorded_source(remote, home=Path.home(), here=Path.cwd())
    if source == bundle.SOURCE:
        raise usage_error("That is where the template is published from.", mend="Name a repository of your own.")
    location = location_of(source)
    with bundle.packaged_bundle() as packaged, opened(str(packaged)) as repository:
        with console.progress(f"Reading {location}"):
            publication = plan_publication(repository, location, with_branch=not tags_only)
        plan, heading = publication.plan, f"The template, to {location}:"
        document = {
            "remote": location,
            "source": source,
            "branch": publication.branch,
            "changes": plan.to_json(),
            "notes": list(publication.notes),
            "applied": not dry_run,
        }
        for note in publication.notes:
            console.say(note)
        if dry_run:
            console.result(plan_text(plan, heading), document)
            return
        console.show(plan, heading)
        if plan:
            _make_sure(console)
            console.apply(plan)
    if plan and not tags_only and head_is_missing(location):
        console.tip(
            "A clone of it has nothing checked out yet. On its host: "
            f"git symbolic-ref HEAD refs/heads/{publication.branch}"
        )
    if plan:
        console.say(f"Pushed. To make new projects from it: garscaffold template use {source}")
    console.result("", document)


def _make_sure(console: Console) -> None:
    if not console.assume_yes and not console.interactive:
        raise usage_error(
            "There is nobody to ask whether this is to be pushed, and nothing was.",
            mend="Add -y to do it, or --dry-run to see only what would be done.",
        )
    if not console.confirm("Push it?"):
        raise GarscaffoldError("Nothing was pushed, as you said.")
