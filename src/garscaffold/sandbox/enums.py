"""The API's enums by name and by number: gcloud sends and reads names, the Python client numbers.

Source: the enums of google/devtools/artifactregistry/v1/repository.proto.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_FORMATS = {
    "FORMAT_UNSPECIFIED": 0, "DOCKER": 1, "MAVEN": 2, "NPM": 3, "APT": 5, "YUM": 6, "PYTHON": 8, "KFP": 9, "GO": 10,
    "GENERIC": 11, "RUBY": 12,
}  # fmt: skip
_MODES = {"MODE_UNSPECIFIED": 0, "STANDARD_REPOSITORY": 1, "VIRTUAL_REPOSITORY": 2, "REMOTE_REPOSITORY": 3}
_ENUMS: dict[str, dict[str, int]] = {
    "format": _FORMATS,
    "mode": _MODES,
    "action": {"ACTION_UNSPECIFIED": 0, "DELETE": 1, "KEEP": 2},
    "tagState": {"TAG_STATE_UNSPECIFIED": 0, "TAGGED": 1, "UNTAGGED": 2, "ANY": 3},
    "versionPolicy": {"VERSION_POLICY_UNSPECIFIED": 0, "RELEASE": 1, "SNAPSHOT": 2},
    "enablementConfig": {"ENABLEMENT_CONFIG_UNSPECIFIED": 0, "INHERITED": 1, "DISABLED": 2},
}
# The field publicRepository is another enum in each of its parents.
_PUBLIC = {
    "dockerRepository": {"PUBLIC_REPOSITORY_UNSPECIFIED": 0, "DOCKER_HUB": 1},
    "mavenRepository": {"PUBLIC_REPOSITORY_UNSPECIFIED": 0, "MAVEN_CENTRAL": 1},
    "npmRepository": {"PUBLIC_REPOSITORY_UNSPECIFIED": 0, "NPMJS": 1},
    "pythonRepository": {"PUBLIC_REPOSITORY_UNSPECIFIED": 0, "PYPI": 1},
}

_DURATIONS = ("olderThan", "newerThan")

_Convert = Callable[[Any, Mapping[str, int]], Any]


def read_enums(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document that was sent with every enum by its name and every duration in its one spelling.

    Raises:
        ValueError: A value is not one of its enum's; it says which.
    """
    converted: dict[str, Any] = _convert(document, "", _to_name)
    return converted


def write_enums(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document to be sent with every enum by its number."""
    converted: dict[str, Any] = _convert(document, "", _to_number)
    return converted


def _convert(value: Any, parent: str, convert: _Convert) -> Any:
    if isinstance(value, list):
        return [_convert(item, parent, convert) for item in value]
    if not isinstance(value, dict):
        return value
    converted = {}
    for name, item in value.items():
        enum = _PUBLIC.get(parent) if name == "publicRepository" else _ENUMS.get(name)
        # A label may be called "format" too.
        plain = enum is None or parent == "labels" or isinstance(item, dict | list)
        converted[name] = _convert(item, name, convert) if plain else convert(item, enum or {})
        if name in _DURATIONS and isinstance(item, str):
            converted[name] = re.sub(r"\.0+s$", "s", item)
    return converted


def _to_name(value: Any, enum: Mapping[str, int]) -> Any:
    for name, number in enum.items():
        # Names are read in any case, and gcloud relies on it: it sends `Keep` and `any` as they stand in a user's file.
        if value == number or (isinstance(value, str) and value.upper() == name):
            return name
    raise ValueError(f"Invalid value: {json.dumps(value)}")


def _to_number(value: Any, enum: Mapping[str, int]) -> Any:
    return enum.get(value, value)
