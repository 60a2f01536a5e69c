#!/usr/bin/env bash
# Prints the figures of the static binary: size, start to first ready, idle memory.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need_node
exec node scripts/measure.mjs "${HOLDALL:-target/dist/holdall}" "$@"
