"""The repositories that a project's answers name: those to choose from, and those that are to be made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from garscaffold.registry.desired import Request
from garscaffold.surroundings import gcloud_properties
from garscaffold.values import Format, Mode, Repository

# Which repositories answer a question.
FITTING: dict[str, tuple[Format, tuple[Mode, ...]]] = {
    "python_repository": (Format.PYTHON, (Mode.STANDARD,)),
    "python_index": (Format.PYTHON, (Mode.VIRTUAL, Mode.STANDARD)),
    "docker_repository": (Format.DOCKER, (Mode.STANDARD,)),
}


def fitting(question: str, repositories: Sequence[Repository]) -> list[Repository]:
    """Return the repositories that answer a question, in their order."""
    stores, modes = FITTING[question]
    return [each for each in repositories if each.format is stores and each.mode in modes]


def request_for(answers: Mapping[str, Any]) -> Request:
    """Return the request for every repository that a project with these answers publishes to or reads from.

    Args:
        answers: Of a service or a package; `python_index` is a virtual repository where it is not `python_repository`.
    """
    own, index = answers["python_repository"], answers["python_index"]
    names = {"python": own, "python-pypi": f"{own}-pypi", "python-virtual": index}
    formats = [Format.PYTHON]
    if "docker_repository" in answers:
        names["docker"] = answers["docker_repository"]
        formats.append(Format.DOCKER)
    return Request(
        answers["gcp_project"],
        answers["location"],
        names=names,
        formats=formats,
        with_remote=index != own,
        with_virtual=index != own,
    )


def somebody_is_logged_in(environment: Mapping[str, str], home: Path) -> bool:
    """Tell whether credentials are at hand, so that asking Google is worth the wait; looks at files only."""
    folder = Path(environment.get("CLOUDSDK_CONFIG") or home / ".config" / "gcloud")
    return bool(
        environment.get("GOOGLE_APPLICATION_CREDENTIALS")
        or (folder / "application_default_credentials.json").is_file()
        or gcloud_properties(environment, home).get("core/account")
    )
