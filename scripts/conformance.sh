#!/usr/bin/env bash
# Runs the conformance groups against the server that the environment names (see with-server.sh).
# Usage: conformance.sh [GROUP ...]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need_modules tests/conformance
exec tests/conformance/run.sh "$HOLDALL_URL" "$HOLDALL_ADMIN_EMAIL" "$HOLDALL_ADMIN_PASSWORD" "$@"
