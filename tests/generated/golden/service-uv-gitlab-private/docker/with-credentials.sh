#!/bin/sh
# Runs a command of the image build with the credential that the build was given as a secret:
#   gar_token  an access token
#   gar_adc    a file of Application Default Credentials
#   ca_bundle  where a proxy inspects TLS: the certificates to trust, the proxy's among them
# Only that command sees it: nothing is written, and no other layer has it in its environment.
set -eu

if [ ! -s uv.lock ]; then
    echo "There is no uv.lock. Write it with: make lock" >&2
    exit 1
elif [ -s /run/secrets/gar_token ]; then
    export UV_KEYRING_PROVIDER=disabled
    export UV_INDEX_GAR_PRIVATE_USERNAME=oauth2accesstoken
    UV_INDEX_GAR_PRIVATE_PASSWORD=$(cat /run/secrets/gar_token)
    export UV_INDEX_GAR_PRIVATE_PASSWORD
elif [ -s /run/secrets/gar_adc ]; then
    export GOOGLE_APPLICATION_CREDENTIALS=/run/secrets/gar_adc
    # `keyring` is found there. At the end, for the image's own Python to come first.
    export PATH="$PATH:/opt/uv/bin"
elif grep -q -e '-python\.pkg\.dev/' uv.lock; then
    cat >&2 <<'END'
The lock names packages of Artifact Registry, and this build was given no credential to read them. Either log in, or pass a token:
    gcloud auth application-default login && docker compose build
    GAR_TOKEN=$(gcloud auth print-access-token) docker compose build
END
    exit 1
else
    export UV_KEYRING_PROVIDER=disabled
fi

if [ -s /run/secrets/ca_bundle ]; then
    export REQUESTS_CA_BUNDLE=/run/secrets/ca_bundle SSL_CERT_FILE=/run/secrets/ca_bundle
fi

exec "$@"
