"""What README.md tells Google to make of a pipeline's identity, evaluated in Google's own language.

Claims are those of the providers' documentation: GitHub's "OpenID Connect reference", GitLab's "OpenID Connect (OIDC)
Authentication Using ID Tokens", CircleCI's "Using OpenID Connect tokens in jobs". Names are as long as can be.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.identities import IDENTITIES
from garscaffold.sandbox.oauth import LONGEST_SUBJECT
from tests.generated.combinations import KEYLESS, READER
from tests.generated.conftest import AsIdentity, Generate
from tests.generated.matrix import matrix, rendered

cel = pytest.importorskip("cel_expr_python.cel", reason="the runtime of CEL has no package for this platform")

Claims = Mapping[str, object]
CIS = ("github", "gitlab", "circleci")
IDS = {
    "github": "812345678",
    "gitlab": "71234567",
    "circleci": "e2f7f16e-30cd-4ac8-9a0c-6f1e5d9f2c11",
}
ORGANISATION = "o" * 39
REPOSITORY = "r" * 100
LONG_BRANCH = "feature/" + "an-idea-that-is-described-in-full-" * 6
UUID = "b0c2f2d1-7a55-4ad9-8f0e-3b1b6f0a9d10"


def token(ci: str, ref: str = "refs/heads/main", **changed: object) -> Claims:
    """Return what an identity token of a CI claims for a ref; the repository is the one that the condition names."""
    kind, name = ref.split("/", 2)[1:]
    if ci == "github":
        path = f"{ORGANISATION}/{REPOSITORY}"
        claims = {
            "sub": f"repo:{path}:ref:{ref}",
            "repository": path,
            "repository_id": IDS[ci],
            "repository_owner": ORGANISATION,
            "repository_owner_id": "1234567",
            "ref": ref,
            "ref_type": "tag" if kind == "tags" else "branch",
            "event_name": "push",
        }
    elif ci == "gitlab":
        path = f"{ORGANISATION}/subgroup/{REPOSITORY}"
        ref_type = "tag" if kind == "tags" else "branch"
        claims = {
            "sub": f"project_path:{path}:ref_type:{ref_type}:ref:{name}",
            "project_path": path,
            "project_id": IDS[ci],
            "ref": name,
            "ref_type": ref_type,
            "ref_path": ref,
            "ref_protected": "true",
            "pipeline_source": "push",
        }
    else:
        origin = "github.com/ORGANISATION/REPOSITORY"
        claims = {
            "sub": f"org/{UUID}/project/{IDS[ci]}/user/{UUID}/vcs-origin/{origin}/vcs-ref/{ref}",
            "aud": UUID,
            "oidc.circleci.com/project-id": IDS[ci],
            "oidc.circleci.com/vcs-origin": origin,
            "oidc.circleci.com/vcs-ref": ref,
        }
    return {**claims, **changed}


def flags(readme: str, ci: str) -> dict[str, str]:
    """Return the options of the command with which a README makes a CI's provider."""
    creating = r"^gcloud iam workload-identity-pools providers create-oidc (?:.*\\\n)*.*$"
    commands = re.findall(creating, readme, re.MULTILINE)
    issuers = {"github": "token.actions.githubusercontent.com", "gitlab": "gitlab.com", "circleci": "oidc.circleci.com"}
    (command,) = (each for each in commands if issuers[ci] in each)
    words = shlex.split(command)
    return {word: words[number + 1] for number, word in enumerate(words) if word.startswith("--")}


def mapping(readme: str, ci: str) -> dict[str, str]:
    """Return the attribute mapping of a CI's provider: an expression for each attribute of Google."""
    return dict(each.split("=", 1) for each in flags(readme, ci)["--attribute-mapping"].split(","))


def evaluated(expression: str, claims: Claims) -> Any:
    """Return what an expression makes of a token; a claim that is not there is an error, as at Google."""
    variables = {"assertion": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)}
    result = cel.NewEnv(variables=variables).compile(expression).eval(data={"assertion": dict(claims)})
    assert str(result.type()) != "ERROR", f"{expression}: {result.value()}"
    return result.value()


