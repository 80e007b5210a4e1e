"""`garscaffold repo`: repositories in Artifact Registry, planned, created, listed, looked at and shared."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from garscaffold.commands.options import HELP, console_options
from garscaffold.commands.repo_options import (
    Place,
    connected,
    member_options,
    place_options,
    read_labels,
    read_members,
    read_place,
    require,
)
from garscaffold.console import Console, plan_text, table
from garscaffold.errors import ExitCode, GarscaffoldError, usage_error
from garscaffold.plan import Plan, Step
from garscaffold.registry import PermissionDenied, Registry
from garscaffold.registry.audit import INHERITED, audit, readers, writers
from garscaffold.registry.bootstrap import granting, look
from garscaffold.registry.desired import Cleanup, Request
from garscaffold.registry.texts import addresses, description
from garscaffold.rules import check_kms_key, check_repository_name
from garscaffold.values import ADMIN, READER, WRITER, Format, Grant, Policy, Repository, repository_path, size_text


def bootstrap(request: Request, *, registry: Registry, console: Console, check_locations: bool, dry_run: bool) -> None:
    """Show what is lacking of the repositories that a request asks for, and make it.

    Args:
        request: What was asked for.
        registry: Where it is made.
        console: Where it is shown.
        check_locations: Look for repositories of the same names in every other location.
        dry_run: Only show it.

    Raises:
        GarscaffoldError: Something refuses; what had been made by then stays, and the next plan knows it.
    """
    with console.progress(f"Reading what is in {request.project}, {request.location}"):
        elsewhere = registry.everywhere(request.project) if check_locations else []
        outlook = look(request, registry, console.say, elsewhere)
    for difference in outlook.differences:
        console.warn(difference.sentence)
    heading = f"Artifact Registry, project {request.project}, location {request.location}:"
    _apply(outlook.plan, heading, console=console, dry_run=dry_run)
    if request.cleanup.keep is not None and request.cleanup.delete_untagged_days is None:
        console.tip("Keeping the newest versions deletes nothing by itself; a policy that deletes has to go with it.")
    document = {
        "project": request.project,
        "location": request.location,
        "repositories": [each.to_json() for each in outlook.repositories],
        "changes": outlook.plan.to_json(),
        "differences": [difference.sentence for difference in outlook.differences],
        "applied": not dry_run,
        "api_calls": registry.calls,
    }
    shown = plan_text(outlook.plan, heading) if dry_run else addresses(outlook.repositories)
    console.result(shown, document)
    if not dry_run:
        _say_what_comes_next(console, request, outlook.repositories)


def list_repositories(place: Place, *, registry: Registry, console: Console) -> None:
    """List the repositories of a project, in one location or in all of them."""
    if place.location:
        found = registry.repositories(place.project, place.location)
    else:
        with console.progress(f"Asking every location of {place.project}"):
            found = registry.everywhere(place.project)
    document = {
        "project": place.project,
        "location": place.location or None,
        "repositories": [{**each.to_json(), "location": each.location} for each in found],
    }
    if not found:
        where = f"in location {place.location}" if place.location else "in any location"
        console.say(f"Project {place.project} has no repositories {where}.")
        console.tip(f"garscaffold repo bootstrap --gcp-project {place.project} makes them.")
    rows = [[each.name, each.format, each.mode, each.location, size_text(each.size_bytes)] for each in found]
    console.result(table(["NAME", "FORMAT", "MODE", "LOCATION", "SIZE"], rows) if rows else "", document)


def show(place: Place, names: Sequence[str], *, registry: Registry, console: Console) -> None:
    """Show repositories with what is behind them and who may use them, and warn of grants that reach too far.

    Args:
        place: Where they are.
        names: Which ones; empty for all in the location.
        registry: Where they are read.
        console: Where they are shown.
    """
    if names:
        found = [registry.repository(place.project, place.location, name) for name in names]
    else:
        found = registry.repositories(place.project, place.location)
    texts, documents = [], []
    for each in found:
        policy = _readable_policy(registry, each, console)
        findings = audit(each, policy) if policy else []
        texts.append(description(each, policy, findings))
        documents.append(
            {
                **each.to_json(),
                "location": each.location,
                "readers": readers(policy) if policy else None,
                "writers": writers(policy) if policy else None,
                "warnings": [finding.to_json() for finding in findings],
            }
        )
    if found:
        console.say(f"{INHERITED}\n")
    console.result("\n\n".join(texts), {"project": place.project, "repositories": documents, "note": INHERITED})


def grant(
    place: Place, names: Sequence[str], grants: Sequence[Grant], *, registry: Registry, console: Console, dry_run: bool
) -> None:
    """Grant roles on repositories; grants that are there already, and those of others, stay as they are."""
    steps: list[Step] = []
    for name in dict.fromkeys(names):
        path = repository_path(place.project, place.location, name)
        steps += granting(path, grants, registry.policy(path), registry)
    plan = Plan(tuple(steps))
    heading = f"Artifact Registry, project {place.project}, location {place.location}:"
    _apply(plan, heading, console=console, dry_run=dry_run)
    document = {"changes": plan.to_json(), "applied": not dry_run}
    console.result(plan_text(plan, heading) if dry_run else "", document)


def _apply(plan: Plan, heading: str, *, console: Console, dry_run: bool) -> None:
    if dry_run:
        return
    console.show(plan, heading)
    if not plan:
        return
    if not console.assume_yes and not console.interactive:
        raise usage_error(
            "There is nobody to ask whether this is to be done, and nothing was changed.",
            mend="Add -y to do it, or --dry-run to see only what would be done.",
        )
    if not console.confirm("Do it?"):
        raise GarscaffoldError("Nothing was changed, as you said.")
    with _resumable():
        console.apply(plan)


@contextmanager
def _resumable() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise GarscaffoldError(
            "Interrupted. What was being created is finished by Google all the same.",
            mend="Run the same command again: it takes up where this one stopped.",
            exit_code=ExitCode.INTERRUPTED,
        ) from None


def _readable_policy(registry: Registry, repository: Repository, console: Console) -> Policy | None:
    try:
        return registry.policy(repository.path)
    except PermissionDenied as error:
        console.warn(f"Who may use {repository.name} cannot be read. {error.sentence}")
        return None


def _say_what_comes_next(console: Console, request: Request, repositories: Sequence[Repository]) -> None:
    own = next((each for each in repositories if each.upload_url), None)
    if own is not None:
        console.tip(
            f"garscaffold new package --gcp-project {request.project} --location {request.location} "
            f"--python-repository {own.name}"
        )


@click.group(context_settings=HELP)
def repo() -> None:
    """Repositories in Artifact Registry: plan, create, list, show, grant."""


@repo.command(
    "bootstrap",
    context_settings=HELP,
    epilog="""\b
