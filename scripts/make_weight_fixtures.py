#!/usr/bin/env python3
"""Write models whose weights are stored in unusual forms: several files, other number formats, other dtype policies.

    python scripts/make_weight_fixtures.py

Install ``scripts/requirements-keras3.txt`` first.  The network is the one of ``keras3_stock``, its weights rounded so that
every format holds them exactly: all files must compile to the same network.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import h5py  # noqa: E402
import keras  # noqa: E402
import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402

from make_fixtures import MIN_GAP, OUT  # noqa: E402


@keras.saving.register_keras_serializable(package="bnn", name="sign")
def sign(x: Any) -> Any:
    """sign with sign(0) = +1"""
    return keras.ops.where(x >= 0, 1.0, -1.0)


def zipped(name: str, entries: dict[str, bytes]) -> None:
    """A `.keras` archive with compression and fixed times, so that the same entries give the same bytes."""
    with zipfile.ZipFile(OUT / f"{name}.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries.items():
            archive.writestr(zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)


def entries_of(model: Any) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.keras"
        model.save(path)
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(entries["metadata.json"])
    metadata["date_saved"] = "2000-01-01@00:00:00"
    return entries | {"metadata.json": json.dumps(metadata).encode()}


def bfloat16_pairs(values: np.ndarray) -> np.ndarray:
    """What h5py makes of bfloat16: opaque pairs of bytes."""
    return values.astype(ml_dtypes.bfloat16).view("V2")


def exact(values: np.ndarray) -> np.ndarray:
    """The nearest numbers that float16 and bfloat16 both hold."""
    half = np.clip(values, -6e4, 6e4).astype(np.float16).astype(np.float32)
    return half.astype(ml_dtypes.bfloat16).astype(np.float32)


FORMATS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "float16": lambda v: v.astype("<f2"),
    "bfloat16": bfloat16_pairs,
    "float64": lambda v: v.astype("<f8"),
    "big_endian": lambda v: v.astype(">f4"),
}


def converted(h5: bytes, name: str) -> bytes:
    """The same file with all weights in another format."""
    out = io.BytesIO(h5)
    with h5py.File(out, "a") as file:
        datasets: list[str] = []
        file.visititems(lambda path, item: datasets.append(path) if isinstance(item, h5py.Dataset) else None)
        for path in datasets:
            if not path.startswith("layers/"):
                continue
            values = FORMATS[name](np.asarray(file[path]))
            del file[path]
            file[path] = values
            if name == "bfloat16":
                file[path].attrs["dtype"] = "bfloat16"
    return out.getvalue()


def policies() -> Any:
    """Layers that compute in another precision than float32, by every kind of policy."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(5, name="half", dtype="float16"),
            layers.Dense(5, name="mixed_half", dtype="mixed_float16"),
            layers.Dense(5, name="mixed_brain", dtype="mixed_bfloat16"),
            layers.Dense(5, name="double", dtype="float64"),
            layers.Dense(3, name="single"),
        ]
    )


def main() -> int:
    model = keras.models.load_model(OUT / "keras3_stock.keras")
    model.set_weights([exact(w) for w in model.get_weights()])
    x = np.load(OUT / "keras3_stock.npz")["x"]
    outputs = model.predict(x.astype(np.float32), verbose=0)
    top = np.sort(outputs, axis=1)
    if (top[:, -1] - top[:, -2]).min() < MIN_GAP:
        raise SystemExit("Two classes are too close to tell.")
    np.savez_compressed(OUT / "stored.npz", x=x, keras=outputs)

    entries = entries_of(model)
    zipped("stored_float32", entries)
    for name in FORMATS:
        zipped(f"stored_{name}", entries | {"model.weights.h5": converted(entries["model.weights.h5"], name)})

    # A configuration with its weights beside it in several files, and the same in an archive.
    (OUT / "sharded.json").write_text(model.to_json())
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(Path(folder) / "sharded.weights.json", max_shard_size=8e-7)
        shards = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    for name, content in shards.items():
        (OUT / name).write_bytes(content)
    listed = {("model.weights.json" if name.endswith(".json") else name): content for name, content in shards.items()}
    zipped("sharded", {k: v for k, v in entries.items() if k != "model.weights.h5"} | listed)

    zipped("policies", entries_of(policies()))
    for path in sorted([*OUT.glob("stored*"), *OUT.glob("sharded*"), *OUT.glob("policies*")]):
        print(path.name, path.stat().st_size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
