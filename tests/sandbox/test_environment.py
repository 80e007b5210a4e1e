import shutil
import subprocess

import pytest

from garscaffold.sandbox import Sandbox
from garscaffold.sandbox.environment import MARKER, OUTER, outer, remember_outer, shell_lines

AWKWARD = {"PLAIN": "a b", "QUOTES": 'it\'s "so" $HOME `x` \\ end', "EMPTY": ""}


@pytest.mark.parametrize(
    ("shell", "program"), [("bash", "bash"), ("bash", "sh"), ("fish", "fish"), ("powershell", "pwsh")]
)
def test_a_shell_reads_its_lines_back(shell: str, program: str) -> None:
    if not shutil.which(program):
        pytest.skip(f"no {program} here")
    script = shell_lines(AWKWARD, shell) + "env"
    printed = subprocess.run([program, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    for name, value in AWKWARD.items():
        assert f"{name}={value}" in printed


def test_lines_for_shells_that_are_not_here() -> None:
    assert shell_lines({"A": "it's \\ x"}, "fish") == "set -gx A 'it\\'s \\\\ x'\n"
    assert shell_lines({"A": "it's"}, "powershell") == "$Env:A = 'it''s'\n"


def test_every_client_finds_the_proxy_and_the_certificates(sandbox: Sandbox) -> None:
    variables = sandbox.environment("reader")
    bundle = str(sandbox.bundle_file)
    assert variables["HTTPS_PROXY"] == variables["https_proxy"] == sandbox.proxy_url
    readers = ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "CURL_CA_BUNDLE")
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "PIP_CERT", *readers):
        assert variables[name] == bundle
    assert variables["GOOGLE_APPLICATION_CREDENTIALS"] == str(sandbox.key_file("reader"))
    assert sandbox.ca_file.read_text() in sandbox.bundle_file.read_text()


def test_anonymous_hides_the_credentials_of_this_machine(sandbox: Sandbox) -> None:
    variables = sandbox.environment("anonymous")
    assert variables["GOOGLE_APPLICATION_CREDENTIALS"] == ""
    assert variables["NO_GCE_CHECK"] == "true"
    assert variables["CLOUDSDK_CONFIG"].startswith(str(sandbox.state.path))


def test_on_googles_machines_only_the_metadata_server_gives_credentials(sandbox: Sandbox) -> None:
    variables = sandbox.environment("writer", metadata=True)
    assert variables["GOOGLE_APPLICATION_CREDENTIALS"] == ""
    assert variables["GCE_METADATA_HOST"] == variables["GCE_METADATA_IP"] == sandbox.metadata_address("writer")


def test_a_shell_that_uses_a_sandbox_remembers_what_was_before() -> None:
    before = {"PATH": "/bin", "HTTPS_PROXY": "http://company:3128", "SSL_CERT_FILE": "/company.pem"}
    inside = {**before, "HTTPS_PROXY": "http://127.0.0.1:1", "PIP_CERT": "/sandbox.pem", MARKER: "/state"}
    inside["SSL_CERT_FILE"] = "/sandbox.pem"
    inside[OUTER] = remember_outer(before)
    assert outer(before) == before
    assert outer(inside) == before
    # A shell inside a shell remembers the outermost.
    assert remember_outer(inside) == remember_outer(before)
