"""The client's encoding of medical tables: measured values to whole numbers 0..255.

What one unit of a feature is comes from the values of the data set's rows, not from their labels: a
round number (1, 2 or 5 times a power of ten) near a sixteenth of the standard deviation, so that all
features have about the same spread.  This stands in for a Normalization layer: binary weights cannot
scale features one by one, and eight-bit features with binary weights cost a tenth of the gates that
standardisation by real numbers does.  BatchNorm absorbs offsets and what is left of the scale.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets import DataError, Table

# Units to a standard deviation, and the largest number of a feature.
RESOLUTION = 16.0
LARGEST = 255


@dataclass(frozen=True)
class Unit:
    """One feature: number = round(value / unit) + zero, or round(log2(value + 1) / unit), held to 0..255."""

    name: str
    unit: float
    zero: int
    logarithm: bool = False

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Values as they are measured, float64 [count], to uint8 [count]."""
        if self.logarithm:
            values = np.log2(values + 1.0)
        return np.clip(np.rint(values / self.unit) + self.zero, 0, LARGEST).astype(np.uint8)


def round_number(value: float) -> float:
    """The nearest of ..., 0.1, 0.2, 0.5, 1, 2, 5, 10, ... on a logarithmic scale."""
    power = np.floor(np.log10(value))
    candidates = [m * 10.0**power for m in (1, 2, 5, 10)]
    best = min(candidates, key=lambda c: abs(np.log(c / value)))
    return float(f"{best:.0e}")


def units_of(table: Table) -> list[Unit]:
    """A unit for each feature, from the spread of its values alone."""
    units = []
    for name, values in zip(table.names, table.x.T):
        # Enzymes and the like: half of the values within a fiftieth of the range.
        skewed = (
            values.min() >= 0
            and np.ptp(values) > 50 * np.subtract(*np.percentile(values, [75, 25])) > 0
        )
        seen = np.log2(values + 1.0) if skewed else values
        unit = round_number(seen.std() / RESOLUTION)
        # The smallest value is near 0 unless zero itself is: then nothing is moved.
        zero = -int(np.floor(seen.min() / unit))
        units.append(Unit(name, unit, zero, bool(skewed)))
    return units


def encode(units: list[Unit], x: np.ndarray) -> np.ndarray:
    """Rows as they are measured, [count, features], to what a client sends."""
    return np.stack([unit.encode(column) for unit, column in zip(units, x.T)], axis=1)


def read_units(path: Path) -> list[Unit]:
    """The units that a trained network's folder holds."""
    try:
        return [Unit(**unit) for unit in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} cannot be read as a list of units: {error}.") from error
