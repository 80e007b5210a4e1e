"""Tokens, as google-auth gets them and as the sandbox checks them."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import google.auth
import google.auth.exceptions
import google.auth.impersonated_credentials
import google.auth.transport.requests
import httpx
import pytest
from google.oauth2 import service_account

from garscaffold.sandbox import Sandbox
from tests.sandbox.conftest import HOST, LOCATION, PROJECT, client_of

# google-auth's own annotations are not whole.
load: Any = google.auth.load_credentials_from_file
Impersonated: Any = google.auth.impersonated_credentials.Credentials
ServiceAccount: Any = service_account.Credentials

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
PAGE = f"/{PROJECT}/tokens/simple/nothing/"


@pytest.fixture(scope="module", autouse=True)
def repository(sandbox: Sandbox) -> None:
    sandbox.create_python_repository(PROJECT, LOCATION, "tokens")


@pytest.fixture
def in_sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is a client."""
    for name, value in sandbox.environment("user").items():
        monkeypatch.setenv(name, value)


def refreshed(credentials: Any) -> Any:
    request = google.auth.transport.requests.Request()
    try:
        credentials.refresh(request)
    finally:
        request.session.close()
    return credentials


def status(sandbox: Sandbox, **how: Any) -> int:
    """Ask for a package that is not there: 404 for who may read, 401 or 403 for others."""
    with client_of(sandbox) as client:
        return client.get(PAGE, **how).status_code


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("identity", ["user", "reader", "writer", "none"])
def test_google_auth_gets_a_token_from_each_file(sandbox: Sandbox, in_sandbox: None, identity: str) -> None:
    credentials, _ = load(str(sandbox.adc_file(identity)), scopes=SCOPES)
    token = refreshed(credentials).token
    found = sandbox.store.bearer(token)
    assert found is not None
    assert found[0] == identity
    assert abs(found[1] - time.time() - 3600) < 30
    assert status(sandbox, headers=bearer(token)) == (403 if identity == "none" else 404)


def test_a_signature_by_another_key_is_refused(sandbox: Sandbox, in_sandbox: None) -> None:
    stolen = json.loads(sandbox.key_file("reader").read_text())
    stolen["private_key"] = json.loads(sandbox.key_file("writer").read_text())["private_key"]
    credentials = ServiceAccount.from_service_account_info(stolen, scopes=SCOPES)
    with pytest.raises(google.auth.exceptions.RefreshError, match="Invalid JWT Signature"):
        refreshed(credentials)


def test_a_revoked_login_is_invalid_grant(sandbox: Sandbox, in_sandbox: None, tmp_path: Path) -> None:
    login = json.loads(sandbox.adc_file("user").read_text()) | {"refresh_token": "1//revoked"}
    file = tmp_path / "adc.json"
    file.write_text(json.dumps(login))
    credentials, _ = load(str(file), scopes=SCOPES)
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant"):
        refreshed(credentials)


def test_a_self_signed_token_is_for_the_admin_api(sandbox: Sandbox, in_sandbox: None) -> None:
    credentials = ServiceAccount.from_service_account_file(
        str(sandbox.key_file("reader")), scopes=SCOPES, always_use_jwt_access=True
    )
    credentials._create_self_signed_jwt("https://artifactregistry.googleapis.com/")
    token = refreshed(credentials).token
    assert token.startswith("ey")
    with client_of(sandbox, host="artifactregistry.googleapis.com") as client:
        where = f"/v1/projects/{PROJECT}/locations/{LOCATION}/repositories"
        assert client.get(where, headers=bearer(token)).status_code == 200
        assert client.get(where, headers=bearer(token[:-8] + "AAAAAAAA")).status_code == 401


def test_the_user_impersonates_a_service_account(sandbox: Sandbox, in_sandbox: None) -> None:
    source, _ = load(str(sandbox.adc_file("user")), scopes=SCOPES)
    credentials = Impersonated(
        source_credentials=refreshed(source),
        target_principal="writer@garscaffold-sandbox.iam.gserviceaccount.com",
        target_scopes=SCOPES,
    )
    found = sandbox.store.bearer(refreshed(credentials).token)
    assert found is not None
    assert found[0] == "writer"


def test_a_service_account_may_not_impersonate(sandbox: Sandbox, in_sandbox: None) -> None:
    source, _ = load(str(sandbox.adc_file("reader")), scopes=SCOPES)
    credentials = Impersonated(
        source_credentials=refreshed(source),
        target_principal="writer@garscaffold-sandbox.iam.gserviceaccount.com",
        target_scopes=SCOPES,
    )
    with pytest.raises(google.auth.exceptions.RefreshError, match="getAccessToken"):
        refreshed(credentials)


def external_account(folder: Path, subject_token: str) -> str:
    """Write what google-auth exchanges a CI provider's token with; return its path."""
    (folder / "oidc").write_text(subject_token)
    provider = "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/ci/providers/gitlab"
    file = folder / "external.json"
    file.write_text(
        json.dumps(
            {
                "type": "external_account",
                "audience": provider,
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": "https://sts.googleapis.com/v1/token",
                "credential_source": {"file": str(folder / "oidc")},
            }
        )
    )
    return str(file)


