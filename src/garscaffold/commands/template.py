"""`garscaffold template`: the versions of the template, and the copy of them in the home folder."""

from pathlib import Path

import click

from garscaffold.commands.options import HELP, console_options
from garscaffold.console import Console
from garscaffold.plan import Plan
from garscaffold.template import bundle


@click.group(context_settings=HELP)
def template() -> None:
    """The versions of the template that projects are made from."""


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


@template.command(context_settings=HELP)
@console_options
def versions(console: Console) -> None:
    """List the released versions, oldest first."""
    with bundle.packaged_bundle() as packaged:
        released = [str(version) for version in bundle.versions(packaged)]
    console.result("\n".join(released), {"versions": released})
