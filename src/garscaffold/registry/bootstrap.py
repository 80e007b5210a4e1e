"""From what was asked for and what is there to a plan; and the plan's steps.

Calls, all four repositories and nothing there yet: 1 list, 4 creations, 1 or more looks at each creation under way, and
1 policy written for each repository with grants. A policy that was never set is written without being read: it has a
well-known etag, and the service refuses the write when somebody was faster; then it is read. Once all is there: 1 list,
and 1 policy read for each repository with grants.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from garscaffold.errors import GarscaffoldError, usage_error
from garscaffold.plan import Action, Change, Plan, Step
from garscaffold.registry import UNSET_POLICY, PolicyChanged, Registry, Report
from garscaffold.registry.desired import (
    Desired,
    Difference,
    Request,
    Update,
    describe,
    desired_repositories,
    differences,
    in_other_locations,
    too_many_policies,
    update_of,
)
from garscaffold.rules import check_repository_name
from garscaffold.values import MAX_CLEANUP_POLICIES, Grant, Mode, Policy, Repository, short_role

_TRIES = 6
_FIRST_PAUSE = 0.05


@dataclass(frozen=True)
class Outlook:
    """What a bootstrap would do.

    Args:
        plan: The changes.
        repositories: Those that were asked for, as they are once the plan is applied.
        differences: What is not as it should be and cannot be changed.
    """

    plan: Plan
    repositories: tuple[Repository, ...]
    differences: tuple[Difference, ...]


def look(request: Request, registry: Registry, report: Report, elsewhere: Sequence[Repository] = ()) -> Outlook:
    """Compare what was asked for with what is there.

    Args:
        request: What was asked for.
        registry: Where it is.
        report: Told what is done when the plan is applied.
        elsewhere: Repositories of the project in other locations, to say so where one of them has a name that is asked
            for; reading them takes a call for each location, so that is for the caller to decide.

    Raises:
        GarscaffoldError: A repository of one of the names is of another format or mode, or a name breaks a rule.
    """
    desired = desired_repositories(request)
    for each in desired:
        if rule := check_repository_name(each.repository.name):
            raise usage_error(f"{each.repository.name}: {rule}", mend="Choose a shorter or simpler NAME.")
    present = {repository.name: repository for repository in registry.repositories(request.project, request.location)}
    found = tuple(
        difference
        for each in desired
        if each.repository.name in present
        for difference in differences(each, present[each.repository.name])
    )
    _refuse_fatal(found, request)
    new = [each for each in desired if each.repository.name not in present]
    found += tuple(difference for each in new for difference in in_other_locations(each, elsewhere))
    steps = [
        *_creating([each for each in new if each.repository.mode is not Mode.VIRTUAL], registry, report),
        *_creating([each for each in new if each.repository.mode is Mode.VIRTUAL], registry, report),
    ]
    after = {each.repository.name: present.get(each.repository.name, each.repository) for each in desired}
    for each in desired:
        if each.repository.name in present and (update := update_of(each, present[each.repository.name])):
            after[each.repository.name] = update.repository
            steps.append(_updating(update, registry))
    for each in desired:
        if each.grants:
            policy = registry.policy(each.repository.path) if each.repository.name in present else UNSET_POLICY
            steps += granting(each.repository.path, each.grants, policy, registry)
    return Outlook(Plan(tuple(steps)), tuple(after.values()), found)


def granting(path: str, grants: Sequence[Grant], policy: Policy, registry: Registry) -> tuple[Step, ...]:
    """Return the step that grants what `policy` lacks, or none.

    Args:
        path: The repository's.
        grants: What its policy should give.
        policy: As it was read.
        registry: Where it is written.
    """
    lacking = policy.lacking(grants)
    if not lacking:
        return ()
    name = path.rpartition("/")[2]
    changes = tuple(
        Change(Action.CREATE, "grant", f"{grant.member} → {name}", short_role(grant.role)) for grant in lacking
    )
    title = f"Granting {len(lacking)} role{'s' if len(lacking) > 1 else ''} on {name}"
    return (Step(title, changes, lambda: write_grants(registry, path, lacking, policy)),)


def write_grants(
    registry: Registry, path: str, grants: Sequence[Grant], policy: Policy, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Add grants to a policy, starting again from what is there whenever somebody else was faster.

    Args:
        registry: Where the policy is.
        path: The repository's.
        grants: What to add.
        policy: As it was read.
        sleep: Waits so many seconds.

    Raises:
        PolicyChanged: Somebody else was faster every time.
    """
    for attempt in range(_TRIES):
        if not policy.lacking(grants):
            return
        try:
            registry.set_policy(path, policy.with_grants(grants))
        except PolicyChanged:
            if attempt == _TRIES - 1:
                raise
            # The first refusal is expected where the policy was not read: no need to wait for anybody.
            if attempt or policy is not UNSET_POLICY:
                sleep(_FIRST_PAUSE * 2**attempt)
            policy = registry.policy(path)
        else:
            return


def _refuse_fatal(found: Sequence[Difference], request: Request) -> None:
    fatal = [difference for difference in found if difference.is_fatal]
    if fatal:
        another = "acme" if not request.prefix else f"{request.prefix}-new"
        raise GarscaffoldError(
            " ".join(difference.sentence for difference in fatal) + " Nothing was changed.",
            mend=f"Take other names: garscaffold repo bootstrap {another} makes {another}-python, {another}-docker, …",
        )


def _creating(new: Sequence[Desired], registry: Registry, report: Report) -> tuple[Step, ...]:
    """Return the step that creates repositories, all at the same time.

    What of it was created before something failed stays, and the next plan knows it: taking it away again would take
    time and could fail as well.
    """
    if not new:
        return ()
    repositories = [each.repository for each in new]
    changes = tuple(Change(Action.CREATE, "repository", each.repository.name, describe(each)) for each in new)
    title = f"Creating {', '.join(repository.name for repository in repositories)}"
    return (Step(title, changes, lambda: registry.create(repositories, report)),)


def _updating(update: Update, registry: Registry) -> Step:
    name = update.repository.name
    if too_many_policies(update):
        raise GarscaffoldError(
            f"{name} would have more than {MAX_CLEANUP_POLICIES} cleanup policies, which is the most that a repository "
            "can have.",
            mend=f"gcloud artifacts repositories delete-cleanup-policies {name} --policynames=…",
        )
    change = Change(Action.CHANGE, "repository", name, ", ".join(update.details))
    return Step(f"Changing {name}", (change,), lambda: registry.update(update.repository, update.fields))
