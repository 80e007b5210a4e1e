"""Pipelines at work: they sign in and publish against Artifact Registry's stand-in, and search real images."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.identities import IDENTITIES
from tests.generated.combinations import PROVIDER
from tests.generated.conftest import PRIVATE_NAME, AsIdentity, Generate, Pushed, Toolbox, commit, git
from tests.generated.images import SESSION
from tests.generated.pipeline_steps import JOBS, run_job
from tests.generated.pipelines import read
from tests.generated.pythons import python_folder
from tests.support.engine import OwnEngine, write_client

Run = Callable[..., str]
Search = Callable[[str, Mapping[str, str]], "subprocess.CompletedProcess[str]"]
SIGNS_IN = {
    "wif_provider": PROVIDER,
    "build_service_account": IDENTITIES["writer"].email,
    "test_service_account": IDENTITIES["reader"].email,
}


@pytest.mark.clients
def test_an_identity_of_the_ci_becomes_a_token_of_the_service_account(
    generate: Generate, sandbox: Sandbox, as_identity: AsIdentity, tmp_path: Path
) -> None:
    writer = IDENTITIES["writer"].email
    project = generate(tmp_path / "p", ci=["gitlab"], wif_provider=PROVIDER, build_service_account=writer)

    def sign_in(identity: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {**as_identity("anonymous"), "PATH": os.environ["PATH"], "OIDC_TOKEN": identity, **variables}
        command = [sys.executable, "ci/access_token.py"]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    sandbox.forget_requests()
    done = sign_in(sandbox.subject_token("user"))
    assert done.stderr == ""
    found = sandbox.store.bearer(done.stdout.strip())
    assert found is not None
    assert found[0] == "writer"
    assert [(each["host"], each["status"]) for each in sandbox.requests()] == [
        ("sts.googleapis.com", 200),
        ("iamcredentials.googleapis.com", 200),
    ]

    done = sign_in(sandbox.subject_token("user"), SERVICE_ACCOUNT=IDENTITIES["reader"].email)
    found = sandbox.store.bearer(done.stdout.strip())
    assert found is not None
    assert found[0] == "reader"

    other = PROVIDER.replace("ci-provider", "gitlab")
    done = sign_in("the identity of somebody else", WIF_PROVIDER=other)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("sts.googleapis.com answered 400: ")
    assert done.stderr.endswith(f"{other} does not take this pipeline's identity: see README.md, Authentication.\n")
    assert "somebody else" not in done.stderr

    done = sign_in(sandbox.subject_token("reader"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"The pipeline's identity needs roles/iam.workloadIdentityUser on {writer}.\n")

    sandbox.set_faults("api-disabled:1")
    done = sign_in(sandbox.subject_token("user"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "IAM Service Account Credentials API has not been used in project" in done.stderr
    enable = "gcloud services enable sts.googleapis.com iamcredentials.googleapis.com --project 123456"
    assert done.stderr.endswith(f"\nEnable it: {enable}\n")

    done = sign_in("")
    assert done.stderr == "OIDC_TOKEN is empty: the CI gave this job no identity. See README.md.\n"


@pytest.fixture
def run_pipeline(sandbox: Sandbox, as_identity: AsIdentity, tmp_path: Path) -> Callable[..., str]:
    """Run the jobs of an event, signed in with nothing but the identity of the CI, and return what they printed."""

    def run(project: Path, ci: str, event: str, **variables: str) -> str:
        commit(project)
        identity = sandbox.subject_token("user")
        # The tools are those that the pipeline installs.
        path = f"{python_folder(tmp_path / 'python')}:{variables.pop('PATH', os.environ['PATH'])}"
        sha = git(project, "rev-parse", "HEAD").strip()
        tag = "v0.1.0" if event == "tag" else ""
        provided = {
            "github": {"GITHUB_SHA": sha, "GITHUB_REF_NAME": tag},
            "circleci": {"CIRCLE_SHA1": sha, "CIRCLE_TAG": tag, "CIRCLE_OIDC_TOKEN_V2": identity},
        }
        environment = {**as_identity("anonymous"), "PATH": path, **provided[ci], **variables}
        # What Google's action returns on GitHub; the other finds out for itself.
        values = {
            "steps.auth.outputs.access_token": sandbox.token("reader"),
            "steps.writer.outputs.access_token": sandbox.token("writer"),
        }
        folder = tmp_path / "runner"
        said = "".join(run_job(job, project, folder, environment) for job in JOBS[ci](read(project, ci), event, values))
        left = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        for secret in (identity, *values.values()):
            assert secret not in said
            assert not any(secret.encode() in path.read_bytes() for path in left)
        return said

    return run


@pytest.mark.clients
@pytest.mark.generated
@pytest.mark.parametrize("ci", ["github", "circleci"])
def test_a_pipeline_publishes_for_a_tag(
    generate: Generate, toolbox: Toolbox, as_identity: AsIdentity, run_pipeline: Run, tmp_path: Path, ci: str
) -> None:
    """Every command of the pipeline, as it stands there. GitLab's is in test_pipeline_gitlab.py."""
    name = f"acme-{ci}"
    project = generate(
        tmp_path / "project",
        kind="package",
        project_name=name,
        package_manager="uv",
        index_mode="virtual",
        ci=[ci],
        **SIGNS_IN,
    )
    toolbox.run("make", "lock", cwd=project, variables=as_identity("reader"))
    said = run_pipeline(project, ci, "tag")
    assert f"dist/{name.replace('-', '_')}-0.1.0-py3-none-any.whl: published\n" in said