Examples:
  garscaffold repo bootstrap --gcp-project acme-prod --location europe-west1 --dry-run
  garscaffold repo bootstrap acme --reader group:developers@acme.com \\
      --writer serviceAccount:build@acme-prod.iam.gserviceaccount.com

\b
It makes python (publish here), python-pypi (a cache of PyPI), python-virtual (install from here: the first before
the second) and docker; with a NAME, NAME-python and so on. Run it again at any time: it makes what is lacking.""",
)
@click.argument("name", required=False, default="")
@place_options
@member_options
@click.option("--only", type=click.Choice(["python", "docker"]), help="Only the repositories of one format.")
@click.option("--no-virtual", is_flag=True, help="No virtual repository over the others.")
@click.option("--no-remote", is_flag=True, help="No remote repository of PyPI.")
@click.option("--kms-key", metavar="KEY", help="Encrypt with this key: projects/…/cryptoKeys/….")
@click.option("--label", "labels", metavar="KEY=VALUE", multiple=True, help="A label. Repeat it for more.")
@click.option("--immutable-tags/--no-immutable-tags", default=None, help="An image's tag can never be moved.")
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Never clean up the newest N of each package.")
@click.option(
    "--delete-untagged-older-than",
    type=click.IntRange(1),
    metavar="DAYS",
    help="Clean up untagged images that are older.",
)
@click.option(
    "--cleanup-dry-run/--no-cleanup-dry-run",
    default=None,
    help="Only log what a cleanup would delete; that is so unless you say no.",
)
@click.option("--check-locations", is_flag=True, help="Say which names other locations have; one call for each.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@console_options
def bootstrap_command(
    console: Console,
    name: str,
    gcp_project: str | None,
    location: str | None,
    impersonate: str | None,
    readers_: Sequence[str],
    writers_: Sequence[str],
    allow_public: bool,
    only: str | None,
    no_virtual: bool,
    no_remote: bool,
    kms_key: str | None,
    labels: Sequence[str],
    immutable_tags: bool | None,
    keep: int | None,
    delete_untagged_older_than: int | None,
    cleanup_dry_run: bool | None,
    check_locations: bool,
    dry_run: bool,
) -> None:
    """Create what is lacking of a team's Python and Docker repositories, and grant access to them."""
    if name:
        require("NAME", check_repository_name(name))
    place = read_place(console, gcp_project=gcp_project, location=location, impersonate=impersonate)
    if kms_key:
        require("--kms-key", check_kms_key(kms_key, place.location))
    if only == "python":
        for flag, value in (
            ("--delete-untagged-older-than", delete_untagged_older_than),
            ("--immutable-tags", immutable_tags),
        ):
            if value is not None:
                raise usage_error(f"{flag} is about images, and --only python makes no repository for them.")
    request = Request(
        place.project,
        place.location,
        prefix=name,
        formats=(Format(only),) if only else (Format.PYTHON, Format.DOCKER),
        with_remote=not no_remote,
        with_virtual=not no_virtual,
        kms_key=kms_key or "",
        readers=read_members("--reader", readers_, allow_public=allow_public),
        writers=read_members("--writer", writers_, allow_public=allow_public),
        labels=read_labels(labels),
        cleanup=Cleanup(keep, delete_untagged_older_than, cleanup_dry_run),
        immutable_tags=immutable_tags,
    )
    registry = connected(place, console, role=ADMIN)
    bootstrap(request, registry=registry, console=console, check_locations=check_locations, dry_run=dry_run)


