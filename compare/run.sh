#!/usr/bin/env bash
# Our OT extension beside that of cryprot-ot, both secure against a malicious receiver: `compare/run.sh [log2 of OTs] [turns]`.
# One thread computes for each role. Ours sends over TCP on the loopback device, cryprot over QUIC on it, the only transport it
# has, on threads of tokio; processor time is that of all threads. Base OTs are done before the clock starts,
# except for silent OT, which hides its own. The programs take turns, and a figure is the median of the turns.
set -euo pipefail
cd "$(dirname "$0")"
log=${1:-21} turns=${2:-7}
export RUSTFLAGS="${RUSTFLAGS:--C target-cpu=native}"
for program in ours cryprot; do
    cargo build --release --quiet --locked --manifest-path "$program/Cargo.toml" --target-dir "${CARGO_TARGET_DIR:-target}"
done
printf '2^%s OTs, medians of %s turns (least to most of the rate)\n' "$log" "$turns"
printf '%-36s %24s %12s %12s\n' '' 'M OT/s' 'ns an OT' 'bytes an OT'
for ((turn = 0; turn < turns; turn++)); do
    for program in ours cryprot; do "${CARGO_TARGET_DIR:-target}/release/compare-$program" "$log"; done
done | python3 -c '
import statistics, sys
rows = {}
for line in sys.stdin:
    name, *figures = line.split("\t")
    rows.setdefault(name, []).append([float(figure) for figure in figures])
for name, turns in rows.items():
    rate, *others = zip(*turns)
    medians = [statistics.median(column) for column in others]
    rates = f"{statistics.median(rate):.1f} ({min(rate):.1f} to {max(rate):.1f})"
    print(f"{name:36} {rates:>24} {medians[0]:12.1f} {medians[1]:12.2f}")
'
