"""Artifact Registry over Google's own client, by REST: the only place that imports it.

How many calls: every method says so. One that is refused with 429 or 503 is sent again with backoff; Google's client
does not do that by itself for most methods.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import requests
from google.api_core import exceptions, retry
from google.api_core.gapic_v1.client_info import ClientInfo
from google.auth.exceptions import GoogleAuthError
from google.cloud import artifactregistry_v1
from google.iam.v1 import iam_policy_pb2, options_pb2, policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import field_mask_pb2, json_format

from garscaffold import __version__
from garscaffold.credentials import (
    Credentials,
    auth_failure,
    certificate_not_trusted,
    find,
    network_reason,
    unreachable,
)
from garscaffold.errors import GarscaffoldError
from garscaffold.registry import Report, RepositoryNotFound
from garscaffold.registry.failures import Call, Refusal, error_of, unknown_location
from garscaffold.registry.resources import (
    MASK_PATHS,
    policy_from_resource,
    repository_from_resource,
    resource_from_policy,
    resource_from_repository,
)
from garscaffold.values import Policy, Repository, location_path, repository_path

T = TypeVar("T")

_PAGE_SIZE = 1000
_LISTS_AT_ONCE = 8


def _to_nobody(line: str) -> None:
    """Take a report that nobody wants."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for what, in seconds.

    Args:
        call: For the answer to one call.
        retries: For calls that are sent again, all together.
        operation: For long-running operations.
        first_poll: Between a creation's start and the first look at it; each next pause is half as long again.
        longest_poll: Between two looks at most.
    """

    call: float = 30
    retries: float = 60
    operation: float = 600
    first_poll: float = 0.1
    longest_poll: float = 5


class GoogleRegistry:
    """`Registry` on Google's client.

    Args:
        credentials: Who calls.
        patience: How long to wait.
        role: The role that everything takes which is about to be done, for the mend of a refusal; '' for the least one.
        report: Told when a call has to be made again, so that nobody wonders why it takes so long.
    """

    def __init__(
        self,
        credentials: Credentials,
        patience: Patience | None = None,
        *,
        role: str = "",
        report: Report = _to_nobody,
    ) -> None:
        self._credentials = credentials
        self._role = role
        self._patience = patience or Patience()
        self._client = artifactregistry_v1.ArtifactRegistryClient(
            credentials=credentials.google,
            transport="rest",
            client_info=ClientInfo(user_agent=f"garscaffold/{__version__}"),  # type: ignore[no-untyped-call]
        )
        self._report = report
        self._retry = retry.Retry(
            predicate=_is_worth_repeating,
            on_error=self._say_that_it_repeats,
            initial=0.25,
            multiplier=2,
            maximum=10,
            timeout=self._patience.retries,
        )
        self._calls = 0
        self._counting = threading.Lock()

    @property
    def calls(self) -> int:
        """How many calls were made, repetitions after 429 and 503 aside."""
        return self._calls

    def _say_that_it_repeats(self, error: BaseException) -> None:
        code = getattr(error, "code", None)
        what = f"answers {int(code)}" if code else "cut the connection"
        self._report(f"Artifact Registry {what}; asking again, for {self._patience.retries:.0f} s at most")

    def _count(self) -> None:
        with self._counting:
            self._calls += 1

    def locations(self, project: str) -> list[str]:
        """See `Registry.locations`; one call for each 500 of them."""
        call = Call("listing locations", "artifactregistry.locations.list", f"projects/{project}")
        names: list[str] = []
        token = ""
        while True:
            query = {"name": f"projects/{project}", "page_size": 500, "page_token": token}
            answer = self._ask(call, self._client.list_locations, query)
            names += [location.location_id for location in answer.locations]
            token = answer.next_page_token
            if not token:
                return sorted(names)

    def repositories(self, project: str, location: str) -> list[Repository]:
        """See `Registry.repositories`; one call for each 1,000 of them."""
        try:
            return self._list(project, location)
        except _UnknownLocation as error:
            raise self._naming_locations(error, project, location) from error

    def everywhere(self, project: str) -> list[Repository]:
        """Return the repositories in every location: one call for the locations, and one for each, eight at a time."""

        def found_in(location: str) -> list[Repository]:
            try:
                return self._list(project, location)
            except _UnknownLocation:
                # An organisation's policy can forbid a location that is listed all the same.
                return []

        with ThreadPoolExecutor(_LISTS_AT_ONCE) as pool:
            lists = pool.map(found_in, self.locations(project))
            return sorted((each for found in lists for each in found), key=lambda each: (each.name, each.location))

    def repository(self, project: str, location: str, name: str) -> Repository:
        """See `Registry.repository`; one call."""
        path = repository_path(project, location, name)
        call = Call(f"reading {name}", "artifactregistry.repositories.get", path)
        request = artifactregistry_v1.GetRepositoryRequest(name=path)
        try:
            return _value(self._ask(call, self._client.get_repository, request))
        except _UnknownLocation as error:
            raise self._naming_locations(error, project, location) from error

    def create(self, repositories: Sequence[Repository], report: Report) -> None:
        """See `Registry.create`; one call to start each, and then one look at each that is under way and is due."""
        under_way: dict[str, Repository] = {}
        taken_up: list[Repository] = []
        for repository in repositories:
            operation = self._start(repository)
            if operation is None:
                taken_up.append(repository)
            elif operation.done:
                _finish(operation, repository, report)
            else:
                under_way[operation.name] = repository
        deadline = time.monotonic() + self._patience.operation
        pause = self._patience.first_poll
        while under_way or taken_up:
            if time.monotonic() > deadline:
                names = ", ".join(each.name for each in (*under_way.values(), *taken_up))
                raise GarscaffoldError(
                    f"{names}: still being created after {self._patience.operation:.0f} s; Google goes on with it.",
                    mend="Run the same command again: it takes up where this one stopped.",
                )
            time.sleep(pause)
            pause = min(pause * 1.5, self._patience.longest_poll)
            for name, repository in list(under_way.items()):
                operation = self._operation(name, repository)
                if operation.done:
                    _finish(operation, repository, report)
                    del under_way[name]
            taken_up = [repository for repository in taken_up if not self._is_there(repository, report)]

    def update(self, repository: Repository, fields: Sequence[str]) -> None:
        """See `Registry.update`; one call."""
        call = Call(f"changing {repository.name}", "artifactregistry.repositories.update", repository.path)
        request = artifactregistry_v1.UpdateRepositoryRequest(
            repository=_message(repository),
            update_mask=field_mask_pb2.FieldMask(paths=[MASK_PATHS[field] for field in fields]),
        )
        self._ask(call, self._client.update_repository, request)

    def policy(self, path: str) -> Policy:
        """See `Registry.policy`; one call."""
        call = Call(f"reading who may use {_name(path)}", "artifactregistry.repositories.getIamPolicy", path)
        request = iam_policy_pb2.GetIamPolicyRequest(
            # Version 3 is the one with conditions; asked for less, the service hides them and they would be lost.
            resource=path,
            options=options_pb2.GetPolicyOptions(requested_policy_version=3),
        )
        answer = self._ask(call, self._client.get_iam_policy, request)
        return policy_from_resource(json_format.MessageToDict(answer), answer.etag)

    def set_policy(self, path: str, policy: Policy) -> None:
        """See `Registry.set_policy`; one call."""
        call = Call(f"granting access to {_name(path)}", "artifactregistry.repositories.setIamPolicy", path)
        message = json_format.ParseDict(resource_from_policy(policy), policy_pb2.Policy())
        message.etag = policy.etag
        request = iam_policy_pb2.SetIamPolicyRequest(resource=path, policy=message)
        self._ask(call, self._client.set_iam_policy, request)

    def _naming_locations(self, error: "_UnknownLocation", project: str, location: str) -> GarscaffoldError:
        """Return the error that names the locations there are, or the first one when they cannot be had."""
        try:
            return unknown_location(location, self.locations(project))
        except GarscaffoldError:
            return error

    def _list(self, project: str, location: str) -> list[Repository]:
        call = Call(f"listing repositories in {location}", "artifactregistry.repositories.list", f"projects/{project}")
        request = artifactregistry_v1.ListRepositoriesRequest(
            parent=location_path(project, location), page_size=_PAGE_SIZE
        )
        found: list[Repository] = []
        pages = self._ask(call, self._client.list_repositories, request).pages
        for number, page in enumerate(self._pages(call, pages)):
            if number:
                self._count()
            found += [_value(message) for message in page.repositories]
        return sorted(found, key=lambda repository: repository.name)

    def _start(self, repository: Repository) -> operations_pb2.Operation | None:
        """Start to create a repository; None when it is there, or is on its way, already."""
        call = Call(
            f"creating {repository.name}", "artifactregistry.repositories.create", f"projects/{repository.project}"
        )
        request = artifactregistry_v1.CreateRepositoryRequest(
            parent=repository.parent, repository_id=repository.name, repository=_message(repository)
        )
        try:
            return self._ask(call, self._client.create_repository, request).operation
        except _Conflict:
            return None

    def _operation(self, name: str, repository: Repository) -> operations_pb2.Operation:
        call = Call(f"waiting for {repository.name}", "artifactregistry.repositories.get", repository.path)
        return self._ask(call, self._client.get_operation, operations_pb2.GetOperationRequest(name=name))

    def _is_there(self, repository: Repository, report: Report) -> bool:
        """Tell whether a repository that somebody else creates is there by now, and is what we wanted.

        Raises:
            GarscaffoldError: It is something else.
        """
        try:
            present = self.repository(repository.project, repository.location, repository.name)
        except RepositoryNotFound:
            return False
        if (present.format, present.mode) != (repository.format, repository.mode):
            raise GarscaffoldError(
                f"{repository.name} was created by somebody else meanwhile, as a {present.mode} {present.format} "
                f"repository and not a {repository.mode} {repository.format} one.",
                mend="Choose another name.",
            )
        report(f"{repository.name} is there already")
        return True

    def _ask(self, call: Call, method: Callable[..., T], request: Any) -> T:
        """Make one call, with patience, and turn what goes wrong into a sentence."""
        self._count()
        return self._translated(call, lambda: method(request=request, retry=self._retry, timeout=self._patience.call))

    def _pages(self, call: Call, pages: Iterable[T]) -> Iterable[T]:
        iterator = iter(pages)
        end = object()
        while True:
            page = self._translated(call, lambda: next(iterator, end))
            if page is end:
                return
            yield page  # type: ignore[misc]

    def _translated(self, call: Call, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except exceptions.Conflict as error:
            if call.permission.endswith(".create"):
                raise _Conflict(str(error.message)) from error
            raise self._error_of(error, call) from error
        except exceptions.GoogleAPICallError as error:
            raise self._error_of(error, call) from error
        except exceptions.RetryError as error:
            cause = error.cause
            if isinstance(cause, exceptions.GoogleAPICallError):
                raise self._error_of(cause, call) from error
            raise unreachable(f"no answer while {call.doing}") from error
        except GoogleAuthError as error:
            raise auth_failure(error, self._credentials) from error
        except requests.exceptions.SSLError as error:
            raise certificate_not_trusted(network_reason(str(error))) from error
        except requests.exceptions.RequestException as error:
            raise unreachable(network_reason(str(error))) from error

    def _error_of(self, error: exceptions.GoogleAPICallError, call: Call) -> GarscaffoldError:
        refusal = _refusal(error)
        found = error_of(refusal, replace(call, member=self._credentials.member, role=self._role))
        if refusal.reason == "LOCATION_POLICY_VIOLATED" or "on 'locations/" in refusal.message:
            return _UnknownLocation(found.sentence, mend=found.mend)
        return found


def connect(*, impersonate: str = "", role: str = "", report: Report = _to_nobody) -> GoogleRegistry:
    """Return Artifact Registry, called with this machine's credentials.

    Args:
        impersonate: The email of a service account to act as; '' for oneself.
        role: See `GoogleRegistry`.
        report: See `GoogleRegistry`.

    Raises:
        GarscaffoldError: There are no credentials.
    """
    return GoogleRegistry(find(impersonate=impersonate), role=role, report=report)


class _Conflict(GarscaffoldError):
    """A repository of that name exists."""


class _UnknownLocation(GarscaffoldError):
    """The location does not exist."""


def _is_worth_repeating(error: BaseException) -> bool:
    if isinstance(error, exceptions.TooManyRequests | exceptions.ServiceUnavailable | exceptions.BadGateway):
        return True
    if isinstance(error, requests.exceptions.SSLError | requests.exceptions.ProxyError):
        return False
    if isinstance(error, requests.exceptions.ConnectionError):
        # One that could not be made will not be made in a minute either; of one that was cut, what was sent may have
        # been done, which every caller here allows for.
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        # By its name: urllib3 is what requests is built on, and not ours to import.
        return all(kind.__name__ != "NewConnectionError" for kind in type(reason).__mro__)
    return isinstance(error, requests.exceptions.Timeout)


def _finish(operation: operations_pb2.Operation, repository: Repository, report: Report) -> None:
    if operation.HasField("error"):
        raise GarscaffoldError(f"{repository.name} could not be created: {operation.error.message}")
    report(f"{repository.name} is created")


def _refusal(error: exceptions.GoogleAPICallError) -> Refusal:
    # The client puts the method and the address in front of what the service said.
    message = str(error.message)
    said = message.partition(": ")[2] if message.startswith(("GET ", "POST ", "PATCH ")) else message
    metadata: Mapping[str, str] = dict(error.metadata or {})
    return Refusal(int(error.code or 0), said or message, str(error.reason or ""), metadata)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _value(message: artifactregistry_v1.Repository) -> Repository:
    return repository_from_resource(
        json.loads(artifactregistry_v1.Repository.to_json(message, use_integers_for_enums=False))
    )


def _message(repository: Repository) -> Any:
    return artifactregistry_v1.Repository.from_json(json.dumps(resource_from_repository(repository)))
