#!/usr/bin/env bash
# Packs the release binary for TARGET: archive, list of parts, checksums. The same sources make the
# same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need_cargo
need_node
target=${TARGET:-x86_64-unknown-linux-musl}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
name=holdall-$version-$target
dist=target/dist
binary=$dist/holdall-$target
if [ "$target" = "$(uname -m)-unknown-linux-musl" ]; then binary=$dist/holdall; fi
[ -x "$binary" ] || { say "$binary is missing: TARGET=$target make release builds it"; exit 1; }

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

# Completions are the same on every machine; a binary for another one can't write them here.
speaker=$binary
"$speaker" version >/dev/null 2>&1 || speaker=target/debug/holdall
[ -x "$speaker" ] || cargo build --quiet --locked

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
mkdir -p "$room/$name/completions" "$room/$name/deploy"
cp "$binary" "$room/$name/holdall"
cp README.md LICENSE CHANGELOG.md "$room/$name/"
cp deploy/holdall.service deploy/holdall.yaml "$room/$name/deploy/"
"$speaker" completions bash >"$room/$name/completions/holdall.bash"
"$speaker" completions zsh >"$room/$name/completions/_holdall"
"$speaker" completions fish >"$room/$name/completions/holdall.fish"
chmod -R u=rwX,go=rX "$room/$name"

# What another version left would be in the checksums.
find "$dist" -maxdepth 1 -name 'holdall-*.tar.gz' ! -name "holdall-$version-*" -delete
find "$dist" -maxdepth 1 -name 'holdall-*.cdx.json' ! -name "holdall-$version-*" -delete
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    --format=ustar -C "$room" "$name" | gzip -9 --no-name >"$dist/$name.tar.gz"
node scripts/sbom.mjs "$target" >"$room/sbom"
mv "$room/sbom" "$dist/$name.cdx.json"
(cd "$dist" && sha256sum holdall-"$version"-*.tar.gz holdall-"$version"-*.cdx.json >SHA256SUMS)
say "$dist/$name.tar.gz: $(stat -c %s "$dist/$name.tar.gz" | awk '{ printf "%.1f MiB", $1 / 1048576 }')"
say "$dist/$name.cdx.json: $(grep -c '"purl"' "$dist/$name.cdx.json") parts"
