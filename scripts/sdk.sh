#!/usr/bin/env bash
# Runs the SDK suite and replays kept answers against the server that the environment names (see with-server.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need_modules tests/sdk
need_modules web
exec node --test --test-reporter=dot tests/sdk/*.test.mjs tests/differential/*.test.mjs
