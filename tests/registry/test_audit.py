"""Who may use a repository, and which grants reach too far."""

import pytest

from garscaffold.registry.audit import audit, readers, writers
from garscaffold.values import ADMIN, READER, REPO_ADMIN, WRITER, Binding, Format, Policy, Repository

REPOSITORY = Repository("acme-prod", "us", "python", Format.PYTHON)


@pytest.mark.parametrize(
    ("role", "member", "said"),
    [
        (READER, "allUsers", "Anybody on the internet, without logging in, can download from python"),
        (WRITER, "allUsers", "Anybody on the internet, without logging in, can publish to python"),
        (READER, "allAuthenticatedUsers", "Anybody with any Google account can download from python"),
        ("roles/editor", "user:a@acme.com", "the basic role roles/editor"),
        (READER, "projectViewer:acme-prod", "Everybody who has a basic role on project acme-prod"),
        (WRITER, "domain:acme.com", "Everybody in the domain acme.com can publish to python"),
        (ADMIN, "user:a@acme.com", "can grant others access"),
        (READER, "deleted:user:a@acme.com?uid=1", "who was deleted"),
    ],
)
def test_grants_that_reach_too_far(role: str, member: str, said: str) -> None:
    (finding,) = audit(REPOSITORY, Policy((Binding(role, (member,)),)))
    assert said in finding.sentence
    assert finding.mend == (
        "gcloud artifacts repositories remove-iam-policy-binding python --project=acme-prod --location=us "
        f"--member={member} --role={role}"
    )


@pytest.mark.parametrize(
    ("role", "member"),
    [
        (READER, "group:devs@acme.com"),
        (READER, "domain:acme.com"),
        (WRITER, "serviceAccount:b@acme-prod.iam.gserviceaccount.com"),
        (REPO_ADMIN, "user:a@acme.com"),
    ],
)
def test_grants_that_do_not(role: str, member: str) -> None:
    assert audit(REPOSITORY, Policy((Binding(role, (member,)),))) == []


def test_who_may_read_and_write() -> None:
    condition = {"title": "until 2030", "expression": "true"}
    policy = Policy(
        (
            Binding(READER, ("user:r@acme.com",)),
            Binding(WRITER, ("user:w@acme.com",), condition),
            Binding("roles/editor", ("user:e@acme.com",)),
            Binding("roles/viewer", ("user:v@acme.com",)),
            Binding("roles/logging.viewer", ("user:l@acme.com",)),
        )
    )
    assert readers(policy) == [
        "user:e@acme.com",
        "user:r@acme.com",
        "user:v@acme.com",
        "user:w@acme.com (if until 2030)",
    ]
    assert writers(policy) == ["user:e@acme.com", "user:w@acme.com (if until 2030)"]
