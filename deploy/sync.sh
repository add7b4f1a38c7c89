#!/usr/bin/env bash
# One incremental load on a machine that keeps nothing between runs: state, tokens and store live on S3 (or any
# address that Meltano and fsspec know). GitHub Actions, GitLab, cron and Kubernetes all call this same script.
#
#   STORE      s3://bucket/prefix      where everything that must survive is kept (required)
#   ACCOUNT    a name, one per Keap account (default: main); each has its own state, tokens, store and lock
#   TAP_KEAP_… , TARGET_CHARTMOGUL_…   keys and settings, see the READMEs of the two plugins
set -euo pipefail
cd "$(dirname "$0")/.."

: "${STORE:?set STORE to the address of a bucket and prefix, such as s3://my-bucket/keap}"
ACCOUNT="${ACCOUNT:-main}"
OUTPUT="${OUTPUT:-output/$ACCOUNT}"
mkdir -p "$OUTPUT"

export MELTANO_ENVIRONMENT="${MELTANO_ENVIRONMENT:-prod}"
export MELTANO_STATE_BACKEND_URI="${MELTANO_STATE_BACKEND_URI:-$STORE/$ACCOUNT/state}"
export MELTANO_DATABASE_URI="${MELTANO_DATABASE_URI:-sqlite:///$(realpath "$OUTPUT")/meltano.sqlite}"
export TARGET_CHARTMOGUL_STORE_PATH="${TARGET_CHARTMOGUL_STORE_PATH:-$STORE/$ACCOUNT/store.sqlite}"
export TARGET_CHARTMOGUL_REPORT_PATH="${TARGET_CHARTMOGUL_REPORT_PATH:-$OUTPUT/report.json}"
if [ -n "${TAP_KEAP_CLIENT_ID:-}" ]; then
    export TAP_KEAP_TOKEN_PATH="${TAP_KEAP_TOKEN_PATH:-$STORE/$ACCOUNT/keap-token.json}"
fi
# Meltano takes S3 credentials from settings of its own; without them it ignores an endpoint address.
if [ -n "${AWS_ACCESS_KEY_ID:-}" ]; then
    export MELTANO_STATE_BACKEND_S3_AWS_ACCESS_KEY_ID="${MELTANO_STATE_BACKEND_S3_AWS_ACCESS_KEY_ID:-$AWS_ACCESS_KEY_ID}"
    export MELTANO_STATE_BACKEND_S3_AWS_SECRET_ACCESS_KEY="${MELTANO_STATE_BACKEND_S3_AWS_SECRET_ACCESS_KEY:-${AWS_SECRET_ACCESS_KEY:-}}"
fi
if [ -n "${AWS_ENDPOINT_URL:-}" ]; then
    export MELTANO_STATE_BACKEND_S3_ENDPOINT_URL="${MELTANO_STATE_BACKEND_S3_ENDPOINT_URL:-$AWS_ENDPOINT_URL}"
fi

# The plugins are installed once per checkout. What Meltano keeps of a run is the account's own, since two runs in one
# folder would overwrite each other's files.
mkdir -p .meltano "$OUTPUT/.meltano"
(
    flock 9
    [ -x .meltano/loaders/target-chartmogul/venv/bin/target-chartmogul ] || meltano --log-level=warning install
) 9> .meltano/install.lock
for plugins in extractors loaders; do
    ln -sfn "$PWD/.meltano/$plugins" "$OUTPUT/.meltano/$plugins"
done
MELTANO_SYS_DIR_ROOT="$(realpath "$OUTPUT/.meltano")"
export MELTANO_SYS_DIR_ROOT

exec meltano run "$@" keap-to-chartmogul
