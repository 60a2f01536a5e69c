#!/usr/bin/env bash
# Drives the console of the built binary in Debian's chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need chromium chromium
need_modules tests/browser
cd tests/browser
exec node --test
