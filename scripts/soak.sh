#!/usr/bin/env bash
# The long versions of what `make test` runs short: kill, power loss, faults, model.
set -euo pipefail
cd "$(dirname "$0")/.."
export HOLDALL_SOAK=1
exec cargo test --locked --release --quiet -- --nocapture --test-threads=1 kill power faults model
