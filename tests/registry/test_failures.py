"""Every refusal is a sentence and a mend."""

import pytest

from garscaffold.errors import GarscaffoldError
from garscaffold.registry import PermissionDenied, PolicyChanged, RepositoryNotFound
from garscaffold.registry.failures import Call, Refusal, error_of, unknown_location
from garscaffold.values import ADMIN

PATH = "projects/acme-prod/locations/us/repositories/python"
CALL = Call("reading python", "artifactregistry.repositories.get", PATH, "user:ada@acme.com")


@pytest.mark.parametrize(
    ("refusal", "sentence", "mend"),
    [
        (
            Refusal(
                403, "…", "SERVICE_DISABLED", {"consumer": "projects/quota-project", "service": "x.googleapis.com"}
            ),
            "x.googleapis.com is not enabled in project quota-project",
            "gcloud services enable x.googleapis.com --project=quota-project",
        ),
        (
            Refusal(403, "Artifact Registry API has not been used in project acme-prod before or it is disabled."),
            "is not enabled in project acme-prod",
            "gcloud services enable artifactregistry.googleapis.com --project=acme-prod",
        ),
        (Refusal(403, "…", "BILLING_DISABLED"), "no billing account", "gcloud billing projects link acme-prod"),
        (Refusal(403, "…", "CONSUMER_INVALID"), "There is no project acme-prod", "gcloud projects list"),
        (
            Refusal(403, "…", "USER_PROJECT_DENIED", {"consumer": "projects/other"}),
            "charge their calls to project other",
            "gcloud auth application-default set-quota-project acme-prod",
        ),
        (
            Refusal(403, "Permission denied on 'locations/us-cental1' (or it may not exist)."),
            "no location us-cental1",
            "gcloud artifacts locations list",
        ),
        (Refusal(429, "Quota exceeded"), "quota of project acme-prod is used up", "in a minute"),
        (Refusal(401, "…"), "did not accept your credentials while reading python", "application-default login"),
        (Refusal(500, "Internal\nmore"), r"did not answer well .*\(500: Internal\)", "status.cloud.google.com"),
        (Refusal(400, "bad label"), "while reading python: bad label", ""),
    ],
)
def test_refusals(refusal: Refusal, sentence: str, mend: str) -> None:
    error = error_of(refusal, CALL)
    with pytest.raises(GarscaffoldError, match=sentence):
        raise error
    assert mend in error.mend


def test_a_denial_on_a_repository_names_the_permission_that_the_service_named() -> None:
    said = 'Permission "artifactregistry.packages.list" denied on resource "projects/p1/locations/us/repositories/r"'
    error = error_of(Refusal(403, said), CALL)
    assert isinstance(error, PermissionDenied)
    assert "artifactregistry.packages.list on projects/p1/locations/us/repositories/r" in error.sentence
    assert "roles/artifactregistry.reader" in error.mend
    assert "add-iam-policy-binding" in error.mend
    assert "--member=user:ada@acme.com" in error.mend


def test_a_denial_says_the_role_that_the_whole_command_takes() -> None:
    call = Call("listing", "artifactregistry.repositories.list", "projects/acme-prod", role=ADMIN)
    error = error_of(Refusal(403, "denied"), call)
    assert error.mend.endswith("projects add-iam-policy-binding acme-prod --member=MEMBER --role=" + ADMIN)


def test_reading_one_repository_takes_a_role_on_that_repository_only() -> None:
    error = error_of(Refusal(403, "denied"), CALL)
    assert "repositories add-iam-policy-binding python --project=acme-prod --location=us" in error.mend


def test_kinds_that_callers_tell_apart() -> None:
    assert isinstance(error_of(Refusal(404, "…"), CALL), RepositoryNotFound)
    assert isinstance(error_of(Refusal(409, "…"), CALL), PolicyChanged)
    assert isinstance(error_of(Refusal(412, "…"), CALL), PolicyChanged)


def test_locations_that_are_nothing_like_it_are_all_named() -> None:
    assert unknown_location("mercury", ["us", "asia"]).mend == "Use one of: us, asia."


GRANTING = Call("granting access to python", "artifactregistry.repositories.setIamPolicy", PATH)


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ("Service account b@acme-prod.iam.gserviceaccount.com does not exist.", "each has to exist"),
        ("One or more users named in the policy do not belong to a permitted customer.", "allowedPolicyMemberDomains"),
    ],
)
def test_members_that_the_service_does_not_take(said: str, mend: str) -> None:
    error = error_of(Refusal(400, said), GRANTING)
    assert said in error.sentence
    assert mend in error.mend


@pytest.mark.parametrize("code", [400, 403])
def test_a_key_that_the_service_may_not_use(code: int) -> None:
    creating = Call("creating python", "artifactregistry.repositories.create", "projects/acme-prod")
    error = error_of(
        Refusal(code, "The service agent has no permission cloudkms.cryptoKeyVersions.useToEncrypt"), creating
    )
    assert "roles/cloudkms.cryptoKeyEncrypterDecrypter" in error.mend
    assert "useToEncrypt" in error.sentence


def test_a_denial_for_another_reason_than_a_role_is_said_in_googles_words() -> None:
    said = "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: abc"
    assert said in error_of(Refusal(403, said), CALL).sentence
