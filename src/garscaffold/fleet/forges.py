"""Pull requests by the programs of the forges: `gh` of GitHub, `glab` of GitLab, with the login that they have."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from garscaffold import git_remote, process
from garscaffold.errors import GarscaffoldError
from garscaffold.fleet.repositories import Repository

BY_HOST: Mapping[str, str] = MappingProxyType({"github": "gh", "gitlab": "glab"})
AUTO = "auto"
PROGRAMS = tuple(BY_HOST.values())


@dataclass(frozen=True)
class Proposal:
    """What a pull request says.

    Args:
        title: Its title.
        body: Its text.
        branch: The branch with the change.
        base: The branch that it shall go to; '' for the default one.
    """

    title: str
    body: str
    branch: str
    base: str


@dataclass(frozen=True)
class Forge:
    """Where pull requests are made.

    Args:
        program: One of `PROGRAMS`, or `AUTO` for what the remote's host tells.
    """

    program: str = AUTO

    def propose(self, repository: Repository, proposal: Proposal) -> str:
        """Make a pull request, where there is none yet for its branch.

        Returns:
            The URL of the pull request.

        Raises:
            GarscaffoldError: The program is not there, or refused.
        """
        url = git_remote.remote_url(repository.folder)
        program = program_for(url) if self.program == AUTO else self.program
        return (_by_gh if program == "gh" else _by_glab)(repository, url, proposal)


def program_for(url: str) -> str:
    """Return the program for a remote, by the name of its host.

    Raises:
        GarscaffoldError: The host's name tells nothing.
    """
    for word, program in BY_HOST.items():
        if word in _host(url):
            return program
    raise GarscaffoldError(
        f"Nobody can tell from {url or 'a missing remote'} whether it is GitHub or GitLab.",
        mend="Say it: --pull-request gh, or --pull-request glab",
    )


def slug(url: str) -> str:
    """Return what `gh` and `glab` take for a repository: HOST/OWNER/NAME."""
    path = urlsplit(url).path if "://" in url else url.partition(":")[2]
    return f"{_host(url)}/{path.strip('/').removesuffix('.git')}"


def _host(url: str) -> str:
    if "://" in url:
        return urlsplit(url).hostname or ""
    found = re.match(r"(?:[\w.-]+@)?([\w.-]+):", url)
    return found[1] if found else ""


def _by_gh(repository: Repository, url: str, proposal: Proposal) -> str:
    where = ["--repo", slug(url), "--head", proposal.branch]
    listed = _asked(repository, ["gh", "pr", "list", *where, "--state", "open", "--json", "url"])
    if there := json.loads(listed or "[]"):
        return str(there[0]["url"])
    base = ["--base", proposal.base] if proposal.base else []
    return _asked(repository, ["gh", "pr", "create", *where, *base, "--title", proposal.title, "--body", proposal.body])


def _by_glab(repository: Repository, url: str, proposal: Proposal) -> str:
    # By its door to the API: `glab mr create` wants a checkout with a remote that it knows.
    host, _, path = slug(url).partition("/")
    project = f"projects/{quote(path, safe='')}"

    def ask(*words: str) -> Any:
        return json.loads(_asked(repository, ["glab", "api", "--hostname", host, *words]) or "null")

    query = urlencode({"state": "opened", "source_branch": proposal.branch})
    if there := ask(f"{project}/merge_requests?{query}"):
        return str(there[0]["web_url"])
    fields = {
        "source_branch": proposal.branch,
        "target_branch": proposal.base or ask(project)["default_branch"],
        "title": proposal.title,
        "description": proposal.body,
    }
    words = [word for name, value in fields.items() for word in ("--raw-field", f"{name}={value}")]
    return str(ask(f"{project}/merge_requests", "--method", "POST", *words)["web_url"])


def _asked(repository: Repository, command: list[str]) -> str:
    if process.find(command[0]) is None:
        raise GarscaffoldError(
            f"The branch is pushed, and {command[0]} is not installed, which makes pull requests.",
            mend=f"Install {command[0]}, sign in with `{command[0]} auth login`, then run it again.",
        )
    quiet = {"GH_PROMPT_DISABLED": "1"}
    done = process.run(command, cwd=repository.folder, environment=quiet, check=False, limit=process.patience())
    if done.exit_code != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise GarscaffoldError(
            f"The branch is pushed, and `{' '.join(command[:3])}` failed: {said[-1]}",
            mend=f"See who you are there with: {command[0]} auth status; then run it again.",
        )
    return done.stdout.strip()
