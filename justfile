# The commands that CI runs, one by one. `just` lists them.
default:
    @just --list

# formatting and lints
check:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings

# the README's test command
test:
    cargo test --release --workspace

# documentation, warnings refused
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

# gates per second of this machine
bench:
    cargo run --release -p xonn-run -- bench
    cargo bench -p xonn-run --bench primitives

# build, serve, infer on the bundled model
demo:
    bash scripts/demo.sh

# licences and advisories (needs cargo-deny)
deny:
    cargo deny check
