#!/usr/bin/env bash
# What private predictions cost between two hosts: bytes, rounds, time and memory over links of several rates and delays,
# on one machine. Writes docs/results.md. The links are network namespaces, so this needs root, ip and tc.
#
#   scripts/two-hosts.sh                               all models, links and schemes (about 30 minutes)
#   scripts/two-hosts.sh --models bm1 --links wan      some of them; the page keeps the other figures
#   scripts/two-hosts.sh --growth                      10^5 to 10^9 ANDs, with a plot
#   scripts/two-hosts.sh --report                      the page again from the figures of before
#   scripts/two-hosts.sh --help                        everything else
#
# Models that models/ has not are made with random weights by xonn_scripts.nets.random_weights, for which the interpreter
# named by XONN_PYTHON (default python3) needs the packages of scripts[train]. All else needs Python's own library only.
set -euo pipefail
cd "$(dirname "$0")/.."

case " $* " in
    *" --report "* | *" --help "* | *" -h "* | *" --bin "*) ;;
    *) cargo build --release --locked -p xonn-compile -p xonn-run --bins ;;
esac
export PYTHONPATH="$PWD/scripts${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" -m xonn_scripts.two_hosts --bin "${CARGO_TARGET_DIR:-target}/release" "$@"