def test_a_ci_providers_token_is_exchanged(sandbox: Sandbox, in_sandbox: None, tmp_path: Path) -> None:
    file = external_account(tmp_path, sandbox.subject_token("writer"))
    credentials, _ = load(file, scopes=SCOPES)
    found = sandbox.store.bearer(refreshed(credentials).token)
    assert found is not None
    assert found[0] == "writer"
    (tmp_path / "oidc").write_text("somebody else's")
    with pytest.raises(google.auth.exceptions.OAuthError, match="subject token"):
        refreshed(load(file, scopes=SCOPES)[0])


def test_a_subject_is_as_long_as_google_takes_it(sandbox: Sandbox, in_sandbox: None, tmp_path: Path) -> None:
    fits = external_account(tmp_path, sandbox.subject_token("writer", subject="ü" * 63 + "x"))
    found = sandbox.store.bearer(refreshed(load(fits, scopes=SCOPES)[0]).token)
    assert found is not None
    assert found[0] == "writer"
    too_long = external_account(tmp_path, sandbox.subject_token("writer", subject="ü" * 64))
    with pytest.raises(google.auth.exceptions.OAuthError, match=r"google\.subject exceeds the 127 bytes limit"):
        refreshed(load(too_long, scopes=SCOPES)[0])
    lengthened = sandbox.subject_token("writer", subject="short") + "er"
    with pytest.raises(google.auth.exceptions.OAuthError, match="subject token"):
        refreshed(load(external_account(tmp_path, lengthened), scopes=SCOPES)[0])


def test_the_metadata_server_speaks_for_one_identity(sandbox: Sandbox) -> None:
    base = f"http://{sandbox.metadata_address('reader')}"
    account = f"{base}/computeMetadata/v1/instance/service-accounts/default/"
    flavor = {"Metadata-Flavor": "Google"}
    assert httpx.get(base).headers["metadata-flavor"] == "Google"
    assert httpx.get(account).status_code == 403
    assert httpx.get(f"{account}?recursive=true", headers=flavor).json()["email"].startswith("reader@")
    found = sandbox.store.bearer(httpx.get(f"{account}token", headers=flavor).json()["access_token"])
    assert found is not None
    assert found[0] == "reader"


def test_every_user_name_that_google_knows(sandbox: Sandbox) -> None:
    token, key = sandbox.token("reader"), sandbox.key_file("reader").read_text()
    for user, password in (
        ("oauth2accesstoken", token),
        ("_dcgcloud_token", token),
        ("_json_key", key),
        ("_json_key_base64", base64.b64encode(key.encode()).decode()),
        ("_json_key_base64", base64.encodebytes(key.encode()).decode()),
    ):
        assert status(sandbox, auth=(user, password)) == 404, user
    assert status(sandbox, headers=bearer(token)) == 404


def test_no_other_credentials_work(sandbox: Sandbox) -> None:
    token, key = sandbox.token("reader"), json.loads(sandbox.key_file("reader").read_text())
    other_key = json.loads(sandbox.key_file("writer").read_text())["private_key"]
    for user, password in (
        ("__token__", token),
        ("", token),
        ("oauth2accesstoken", ""),
        ("oauth2accesstoken", sandbox.token("reader", lifetime=0)),
        ("oauth2accesstoken", json.loads(sandbox.adc_file("user").read_text())["refresh_token"]),
        ("_json_key", "{}"),
        ("_json_key", "[]"),
        ("_json_key", json.dumps(key | {"private_key": other_key})),
        ("_json_key", json.dumps(key | {"private_key_id": "0" * 40})),
        ("_json_key", json.dumps(key | {"client_email": "writer@garscaffold-sandbox.iam.gserviceaccount.com"})),
        ("_json_key_base64", "not base64 §"),
        ("_json_key_base64", json.dumps(key)),
    ):
        assert status(sandbox, auth=(user, password)) == 401, (user, password[:20])
    for header in ("Bearer", "Basic", "Basic !!!", "Digest x", "Bearer ey.ey.ey"):
        assert status(sandbox, headers={"Authorization": header}) == 401, header
    assert status(sandbox) == 401


def test_tokens_expire(tmp_path: Path) -> None:
    with Sandbox.start(tmp_path, token_lifetime=1) as short, client_of(short, host="oauth2.googleapis.com") as client:
        short.create_python_repository(PROJECT, LOCATION, "tokens")
        login = json.loads(short.adc_file("user").read_text())
        fields = {"grant_type": "refresh_token", "refresh_token": login["refresh_token"]}
        answer = client.post("/token", data=fields).json()
        assert answer["expires_in"] == 1
        with client_of(short) as reader:
            assert reader.get(PAGE, headers=bearer(answer["access_token"])).status_code == 404
            time.sleep(1.1)
            assert reader.get(PAGE, headers=bearer(answer["access_token"])).status_code == 401


def test_what_is_not_played_says_so(sandbox: Sandbox) -> None:
    with client_of(sandbox, host="oauth2.googleapis.com") as client:
        assert client.get("/token").status_code == 501
        assert client.post("/token", data={"grant_type": "password"}).json()["error"] == "unsupported_grant_type"
    with client_of(sandbox, host=HOST.replace("python", "npm")) as client:
        answer = client.get("/p/r/left-pad")
        assert answer.status_code == 501
        assert "does not play" in answer.text
