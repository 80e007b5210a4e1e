"""What the `repo` commands take from the command line, checked before anything is asked of Google."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from garscaffold.console import Console
from garscaffold.errors import usage_error
from garscaffold.registry import Registry
from garscaffold.rules import check_label, check_location, check_member, check_project
from garscaffold.surroundings import suggestions
from garscaffold.values import EVERYBODY


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


def read_place(
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
    require("--gcp-project", check_project(project))
    if not all_locations:
        require("--location", check_location(location))
    if impersonate:
        require("--impersonate", check_member(f"serviceAccount:{impersonate}"))
    return Place(project, location, impersonate or "")


def require(flag: str, broken_rule: str) -> None:
    """Refuse the command line when there is a broken rule.

    Args:
        flag: What broke it.
        broken_rule: The rule as a sentence; '' when all is well.

    Raises:
        GarscaffoldError: There is one.
    """
    if broken_rule:
        raise usage_error(f"{flag}: {broken_rule}")


def read_members(flag: str, members: Sequence[str], *, allow_public: bool) -> tuple[str, ...]:
    """Return members as they were given, each once.

    Raises:
        GarscaffoldError: One is no member, or means everybody and `allow_public` is not set.
    """
    for member in members:
        require(flag, check_member(member))
        if member in EVERYBODY and not allow_public:
            who = "anybody on the internet" if member == EVERYBODY[0] else "anybody with any Google account"
            raise usage_error(
                f"{flag} {member} would let {who} in.", mend="Add --allow-public if that is what you want."
            )
    return tuple(dict.fromkeys(members))


def read_labels(pairs: Sequence[str]) -> dict[str, str]:
    """Return labels from KEY=VALUE.

    Raises:
        GarscaffoldError: One breaks a rule.
    """
    found = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        require("--label", check_label(key, value))
        found[key] = value
    return found


def connected(place: Place, console: Console, *, role: str = "") -> Registry:
    """Return the registry, called as the place says.

    Args:
        place: Whose credentials.
        console: Told when a call has to be made again.
        role: The role that everything takes which is about to be done; '' for the least one.
    """
    # Here and not above: Google's client takes longer to load than all the rest.
    from garscaffold.registry.gar import connect

    return connect(impersonate=place.impersonate, role=role, report=console.say)


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where repositories are, and who asks."""
    for option in (
        click.option("--impersonate", metavar="EMAIL", help="Act as this service account."),
        click.option("--location", help="Region or multi-region; gcloud's artifacts/location by default."),
        click.option("--gcp-project", metavar="PROJECT", help="Google Cloud project; gcloud's by default."),
    ):
        command = option(command)
    return command


def member_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say who may read and write."""
    for option in (
        click.option("--allow-public", is_flag=True, help="Let allUsers and allAuthenticatedUsers be members."),
        click.option("--writer", "writers_", metavar="MEMBER", multiple=True, help="May publish. Repeat it for more."),
        click.option("--reader", "readers_", metavar="MEMBER", multiple=True, help="May install. Repeat it for more."),
    ):
        command = option(command)
    return command
