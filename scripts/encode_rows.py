#!/usr/bin/env python3
"""Turn measured rows into the whole numbers that a network for a medical table reads.

    python scripts/encode_rows.py bh1 models/bh1/samples/measured.csv target/rows.csv

The input is a CSV file with a header that names every feature as ``models/NETWORK/units.json`` does, in any
order; the output has no header and goes to ``xonn-run infer --input``.  Needs NumPy only.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from datasets import REPO_ROOT, DataError
from units import encode, read_units


def encode_file(units_file: Path, source: Path, target: Path) -> int:
    """Encode all rows; returns how many."""
    units = read_units(units_file)
    try:
        with source.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        values = np.array([[float(row[unit.name]) for unit in units] for row in rows])
    except KeyError as error:
        raise DataError(
            f"{source} has no column {error}, expected one for each unit of {units_file}."
        ) from error
    except (OSError, TypeError, ValueError) as error:
        raise DataError(f"{source} cannot be read as a table of numbers: {error}.") from error
    if not len(values) or not np.isfinite(values).all():
        raise DataError(f"{source} has no rows or a number that is not finite.")
    np.savetxt(target, encode(units, values), fmt="%d", delimiter=",")
    return len(values)


def main() -> int:
    parser = argparse.ArgumentParser(description="Encode measured rows for a network.")
    parser.add_argument("network", help="folder of models/ that holds units.json")
    parser.add_argument("source", type=Path, help="CSV with a header, as measured")
    parser.add_argument("target", type=Path, help="CSV to write")
    arguments = parser.parse_args()
    units_file = REPO_ROOT / "models" / arguments.network / "units.json"
    try:
        count = encode_file(units_file, arguments.source, arguments.target)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.target}: {count} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
