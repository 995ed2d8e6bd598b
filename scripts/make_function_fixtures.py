#!/usr/bin/env python3
"""Write a Keras 3 model of functions outside of layers, with binary layers of an own class.

    python scripts/make_function_fixtures.py

Install ``scripts/requirements-keras3.txt`` first.  Weights and inputs are random numbers from fixed seeds.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

from make_fixtures import OUT, random_of  # noqa: E402

CLASSES, ROWS, SHAPE = 4, 48, (8, 7, 2)


@keras.saving.register_keras_serializable(package="own")
class BinaryDense(keras.layers.Dense):
    """Signs of the weights times alpha = mean|W| of each unit, as XNOR-Net has them."""

    def call(self, x: Any) -> Any:
        alpha = ops.mean(ops.abs(self.kernel), axis=0)
        return ops.matmul(x, ops.where(self.kernel >= 0, 1.0, -1.0)) * alpha


def functions(x: Any) -> Any:
    x = ops.reshape((x / 255.0) * 2 - 1, (-1, 56, 2))
    x = ops.transpose(x, (0, 2, 1))
    x = keras.layers.BatchNormalization()(BinaryDense(6, use_bias=False)(x))
    a = ops.where(ops.elu(x) > 0.25, 1.0, -1.0)
    b = ops.sign(ops.clip(x, -1.0, 1.0) - 0.001)
    y = ops.concatenate([a * b, ops.maximum(a, b), ops.negative(ops.leaky_relu(b, negative_slope=0.5))], axis=-1)
    y = keras.layers.TimeDistributed(BinaryDense(8, use_bias=False))(y)
    y = ops.sign(keras.layers.BatchNormalization()(ops.selu(y)))
    z = ops.squeeze(ops.mean(y, axis=1, keepdims=True), axis=1)
    z = BinaryDense(CLASSES, use_bias=False)(ops.relu(ops.where(z >= 0, 1.0, -1.0)))
    w = BinaryDense(CLASSES, use_bias=False)(keras.layers.Flatten()(y[:, 1:, ::2]))
    return ops.softmax(keras.layers.BatchNormalization()(ops.subtract(w, z)))


def fill(model: Any, rng: np.random.Generator, x: np.ndarray) -> None:
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            data = np.asarray(keras.Model(model.inputs, layer.input)(x)).reshape(-1, layer.input.shape[-1])
            width, spread = data.shape[1], data.std(0) + 1e-3
            gamma = rng.uniform(0.3, 1.5, width) * rng.choice([-1, 1], width)
            weights = (gamma, rng.normal(0, 0.3, width), data.mean(0), spread**2)
            layer.set_weights([w.astype(np.float32) for w in weights])
        elif layer.get_weights():
            layer.set_weights([rng.uniform(-1, 1, w.shape).astype(np.float32) for w in layer.get_weights()])


def main() -> int:
    for attempt in range(200):
        rng = random_of(f"functions3/{attempt}")
        inputs = keras.Input(SHAPE)
        model = keras.Model(inputs, functions(inputs))
        x = rng.integers(0, 256, size=(ROWS, *SHAPE)).astype(np.float32)
        fill(model, rng, x)
        outputs = np.asarray(model(x))
        if np.sum(np.bincount(outputs.argmax(axis=1), minlength=CLASSES) >= 3) >= 3:
            break
    else:
        raise SystemExit("No useful weights.")
    np.savez_compressed(OUT / "functions3.npz", x=x.astype(np.uint8), keras=outputs)
    model.save(OUT / "functions3.keras")
    model.save(OUT / "functions3.h5")
    int8()
    return 0


def int8() -> None:
    """A head that was quantised to int8 behind a sign."""
    rng = random_of("int8")
    inputs = keras.Input((12,))
    x = keras.layers.BatchNormalization()(BinaryDense(32, use_bias=False)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(CLASSES)(ops.where(x >= 0, 1.0, -1.0)))
    x = rng.integers(0, 256, size=(ROWS, 12)).astype(np.float32)
    fill(model, rng, x)
    model.layers[-1].quantize("int8")
    np.savez_compressed(OUT / "int8.npz", x=x.astype(np.uint8), keras=np.asarray(model(x)))
    model.save(OUT / "int8.keras")


if __name__ == "__main__":
    sys.exit(main())