def readme(ci: str, **answers: object) -> str:
    return rendered({"kind": "service", "ci": [ci], **KEYLESS, **answers})["README.md"].data.decode()


@pytest.mark.parametrize("ref", [f"refs/heads/{LONG_BRANCH}", "refs/heads/main", "refs/tags/v1.2.3"])
@pytest.mark.parametrize("ci", CIS)
def test_a_subject_is_as_long_as_google_takes_it(
    generate: Generate, sandbox: Sandbox, as_identity: AsIdentity, tmp_path: Path, ci: str, ref: str
) -> None:
    """The token service that refuses longer subjects takes it; what the CI itself calls the subject, it refuses."""
    writer = IDENTITIES["writer"].email
    project = generate(tmp_path / "p", ci=sorted({ci, "gitlab"}), **{**KEYLESS, "build_service_account": writer})
    claims = token(ci, ref)
    mapped = mapping((project / "README.md").read_text(), ci)
    subject = evaluated(mapped["google.subject"], claims)
    assert subject == evaluated(mapped["attribute.repository"], claims) == IDS[ci]
    assert len(str(claims["sub"]).encode()) > LONGEST_SUBJECT

    def sign_in(subject: str) -> "subprocess.CompletedProcess[str]":
        environment = {**as_identity("anonymous"), "OIDC_TOKEN": sandbox.subject_token("user", subject=subject)}
        command = [sys.executable, "ci/access_token.py"]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    found = sandbox.store.bearer(sign_in(subject).stdout.strip())
    assert found is not None
    assert found[0] == "writer"
    refused = sign_in(str(claims["sub"]))
    assert "google.subject exceeds the 127 bytes limit" in refused.stderr
    assert refused.stderr.endswith("does not take this pipeline's identity: see README.md, Authentication.\n")


@pytest.mark.parametrize("ci", CIS)
def test_the_condition_holds_for_one_repository_whatever_it_is_called(ci: str) -> None:
    condition = flags(readme(ci), ci)["--attribute-condition"]
    condition = condition.replace("REPOSITORY_ID" if ci == "github" else "PROJECT_ID", IDS[ci])
    assert evaluated(condition, token(ci)) is True
    assert evaluated(condition, token(ci, f"refs/heads/{LONG_BRANCH}")) is True
    renamed = {"github": {"repository": "else/where"}, "gitlab": {"project_path": "else/where"}, "circleci": {}}
    assert evaluated(condition, token(ci, **renamed[ci])) is True
    identifier = {"github": "repository_id", "gitlab": "project_id", "circleci": "oidc.circleci.com/project-id"}[ci]
    assert evaluated(condition, token(ci, **{identifier: "1"})) is False
    if ci == "circleci":
        assert evaluated(condition, token(ci, **{"oidc.circleci.com/vcs-origin": "github.com/mallory/fork"})) is False


RELEASES = ("refs/heads/main", "refs/tags/v1.2.3")
OTHERS: list[tuple[str, str, dict[str, object]]] = [
    *((ci, ref, {}) for ci in CIS for ref in ("refs/heads/feature", "refs/heads/mainline", "refs/heads/v1")),
    *((ci, ref, {}) for ci in CIS for ref in ("refs/tags/nightly", "refs/tags/main", "refs/heads/refs/heads/main")),
    # A pull request's own ref, and one of a fork.
    ("github", "refs/pull/7/merge", {"event_name": "pull_request"}),
    ("circleci", "refs/heads/pull/7", {"oidc.circleci.com/vcs-origin": "github.com/mallory/fork"}),
    # A merge request has the branch that it comes from.
    ("gitlab", "refs/heads/main", {"pipeline_source": "merge_request_event"}),
    ("gitlab", "refs/heads/main", {"ref_protected": "false"}),
    ("gitlab", "refs/tags/v1.2.3", {"ref_protected": "false"}),
]


