#!/usr/bin/env bash
# What must hold of the Python scripts: their tests, and the lints where the linter can be had. Cheap: it needs no
# TensorFlow, and what it installs (the group `dev` of pyproject.toml) stays below target/. Where the release programs
# are built, the tests meet them.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo 'there is no Python 3.11: the scripts are not tested'
    exit
fi

tools() {
    "$python" -c 'import tomllib; groups = tomllib.load(open("scripts/pyproject.toml", "rb"))["project"]
print(*groups["optional-dependencies"]["dev"], sep="\n")'
}

venv="${CARGO_TARGET_DIR:-target}/scripts-venv"
if ! [ "$venv/packages" -nt scripts/pyproject.toml ]; then
    rm -f "$venv/packages"
    if "$python" -m venv "$venv" && tools >"$venv/wanted" \
        && "$venv/bin/pip" install --quiet --timeout 15 --retries 1 --requirement "$venv/wanted"; then
        touch "$venv/packages"
    else
        echo 'ruff and NumPy cannot be had: no lints, and no tests of the readers of data sets'
    fi
fi
if [ -e "$venv/packages" ]; then
    python="$venv/bin/python"
    "$venv/bin/ruff" check scripts
    "$venv/bin/ruff" format --check scripts
fi
"$python" -m unittest discover -s scripts/tests -t scripts
