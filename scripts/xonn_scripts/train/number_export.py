"""Writing networks of numbers as Keras files, and reading them back to see what they compute."""

from __future__ import annotations

import platform
import zipfile
from io import BytesIO
from pathlib import Path

import h5py
import keras
import numpy as np

from xonn_scripts.paths import TARGET

PREDICT_BATCH = 1000
WEIGHTS = "model.weights.h5"


class ExportError(Exception):
    """Something the user must know about; the message is one sentence."""


def load(path: Path) -> keras.Model:
    """Load a model without its training state."""
    if not path.is_file():
        raise ExportError(f"{path} is not there: train first, without --export-only.")
    return keras.models.load_model(path, compile=False)


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Keras's outputs."""
    return model.predict(x, batch_size=PREDICT_BATCH, verbose=0)


def labels_of(outputs: np.ndarray) -> np.ndarray:
    """The class of each row: the largest of several outputs, or whether the only one is above a half."""
    if outputs.shape[1] == 1:
        return (outputs[:, 0] > 0.5).astype(np.uint8)
    return outputs.argmax(axis=1).astype(np.uint8)


def accuracy(outputs: np.ndarray, y: np.ndarray) -> float:
    """Share of rows whose class is right."""
    return float(np.mean(labels_of(outputs) == y))


def halve(model: keras.Model) -> bool:
    """Round the weights to float16; False, and no change, if one is too large for it.

    What a Normalization has seen of the data is no weight and stays as it is.
    """
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.Normalization)]
    rounded = [[w.astype(np.float16).astype(w.dtype) for w in layer.get_weights()] for layer in layers]
    if not all(np.isfinite(w).all() for weights in rounded for w in weights):
        return False
    for layer, weights in zip(layers, rounded):
        layer.set_weights(weights)
    return True


def round_weights(model: keras.Model, x: np.ndarray) -> bool:
    """Round the weights to float16 if that changes no label on these inputs; whether it was done."""
    before, weights = labels_of(predict(model, x)), model.get_weights()
    if halve(model) and np.array_equal(before, labels_of(predict(model, x))):
        return True
    model.set_weights(weights)
    return False


def save(model: keras.Model, out: Path) -> None:
    """Write the two files.  The model must never have been compiled: then no optimiser is saved."""
    out.mkdir(parents=True, exist_ok=True)
    model.save(out / "model.keras")
    model.save(out / "model.h5")


def store_halves(file: Path) -> None:
    """Write the weights of a `.keras` file, which are rounded, as float16; Keras widens them again."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    memory = BytesIO()
    with h5py.File(BytesIO(members[WEIGHTS])) as source, h5py.File(memory, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                new = target.require_group(name)
            else:
                kind = np.float16 if item.dtype == np.float32 else item.dtype
                new = target.create_dataset(name, data=item[()].astype(kind))
            new.attrs.update(item.attrs)

        source.visititems(copy)
    members[WEIGHTS] = memory.getvalue()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)


def write_data(name: str, **arrays: np.ndarray) -> None:
    """Write arrays for `xonn-compile`; they hold the data set itself, so they are not committed."""
    file = TARGET / "data" / f"{name}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **arrays)


def verify(name: str, out: Path, x: np.ndarray, y: np.ndarray, what: str) -> dict[str, float]:
    """Load both files and compare them on test data, and write what other programs check themselves against.

    `what` says what a row is, for the keys of the report.
    """
    outputs = predict(load(out / "model.h5"), x)
    zipped = predict(load(out / "model.keras"), x)
    labels = labels_of(outputs)
    differing = int(np.sum(labels != labels_of(zipped)))
    if differing:
        raise ExportError(
            f"model.h5 and model.keras in {out} give different labels on {differing} test {what}."
        )
    np.save(out / "keras_labels.npy", labels)
    write_data(f"{name}_test", x=x, y=y, keras=outputs)
    report = {
        f"test_{what}": len(labels),
        "test_accuracy_h5": accuracy(outputs, y),
        "test_accuracy_keras": accuracy(zipped, y),
    }
    if outputs.shape[1] > 1:
        top = np.sort(outputs, axis=1)
        report[f"test_{what}_with_tied_top_two"] = int(np.sum(top[:, -1] == top[:, -2]))
    return report


def versions() -> dict[str, str]:
    """The toolchain this ran on."""
    found = {"python": platform.python_version(), "keras": keras.__version__, "numpy": np.__version__}
    backend = keras.backend.backend()
    return found | {backend: __import__(backend).__version__}
