"""Which variables make the clients' own programs reach the sandbox: plain values in, variables or shell lines out."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from garscaffold.sandbox.identities import HOME_PROJECT

MARKER = "GARSCAFFOLD_SANDBOX"
"""Set wherever the variables below are; its value is the sandbox's directory."""

OUTER = "GARSCAFFOLD_SANDBOX_OUTER"
"""What the variables were before, as JSON."""

_NAMES = (
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "CURL_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "https_proxy",
    "no_proxy",
)


@dataclass(frozen=True)
class Surroundings:
    """Where the pieces of a running sandbox are.

    Args:
        proxy_url: The CONNECT proxy.
        bundle: The certificate bundle: the machine's own and the sandbox's authority.
        gcloud: gcloud's configuration directory for this identity.
        account: The identity's email; empty for nobody.
        credentials: The credential file; None for an identity that has none, or gets them from the metadata server.
        metadata_address: `HOST:PORT` of the metadata server; None where there is to be none.
    """

    proxy_url: str
    bundle: Path
    gcloud: Path
    account: str
    credentials: Path | None
    metadata_address: str | None


def client_variables(surroundings: Surroundings) -> dict[str, str]:
    """Return the variables for one process; an empty value takes the place of one that must not be set.

    Who reads what: gRPC only the lower-case https_proxy and only GRPC_DEFAULT_SSL_ROOTS_FILE_PATH; what is built on
    requests (google-auth, twine, Poetry) REQUESTS_CA_BUNDLE; uv SSL_CERT_FILE; pip PIP_CERT first; curl CURL_CA_BUNDLE;
    gcloud CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE.
    """
    bundle = str(surroundings.bundle)
    # Not credentials of this machine's user: an empty path counts as none.
    credentials = str(surroundings.credentials or "")
    variables = {
        "HTTPS_PROXY": surroundings.proxy_url,
        "https_proxy": surroundings.proxy_url,
        "NO_PROXY": "127.0.0.1,localhost,::1",
        "no_proxy": "127.0.0.1,localhost,::1",
        "CURL_CA_BUNDLE": bundle,
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": bundle,
        "PIP_CERT": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": credentials,
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_CONFIG": str(surroundings.gcloud),
        "CLOUDSDK_CORE_ACCOUNT": surroundings.account,
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": bundle,
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_CORE_PROJECT": HOME_PROJECT,
        "GOOGLE_APPLICATION_CREDENTIALS": credentials,
        "GOOGLE_CLOUD_PROJECT": HOME_PROJECT,
    }
    if surroundings.metadata_address is None:
        return {**variables, "NO_GCE_CHECK": "true"}
    return {
        **variables,
        "GCE_METADATA_HOST": surroundings.metadata_address,
        "GCE_METADATA_IP": surroundings.metadata_address,
        "GCE_METADATA_ROOT": surroundings.metadata_address,
        "NO_GCE_CHECK": "",
    }


def outer(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment as it was outside of every sandbox.

    A sandbox that is started in a shell that uses one already must not go out through that one: it may be gone, or be
    the very same.
    """
    if MARKER not in environment:
        return dict(environment)
    cleaned = {name: value for name, value in environment.items() if name not in (*_NAMES, MARKER, OUTER)}
    return {**cleaned, **json.loads(environment.get(OUTER) or "{}")}


def remember_outer(environment: Mapping[str, str]) -> str:
    """Return the value of `OUTER` for a process that is started from `environment`."""
    before = outer(environment)
    return json.dumps({name: before[name] for name in _NAMES if name in before})


def shell_lines(variables: Mapping[str, str], shell: str) -> str:
    """Return lines that set the variables in bash (and every POSIX shell), fish or powershell."""
    return "".join(f"{_line(name, value, shell)}\n" for name, value in sorted(variables.items()))


def _line(name: str, value: str, shell: str) -> str:
    if shell == "fish":
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"set -gx {name} '{escaped}'"
    if shell == "powershell":
        escaped = value.replace("'", "''")
        return f"$Env:{name} = '{escaped}'"
    return f"export {name}={shlex.quote(value)}"
