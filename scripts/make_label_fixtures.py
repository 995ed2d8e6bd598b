#!/usr/bin/env python3
"""Write models whose heads give several labels at once, with inputs and Keras's outputs.

    python scripts/make_label_fixtures.py

Install ``scripts/requirements-keras3.txt`` first.  Kernels are exactly -1 and +1; weights and inputs are random numbers from
fixed seeds.
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

INPUTS, HIDDEN, LABELS, ROWS = 12, 16, 5, 64

layers = keras.layers


@keras.saving.register_keras_serializable(package="bnn")
def sign(x: Any) -> Any:
    """sign with sign(0) = +1"""
    return keras.ops.where(x >= 0, 1.0, -1.0)


def heads() -> dict[str, list[Any]]:
    """The layers behind the signs; the names say what is special."""
    dense = layers.Dense
    return {
        "labels_norm": [dense(LABELS, use_bias=False), layers.BatchNormalization(), layers.Activation("sigmoid")],
        "labels_bias": [dense(LABELS), layers.Activation("hard_sigmoid")],
        "labels_numbers": [dense(LABELS), layers.Reshape((LABELS,))],
    }


def main() -> int:
    for name, head in heads().items():
        rng = random_of(name)
        hidden = [layers.Dense(HIDDEN, use_bias=False), layers.BatchNormalization(), layers.Activation(sign)]
        model = keras.Sequential([keras.Input((INPUTS,)), *hidden, *head])
        x = rng.integers(0, 256, size=(ROWS, INPUTS), dtype=np.uint8)
        values = x.astype(np.float32)
        for layer in model.layers:
            if isinstance(layer, layers.Dense):
                kernel = rng.choice([-1.0, 1.0], size=layer.kernel.shape)
                # Halves: no sum of signs is on the edge, and some biases are large enough to switch a label for good.
                bias = [rng.integers(-3, 4, size=layer.units) + 0.5] if layer.use_bias else []
                layer.set_weights([array.astype(np.float32) for array in (kernel, *bias)])
            if isinstance(layer, layers.BatchNormalization):
                gamma = rng.uniform(0.5, 1.5, values.shape[1]) * rng.choice([-1, 1], values.shape[1])
                mean, var = np.floor(values.mean(0)) + 0.25, values.var(0) + 1.0
                layer.set_weights([w.astype(np.float32) for w in (gamma, gamma * 0.1, mean, var)])
            values = np.asarray(layer(values))
        above = values > (0.5 if name != "labels_numbers" else 0.0)
        if len(np.unique(above, axis=0)) < 8 or above.mean() in (0.0, 1.0):
            raise SystemExit(f"{name}: labels hardly differ.")
        np.savez_compressed(OUT / f"{name}.npz", x=x, y=above.astype(np.uint8), keras=values)
        model.save(OUT / f"{name}.keras")
    return 0


if __name__ == "__main__":
    sys.exit(main())
