#!/usr/bin/env bash
# Builds the Python package in a virtual environment below target/ and runs its tests. Needs Python 3.10 or later and
# the packages of [project.optional-dependencies] in pyproject.toml, which pip fetches.
set -euo pipefail
cd "$(dirname "$0")"
target="${CARGO_TARGET_DIR:-$PWD/../target}/python"
export CARGO_TARGET_DIR="$target"
if [ ! -x "$target/venv/bin/python" ]; then
    "${PYTHON:-python3}" -m venv "$target/venv"
fi
bin="$target/venv/bin"
"$bin/python" -m pip install --quiet --upgrade 'maturin>=1.9,<2' 'pytest>=8' 'keras>=3.5' numpy jax
VIRTUAL_ENV="$target/venv" PATH="$bin:$PATH" maturin develop --release --locked --quiet
"$bin/python" -m pytest --quiet tests
