#!/usr/bin/env bash
# Checks what `make dist` makes: checksums, what the archive holds, the list of parts, twice the same.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "test-dist: $*" >&2; exit 1; }
target=${TARGET:-x86_64-unknown-linux-musl}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
name=holdall-$version-$target
dist=target/dist
passed=0

scripts/dist.sh 2>/dev/null
first=$(cat $dist/SHA256SUMS)
scripts/dist.sh 2>/dev/null
[ "$first" = "$(cat $dist/SHA256SUMS)" ] || fail "two runs differ"
(cd $dist && sha256sum --check --quiet SHA256SUMS) || fail "checksums do not hold"
for file in "$name.tar.gz" "$name.cdx.json"; do
    grep -q "  $file\$" $dist/SHA256SUMS || fail "$file has no checksum"
done
passed=$((passed + 2))

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
tar -xzf "$dist/$name.tar.gz" -C "$room"
for file in holdall LICENSE README.md CHANGELOG.md deploy/holdall.service deploy/holdall.yaml \
    completions/holdall.bash completions/_holdall completions/holdall.fish; do
    [ -s "$room/$name/$file" ] || fail "the archive lacks $file"
done
[ "$(cd "$room" && ls)" = "$name" ] || fail "the archive has more than one folder at its top"
case $target in
"$(uname -m)"-*)
    "$room/$name/holdall" version | grep -q "^holdall $version" || fail "the binary does not say its version"
    bash -c ". '$room/$name/completions/holdall.bash' && complete -p holdall" >/dev/null || fail "bash does not take the completions"
    ;;
esac
passed=$((passed + 2))

# Cargo's own tree is another way to the same list.
cargo tree --locked --edges normal,build --target "$target" --prefix none --format '{p}' |
    awk '{ sub(/^v/, "", $2); if ($1 != "holdall") print "pkg:cargo/" $1 "@" $2 }' | sort -u >"$room/expected"
node -e '
    const bom = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
    const crates = bom.components.filter((part) => part.purl.startsWith("pkg:cargo/"));
    for (const part of crates) {
        if (!part.hashes || !part.licenses) throw new Error(`${part.purl} lacks its checksum or its license`);
    }
    if (!bom.components.some((part) => part.purl.startsWith("pkg:npm/preact@"))) throw new Error("the page is missing");
    const refs = new Set([bom.metadata.component, ...bom.components].map((part) => part["bom-ref"]));
    for (const { ref, dependsOn } of bom.dependencies) {
        for (const named of [ref, ...dependsOn]) if (!refs.has(named)) throw new Error(`${named} is no part`);
    }
    console.log(crates.map((part) => part.purl).join("\n"));
' "$dist/$name.cdx.json" | sort -u >"$room/listed"
diff "$room/expected" "$room/listed" >&2 || fail "the list of parts is not what cargo builds"
passed=$((passed + 1))
echo "dist: $passed passed, 0 failed"
