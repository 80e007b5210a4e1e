"""The file that lists a fleet."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.search import expanded, found_at, remote
from garscaffold.fleet.targets import Target, is_url
from garscaffold.process import seconds

FLEET_FILE = "fleet.toml"
COMMON = ("base", "check", "check_timeout")
KEYS = frozenset({"path", "url", *COMMON})
EXAMPLE = 'A fleet file looks so: repositories = ["services/orders", "https://git.example.com/acme/billing.git"]'


def parse_fleet_file(text: str, folder: Path, *, name: str = FLEET_FILE) -> list[Target]:
    """Read a fleet file.

    Args:
        text: What is in it: `repositories`, a list of paths and URLs; tables `[[repository]]` with `path` or `url`,
            and `base`, `check` and `check_timeout` for one of them; those three at the top for all.
        folder: What its paths are relative to.
        name: What an error calls it.

    Raises:
        GarscaffoldError: It is no fleet file.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GarscaffoldError(f"{name} cannot be read: {error}.", mend=EXAMPLE) from error
    tables: list[Any] = [{"url" if is_url(place) else "path": place} for place in _texts(document, name)]
    named = document.pop("repository", [])
    if not isinstance(named, list):
        raise GarscaffoldError(f"In {name}, repository is no list of tables.", mend="Write [[repository]].")
    tables += named
    common: dict[str, Any] = {key: document.pop(key) for key in COMMON if key in document}
    if not all(_is_right(key, value) for key, value in common.items()):
        raise GarscaffoldError(f"In {name}, {' and '.join(common)} are texts.", mend='Such as: base = "main"')
    if document:
        raise GarscaffoldError(f"{name} has {', '.join(document)}, which means nothing here.", mend=EXAMPLE)
    return [target for table in tables for target in _from_table({**common, **_table(table, name)}, folder, name)]


def _texts(document: dict[str, Any], name: str) -> list[str]:
    places = document.pop("repositories", [])
    if not isinstance(places, list) or not all(isinstance(place, str) and place for place in places):
        raise GarscaffoldError(f"In {name}, repositories is no list of paths and URLs.", mend=EXAMPLE)
    return places


def _table(table: Any, name: str) -> dict[str, str]:
    if not isinstance(table, dict) or ("path" in table) == ("url" in table):
        raise GarscaffoldError(f"In {name}, a repository has either a path or a url.", mend=EXAMPLE)
    wrong = [key for key, value in table.items() if key not in KEYS or not _is_right(key, value)]
    if wrong:
        raise GarscaffoldError(
            f"In {name}, a repository has {', '.join(wrong)}.", mend=f"It has texts: {', '.join(sorted(KEYS))}."
        )
    if not (table.get("path") or table.get("url")):
        raise GarscaffoldError(f"In {name}, a repository has an empty path or url.", mend=EXAMPLE)
    if "url" in table and not is_url(table["url"]):
        raise GarscaffoldError(
            f"In {name}, {table['url']!r} is no URL of git's.",
            mend="Such as https://git.example.com/acme/orders.git or git@git.example.com:acme/orders.git",
        )
    return table


def _is_right(key: str, value: Any) -> bool:
    # A number of seconds is what one writes without thinking.
    return isinstance(value, str) or (key == "check_timeout" and type(value) is int)


def _from_table(table: Mapping[str, str], folder: Path, name: str) -> list[Target]:
    settings: dict[str, Any] = {key: table[key] for key in ("base", "check") if key in table}
    if "check_timeout" in table:
        try:
            settings["check_limit"] = seconds(str(table["check_timeout"]))
        except GarscaffoldError as error:
            raise GarscaffoldError(f"In {name}, check_timeout: {error.sentence}", mend=error.mend) from error
    if "url" in table:
        return [replace(remote(table["url"]), **settings)]
    return [replace(target, **settings) for target in found_at(folder / expanded(table["path"]))]
