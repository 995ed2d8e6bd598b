#!/usr/bin/env bash
# Fuzzes for so many seconds each, one after the other on one core: `fuzz/run.sh [SECONDS] [TARGET...]`, all
# without targets. `RUNS` bounds the executions of a target, 10^7 if it is not set, and `SANITIZER` names one
# of cargo-fuzz's, none if it is not set. Stops at the first finding. Needs a nightly toolchain and `cargo
# install cargo-fuzz`.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(cargo +nightly fuzz list)
# One thread for each role: more of them would only wait for each other on such small circuits.
export RAYON_NUM_THREADS=1
build=(--sanitizer "${SANITIZER:-none}")
cargo +nightly fuzz build "${build[@]}"
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target"
    cargo +nightly fuzz run "${build[@]}" "$target" -- \
        -max_total_time="$seconds" -runs="${RUNS:-10000000}" -timeout=10
done
