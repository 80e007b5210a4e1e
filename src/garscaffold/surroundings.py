"""Good defaults, read from where the command stands: git's identity, gcloud's configuration, the environment."""

import configparser
from collections.abc import Mapping
from pathlib import Path

from garscaffold import process


def suggestions(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return answers to suggest, by question; only those that could be found.

    Args:
        environment: The process's environment.
        home: The user's home folder.
    """
    gcloud = gcloud_properties(environment, home)
    project = (
        environment.get("GOOGLE_CLOUD_PROJECT")
        or environment.get("CLOUDSDK_CORE_PROJECT")
        or gcloud.get("core/project")
    )
    found = {
        "author_name": _git_config("user.name"),
        "author_email": _git_config("user.email"),
        "gcp_project": project,
        "location": environment.get("CLOUDSDK_ARTIFACTS_LOCATION") or gcloud.get("artifacts/location"),
        "python_repository": environment.get("CLOUDSDK_ARTIFACTS_REPOSITORY") or gcloud.get("artifacts/repository"),
    }
    return {name: value for name, value in found.items() if value}


def gcloud_properties(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the properties of gcloud's active configuration as `section/name`, from its files.

    The files are those of `gcloud topic configurations`; asking gcloud itself takes most of a second.
    """
    folder = Path(environment.get("CLOUDSDK_CONFIG") or home / ".config" / "gcloud")
    try:
        active = (
            environment.get("CLOUDSDK_ACTIVE_CONFIG_NAME")
            or (folder / "active_config").read_text(encoding="utf-8").strip()
            or "default"
        )
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string((folder / "configurations" / f"config_{active}").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}
    return {f"{section}/{name}": value for section in parser.sections() for name, value in parser[section].items()}


def _git_config(name: str) -> str:
    if process.find("git") is None:
        return ""
    return process.run(["git", "config", "--get", name], check=False).stdout.strip()
