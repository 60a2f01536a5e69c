#!/usr/bin/env bash
# The long versions of what `make test` runs short: OpenAPI, fuzzing, kill, power loss, faults, model.
# SECONDS_EACH is the time of each fuzz target.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
seconds=${SECONDS_EACH:-300}
scripts/with-server.sh -- scripts/openapi.sh 300
if rustup toolchain list 2>/dev/null | grep -q ^nightly && cargo fuzz --version >/dev/null 2>&1; then
    for target in filter index view record; do
        say "fuzzing $target for $seconds s"
        CARGO_TARGET_DIR=target/fuzz cargo +nightly fuzz run --fuzz-dir tests/fuzz --features libfuzzer "$target" \
            "target/fuzz/corpus/$target" -- -max_total_time="$seconds" -timeout=10 -print_final_stats=1
    done
else
    say "no nightly compiler with cargo-fuzz (rustup toolchain install nightly; cargo install cargo-fuzz): random inputs on stable"
    cargo run --quiet --release --manifest-path tests/fuzz/Cargo.toml --target-dir target/fuzz --bin long -- $((seconds * 4)) "$RANDOM"
fi
export HOLDALL_SOAK=1
cargo test --locked --release --quiet -- --nocapture --test-threads=1 kill power faults full growth model simulation
