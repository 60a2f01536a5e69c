#!/usr/bin/env bash
# Checks what the protocol promises, statement by statement, on the server that the environment names (see with-server.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need_modules tests/sdk
exec node --test --test-concurrency=1 --test-reporter=dot tests/wire/*.test.mjs
