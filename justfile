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

# the kernels of AArch64, emulated (needs `rustup target add aarch64-unknown-linux-gnu`, gcc-aarch64-linux-gnu, qemu-user-static)
arm filter="block":
    XONN_BEST_BACKEND=armv8-aes \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER='qemu-aarch64-static -L /usr/aarch64-linux-gnu -cpu max' \
    cargo test --release --target aarch64-unknown-linux-gnu -p xonn-crypto --lib {{filter}}

# no branch depends on a secret: the machine code of an optimised build, instruction by instruction (x86-64 Linux), minutes
steps:
    cargo test --release -p xonn-crypto steps -- --include-ignored --nocapture
    cargo test --release -p xonn-protocols --test compare_ot --test rlwe --test weight_ot same_steps -- --include-ignored --nocapture

# gates per second of this machine
bench:
    cargo run --release -p xonn-run -- bench
    cargo bench -p xonn-crypto

# build, serve, infer on the bundled model
demo:
    bash scripts/demo.sh

# every crate as it would be published, without building it again
package:
    cargo package --workspace --no-verify

# licences and advisories (needs cargo-deny)
deny:
    cargo deny check

# unsafe code under AddressSanitizer (needs a nightly toolchain): block, ot, garble, on all backends of this processor
sanitize:
    RUSTFLAGS='-Zsanitizer=address -Cdebug-assertions=on' cargo +nightly test --release -p xonn-crypto --lib --test all garbling \
        --target x86_64-unknown-linux-gnu --target-dir target/sanitize

# all tests of the runtime without vector instructions, AES bitsliced
portable:
    RUSTFLAGS='--cfg xonn_portable --cfg aes_backend="soft"' cargo test --release -p xonn-crypto -p xonn-run --target-dir target/portable

# portable, AES-NI and VAES-256 kernels in Miri, some 15 minutes (needs nightly with miri and rust-src; Miri has no AVX-512 AES)
miri:
    RUSTFLAGS='--cfg aes_backend="soft" -Ctarget-feature=+aes,+ssse3,+vaes,+avx2' MIRIFLAGS=-Zmiri-disable-isolation \
        cargo +nightly miri test -p xonn-crypto --lib --target-dir target/miri -- --skip sigma_is --skip three_halves block::

# our OT extension beside cryprot-ot's: `just compare-ot 21 7` for 2^21 OTs, medians of 7 turns
compare-ot log="21" turns="7":
    compare/run.sh {{log}} {{turns}}

# our half gates beside emp-tool's: `just compare-emp ~/emp-tool aes_128.txt sha256.txt`, medians of 7 turns
compare-emp emp-tool +netlists:
    compare/emp.sh {{emp-tool}} {{netlists}}

# every fuzz target for so many seconds, or those named: `just fuzz 60 server_session` (needs nightly and cargo-fuzz)
fuzz seconds="60" *targets:
    fuzz/run.sh {{seconds}} {{targets}}

# random networks through every stage: `just sweep-networks 4000 7` for 4,000 of each kind from seed 7
sweep-networks cases="4000" seed="7":
    PROPTEST_CASES={{cases}} PROPTEST_RNG_SEED={{seed}} cargo test --release -p xonn-compile --test all random_networks -- --include-ignored

# random float networks on shares between two hosts: `just sweep-numbers 1000..1400` for the networks of these seeds
sweep-numbers networks="1000..1400":
    XONN_NETWORKS={{networks}} cargo test --release -p xonn-compile --test all many_float_networks -- --ignored --nocapture

# our reader of HDF5 files beside the C library (needs libhdf5 and its headers; HDF5_DIR says where)
libhdf5:
    cargo test --release -p xonn-compile --features libhdf5 --test all libhdf5

# every netlist in a folder between two processes, both schemes, against plain evaluation: `just netlists ~/circuits`
netlists folder:
    XONN_NETLISTS="$(realpath '{{folder}}')" cargo test --release -p xonn-run --test two_processes -- --ignored --nocapture every_netlist_of_a_folder

# mutated model files for some minutes, each within a second
sweep-hostile seconds="300":
    XONN_HOSTILE_SECONDS={{seconds}} cargo test --release -p xonn-compile --test all hostile -- --ignored

# models of the published shapes with random weights (needs `pip install -e "scripts[train]"`)
shapes out="target/shapes":
    python -m xonn_scripts.nets.random_weights --out {{out}}

# the Python package: built in an environment of its own, and its tests
python:
    bash python/test.sh

# the Python scripts: lints and tests, all that needs no TensorFlow
scripts:
    bash scripts/check.sh

# the lock files of the packages outside of the workspace follow its dependencies
locks:
    for m in fuzz compare/ours compare/cryprot; do cargo metadata --format-version 1 --manifest-path $m/Cargo.toml > target/metadata.json; done
