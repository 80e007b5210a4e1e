#!/bin/sh
# Installs the locked packages into installs/, which the Dockerfile copies. It runs beside the image, with the identity
# of where it runs (Cloud Build's service account, a workstation's Application Default Credentials) or with a token in
# GAR_TOKEN. Where a proxy inspects TLS, /run/secrets/ca_bundle has the certificates to trust, the proxy's among them.
set -eu

refuse() {
    cat >&2 <<'END'
requirements.txt names packages of Artifact Registry, and there is no credential to read them. Either log in, or pass a token:
    gcloud auth application-default login && make build
    GAR_TOKEN=$(gcloud auth print-access-token) make build
END
    exit 1
}

if ! grep -q -e --hash= requirements.txt && grep -q -e '^[^#-]' requirements.txt; then
    echo "requirements.txt is not locked. Lock it with: make lock" >&2
    exit 1
fi

private=$(grep -c -e '-python\.pkg\.dev/' requirements.txt || true)
credentials=${GOOGLE_APPLICATION_CREDENTIALS:-}
if [ "$private" -gt 0 ] && [ -z "${GAR_TOKEN:-}" ] && [ -n "$credentials" ] && [ ! -s "$credentials" ]; then
    refuse
fi

if [ -s /run/secrets/ca_bundle ]; then
    export PIP_CERT=/run/secrets/ca_bundle REQUESTS_CA_BUNDLE=/run/secrets/ca_bundle SSL_CERT_FILE=/run/secrets/ca_bundle
fi

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python -m venv "$tools"
"$tools/bin/pip" install --quiet pip==26.3 keyring==25.7.0 keyrings.google-artifactregistry-auth==1.1.2

if [ -n "${GAR_TOKEN:-}" ]; then
    umask 077
    printf 'machine %s login oauth2accesstoken password %s\n' us-central1-python.pkg.dev "$GAR_TOKEN" >"$tools/netrc"
    export NETRC="$tools/netrc"
    umask 022
elif [ "$private" -gt 0 ] && ! "$tools/bin/keyring" get https://us-central1-python.pkg.dev/acme-prod/python-virtual/simple/ oauth2accesstoken >/dev/null; then
    refuse
fi

rm -rf installs
"$tools/bin/pip" install --no-input --keyring-provider import --require-hashes --target installs \
    --requirement requirements.txt
