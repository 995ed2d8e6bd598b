#!/usr/bin/env python3
"""Measure what a prediction of a network in ``models/`` costs, and that it is Keras's: ``models/NAME/cost.json``.

    python scripts/measure_model.py bm1 bm2        after cargo build --release
    python scripts/measure_model.py bc1 --count 100
    python scripts/measure_model.py                only gather what was measured: docs/results/models.json, models.md

Server and client are two processes on this machine.  Bytes are of one prediction on a connection of its own, both
directions together, for a garbled first layer and one by oblivious conditional addition, half gates and three
halves; time is the median of `--count` test inputs on one connection.  These answers are compared with
`xonn-run eval`, and `xonn-compile check` compares all test inputs with Keras (``target/data/NAME_test.npz``, which
``train.py NAME --export-only`` writes).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from datasets import REPO_ROOT
from private_run import (
    SCHEMES,
    PrivateRunError,
    and_gates,
    build,
    build_options,
    bytes_of_one,
    call,
    compare,
    default_programs,
)


def measure(name: str, programs: Path, count: int, schemes: list[str]) -> dict[str, Any]:
    """All figures of one network."""
    model = REPO_ROOT / "models" / name / "model.h5"
    test = REPO_ROOT / "target" / "data" / f"{name}_test.npz"
    if not test.is_file():
        raise PrivateRunError(f"{test} is not there: run python scripts/train.py {name} --export-only.")
    checked = call(programs / "xonn-compile", "check", model, *build_options(model), "--data", test)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        package, secret = build(model, programs, folder)
        inputs = folder / "inputs.npy"
        x = np.load(test)["x"][:count]
        # Pixels are whole numbers, and an eighth of the size.
        np.save(inputs, x if build_options(model) else x.astype(np.uint8))
        return {
            "and": and_gates(package, programs),
            "package_bytes": package.stat().st_size,
            "bytes_of_one_prediction": bytes_of_one(package, secret, inputs, programs),
            "private_runs": [
                compare(package, secret, inputs, programs, count, scheme, "oca")
                for scheme in schemes
            ],
            "check": [line for line in checked.splitlines() if line.startswith(("correct", "equal"))],
        }


def gather() -> dict[str, dict[str, Any]]:
    """What all networks of ``models/`` say of themselves, by name."""
    found = {}
    for cost in sorted((REPO_ROOT / "models").glob("*/cost.json")):
        training = json.loads(cost.with_name("training.json").read_text())
        known = json.loads(cost.read_text())
        splits = training.get("split_accuracy")
        found[cost.parent.name] = {
            "accuracy": splits["mean"] if splits else training["test_accuracy_h5"],
            "accuracy_is": "mean of repeated splits" if splits else "of the test inputs",
            "tested_on": next(n for key, n in training.items() if key in ("test_images", "test_rows")),
            "validation_accuracy": training.get("held_out_accuracy"),
            "and": known["and"],
            "bytes_of_one_prediction": known["bytes_of_one_prediction"],
            "median_ms": {run["scheme"]: run["inference_ms_median"] for run in known["private_runs"]},
            "equal_to_eval": [f"{run['equal_to_eval']} of {run['samples']}" for run in known["private_runs"]],
            "check": known["check"],
        }
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """The same as a Markdown table."""

    def megabytes(sizes: dict[str, int], first_layer: str) -> str:
        found = [sizes[f"{first_layer}_{scheme}"] / 1e6 for scheme in SCHEMES]
        return " / ".join(f"{size:,.0f}" if size >= 1000 else f"{size:.3g}" for size in found)

    lines = [
        "| network | accuracy | AND gates | first layer garbled, MB | by conditional addition, MB | median, ms |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in found.items():
        sizes = row["bytes_of_one_prediction"]
        times = " / ".join(f"{time:,.0f}" for time in row["median_ms"].values())
        lines.append(
            f"| {name} | {100 * row['accuracy']:.2f} % | {row['and']:,} | {megabytes(sizes, 'gc')} "
            f"| {megabytes(sizes, 'oca')} | {times} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the networks in models/.")
    parser.add_argument("networks", nargs="*", metavar="NAME")
    parser.add_argument("--count", type=int, default=100, help="test inputs of the two-process runs (default 100)")
    parser.add_argument(
        "--schemes", nargs="+", choices=SCHEMES, default=SCHEMES, help="of the two-process runs (default both)"
    )
    parser.add_argument("--programs", type=Path, default=default_programs(), help="folder of the xonn programs")
    arguments = parser.parse_args()
    try:
        for name in arguments.networks:
            found = measure(name, arguments.programs, arguments.count, arguments.schemes)
            (REPO_ROOT / "models" / name / "cost.json").write_text(json.dumps(found, indent=2) + "\n")
            print(name, json.dumps(found, indent=2), flush=True)
    except PrivateRunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found = gather()
    results = REPO_ROOT / "docs" / "results"
    (results / "models.json").write_text(json.dumps(found, indent=1) + "\n")
    (results / "models.md").write_text(table(found))
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
