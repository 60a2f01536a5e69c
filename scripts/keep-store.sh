#!/usr/bin/env bash
# Keeps a store as this version writes it in tests/data/, for every later version to open: run once
# for each format, before the format changes. `HOLDALL` names another binary.
# Usage: keep-store.sh FORMAT
set -euo pipefail
cd "$(dirname "$0")/.."
format=${1:?the number of the format, as in the file FORMAT of a data directory}
binary=${HOLDALL:-target/debug/holdall}
scratch=$(mktemp -d)
export HOLDALL_ADMIN_EMAIL=root@example.com HOLDALL_ADMIN_PASSWORD='a password for tests'
server=
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
"$binary" serve --listen 127.0.0.1:0 --data "$scratch/data" --ready-file "$scratch/ready.json" 2>"$scratch/log" &
server=$!
for _ in $(seq 300); do
    [ -s "$scratch/ready.json" ] && break
    kill -0 "$server" 2>/dev/null || { cat "$scratch/log" >&2; exit 1; }
    sleep 0.05
done
HOLDALL_URL=$(sed -n 's/.*"url" *: *"\([^"]*\)".*/\1/p' "$scratch/ready.json")
export HOLDALL_URL
node tests/data/fill.mjs "tests/data/store-$format.json"
# Killed, not stopped: what is kept is what a crash leaves. The state has claimed some of it by now.
sleep 1.5
kill -9 "$server"
wait "$server" 2>/dev/null || true
server=
grep -q "^holdall $format " "$scratch/data/FORMAT" || { echo "this binary does not write format $format" >&2; exit 1; }
rm -f "$scratch/data/LOCK" "$scratch/data"/*.sock
tar -C "$scratch/data" --sort=name --owner=0 --group=0 --numeric-owner -cf - . | gzip -9n >"tests/data/store-$format.tar.gz"
ls -l "tests/data/store-$format.tar.gz"
