#!/usr/bin/env python3
"""Write the convolutional Keras models that the compiler's tests read, with inputs and Keras's outputs.

    python scripts/make_conv_fixtures.py

Install ``scripts/requirements.txt`` first.  Weights and inputs are random numbers from fixed seeds.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import larq as lq  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from make_fixtures import OUT, random_of, write_model  # noqa: E402

ROWS = 48
SHAPE = (8, 7, 2)
CLASSES = 4

layers = tf.keras.layers


def conv(filters: int, size: Any = 3, first: bool = False, **more: Any) -> Any:
    return lq.layers.QuantConv2D(
        filters, size, input_quantizer=None if first else "ste_sign", kernel_quantizer="ste_sign",
        use_bias=False, **more,
    )


def head() -> list[Any]:
    return [
        layers.Flatten(),
        lq.layers.QuantDense(
            CLASSES, input_quantizer="ste_sign", kernel_quantizer="ste_sign", use_bias=False
        ),
        layers.BatchNormalization(),
        layers.Activation("softmax"),
    ]


def norm(**more: Any) -> Any:
    return layers.BatchNormalization(**more)


def sign() -> Any:
    return lq.quantizers.SteSign()


def models() -> dict[str, list[Any]]:
    """Every model's layers; the names say what is special."""
    return {
        "conv_valid": [conv(6, first=True), norm(), conv(8, strides=2), norm(), *head()],
        "conv_same": [
            conv(6, first=True, padding="same"), norm(),
            conv(8, padding="same", strides=2), norm(),
            conv(8, (2, 3), padding="same", dilation_rate=(2, 1)), norm(), *head(),
        ],
        "conv_pad_one": [
            conv(6, first=True), norm(),
            conv(8, padding="same", pad_values=1.0), norm(),
            conv(8, padding="same", pad_values=-1.0), norm(), *head(),
        ],
        "conv_pool_before": [
            conv(8, first=True, padding="same"), layers.MaxPooling2D(2), norm(),
            conv(8, padding="same"), layers.MaxPooling2D(3, strides=1, padding="same"), norm(), *head(),
        ],
        "conv_pool_after": [
            conv(8, first=True, padding="same"), norm(), sign(), layers.MaxPooling2D(2),
            conv(8, 2), norm(), layers.MaxPooling2D(2, strides=1), *head(),
        ],
        "conv_depthwise": [
            conv(6, first=True), norm(),
            lq.layers.QuantDepthwiseConv2D(
                3, padding="same", depth_multiplier=2, input_quantizer="ste_sign",
                depthwise_quantizer="ste_sign", use_bias=False,
            ),
            norm(), conv(8, 1), norm(), *head(),
        ],
        "conv_groups": [
            conv(8, first=True), norm(), conv(12, groups=2, padding="same"), norm(), *head(),
        ],
        "conv_average": [
            conv(8, first=True), norm(), sign(), layers.AveragePooling2D(2), sign(), *head(),
        ],
        "conv_global": [
            conv(8, first=True), norm(), conv(CLASSES, 3), norm(), sign(),
            layers.GlobalAveragePooling2D(),
        ],
    }


def fill(model: Any, rng: np.random.Generator, x: np.ndarray) -> None:
    """Random weights; each BatchNorm's statistics are near those of its input, with the awkward cases in it."""
    value = tf.constant(x.astype(np.float32))
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            data = np.asarray(value).reshape(-1, value.shape[-1])
            width, spread = data.shape[1], data.std() + 1e-3
            gamma = rng.uniform(0.3, 1.5, width) * rng.choice([-1, 1], width)
            beta = rng.normal(0, 0.3, width)
            mean = np.round(data.mean(0) + rng.normal(0, spread / 4, width))
            if width >= 6:
                gamma[0], beta[0] = 0.0, -0.4
                gamma[1], beta[1] = -0.9, 0.0  # sums hit the mean exactly: sign(0) = +1
                gamma[2], beta[2] = 1e-30, 0.0
                gamma[3], beta[3] = -1e-30, 0.0
            variance = spread**2 * rng.uniform(0.5, 1.5, width)
            layer.set_weights([w.astype(np.float32) for w in (gamma, beta, mean, variance)])
        elif layer.get_weights():
            layer.set_weights([rng.uniform(-1, 1, w.shape).astype(np.float32) for w in layer.get_weights()])
        value = layer(value)


def main() -> int:
    tf.get_logger().setLevel("ERROR")
    OUT.mkdir(parents=True, exist_ok=True)
    for name, body in models().items():
        for attempt in range(200):
            rng = random_of(f"{name}/{attempt}")
            model = tf.keras.Sequential([tf.keras.Input(SHAPE), *body])
            x = rng.integers(0, 256, size=(ROWS, *SHAPE), dtype=np.uint8)
            fill(model, rng, x)
            outputs = model.predict(x.astype(np.float32), verbose=0)
            counts = np.bincount(outputs.argmax(axis=1), minlength=CLASSES)
            if np.sum(counts >= 3) >= 3:
                break
        else:
            raise SystemExit(f"{name}: no useful weights.")
        write_model(model, name, ("h5", "keras") if name == "conv_same" else ("h5",))
        again = tf.keras.models.load_model(OUT / f"{name}.h5", compile=False)
        again = again.predict(x.astype(np.float32), verbose=0)
        if not np.array_equal(again.argmax(axis=1), outputs.argmax(axis=1)):
            raise SystemExit(f"{name} predicts something else when loaded again.")
        np.savez_compressed(OUT / f"{name}.npz", x=x, keras=outputs)
        top = np.sort(outputs, axis=1)
        print(f"{name}: attempt {attempt}, labels {counts.tolist()}, ties {np.sum(top[:, -1] == top[:, -2])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
