#!/usr/bin/env bash
# The store beside SQLite and the disk itself, in one run. RECORDS=1000000 for the large opening.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need_cargo
need cc gcc
need cmake cmake
exec cargo run --quiet --release --manifest-path tests/bench/Cargo.toml --target-dir target/bench
