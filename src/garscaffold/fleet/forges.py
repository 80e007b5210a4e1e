"""The forges, GitHub and GitLab, by their programs `gh` and `glab` and the login that these have.

Both are asked by their door to the API: what they do beyond it wants a checkout with a remote that they know.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from garscaffold import git_remote, process
from garscaffold.errors import GarscaffoldError
from garscaffold.git_words import without_credentials

BY_HOST: Mapping[str, str] = MappingProxyType({"github": "gh", "gitlab": "glab"})
AUTO = "auto"
PROGRAMS = tuple(BY_HOST.values())
QUIET = MappingProxyType({"GH_PROMPT_DISABLED": "1"})
UNKNOWN_HERE = 4
"""What `gh` ends with where nobody is signed in (`gh help exit-codes`)."""


class Stage(Enum):
    """What became of a pull request."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


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
class Request:
    """A pull request that is there.

    Args:
        number: Its number in its repository.
        url: Its address.
        stage: What became of it.
        base: The branch that it goes to.
        title: Its title.
        body: Its text.
        merged_as: The id of the commit that merged it; '' for none.
    """

    number: int
    url: str
    stage: Stage
    base: str
    title: str
    body: str
    merged_as: str = ""


@dataclass(frozen=True)
class ProposedCommit:
    """A commit of a pull request: its message, and whether it is as it was first made."""

    message: str
    is_first_hand: bool


@dataclass(frozen=True)
class Forge:
    """Where pull requests are made.

    Args:
        program: One of `PROGRAMS`, or `AUTO` for what the remote's host tells.
    """

    program: str = AUTO

    def refuse_missing(self) -> None:
        """Refuse to begin where no program is there that could make pull requests.

        Raises:
            GarscaffoldError: It is not installed.
        """
        wanted = PROGRAMS if self.program == AUTO else (self.program,)
        if not any(process.find(program) for program in wanted):
            raise _missing(" and ".join(wanted), are=len(wanted) > 1)

    def at(self, repository: Path) -> "Host":
        """Return the forge of a repository's remote.

        Raises:
            GarscaffoldError: Nobody can tell which it is, or its program is not there.
        """
        url = git_remote.remote_url(repository)
        program = program_for(url) if self.program == AUTO else self.program
        if process.find(program) is None:
            raise _missing(program)
        host, _, path = slug(url).partition("/")
        return (GitHub if program == "gh" else GitLab)(program, host, path, repository)


@dataclass(frozen=True)
class Host(ABC):
    """A repository at a forge.

    Every method raises GarscaffoldError where the program or the forge refuses.

    Args:
        program: The program that asks it.
        name: The name of the host.
        path: The repository there.
        folder: The repository here.
    """

    program: str
    name: str
    path: str
    folder: Path

    @abstractmethod
    def requests(self, branch: str) -> list[Request]:
        """Return the pull requests that a branch of the repository ever had, the newest first."""

    @abstractmethod
    def create(self, proposal: Proposal) -> Request:
        """Make a pull request."""

    @abstractmethod
    def rewrite(self, request: Request, proposal: Proposal) -> None:
        """Give a pull request another title and text."""

    @abstractmethod
    def commits(self, request: Request) -> list[ProposedCommit]:
        """Return the commits of a pull request; a hundred at most."""

    @abstractmethod
    def close(self, request: Request, comment: str) -> None:
        """Close a pull request without a merge, and say why."""

    def _ask(self, path: str, method: str = "GET", **fields: str) -> Any:
        words = [word for name, value in fields.items() for word in ("--raw-field", f"{name}={value}")]
        command = [self.program, "api", "--hostname", self.name, path, "--method", method, *words]
        limit = process.patience()
        try:
            done = process.run(command, cwd=self.folder, environment=QUIET, check=False, limit=limit)
        except process.OverdueError as error:
            # Without the words that name where it asked.
            sentence = f"`{self.program} api` did not end within {limit} seconds."
            raise process.OverdueError(sentence, mend=error.mend) from error
        if done.exit_code == UNKNOWN_HERE and self.program == "gh":
            raise GarscaffoldError(
                f"gh is not signed in at {self.name}.", mend=f"gh auth login --hostname {self.name}; then run it again."
            )
        if done.exit_code != 0:
            lines = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
            said = "; ".join(line.strip().removeprefix(f"{self.program}: ") for line in lines[:3] if line.strip())
            raise GarscaffoldError(
                f"`{self.program} api` failed: {said}",
                mend=f"See who you are there with: {self.program} auth status; then run it again.",
            )
        return json.loads(done.stdout.strip() or "null")


