#!/usr/bin/env bash
# The store beside SQLite and the disk itself, in one run, or one of writing, reading and opening.
# RECORDS=1000000 for the large opening.
# `bench.sh api [POCKETBASE]`: lists of the static binary, beside a PocketBase if its binary is named.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need_cargo
need cc gcc
need cmake cmake
if [ "${1:-}" = api ]; then
    need_node
    shift
    exec node tests/bench/api.mjs "${HOLDALL:-target/dist/holdall}" "$@"
fi
exec cargo run --quiet --release --manifest-path tests/bench/Cargo.toml --target-dir target/bench -- "$@"