@pytest.mark.engine
@pytest.mark.generated
@pytest.mark.parametrize(("ci", "install"), [("github", "secret"), ("circleci", "workspace")])
def test_a_pipeline_builds_searches_and_pushes_an_image(
    generate: Generate,
    toolbox: Toolbox,
    sandbox: Sandbox,
    as_identity: AsIdentity,
    package: object,
    pipeline_engine: OwnEngine,
    pushed: Pushed,
    run_pipeline: Run,
    tmp_path: Path,
    ci: str,
    install: str,
) -> None:
    project = generate(
        tmp_path / "project",
        kind="service",
        framework="worker",
        project_name=f"orders-{ci}",
        package_manager="uv",
        image_install=install,
        private_packages=[f"{PRIVATE_NAME}>=0.1,<0.2"],
        ci=[ci],
        **SIGNS_IN,
    )
    toolbox.run("make", "lock", cwd=project, variables=as_identity("reader"))
    (tmp_path / "client").mkdir()
    docker = shutil.which("docker", path=pipeline_engine.environment["PATH"])
    client = write_client(tmp_path / "client", sandbox, str(docker)).parent
    variables = {name: pipeline_engine.environment[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG")}
    said = run_pipeline(project, ci, "main", PATH=f"{client}:{os.environ['PATH']}", **variables)
    image = f"us-central1-docker.pkg.dev/acme-prod/docker/orders-{ci}:{git(project, 'rev-parse', 'HEAD').strip()}"
    pushed(image, said)


# Images that the script has to tell apart. What a key looks like is put together here, so that this file holds none.
HEADER = "-----BEGIN {}PRIVATE " + "KEY-----"
BODY = "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"] * 4)
PEM = f"{HEADER.format('')}\n{BODY}\n"
# What Google gives out, printed as it prints it, and on one line.
KEY = {"type": "service_account", "project_id": "acme-prod", "private_" + "key": PEM, "client_email": "a@example.com"}
KEYS = (json.dumps(KEY, indent=2), json.dumps(KEY), json.dumps(KEY, separators=(",", ":")))
LOGIN = json.dumps({"client_id": "4711", "refresh_" + "token": "1//0" + "abcdefghij" * 5, "type": "authorized_user"})
GIVEN = "a-token-of-no-known-form-4711"
PASSWORD = "no-known-form-either-" + "4711"
HARMLESS = {
    "nothing": "nothing to see",
    "a description of a key": 'keys = {"private_' + f'key": "{HEADER.format("EC ")}\\n<the key>"}}\n',
    "what keys begin with": f"MARKERS = ('{HEADER.format('')}', '{HEADER.format('RSA ')}')\n",
    "the same in base64": base64.b64encode(HEADER.format("").encode()).decode(),
    "a public key": f"-----BEGIN PUBLIC KEY-----\n{BODY}\n",
    "a certificate": f"-----BEGIN CERTIFICATE-----\n{BODY}\n",
    "how to write a netrc": "machine us-python.pkg.dev login oauth2accesstoken password TOKEN\nprint('%s')\n",
    "a script": 'export TWINE_PASSWORD="$GAR_TOKEN" UV_INDEX_GAR_PRIVATE_PASSWORD=$(cat /run/secrets/gar_token)\n',
}
HARMFUL = {
    **{f"a key, {number}": key for number, key in enumerate(KEYS)},
    "a key in JSON in JSON": json.dumps({"key": KEYS[0]}),
    "a login": LOGIN,
    "a login in JSON": json.dumps({"login": LOGIN}),
    **{f"{kind}PEM": f"{HEADER.format(kind)}\n{BODY}\n" for kind in ("", "RSA ", "EC ", "OPENSSH ")},
    "PEM of Windows": PEM.replace("\n", "\r\n"),
    "the token of the build": f"prefix {GIVEN} suffix",
    "a token": "ya29" + "." + "a0AfH6SMBx7-Qw_9" * 3,
    "a URL": f"https://oauth2accesstoken:{'x' * 24}@us-python.pkg.dev/",
    "netrc": f"machine us-python.pkg.dev login oauth2accesstoken password {PASSWORD}\n",
    "netrc of several lines": f"machine us-python.pkg.dev\n  login oauth2accesstoken\n  password {PASSWORD}\n",
    "auth.toml": f'[http-basic.gar-private]\nusername = "oauth2accesstoken"\npassword = "{PASSWORD}"\n',
    ".pypirc": f"[gar]\nusername: _json_key_base64\npassword: {PASSWORD}\n",
    ".env": f"UV_INDEX_GAR_PRIVATE_PASSWORD={PASSWORD}\n",
    "config.json": json.dumps(
        {"auths": {"us-docker.pkg.dev": {"auth": base64.b64encode(f"oauth2accesstoken:{PASSWORD}".encode()).decode()}}}
    ),
    # In base64 a text looks otherwise after each number of characters, and lines of 76 may end anywhere in it.
    **{
        f"{name} in base64 {how} after {before}": how_(b" " * before + text.encode()).decode()
        for name, text in (*((f"key {number}", key) for number, key in enumerate(KEYS)), ("login", LOGIN), ("PEM", PEM))
        for how, how_ in (("on one line", base64.b64encode), ("wrapped", base64.encodebytes))
        for before in range(3)
    },
}


