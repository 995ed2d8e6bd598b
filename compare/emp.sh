#!/usr/bin/env bash
# Our half gates beside emp-tool's on netlists in Bristol Fashion, in memory, one thread:
#     compare/emp.sh PATH_TO_EMP_TOOL NETLIST... [-- TURNS [SECONDS]]
# Nothing of emp-tool is here: the path is a checkout of https://github.com/emp-toolkit/emp-tool. Both are
# built for this processor, emp-tool with the flags of its own release build, by g++ or whatever CXX names;
# OpenSSL's headers are needed. The programs take turns, and a figure is the median of the turns; the ratio
# is ours to emp-tool's, of medians.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
usage() { sed -n '2,7s/^# \?//p' "$0" >&2; exit 2; }
(($# >= 2)) || usage
emp=$1 netlists=() turns=7 seconds=0.5
shift
while (($#)); do
    if [[ $1 == -- ]]; then turns=${2:-7} seconds=${3:-0.5}; break; fi
    netlists+=("$1")
    shift
done
((${#netlists[@]})) || usage
if [[ ! -f $emp/emp-tool/execution/half_gate.h ]]; then
    echo "$emp: no emp-tool/execution/half_gate.h in it" >&2
    exit 1
fi

target=${CARGO_TARGET_DIR:-$here/target}
mkdir -p "$target/emp"
flags=(-std=c++17 -O3 -funroll-loops -DNDEBUG -march=native -w)
if [[ $(uname -m) == x86_64 ]] && grep -qw rdseed /proc/cpuinfo; then flags+=(-mrdseed -DENABLE_RDSEED); fi
sources=("$here/emp/garble.cpp" "$emp/emp-tool/emp-tool.cpp" "$emp/emp-tool/crypto/ec.cpp")
"${CXX:-g++}" "${flags[@]}" -I "$emp" "${sources[@]}" -lssl -lcrypto -lpthread -o "$target/emp/garble"
export RUSTFLAGS="${RUSTFLAGS:--C target-cpu=native}"
cargo build --release --quiet --locked --manifest-path "$here/ours/Cargo.toml" --target-dir "$target" \
    --bin compare-garble

for ((turn = 0; turn < turns; turn++)); do
    for program in "$target/emp/garble" "$target/release/compare-garble"; do
        "$program" "$seconds" "${netlists[@]}"
    done
done | python3 -c '
import statistics, sys
rows, outputs = {}, {}
for line in sys.stdin:
    netlist, what, ands, *rates, output = line.rstrip("\n").split("\t")
    rows.setdefault((netlist, ands), {}).setdefault(what, []).append([float(rate) for rate in rates])
    if outputs.setdefault(netlist, output) != output:
        sys.exit(f"{netlist}: the programs do not come to the same output")
print("M AND/s of processor time, medians of the turns (least to most), and how many times that of emp-tool")
print("{:34}{:18}{:>32}{:>32}".format("", "", "garbled", "evaluated"))
for (netlist, ands), programs in rows.items():
    base = [statistics.median(column) for column in zip(*programs["emp-tool"])]
    for what, turns in programs.items():
        cells = []
        for column, emp in zip(zip(*turns), base):
            median = statistics.median(column)
            cells.append(f"{median:.1f} ({min(column):.1f} to {max(column):.1f}) x {median / emp:.2f}")
        print("{:34}{:18}{:>32}{:>32}".format(f"{netlist}, {ands} ANDs", what, *cells))
'