class GitHub(Host):
    """A repository at GitHub: https://docs.github.com/rest/pulls/pulls."""

    def requests(self, branch: str) -> list[Request]:
        """Return the pull requests that a branch of the repository ever had, the newest first."""
        owner = self.path.partition("/")[0]
        query = urlencode({"state": "all", "head": f"{owner}:{branch}", "per_page": 100})
        return [_of_github(each) for each in self._ask(f"repos/{self.path}/pulls?{query}")]

    def create(self, proposal: Proposal) -> Request:
        """Make a pull request."""
        base = proposal.base or self._ask(f"repos/{self.path}")["default_branch"]
        fields = {"head": proposal.branch, "base": base, "title": proposal.title, "body": proposal.body}
        return _of_github(self._ask(f"repos/{self.path}/pulls", "POST", **fields))

    def rewrite(self, request: Request, proposal: Proposal) -> None:
        """Give a pull request another title and text."""
        self._ask(f"repos/{self.path}/pulls/{request.number}", "PATCH", title=proposal.title, body=proposal.body)

    def commits(self, request: Request) -> list[ProposedCommit]:
        """Return the commits of a pull request; a hundred at most."""
        found = self._ask(f"repos/{self.path}/pulls/{request.number}/commits?per_page=100")
        commits = [each["commit"] for each in found]
        return [
            ProposedCommit(each["message"], each["author"]["date"] == each["committer"]["date"]) for each in commits
        ]

    def close(self, request: Request, comment: str) -> None:
        """Close a pull request without a merge, and say why."""
        self._ask(f"repos/{self.path}/issues/{request.number}/comments", "POST", body=comment)
        self._ask(f"repos/{self.path}/pulls/{request.number}", "PATCH", state="closed")


class GitLab(Host):
    """A repository at GitLab: https://docs.gitlab.com/api/merge_requests/."""

    @property
    def _project(self) -> str:
        return f"projects/{quote(self.path, safe='')}"

    def requests(self, branch: str) -> list[Request]:
        """Return the merge requests that a branch of the repository ever had, the newest first."""
        query = urlencode({"state": "all", "source_branch": branch, "per_page": 100})
        found = self._ask(f"{self._project}/merge_requests?{query}")
        # A fork may have a branch of the same name.
        return [_of_gitlab(each) for each in found if each["source_project_id"] == each["target_project_id"]]

    def create(self, proposal: Proposal) -> Request:
        """Make a merge request."""
        fields = {
            "source_branch": proposal.branch,
            "target_branch": proposal.base or self._ask(self._project)["default_branch"],
            "title": proposal.title,
            "description": proposal.body,
        }
        return _of_gitlab(self._ask(f"{self._project}/merge_requests", "POST", **fields))

    def rewrite(self, request: Request, proposal: Proposal) -> None:
        """Give a merge request another title and text."""
        path = f"{self._project}/merge_requests/{request.number}"
        self._ask(path, "PUT", title=proposal.title, description=proposal.body)

    def commits(self, request: Request) -> list[ProposedCommit]:
        """Return the commits of a merge request; a hundred at most."""
        found = self._ask(f"{self._project}/merge_requests/{request.number}/commits?per_page=100")
        return [ProposedCommit(each["message"], each["authored_date"] == each["committed_date"]) for each in found]

    def close(self, request: Request, comment: str) -> None:
        """Close a merge request without a merge, and say why."""
        path = f"{self._project}/merge_requests/{request.number}"
        self._ask(f"{path}/notes", "POST", body=comment)
        self._ask(path, "PUT", state_event="close")


def newest_ended(requests: Sequence[Request]) -> Request | None:
    """Return the newest pull request of a branch where none is open."""
    return None if any(each.stage is Stage.OPEN for each in requests) else next(iter(requests), None)


def program_for(url: str) -> str:
    """Return the program for a remote, by the name of its host.

    Raises:
        GarscaffoldError: The host's name tells nothing.
    """
    for word, program in BY_HOST.items():
        if word in _host(url):
            return program
    raise GarscaffoldError(
        f"Nobody can tell from {without_credentials(url) or 'a missing remote'} whether it is GitHub or GitLab.",
        mend="Say it: --pull-request gh, or --pull-request glab",
    )


def slug(url: str) -> str:
    """Return what names a repository whatever the protocol: HOST/OWNER/NAME."""
    path = urlsplit(url).path if "://" in url else url.partition(":")[2]
    return f"{_host(url)}/{path.strip('/').removesuffix('.git')}"


def _host(url: str) -> str:
    if "://" in url:
        return urlsplit(url).hostname or ""
    found = re.match(r"(?:[\w.-]+@)?([\w.-]+):", url)
    return found[1] if found else ""


def _missing(programs: str, *, are: bool = False) -> GarscaffoldError:
    first = programs.partition(" ")[0]
    return GarscaffoldError(
        f"{programs} {'are' if are else 'is'} not installed, which make{'' if are else 's'} pull requests.",
        mend=f"Install {'one of them' if are else first}, sign in with `{first} auth login`, then run it again.",
    )


def _of_github(document: Mapping[str, Any]) -> Request:
    is_merged = document.get("merged_at") is not None
    stage = Stage.OPEN if document["state"] == "open" else Stage.MERGED if is_merged else Stage.CLOSED
    return Request(
        number=document["number"],
        url=document["html_url"],
        stage=stage,
        base=document["base"]["ref"],
        title=document["title"],
        body=document["body"] or "",
        merged_as=(document.get("merge_commit_sha") or "") if is_merged else "",
    )


def _of_gitlab(document: Mapping[str, Any]) -> Request:
    # `locked` is one that is being merged right now.
    stage = {"closed": Stage.CLOSED, "merged": Stage.MERGED}.get(document["state"], Stage.OPEN)
    # The last one is where it was fast-forwarded.
    commits = [document.get(name) for name in ("merge_commit_sha", "squash_commit_sha", "sha")]
    return Request(
        number=document["iid"],
        url=document["web_url"],
        stage=stage,
        base=document["target_branch"],
        title=document["title"],
        body=document["description"] or "",
        merged_as=next((each for each in commits if each), "") if stage is Stage.MERGED else "",
    )