@pytest.fixture
def search(generate: Generate, docker_environment: dict[str, str], tmp_path: Path) -> Search:
    """Build an image from instructions and files, and search it with a project's script."""
    project = generate(tmp_path / "project", kind="service")
    environment = {**docker_environment, "GAR_TOKEN": GIVEN, "TMPDIR": str(tmp_path)}

    def run(*command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    def search(instructions: str, files: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        context = tmp_path / uuid4().hex
        context.mkdir()
        for name, text in {**files, "Dockerfile": f"FROM scratch\n{instructions}\n"}.items():
            (context / name).write_text(text, newline="")
        image = f"{SESSION}-scanned:{context.name[:8]}"
        assert run("docker", "build", "--quiet", "--tag", image, str(context)).returncode == 0
        done = run("sh", "ci/scan-image.sh", image)
        assert run("docker", "image", "rm", "--force", image).returncode == 0
        assert (f"{image} holds a credential: " in done.stderr) == bool(done.returncode), done.stderr
        assert GIVEN not in done.stdout + done.stderr
        assert not list(tmp_path.glob("tmp.*"))
        return done

    return search


@pytest.mark.engine
@pytest.mark.parametrize(
    ("instructions", "files", "found"),
    [
        ("COPY file /srv/", {"file": "nothing to see"}, False),
        ("COPY file /srv/", {"file": KEYS[0]}, True),
        # A later layer hides the file, and does not take it away.
        ("COPY file /srv/\nCOPY empty /srv/file", {"file": KEYS[0], "empty": ""}, True),
        # Libraries bring keys to test themselves with; a credential of Google's is none of them, wherever it is.
        ("COPY file /usr/lib/libgnutls.so.30", {"file": PEM}, False),
        ("COPY file /srv/library/test/key.pem", {"file": PEM}, False),
        ("COPY file /srv/library/tests/deeper/key.pem", {"file": PEM}, False),
        ("COPY file /srv/test/key.json", {"file": KEYS[0]}, True),
        ("COPY file /srv/testing/key.pem", {"file": PEM}, True),
        (f"ENV TOKEN={GIVEN}\nCOPY file /srv/", {"file": ""}, True),
        (f"ARG TOKEN={GIVEN}\nCOPY file /srv/", {"file": ""}, True),
        (f"ENV KEY='{KEYS[1]}'\nCOPY file /srv/", {"file": ""}, True),
        (f"ENV KEY={base64.b64encode(KEYS[0].encode()).decode()}\nCOPY file /srv/", {"file": ""}, True),
        (f"ENV TWINE_PASSWORD={PASSWORD}\nCOPY file /srv/", {"file": ""}, True),
    ],
)
def test_an_image_is_searched_wherever_it_can_hold_a_credential(
    search: Search, instructions: str, files: dict[str, str], found: bool
) -> None:
    assert search(instructions, files).returncode == int(found)


@pytest.mark.engine
def test_an_image_is_searched_for_every_form_of_a_credential(search: Search) -> None:
    missed = [name for name, text in HARMFUL.items() if search("COPY file /srv/", {"file": text}).returncode == 0]
    assert missed == []


@pytest.mark.engine
def test_what_only_speaks_of_credentials_is_no_credential(search: Search) -> None:
    """Texts like those of libraries, and the libraries that know most forms of them."""
    for name, text in HARMLESS.items():
        assert search("COPY file /srv/", {"file": text}).returncode == 0, name
    libraries = [Path(str(find_spec(name).origin)).parent for name in ("google.auth", "google.oauth2", "cryptography")]  # type: ignore[union-attr]
    files = [path for folder in libraries for path in folder.rglob("*.py")]
    assert len(files) > 100
    text = "\n".join(path.read_text() for path in files)
    assert HEADER.format("") in text
    assert search("COPY file /srv/", {"file": text}).returncode == 0


@pytest.mark.engine
def test_an_image_that_is_not_there_is_not_taken_for_clean(
    generate: Generate,
    docker_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    project = generate(tmp_path / "project", kind="service")
    command = ["sh", "ci/scan-image.sh", "garscaffold-test-nowhere:1"]
    done = subprocess.run(command, cwd=project, env=docker_environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no credential" not in done.stdout
