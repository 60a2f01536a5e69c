#!/usr/bin/env bash
# Builds the static release binary for TARGET into target/dist/.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
target=${TARGET:-x86_64-unknown-linux-musl}
need cmake cmake
case $target in
"$(uname -m)"-*) need musl-gcc musl-tools ;;
aarch64-*)
    # The C parts are compiled by the cross compiler; the linker that Rust brings does the rest.
    need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
    need_file /usr/aarch64-linux-gnu/include/stdlib.h libc6-dev-arm64-cross
    export CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-gnu-gcc
    ;;
*)
    say "$target is not known here. Known: $(uname -m)-unknown-linux-musl, aarch64-unknown-linux-musl."
    exit 1
    ;;
esac
need_target "$target"
say "building the release for $target (minutes, the first time)"
# Without code for the widest vectors and without large tables: TLS sessions end at a proxy mostly.
export AWS_LC_SYS_SMALL=1
# Nothing unwinds through the C parts; tables for it would be 100 KiB and more.
export TARGET_CFLAGS="-fno-asynchronous-unwind-tables -fno-unwind-tables"
# The table of addresses to mend at start, packed: a static-pie has a megabyte of it otherwise.
cargo rustc --quiet --locked --release --target "$target" --bin holdall -- -C link-arg=-Wl,-z,pack-relative-relocs
# The empty folder becomes /data of the image.
mkdir -p target/dist/data
if [ "$target" = "$(uname -m)-unknown-linux-musl" ]; then name=holdall; else name=holdall-$target; fi
cp "target/$target/release/holdall" "target/dist/$name"
say "target/dist/$name: $(stat -c %s "target/dist/$name" | awk '{ printf "%.1f MiB", $1 / 1048576 }')"
