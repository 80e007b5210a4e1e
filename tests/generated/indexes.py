"""Where a project's package manager looks for packages, read from its `pyproject.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.generated.matrix import Project

PRIVATE_NAMES = ("acme-greetings", "acme-models")


@dataclass(frozen=True)
class Indexes:
    """The indexes that packages come from.

    Args:
        tied: The index of each package that names one, and which comes from nowhere else.
        others: The index of every other package; None for the public one.
    """

    tied: Mapping[str, str]
    others: str | None


@cache
def pyproject(text: str) -> dict[str, Any]:
    """Return the document in a `pyproject.toml`; it is not to be changed."""
    return tomllib.loads(text)


def indexes(project: Project) -> Indexes:
    """Return where a project's packages come from, by the rules of its manager."""
    tool = pyproject(project.files["pyproject.toml"])["tool"]
    if "poetry" in tool:
        return _poetry(tool["poetry"])
    return _uv(tool["uv"]) if "uv" in tool else _pip(tool["private-index"])


def _poetry(poetry: Mapping[str, Any]) -> Indexes:
    sources = {source["name"]: source for source in poetry["source"]}
    primary = [source["url"] for source in sources.values() if source["priority"] == "primary"]
    assert {source["priority"] for source in sources.values()} <= {"primary", "explicit"}
    assert len(primary) < 2
    named = {name: sources[entry["source"]]["url"] for name, entry in poetry.get("dependencies", {}).items()}
    return Indexes(named, primary[0] if primary else None)


def _uv(uv: Mapping[str, Any]) -> Indexes:
    found = {index["name"]: index for index in uv["index"]}
    # Credentials come from the program `keyring`, and uv asks it only where it is told to.
    assert uv["keyring-provider"] == "subprocess"
    assert all(index["authenticate"] == "always" for index in found.values())
    # As the default it takes the place of the public index; an index that is neither is searched for every name.
    default = [index["url"] for index in found.values() if index.get("default")]
    assert all(index.get("default", False) != index.get("explicit", False) for index in found.values())
    assert len(default) < 2
    named = {name: found[entry["index"]]["url"] for name, entry in uv.get("sources", {}).items()}
    return Indexes(named, default[0] if default else None)


def _pip(index: Mapping[str, Any]) -> Indexes:
    """The table is ours: tools/lock.py reads it."""
    virtual = index["url"] if index.get("default") else index.get("virtual-url")
    return Indexes(dict.fromkeys(index.get("packages", []), index["url"]), virtual)
