"""Writing trained networks as Keras files, and reading them back to see what they compute."""

from __future__ import annotations

import platform
import warnings
import zipfile
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import larq as lq
import numpy as np
import tensorflow as tf

from xonn_scripts.paths import TARGET

PREDICT_BATCH = 1000
# Weights of fewer numbers are not worth a compressed block of their own.
SMALL = 256


class ExportError(Exception):
    """Something the user must know about; the message is one sentence."""


def predict(model: tf.keras.Model, x: np.ndarray) -> np.ndarray:
    """Keras's outputs on raw numbers, flattened images in the shape the model wants."""
    shaped = x.astype(np.float32).reshape(-1, *model.input_shape[1:])
    return model.predict(shaped, batch_size=PREDICT_BATCH, verbose=0)


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows whose largest output (first one on a tie) is the label."""
    return float(np.mean(outputs.argmax(axis=1) == labels))


def load(path: Path) -> tf.keras.Model:
    """Load a model without its training state."""
    if not path.is_file():
        raise ExportError(f"{path} is not there: train first, without --export-only.")
    return tf.keras.models.load_model(path, compile=False)


def replace_kernels_by_signs(model: tf.keras.Model) -> None:
    """Drop the latent floats behind the binary kernels; the network computes the same."""
    for layer in model.layers:
        if isinstance(layer, (lq.layers.QuantDense, lq.layers.QuantConv2D)):
            kernel, *others = layer.get_weights()
            layer.set_weights([np.where(kernel >= 0, 1.0, -1.0).astype(np.float32), *others])


def compress(source: h5py.Group, target: h5py.Group) -> None:
    """Copy a group with everything in it, large arrays deflated."""
    for key, value in source.attrs.items():
        target.attrs[key] = value
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            compress(item, target.create_group(name))
            continue
        packing = {"compression": "gzip", "compression_opts": 9} if item.size >= SMALL else {}
        copy = target.create_dataset(name, data=item[()], **packing)
        for key, value in item.attrs.items():
            copy.attrs[key] = value


def compressed(content: bytes) -> bytes:
    """An HDF5 file, as bytes, with its large arrays deflated."""
    memory = BytesIO()
    with h5py.File(BytesIO(content), "r") as source, h5py.File(memory, "w") as target:
        compress(source, target)
    return memory.getvalue()


def save(model: tf.keras.Model, out: Path, signs_only: bool) -> None:
    """Write the two files.  The model must never have been compiled: then no optimiser is saved.

    With `signs_only` the binary kernels become signs and the files are compressed: a thirtieth of the size.
    """
    out.mkdir(parents=True, exist_ok=True)
    if signs_only:
        replace_kernels_by_signs(model)
    h5, keras = out / "model.h5", out / "model.keras"
    with warnings.catch_warnings():
        # Keras calls its HDF5 format legacy; we write it because most existing models are in it.
        warnings.simplefilter("ignore", UserWarning)
        model.save(h5, save_format="h5", include_optimizer=False)
    model.save(keras, save_format="keras")
    if signs_only:
        h5.write_bytes(compressed(h5.read_bytes()))
        with zipfile.ZipFile(keras) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(keras, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, compressed(content) if name.endswith(".h5") else content)


def export(name: str, out: Path, x: np.ndarray, y: np.ndarray, what: str) -> dict[str, Any]:
    """Re-load both files, compare them on test data, and write what other programs check themselves against.

    `what` says what a row is, for the keys of the report.
    """
    h5 = predict(load(out / "model.h5"), x)
    zipped = predict(load(out / "model.keras"), x)
    labels = h5.argmax(axis=1).astype(np.uint8)
    differing = int(np.sum(labels != zipped.argmax(axis=1)))
    if differing:
        raise ExportError(
            f"model.h5 and model.keras in {out} give different labels on {differing} test {what}."
        )
    top = np.sort(h5, axis=1)
    report = {
        f"test_{what}": len(labels),
        "test_accuracy_h5": accuracy(h5, y),
        "test_accuracy_keras": accuracy(zipped, y),
        f"test_{what}_with_tied_top_two": int(np.sum(top[:, -1] == top[:, -2])),
    }
    np.save(out / "keras_labels.npy", labels)
    write_check_file(f"{name}_test", load(out / "model.h5"), x, y, h5)
    return report


def write_check_file(
    name: str,
    model: tf.keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    outputs: np.ndarray | None = None,
) -> None:
    """Write what ``xonn-compile check --data`` reads; it holds the data, so it is not committed."""
    file = TARGET / "data" / f"{name}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    if outputs is None:
        outputs = predict(model, x)
    np.savez_compressed(file, x=x.reshape(-1, *model.input_shape[1:]), y=y, keras=outputs)


def versions() -> dict[str, str]:
    """The toolchain this ran on."""
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": metadata.version("keras"),
        "larq": lq.__version__,
        "numpy": np.__version__,
    }
