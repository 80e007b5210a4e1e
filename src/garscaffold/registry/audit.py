"""Who may use a repository, and which of them too many can be; pure.

Only what is set on the repository itself can be seen here: roles on its project, folder and organisation give access
too, and `INHERITED` says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from garscaffold.values import ADMIN, EVERYBODY, READER, REPO_ADMIN, WRITER, Binding, Policy, Repository

INHERITED = "Roles on the project, its folders and its organisation give access as well; they are not shown here."

# Basic roles hold far more than a repository needs (https://cloud.google.com/iam/docs/roles-overview#basic).
_BASIC = ("roles/owner", "roles/editor", "roles/viewer")
_CAN_READ = (READER, WRITER, REPO_ADMIN, ADMIN, *_BASIC)
_CAN_WRITE = (WRITER, REPO_ADMIN, ADMIN, "roles/owner", "roles/editor")


@dataclass(frozen=True)
class Finding:
    """A grant that reaches further than it should.

    Args:
        repository: The repository's name.
        sentence: Who may do what.
        mend: The command that takes the grant away.
    """

    repository: str
    sentence: str
    mend: str

    def to_json(self) -> dict[str, str]:
        """Return the finding as `--json` shows it."""
        return {"repository": self.repository, "warning": self.sentence, "mend": self.mend}


def readers(policy: Policy) -> list[str]:
    """Return the members who may download, sorted; with a condition where they have one."""
    return _members(policy, _CAN_READ)


def writers(policy: Policy) -> list[str]:
    """Return the members who may publish, sorted; with a condition where they have one."""
    return _members(policy, _CAN_WRITE)


def audit(repository: Repository, policy: Policy) -> list[Finding]:
    """Return every grant of a repository that is public or over-broad."""
    found = []
    for binding in policy.bindings:
        for member in binding.members:
            sentence = _objection(repository.name, binding, member)
            if sentence:
                found.append(Finding(repository.name, sentence, _removal(repository, binding, member)))
    return found


def _members(policy: Policy, roles: Sequence[str]) -> list[str]:
    found = {
        member + (f" (if {binding.condition.get('title') or 'its condition holds'})" if binding.condition else "")
        for binding in policy.bindings
        if binding.role in roles
        for member in binding.members
    }
    return sorted(found)


def _objection(name: str, binding: Binding, member: str) -> str:
    can = "publish to" if binding.role in _CAN_WRITE else "download from"
    if member == EVERYBODY[0]:
        return f"Anybody on the internet, without logging in, can {can} {name} ({binding.role})."
    if member == EVERYBODY[1]:
        return f"Anybody with any Google account can {can} {name} ({binding.role})."
    if member.startswith("deleted:"):
        return f"{name} still has a grant to {member}, who was deleted ({binding.role})."
    if binding.role in _BASIC:
        return f"{member} has the basic role {binding.role} on {name}, which holds far more than it needs."
    if member.startswith(("projectOwner:", "projectEditor:", "projectViewer:")):
        return f"Everybody who has a basic role on project {member.partition(':')[2]} can {can} {name}."
    if member.startswith("domain:") and binding.role in _CAN_WRITE:
        return f"Everybody in the domain {member.partition(':')[2]} can {can} {name} ({binding.role})."
    if binding.role == ADMIN:
        return f"{member} can grant others access to {name} ({ADMIN}); publishing needs {WRITER} only."
    return ""


def _removal(repository: Repository, binding: Binding, member: str) -> str:
    condition = " --all" if binding.condition else ""
    return (
        f"gcloud artifacts repositories remove-iam-policy-binding {repository.name} --project={repository.project} "
        f"--location={repository.location} --member={member} --role={binding.role}{condition}"
    )
