"""All figures of one network of ``models/``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from xonn_scripts.measure.private_run import answered, build, build_options, bytes_of_one, figures
from xonn_scripts.paths import MODELS, TARGET
from xonn_scripts.programs import ProgramError, and_gates, call, costs_of


def measure_bytes(name: str, programs: Path) -> dict[str, Any]:
    """What one network's file of figures says, with gates and bytes of these programs in it.

    Times, and the comparisons with test inputs, stay those of before.
    """
    model = MODELS / name / "model.h5"
    sample = next(path for path in sorted((model.parent / "samples").iterdir()))
    with tempfile.TemporaryDirectory() as temporary:
        package, secret = build(model, programs, Path(temporary))
        return json.loads((model.parent / "cost.json").read_text()) | {
            "and": and_gates(costs_of(package, programs)),
            "package_bytes": package.stat().st_size,
            "bytes_of_one_prediction": bytes_of_one(package, secret, sample, programs),
        }


def measure(name: str, programs: Path, count: int, schemes: list[str]) -> dict[str, Any]:
    """All figures of one network."""
    model = MODELS / name / "model.h5"
    test = TARGET / "data" / f"{name}_test.npz"
    if not test.is_file():
        raise ProgramError(f"{test} is not there: run python -m xonn_scripts.train {name} --export-only.")
    checked = call(programs / "xonn-compile", "check", model, *build_options(model), "--data", test)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        package, secret = build(model, programs, folder)
        inputs = folder / "inputs.npy"
        x = np.load(test)["x"][:count]
        # Pixels are whole numbers, and an eighth of the size.
        np.save(inputs, x if build_options(model) else x.astype(np.uint8))
        return {
            "and": and_gates(costs_of(package, programs)),
            "package_bytes": package.stat().st_size,
            "bytes_of_one_prediction": bytes_of_one(package, secret, inputs, programs),
            "private_runs": [
                figures(*answered(package, secret, inputs, programs, count, scheme, "oca"), scheme)
                for scheme in schemes
            ],
            "check": [line for line in checked.splitlines() if line.startswith(("correct", "equal"))],
        }
