#!/usr/bin/env bash
# Watch mode: the page is rebuilt by vite, the server by cargo, whenever sources change.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need_cargo
need_modules web
scripts/page.sh
(cd web && exec npm run --silent watch) &
page=$!
server=
trap 'kill "$page" ${server:+"$server"} 2>/dev/null || true; wait 2>/dev/null || true' EXIT INT TERM
stamp=$(mktemp)
changed() { [ -n "$(find src web/dist web/docs build.rs Cargo.toml -type f -newer "$stamp" -print -quit 2>/dev/null)" ]; }
while true; do
    touch "$stamp"
    if cargo build; then
        [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
        target/debug/holdall serve "$@" &
        server=$!
    fi
    until changed; do sleep 0.5; done
done
