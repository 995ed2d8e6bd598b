"""Medical data sets: tables of measured values, comma-separated."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from xonn_scripts.data.folder import DataError, data_dir


class Table(NamedTuple):
    """Rows as they are measured, float64 ``[count, features]``, and classes as uint8 ``[count]``."""

    names: list[str]
    x: np.ndarray
    y: np.ndarray


def read_rows(folder: str, file: str, columns: int) -> list[list[str]]:
    """The rows of a comma-separated file below the data folder."""
    path = data_dir() / folder / file
    try:
        with path.open(newline="") as lines:
            rows = [row for row in csv.reader(lines) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read ({error}): put the table there, in the form that docs/models.md "
            f"describes, or set XONN_DATA to the folder that contains {folder}/{file}."
        ) from error
    for number, row in enumerate(rows, start=1):
        if len(row) != columns:
            raise DataError(f"{path} has {len(row)} columns in row {number}, expected {columns}.")
    return rows


def with_heading(rows: list[list[str]], name: str) -> list[list[str]]:
    """The same rows, whose first must be names: a row of values there would be lost."""
    if not rows or any(cell.replace(".", "").isdigit() for cell in rows[0]):
        raise DataError(f"{name} has no heading, expected one: the first line must name the columns.")
    return rows


def as_numbers(rows: list[list[str]], name: str) -> np.ndarray:
    """All cells as float64."""
    try:
        return np.array(rows, float)
    except ValueError as error:
        raise DataError(f"the {name} table holds a cell that is no number: {error}.") from error


def load_breast_cancer() -> Table:
    """Wisconsin diagnostic breast cancer, 569 x 30; class 1 is malignant."""
    names, *rows = with_heading(read_rows("breast_cancer", "wdbc.csv", 31), "breast_cancer/wdbc.csv")
    cells = as_numbers(rows, "breast cancer")
    return Table(names[:-1], cells[:, :-1], cells[:, -1].astype(np.uint8))


def load_diabetes() -> Table:
    """Pima Indians diabetes, 768 x 8; class 1 is diabetes.  Missing measurements are 0, as in the file."""
    names = [
        "pregnancies",
        "glucose",
        "blood_pressure",
        "skin_thickness",
        "insulin",
        "body_mass_index",
        "pedigree",
        "age",
    ]
    cells = as_numbers(read_rows("diabetes", "pima-indians-diabetes.csv", 9), "diabetes")
    return Table(names, cells[:, :-1], cells[:, -1].astype(np.uint8))


def load_liver() -> Table:
    """Indian liver patients, 583 x 10; class 1 is a patient, sex is 1 for male.

    Four rows have no ratio of albumin and globulin; it follows from total protein and albumin.
    """
    names, *rows = with_heading(read_rows("liver", "ilpd.csv", 11), "liver/ilpd.csv")
    sexes = {"Male": "1", "Female": "0"}
    rows = [[row[0], sexes.get(row[1], row[1]), *row[2:]] for row in rows]
    for row in rows:
        if not row[9]:
            protein, albumin = float(row[7]), float(row[8])
            row[9] = str(albumin / (protein - albumin))
    cells = as_numbers(rows, "liver")
    return Table(names[:-1], cells[:, :-1], (cells[:, -1] == 1).astype(np.uint8))


TABLES: dict[str, Callable[[], Table]] = {
    "breast_cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "liver": load_liver,
}
