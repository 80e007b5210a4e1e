#!/bin/sh
# Runs a command of the image build with the credential that the build was given as a secret:
#   gar_token  an access token
#   gar_adc    a file of Application Default Credentials
#   ca_bundle  where a proxy inspects TLS: the certificates to trust, the proxy's among them
# Only that command sees it: what is written is in memory, and no other layer has it in its environment.
set -eu

if ! grep -q -e --hash= requirements.txt && grep -q -e '^[^#-]' requirements.txt; then
    echo "requirements.txt is not locked. Lock it with: make lock" >&2
    exit 1
elif [ -s /run/secrets/gar_token ]; then
    # pip takes a token from a netrc file only. The folder is in memory, and gone with this command.
    NETRC=$(umask 077 && mktemp -p /dev/shm)
    export NETRC
    printf 'machine %s login oauth2accesstoken password %s\n' us-central1-python.pkg.dev "$(cat /run/secrets/gar_token)" >"$NETRC"
elif [ -s /run/secrets/gar_adc ]; then
    export GOOGLE_APPLICATION_CREDENTIALS=/run/secrets/gar_adc
    # `keyring` is found there. At the end, for the image's own Python to come first.
    export PATH="$PATH:/opt/pip/bin"
elif grep -q -e '-python\.pkg\.dev/' requirements.txt; then
    cat >&2 <<'END'
The lock names packages of Artifact Registry, and this build was given no credential to read them. Either log in, or pass a token:
    gcloud auth application-default login && docker compose build
    GAR_TOKEN=$(gcloud auth print-access-token) docker compose build
END
    exit 1
fi

if [ -s /run/secrets/ca_bundle ]; then
    export REQUESTS_CA_BUNDLE=/run/secrets/ca_bundle SSL_CERT_FILE=/run/secrets/ca_bundle
fi

exec "$@"
