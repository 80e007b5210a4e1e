#!/bin/sh
# Installs the project in its development container: sh .devcontainer/install.sh
# The container sees gcloud's folder of the workstation, all of it, and cannot write there: the credential is the
# workstation's own login, renewed there and copied nowhere. Where there is no workstation, a token in GAR_TOKEN takes its
# place.
set -eu

if [ -n "${GAR_TOKEN:-}" ]; then
    export UV_KEYRING_PROVIDER=disabled
    export UV_INDEX_GAR_PRIVATE_USERNAME=oauth2accesstoken UV_INDEX_GAR_PRIVATE_PASSWORD="$GAR_TOKEN"
elif [ ! -s "$CLOUDSDK_CONFIG/application_default_credentials.json" ]; then
    cat >&2 <<'END'
Nobody has logged in, so the private packages cannot be read. Log in on the workstation, then install again in here:
    gcloud auth application-default login
    sh .devcontainer/install.sh
END
    exit 1
fi

python3 tools/check_sources.py
uv sync
