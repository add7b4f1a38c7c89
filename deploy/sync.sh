#!/usr/bin/env bash
# One incremental load on a machine that keeps nothing between runs: state, tokens and store are at one address, such as
# S3. GitHub Actions, GitLab, cron and Kubernetes all call this script.
#
#   STORE      s3://bucket/prefix, or a local folder: where everything that must survive is kept (required)
#   ACCOUNT    a name, one per Keap account (default: main); each has its own state, tokens, store and lock
#   TAP_KEAP_… , TARGET_CHARTMOGUL_…   keys and settings, see the READMEs of the two plugins
#
# It ends with the plugins' own exit codes (see their READMEs), which `meltano run` would replace by 1: the target's, or
# the tap's where the target has none, or only waits for the rest of an input that the tap cut off.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

: "${STORE:?set STORE to the address of a bucket and prefix, such as s3://my-bucket/keap, or to a folder}"
ACCOUNT="${ACCOUNT:-main}"
OUTPUT="${OUTPUT:-output/$ACCOUNT}"
case "$OUTPUT" in /*) ;; *) OUTPUT="$PWD/$OUTPUT" ;; esac
case "$STORE" in *://* | /*) ;; *) STORE="$PWD/$STORE" ;; esac
STATE="$STORE/$ACCOUNT/state"
case "$STATE" in *://*) ;; *) STATE="file://$STATE" ;; esac
mkdir -p .meltano "$OUTPUT/.meltano"

export MELTANO_ENVIRONMENT="${MELTANO_ENVIRONMENT:-prod}"
export MELTANO_STATE_BACKEND_URI="${MELTANO_STATE_BACKEND_URI:-$STATE}"
export MELTANO_DATABASE_URI="${MELTANO_DATABASE_URI:-sqlite:///$OUTPUT/meltano.sqlite}"
export TARGET_CHARTMOGUL_STORE_PATH="${TARGET_CHARTMOGUL_STORE_PATH:-$STORE/$ACCOUNT/store.sqlite}"
export TARGET_CHARTMOGUL_REPORT_PATH="${TARGET_CHARTMOGUL_REPORT_PATH:-$OUTPUT/report.json}"
export TARGET_CHARTMOGUL_EXIT_CODE_FILE="$OUTPUT/target.exit-code"
export TAP_KEAP_EXIT_CODE_FILE="$OUTPUT/tap.exit-code"
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

# The plugins are installed once per checkout, by one run at a time; a folder as lock, since not every system has flock.
installed() {
    [ -x .meltano/extractors/tap-keap/venv/bin/tap-keap ] \
        && [ -x .meltano/loaders/target-chartmogul/venv/bin/target-chartmogul ]
}
LOCK=.meltano/install.lock
if ! installed; then
    until mkdir "$LOCK" 2> /dev/null; do
        holder="$(cat "$LOCK/pid" 2> /dev/null || true)"
        if [ -n "$holder" ] && ! kill -0 "$holder" 2> /dev/null; then rm -rf "$LOCK"; else sleep 1; fi
    done
    trap 'rm -rf "$LOCK"' EXIT
    echo $$ > "$LOCK/pid"
    installed || meltano --log-level=warning install
    rm -rf "$LOCK"
    trap - EXIT
fi
# What Meltano keeps of a run is the account's own, since two runs in one folder would overwrite each other's files.
for plugins in extractors loaders; do
    ln -sfn "$PWD/.meltano/$plugins" "$OUTPUT/.meltano/$plugins"
done
export MELTANO_SYS_DIR_ROOT="$OUTPUT/.meltano"

# In a process group of its own, so that a signal reaches the plugins, which stop at a safe point.
set -m
code_of() { cat "$1" 2> /dev/null || true; }
run() {
    rm -f "$TARGET_CHARTMOGUL_EXIT_CODE_FILE" "$TAP_KEAP_EXIT_CODE_FILE"
    meltano run "$@" keap-to-chartmogul &
    meltano_pid=$!
    trap 'kill -INT -- "-$meltano_pid" 2> /dev/null || true' INT
    trap 'kill -TERM -- "-$meltano_pid" 2> /dev/null || true' TERM
    code=0
    wait "$meltano_pid" || code=$?
    while kill -0 "$meltano_pid" 2> /dev/null; do # a signal ended the wait, not the run
        code=0
        wait "$meltano_pid" || code=$?
    done
    trap - INT TERM
    target_code="$(code_of "$TARGET_CHARTMOGUL_EXIT_CODE_FILE")"
    tap_code="$(code_of "$TAP_KEAP_EXIT_CODE_FILE")"
}

run "$@"
if [ "$target_code" = 10 ]; then # the store is new or older than the state, which is empty now: this run reads all
    echo "sync.sh: exit code 10, so once more, from the beginning." >&2
    run "$@"
fi
for found in "$target_code" "$tap_code"; do
    case "$found" in
        '' | 0) ;;
        6) [ "${tap_code:-0}" = 0 ] && code=6 && break ;;
        *) code="$found" && break ;;
    esac
done
exit "$code"
