"""Loading of the data sets the training scripts use.

Nothing is downloaded: the files are looked for in ``$XONN_DATA`` or, when that is not set, in
``../shared/data`` next to the repository.  No data set is part of the repository.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np

REPO_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DATA_DIR = REPO_ROOT.parent / "shared" / "data"

# First word of an IDX file: 0x08 = unsigned byte, last byte = number of dimensions.
IDX_IMAGES_MAGIC = 2051
IDX_LABELS_MAGIC = 2049


class DataError(Exception):
    """A data set is missing or damaged; the message is one sentence for the user."""


class Dataset(NamedTuple):
    """Images as uint8 ``[count, features]`` and labels as uint8 ``[count]``."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def data_dir() -> Path:
    """The folder that holds one sub-folder per data set."""
    return Path(os.environ.get("XONN_DATA") or DEFAULT_DATA_DIR)


def read_idx(path: Path, magic: int) -> np.ndarray:
    """Read one gzipped IDX file of unsigned bytes."""
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read as a gzip file: {error}.") from error
    if len(raw) < 4 or int.from_bytes(raw[:4], "big") != magic:
        raise DataError(f"{path} is not the IDX file it should be (wrong first four bytes).")
    dims = magic & 0xFF
    header = 4 + 4 * dims
    shape = tuple(np.frombuffer(raw, ">u4", count=dims, offset=4).astype(int))
    body = np.frombuffer(raw, np.uint8, offset=header)
    if body.size != np.prod(shape):
        raise DataError(f"{path} is cut short: {body.size} bytes for shape {shape}.")
    return body.reshape(shape)


def load_mnist() -> Dataset:
    """MNIST's official 60,000 / 10,000 split, each image flattened to 784 raw bytes."""
    folder = data_dir() / "mnist"
    parts = {
        "train-images-idx3-ubyte.gz": IDX_IMAGES_MAGIC,
        "train-labels-idx1-ubyte.gz": IDX_LABELS_MAGIC,
        "t10k-images-idx3-ubyte.gz": IDX_IMAGES_MAGIC,
        "t10k-labels-idx1-ubyte.gz": IDX_LABELS_MAGIC,
    }
    missing = [name for name in parts if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"MNIST is not in {folder} ({', '.join(missing)} missing): get the four .gz files of "
            "the MNIST database, put them into a folder called mnist, and set XONN_DATA to the "
            "folder that contains it."
        )
    x_train, y_train, x_test, y_test = (read_idx(folder / n, m) for n, m in parts.items())
    return Dataset(
        x_train.reshape(len(x_train), -1), y_train, x_test.reshape(len(x_test), -1), y_test
    )


LOADERS: dict[str, Callable[[], Dataset]] = {"mnist": load_mnist}
