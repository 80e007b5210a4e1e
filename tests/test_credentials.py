"""Where credentials are found, and what is said when there are none or they are no good."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth.exceptions import RefreshError, TransportError
from google.oauth2.credentials import Credentials as UserCredentials

from garscaffold.credentials import Credentials, auth_failure, find, network_reason
from garscaffold.errors import GarscaffoldError
from garscaffold.sandbox import Sandbox

Act = Callable[[str], None]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox.start(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def act(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Act:
    """Take on the variables of an identity, in an empty home."""

    def as_identity(identity: str) -> None:
        for name, value in sandbox.environment(identity).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HOME", str(tmp_path))

    return as_identity


@pytest.fixture
def without_gcloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_login_gives_a_token(act: Act) -> None:
    act("user")
    found = find()
    assert found.member == "user:developer@example.com"
    assert found.token().startswith("ya29.")


def test_a_key_says_whose_it_is(act: Act) -> None:
    act("writer")
    assert find().member == "serviceAccount:writer@garscaffold-sandbox.iam.gserviceaccount.com"
    assert find().token()


def test_a_login_in_the_well_known_file_is_found_without_starting_gcloud(
    act: Act, sandbox: Sandbox, without_gcloud: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    act("anonymous")
    folder = tmp_path / "configuration"
    folder.mkdir()
    shutil.copy(sandbox.adc_file(), folder / "application_default_credentials.json")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder))
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    assert find().token().startswith("ya29.")


def test_no_credentials_anywhere(act: Act, without_gcloud: None) -> None:
    act("anonymous")
    with pytest.raises(GarscaffoldError, match="There are no Google credentials") as caught:
        find()
    assert "gcloud auth application-default login" in caught.value.mend


@pytest.mark.parametrize("text", ["", "{}", "not json", json.dumps({"type": "service_account"})])
def test_a_file_that_is_no_good_is_said(act: Act, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    act("user")
    file = tmp_path / "broken.json"
    file.write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    with pytest.raises(GarscaffoldError, match="Application Default Credentials cannot be used") as caught:
        find()
    assert caught.value.mend


def test_a_file_that_is_not_there_is_said(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    act("user")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    with pytest.raises(GarscaffoldError, match=r"/nowhere/key\.json"):
        find()


def test_a_token_that_cannot_be_had_is_said(act: Act, sandbox: Sandbox) -> None:
    act("user")
    sandbox.set_faults("invalid-grant")
    try:
        with pytest.raises(GarscaffoldError, match="have expired or were revoked") as caught:
            find().token()
    finally:
        sandbox.set_faults()
    assert caught.value.mend == "gcloud auth application-default login"


@pytest.mark.clients
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_the_login_of_gcloud_is_the_second_choice(act: Act, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    act("user")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    found = find()
    assert found.source == "gcloud"
    assert found.token().startswith("ya29.")


@pytest.mark.clients
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_a_login_of_gcloud_that_has_expired_is_said(
    act: Act, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    act("user")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    # A configuration of its own, in which gcloud has kept no token that still works.
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    sandbox.set_faults("invalid-grant")
    try:
        with pytest.raises(GarscaffoldError, match="gcloud gives no token") as caught:
            find()
    finally:
        sandbox.set_faults()
    assert caught.value.mend == "gcloud auth login"


@pytest.mark.clients
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_gcloud_without_an_account_is_as_good_as_none(act: Act) -> None:
    act("anonymous")
    with pytest.raises(GarscaffoldError, match="There are no Google credentials"):
        find()


USER = Credentials(UserCredentials(token="x"), "gcloud", "user:ada@acme.com")  # type: ignore[no-untyped-call]


def raised(kind: Any, *arguments: str) -> Exception:
    """Return an error of google-auth, which has no types."""
    error = kind(*arguments)
    assert isinstance(error, Exception)
    return error


@pytest.mark.parametrize(
    ("error", "sentence", "mend"),
    [
        (raised(RefreshError, "invalid_grant: Bad Request"), "from gcloud have expired", "gcloud auth login"),
        (raised(RefreshError, "Reauthentication is needed."), "from gcloud have expired", "gcloud auth login"),
        (raised(TransportError, "[SSL: CERTIFICATE_VERIFY_FAILED]"), "is not trusted", "REQUESTS_CA_BUNDLE"),
        (raised(TransportError, "no route to host"), "cannot be reached: no route", "HTTPS_PROXY"),
        (raised(RefreshError, "The credentials do not contain the necessary fields"), "expired", "gcloud auth login"),
        (raised(RefreshError, "something new"), "something new", "login"),
    ],
)
def test_errors_of_google_auth(error: Exception, sentence: str, mend: str) -> None:
    found = auth_failure(error, USER)
    assert sentence in found.sentence
    assert mend in found.mend


def test_a_disabled_api_of_impersonation() -> None:
    account = Credentials(USER.google, "gcloud", "serviceAccount:b@acme-prod.iam.gserviceaccount.com")
    error = raised(RefreshError, "Unable to acquire impersonated credentials", '{"reason": "SERVICE_DISABLED"}')
    found = auth_failure(error, account)
    assert found.mend == "gcloud services enable iamcredentials.googleapis.com --project=acme-prod"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "x (Caused by NewConnectionError('<a object at 0x7f>: failed: [Errno 111] Connection refused'))",
            "Connection refused",
        ),
        (
            "('Unable to connect to proxy', OSError('[Errno 113] No route to host'))",
            "the proxy does not answer: No route to host",
        ),
        ("plain words", "plain words"),
    ],
)
def test_reasons_are_the_systems_own_words(said: str, reason: str) -> None:
    assert network_reason(said) == reason
