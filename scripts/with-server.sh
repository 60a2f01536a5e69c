#!/usr/bin/env bash
# Starts the built binary on files in a fresh directory, runs a command against it, and stops it again.
# Usage: with-server.sh [serve flags ...] -- COMMAND [ARGS ...]
# The command gets HOLDALL_URL, HOLDALL_ADMIN_EMAIL and HOLDALL_ADMIN_PASSWORD.
set -euo pipefail
binary=${HOLDALL:-$(dirname "$0")/../target/debug/holdall}
flags=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do flags+=("$1"); shift; done
shift
scratch=$(mktemp -d)
export HOLDALL_ADMIN_EMAIL=admin@example.com
HOLDALL_ADMIN_PASSWORD=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
export HOLDALL_ADMIN_PASSWORD
"$binary" serve --listen 127.0.0.1:0 --data "$scratch/data" --ready-file "$scratch/ready.json" "${flags[@]}" \
    >"$scratch/out" 2>"$scratch/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
for _ in $(seq 300); do
    [ -s "$scratch/ready.json" ] && break
    kill -0 "$server" 2>/dev/null || { cat "$scratch/log" >&2; echo "the server did not start" >&2; exit 1; }
    sleep 0.05
done
HOLDALL_URL=$(sed -n 's/.*"url" *: *"\([^"]*\)".*/\1/p' "$scratch/ready.json")
export HOLDALL_URL
status=0
"$@" || status=$?
[ "$status" = 0 ] || tail -n 30 "$scratch/log" >&2
exit "$status"