@repo.command("list", context_settings=HELP)
@place_options
@click.option("--all-locations", is_flag=True, help="Ask every location, one call for each.")
@console_options
def list_command(
    console: Console, gcp_project: str | None, location: str | None, impersonate: str | None, all_locations: bool
) -> None:
    """List repositories with their format, mode and size."""
    place = read_place(
        console,
        gcp_project=gcp_project,
        location=location,
        impersonate=impersonate,
        all_locations=all_locations,
    )
    list_repositories(place, registry=connected(place, console), console=console)


@repo.command(
    "show",
    context_settings=HELP,
    epilog="Without a NAME it shows every repository in the location: an audit of who may read and write.",
)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@place_options
@console_options
def show_command(
    console: Console,
    names: Sequence[str],
    gcp_project: str | None,
    location: str | None,
    impersonate: str | None,
) -> None:
    """Show repositories, who may read and write them, and which grants reach too far."""
    for name in names:
        require("NAME", check_repository_name(name))
    place = read_place(console, gcp_project=gcp_project, location=location, impersonate=impersonate)
    show(place, names, registry=connected(place, console), console=console)


@repo.command(
    "grant",
    context_settings=HELP,
    epilog="""\b
Example:
  garscaffold repo grant python docker --writer serviceAccount:build@acme-prod.iam.gserviceaccount.com""",
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@place_options
@member_options
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@console_options
def grant_command(
    console: Console,
    names: Sequence[str],
    gcp_project: str | None,
    location: str | None,
    impersonate: str | None,
    readers_: Sequence[str],
    writers_: Sequence[str],
    allow_public: bool,
    dry_run: bool,
) -> None:
    """Let members install from repositories, or publish to them."""
    for name in names:
        require("NAME", check_repository_name(name))
    grants = [
        *(Grant(READER, member) for member in read_members("--reader", readers_, allow_public=allow_public)),
        *(Grant(WRITER, member) for member in read_members("--writer", writers_, allow_public=allow_public)),
    ]
    if not grants:
        raise usage_error("There is nothing to grant.", mend="Add --reader MEMBER or --writer MEMBER.")
    place = read_place(console, gcp_project=gcp_project, location=location, impersonate=impersonate)
    grant(place, names, grants, registry=connected(place, console, role=ADMIN), console=console, dry_run=dry_run)