@pytest.mark.parametrize("ci", CIS)
def test_main_and_tags_are_a_release(ci: str) -> None:
    text = readme(ci, test_service_account=READER)
    for ref in RELEASES:
        assert evaluated(mapping(text, ci)["attribute.release"], token(ci, ref)) == IDS[ci]


@pytest.mark.parametrize(("ci", "ref", "changed"), OTHERS)
def test_nothing_else_is(ci: str, ref: str, changed: dict[str, object]) -> None:
    text = readme(ci, test_service_account=READER)
    assert evaluated(mapping(text, ci)["attribute.release"], token(ci, ref, **changed)) == "none"


def test_who_may_write_is_bound_to_releases_where_somebody_else_reads() -> None:
    seen = set()
    for project in matrix():
        if not set(CIS) & set(project.answers["ci"]):
            continue
        bound = re.findall(
            r"^gcloud iam service-accounts add-iam-policy-binding (\S+) (?:.*\\\n)*.*/attribute\.(\w+)/ID$",
            project.files["README.md"],
            re.MULTILINE,
        )
        reader = project.answers.get("test_service_account")
        writer = KEYLESS["build_service_account"]
        assert bound == ([(reader, "repository"), (writer, "release")] if reader else [(writer, "repository")])
        for ci in {*CIS} & {*project.answers["ci"]}:
            assert ("attribute.release" in mapping(project.files["README.md"], ci)) == bool(reader), project
        seen.add(bool(reader))
    assert seen == {True, False}


# Commands of the README that ask somebody, or send what lies in the folder.
OTHER_COMMANDS = ("gcloud auth ", "gcloud builds submit ")
SERVICES = ("IAM", "CLOUDBUILD", "RUN", "SERVICEUSAGE")


@pytest.fixture
def google() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """A place where gcloud sends what it would send to Google: its URL, and each path with the body."""
    sent: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            sent.append((self.path.partition("?")[0], json.loads(body or b"{}")))
            self.send_response(400)
            self.end_headers()
            self.wfile.write(b'{"error": {"code": 400, "message": "It is kept.", "status": "INVALID_ARGUMENT"}}')

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", sent
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.clients
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_gcloud_takes_every_command_of_the_readme_as_it_is_meant(
    google: tuple[str, list[tuple[str, dict[str, Any]]]], tmp_path: Path
) -> None:
    """On a machine that knows no project: each is as it stands there, and gets as far as to ask Google."""
    url, sent = google
    answers = {"deploy": "cloud-run", "test_service_account": READER}
    text = rendered({"kind": "service", "ci": ["cloud-build", *CIS], **KEYLESS, **answers})["README.md"].data.decode()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CLOUDSDK_")},
        **{f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}": url for service in SERVICES},
        "HOME": str(tmp_path),
        "CLOUDSDK_AUTH_ACCESS_TOKEN": "a token",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "no_proxy": "127.0.0.1",
    }
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ").splitlines()
    commands = [line for line in lines if line.startswith("gcloud ") and not line.startswith(OTHER_COMMANDS)]
    assert len(commands) > 10
    for command in commands:
        known = command.replace("$REPOSITORY", "projects/p/locations/l/connections/c/repositories/r")
        before = len(sent)
        done = subprocess.run(shlex.split(known), env=environment, capture_output=True, text=True, check=False)
        assert len(sent) > before, f"{command}\n{done.stderr}"
    assert [body["attributeMapping"] for path, body in sent if path.endswith("/providers")] == [
        mapping(text, ci) for ci in CIS
    ]
    triggers = [body["repositoryEventConfig"] for path, body in sent if path.endswith("/triggers")]
    assert [trigger.get("push", trigger.get("pullRequest")) for trigger in triggers] == [
        {"branch": "^main$"},
        {"tag": "^v"},
        {"branch": "^main$", "commentControl": "COMMENTS_ENABLED"},
    ]
