"""Data sets of images: MNIST, CIFAR-10, malaria cells."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xonn_scripts.data.folder import DataError, data_dir

# First word of an IDX file: 0x08 = unsigned byte, last byte = number of dimensions.
IDX_IMAGES_MAGIC = 2051
IDX_LABELS_MAGIC = 2049
# A row of a CIFAR-10 batch: the label, then three planes of 32 x 32 bytes.
CIFAR_ROW = 1 + 3 * 32 * 32


class Dataset(NamedTuple):
    """Images as uint8 ``[count, features]`` and labels as uint8 ``[count]``."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


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


def central(x: np.ndarray, side: int) -> np.ndarray:
    """The middle of each image."""
    start = (x.shape[1] - side) // 2
    return x[:, start : start + side, start : start + side]


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
    return Dataset(x_train.reshape(len(x_train), -1), y_train, x_test.reshape(len(x_test), -1), y_test)


def read_cifar_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """One binary batch, as it is or compressed by xz: colours last, uint8 ``[count, 3072]``; labels."""
    for file, opener in ((path, open), (path.with_name(path.name + ".xz"), lzma.open)):
        if not file.is_file():
            continue
        try:
            with opener(file, "rb") as stream:
                raw = np.frombuffer(stream.read(), np.uint8)
        except (OSError, EOFError, lzma.LZMAError) as error:
            raise DataError(f"{file} cannot be read: {error}.") from error
        if raw.size == 0 or raw.size % CIFAR_ROW:
            raise DataError(f"{file} has {raw.size} bytes, expected rows of {CIFAR_ROW}.")
        rows = raw.reshape(-1, CIFAR_ROW)
        planes = rows[:, 1:].reshape(-1, 3, 32, 32)
        return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)).reshape(len(rows), -1), rows[:, 0]
    raise DataError(
        f"CIFAR-10 is not in {path.parent} ({path.name} missing): get the binary version, put its six "
        ".bin files (or .bin.xz) into a folder called cifar10, and set XONN_DATA to the folder that "
        "contains it."
    )


def load_cifar10() -> Dataset:
    """CIFAR-10's official 50,000 / 10,000 split, each image flattened, row by row, red green blue."""
    folder = data_dir() / "cifar10"
    parts = [read_cifar_batch(folder / f"data_batch_{i}.bin") for i in range(1, 6)]
    x_test, y_test = read_cifar_batch(folder / "test_batch.bin")
    return Dataset(
        np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts]), x_test, y_test
    )


def load_malaria() -> Dataset:
    """Malaria cells, grey, 32 x 32, flattened; class 1 is infected.  22,046 to train on, 5,512 to test."""
    path = data_dir() / "malaria" / "malaria32_gray.npz"
    try:
        with np.load(path) as file:
            parts = [file[key] for key in ("x_train", "y_train", "x_test", "y_test")]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({error}): put the cells there as x_train, y_train, x_test and "
            "y_test, or set XONN_DATA to the folder that contains malaria/malaria32_gray.npz."
        ) from error
    x_train, y_train, x_test, y_test = parts
    return Dataset(
        x_train.reshape(len(x_train), -1),
        y_train.astype(np.uint8),
        x_test.reshape(len(x_test), -1),
        y_test.astype(np.uint8),
    )


LOADERS: dict[str, Callable[[], Dataset]] = {
    "mnist": load_mnist,
    "cifar10": load_cifar10,
    "malaria": load_malaria,
}
