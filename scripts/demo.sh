#!/usr/bin/env bash
# The whole way on the bundled model: build, serve, ask. Server and client are two processes on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
out=target/demo
server=

bold() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }
stop() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi; }
trap stop EXIT

bold '1. Build xonn (the first time takes a few minutes)'
run cargo build --release --locked --workspace --bins
export PATH="$PWD/target/release:$PATH"
[ -z "${CARGO_TARGET_DIR:-}" ] || export PATH="$CARGO_TARGET_DIR/release:$PATH"
mkdir -p "$out"

bold '2. Compile the Keras model: a public package for both hosts, a secret for the server'
run xonn-compile build models/bm1/model.h5 --force -o "$out/bm1.xonn"
run xonn-compile inspect "$out/bm1.xonn"

# Serves in the background with the options given, and waits until it listens.
serve() {
    printf '$ xonn-run serve %s --secret %s --listen 127.0.0.1:0 --connections 1 %s&\n' "$out/bm1.xonn" "$out/bm1.secret" "${*:+$* }"
    xonn-run serve "$out/bm1.xonn" --secret "$out/bm1.secret" --listen 127.0.0.1:0 --connections 1 "$@" \
        >"$out/serve.log" 2>"$out/serve.err" &
    server=$!
    for _ in $(seq 100); do
        address=$(sed -n 's/^listening on //p' "$out/serve.log")
        [ -z "$address" ] || break
        kill -0 "$server" 2>/dev/null || { cat "$out/serve.err" >&2; exit 1; }
        sleep 0.1
    done
    cat "$out/serve.log"
}

# Asks for the drawn digits, and says what the server saw.
infer() {
    run xonn-run infer --server "$address" --input models/bm1/samples/*.png --output "$1" 2>&1 | tee "$out/infer.log"
    wait "$server"
    server=
    printf 'server: '
    cat "$out/serve.err"
}

bold '3. Start the server: it holds the weights and never sees an image'
serve

bold '4. Ask for predictions: the client holds the images and never sees a weight, whatever it tries'
infer "$out/private.npy"

bold '5. The same for clients that are known to follow the protocol, with far fewer bytes'
serve --clients semi-honest
infer "$out/semi-honest.npy"

bold '6. The same in the clear'
run xonn-run eval "$out/bm1.xonn" --secret "$out/bm1.secret" --input models/bm1/samples/*.png --output "$out/clear.npy" >/dev/null
cmp "$out/private.npy" "$out/clear.npy"
cmp "$out/semi-honest.npy" "$out/clear.npy"
right=$(sed -n 's/^models.*digit_\([0-9]\)_.*: \1$/&/p' "$out/infer.log" | wc -l)
total=$(grep -c '^models/' "$out/infer.log")
echo "private and clear predictions are the same; $right of $total drawn digits are recognised"
