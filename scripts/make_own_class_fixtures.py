#!/usr/bin/env python3
"""Write a model with layer classes of the user's own, as the custom map of the compiler names them.

    python scripts/make_own_class_fixtures.py

Install ``scripts/requirements-keras3.txt`` first.  The classes binarise their kernels in code, and their configurations have
next to no fields.  Latent kernels hold 0.0, which is +1 here and -1 in BinaryNet.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras  # noqa: E402
import numpy as np  # noqa: E402

from make_fixtures import OUT, random_of  # noqa: E402

INPUTS, HIDDEN, CLASSES, ROWS = 6, 8, 3, 48


def sign(x: Any) -> Any:
    """sign with sign(0) = +1"""
    return keras.ops.where(x >= 0, 1.0, -1.0)


@keras.saving.register_keras_serializable(package="own")
class Signs(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return sign(x)


@keras.saving.register_keras_serializable(package="own")
class Product(keras.layers.Layer):
    def __init__(self, width: int, **more: Any) -> None:
        super().__init__(**more)
        self.width = width

    def build(self, shape: Any) -> None:
        self.latent = self.add_weight(shape=(shape[-1], self.width), name="latent")

    def call(self, x: Any) -> Any:
        return keras.ops.matmul(x, sign(self.latent))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


def main() -> int:
    rng = random_of("own_classes")
    layers = [Product(HIDDEN), keras.layers.BatchNormalization(), Signs(), Product(CLASSES)]
    model = keras.Sequential([keras.Input((INPUTS,)), *layers])
    for layer in (layers[0], layers[3]):
        kernel = rng.normal(size=layer.latent.shape)
        kernel[rng.random(kernel.shape) < 0.1] = 0.0
        layer.set_weights([kernel.astype(np.float32)])
    x = rng.integers(0, 256, size=(ROWS, INPUTS), dtype=np.uint8)
    sums = np.asarray(layers[0](x.astype(np.float32)))
    ones = rng.uniform(0.5, 1.5, HIDDEN) * rng.choice([-1, 1], HIDDEN)
    layers[1].set_weights([w.astype(np.float32) for w in (ones, ones * 0, np.floor(sums.mean(0)) + 0.5, sums.var(0))])
    outputs = np.asarray(model(x.astype(np.float32)))
    if np.bincount(outputs.argmax(axis=1), minlength=CLASSES).min() < 3:
        raise SystemExit("A class hardly occurs.")
    np.savez_compressed(OUT / "own_classes.npz", x=x, keras=outputs)
    model.save(OUT / "own_classes.keras")
    model.save(OUT / "own_classes.h5")
    return 0


if __name__ == "__main__":
    sys.exit(main())
