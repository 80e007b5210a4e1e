"""`garscaffold repo`: repositories in Artifact Registry, planned, created, listed, looked at and shared."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from garscaffold.commands.options import HELP, console_options
from garscaffold.console import Console, plan_text
from garscaffold.errors import ExitCode, GarscaffoldError, usage_error
from garscaffold.plan import Plan, Step
from garscaffold.registry import PermissionDenied, Registry
from garscaffold.registry.audit import INHERITED, Finding, audit, readers, writers
from garscaffold.registry.bootstrap import granting, look
from garscaffold.registry.desired import Cleanup, Request
from garscaffold.surroundings import suggestions
from garscaffold.values import (
    ADMIN,
    EVERYBODY,
    READER,
    WRITER,
    Format,
    Grant,
    Mode,
    Policy,
    Repository,
    check_kms_key,
    check_label,
    check_location,
    check_member,
    check_project,
    check_repository_name,
    repository_path,
    size_text,
)

if TYPE_CHECKING:
    from garscaffold.registry.gar import GoogleRegistry


@dataclass(frozen=True)
class Place:
    """Where repositories are, and who asks for them.

    Args:
        project: The Google Cloud project's id.
        location: The region or multi-region; '' for all of them.
        impersonate: The email of a service account to act as; '' for oneself.
    """

    project: str
    location: str
    impersonate: str


def bootstrap(
    request: Request, *, registry: "GoogleRegistry", console: Console, check_locations: bool, dry_run: bool
) -> None:
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
    shown = plan_text(outlook.plan, heading) if dry_run else _addresses(outlook.repositories)
    console.result(shown, document)
    if not dry_run:
        _say_what_comes_next(console, request, outlook.repositories)


def list_repositories(place: Place, *, registry: "GoogleRegistry", console: Console) -> None:
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
    console.result(_table(["NAME", "FORMAT", "MODE", "LOCATION", "SIZE"], rows) if rows else "", document)


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
        texts.append(_description(each, policy, findings))
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


def _addresses(repositories: Sequence[Repository]) -> str:
    rows = []
    for each in repositories:
        if each.upload_url:
            rows.append(["publish to", each.upload_url])
        if each.mode is Mode.VIRTUAL or (each.upload_url and not _is_behind(each, repositories)):
            rows.append(["install from", each.url])
        if each.format is Format.DOCKER:
            rows.append(["images", f"{each.url}/NAME:TAG"])
    return _table([], rows)


def _is_behind(repository: Repository, others: Sequence[Repository]) -> bool:
    return any(upstream.repository == repository.path for other in others for upstream in other.upstreams)


def _say_what_comes_next(console: Console, request: Request, repositories: Sequence[Repository]) -> None:
    own = next((each for each in repositories if each.upload_url), None)
    if own is not None:
        console.tip(
            f"garscaffold new package --gcp-project {request.project} --location {request.location} "
            f"--python-repository {own.name}"
        )


def _description(repository: Repository, policy: Policy | None, findings: Sequence[Finding]) -> str:
    rows = [
        ["where", repository.url],
        ["publish to", repository.upload_url],
        ["what", f"{repository.mode} {repository.format}, {size_text(repository.size_bytes)}"],
        ["description", repository.description],
        ["labels", ", ".join(f"{key}={value}" for key, value in sorted(repository.labels.items()))],
        ["key", repository.kms_key],
        ["remote of", repository.source],
        *(
            ["upstream", f"{each.repository.rpartition('/')[2]} (priority {each.priority})"]
            for each in sorted(repository.upstreams, key=lambda each: -each.priority)
        ),
        *(["cleanup", str(each)] for each in repository.cleanup_policies),
        ["", "(a dry run: nothing is deleted)" if repository.cleanup_dry_run and repository.cleanup_policies else ""],
        ["tags", "immutable" if repository.immutable_tags else ""],
        ["readers", "\n".join(readers(policy)) or "nobody by a grant on this repository" if policy else "not known"],
        ["writers", "\n".join(writers(policy)) or "nobody by a grant on this repository" if policy else "not known"],
    ]
    lines = [click.style(repository.name, bold=True)]
    for label, text in rows:
        for number, line in enumerate(text.splitlines()):
            lines.append(f"  {label if number == 0 else '':<12}{line}")
    for finding in findings:
        lines.append(f"  {click.style('warning', fg='yellow', bold=True)}     {finding.sentence}")
        lines.append(f"  {click.style('mend', fg='green', bold=True)}        {finding.mend}")
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    every = [head, *rows] if head else list(rows)
    widths = [max(len(row[column]) for row in every) for column in range(len(every[0]))] if every else []
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in every
    )


def _place(
    console: Console,
    *,
    gcp_project: str | None,
    location: str | None,
    impersonate: str | None,
    all_locations: bool = False,
) -> Place:
    """Return where to look, from options, else from where the command stands, else by asking.

    Raises:
        GarscaffoldError: Something is missing and nobody is there to ask, or it breaks a rule.
    """
    found = suggestions(os.environ, Path.home())
    project = gcp_project or found.get("gcp_project", "")
    location = "" if all_locations else location or found.get("location", "")
    if not project and console.interactive:
        project = console.ask_text("Id of the Google Cloud project", default="", check=check_project)
    if not location and not all_locations and console.interactive:
        location = console.ask_text("Location of the repositories", default="us-central1", check=check_location)
    missing = [] if project else ["--gcp-project"]
    missing += [] if location or all_locations else ["--location"]
    if missing:
        raise usage_error(
            f"There is nobody to ask, and {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing.",
            mend=f"Add {' '.join(f'{flag} …' for flag in missing)}, or set GOOGLE_CLOUD_PROJECT and "
            "CLOUDSDK_ARTIFACTS_LOCATION.",
        )
    _require("--gcp-project", check_project(project))
    if not all_locations:
        _require("--location", check_location(location))
    if impersonate:
        _require("--impersonate", check_member(f"serviceAccount:{impersonate}"))
    return Place(project, location, impersonate or "")


def _require(flag: str, broken_rule: str) -> None:
    if broken_rule:
        raise usage_error(f"{flag}: {broken_rule}")


def _members(flag: str, members: Sequence[str], *, allow_public: bool) -> tuple[str, ...]:
    for member in members:
        _require(flag, check_member(member))
        if member in EVERYBODY and not allow_public:
            who = "anybody on the internet" if member == EVERYBODY[0] else "anybody with any Google account"
            raise usage_error(
                f"{flag} {member} would let {who} in.", mend="Add --allow-public if that is what you want."
            )
    return tuple(dict.fromkeys(members))


def _labels(pairs: Sequence[str]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        _require("--label", check_label(key, value))
        labels[key] = value
    return labels


def _connected(place: Place, console: Console, *, role: str = "") -> "GoogleRegistry":
    # Here and not above: Google's client takes longer to load than all the rest.
    from garscaffold.registry.gar import connect

    return connect(impersonate=place.impersonate, role=role, report=console.say)


def _place_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--impersonate", metavar="EMAIL", help="Act as this service account."),
        click.option("--location", help="Region or multi-region; gcloud's artifacts/location by default."),
        click.option("--gcp-project", metavar="PROJECT", help="Google Cloud project; gcloud's by default."),
    ):
        command = option(command)
    return command


def _member_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--allow-public", is_flag=True, help="Let allUsers and allAuthenticatedUsers be members."),
        click.option("--writer", "writers_", metavar="MEMBER", multiple=True, help="May publish. Repeat it for more."),
        click.option("--reader", "readers_", metavar="MEMBER", multiple=True, help="May install. Repeat it for more."),
    ):
        command = option(command)
    return command


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
@_place_options
@_member_options
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
        _require("NAME", check_repository_name(name))
    place = _place(console, gcp_project=gcp_project, location=location, impersonate=impersonate)
    if kms_key:
        _require("--kms-key", check_kms_key(kms_key, place.location))
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
        readers=_members("--reader", readers_, allow_public=allow_public),
        writers=_members("--writer", writers_, allow_public=allow_public),
        labels=_labels(labels),
        cleanup=Cleanup(keep, delete_untagged_older_than, cleanup_dry_run),
        immutable_tags=immutable_tags,
    )
    registry = _connected(place, console, role=ADMIN)
    bootstrap(request, registry=registry, console=console, check_locations=check_locations, dry_run=dry_run)


@repo.command("list", context_settings=HELP)
@_place_options
@click.option("--all-locations", is_flag=True, help="Ask every location, one call for each.")
@console_options
def list_command(
    console: Console, gcp_project: str | None, location: str | None, impersonate: str | None, all_locations: bool
) -> None:
    """List repositories with their format, mode and size."""
    place = _place(
        console,
        gcp_project=gcp_project,
        location=location,
        impersonate=impersonate,
        all_locations=all_locations,
    )
    list_repositories(place, registry=_connected(place, console), console=console)


@repo.command(
    "show",
    context_settings=HELP,
    epilog="Without a NAME it shows every repository in the location: an audit of who may read and write.",
)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@_place_options
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
        _require("NAME", check_repository_name(name))
    place = _place(console, gcp_project=gcp_project, location=location, impersonate=impersonate)
    show(place, names, registry=_connected(place, console), console=console)


@repo.command(
    "grant",
    context_settings=HELP,
    epilog="""\b
Example:
  garscaffold repo grant python docker --writer serviceAccount:build@acme-prod.iam.gserviceaccount.com""",
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@_place_options
@_member_options
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
        _require("NAME", check_repository_name(name))
    grants = [
        *(Grant(READER, member) for member in _members("--reader", readers_, allow_public=allow_public)),
        *(Grant(WRITER, member) for member in _members("--writer", writers_, allow_public=allow_public)),
    ]
    if not grants:
        raise usage_error("There is nothing to grant.", mend="Add --reader MEMBER or --writer MEMBER.")
    place = _place(console, gcp_project=gcp_project, location=location, impersonate=impersonate)
    grant(place, names, grants, registry=_connected(place, console, role=ADMIN), console=console, dry_run=dry_run)
