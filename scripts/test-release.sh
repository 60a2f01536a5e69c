#!/usr/bin/env bash
# Checks the static binary: nothing dynamic, within its budget, runs in an empty root as nobody.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=target/dist/holdall
fail() { echo "test-release: $*" >&2; exit 1; }

# The budget, page inside, as long as MySQL, files and passkeys are not. `make measure` says how far
# below it stays.
limit=$((16 * 1024 * 1024))
size=$(stat -c %s "$binary")
[ "$size" -le "$limit" ] || fail "$size bytes, more than $limit"
if ldd "$binary" 2>&1 | grep -qv -e 'statically linked' -e 'not a dynamic executable'; then
    fail "not static: $(ldd "$binary")"
fi
passed=2

if [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then
    root=$(mktemp -d)
    chmod 755 "$root"
    mkdir "$root/data"
    cp "$binary" "$root/holdall"
    chown 10001:10001 "$root/data"
    # A private mount namespace: the root is read-only, only /data can be written.
    unshare --mount bash -euc '
        mount --bind "$1" "$1" && mount --bind "$1/data" "$1/data" && mount -o remount,ro,bind "$1"
        chroot --userspec=10001:10001 "$1" /holdall exec -- /holdall healthcheck
        chroot --userspec=10001:10001 "$1" /holdall serve --listen 127.0.0.1:0 --data /data/store --ready-file /data/ready &
        server=$!
        trap "kill $server 2>/dev/null || true" EXIT
        for _ in $(seq 200); do [ -s "$1/data/ready" ] && break; sleep 0.05; done
        [ -s "$1/data/ready" ] || { echo "did not become ready" >&2; exit 1; }
        HOLDALL_URL=$(sed "s/.*\"url\":\"\([^\"]*\)\".*/\1/" "$1/data/ready")
        export HOLDALL_URL
        chroot --userspec=10001:10001 "$1" /holdall healthcheck
        kill -TERM $server && wait $server
    ' - "$root" >/dev/null 2>"$root.log" || { cat "$root.log" >&2; fail "does not run in an empty root"; }
    rm -rf "$root" "$root.log"
    passed=$((passed + 1))
else
    echo "test-release: SKIPPED the empty root: needs root and mount namespaces" >&2
fi
echo "release: $passed passed, 0 failed"
