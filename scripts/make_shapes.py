#!/usr/bin/env python3
"""Write models of published shapes with random weights, to measure what compiling and running them costs.

    python scripts/make_shapes.py --out target/shapes            all of them
    python scripts/make_shapes.py --out target/shapes bc1_same   one

The predictions mean nothing; sizes, gates, bytes and times are those of a trained network of the same
shape, since the circuit does not depend on the weights.  Install ``scripts/requirements.txt`` first.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import larq as lq  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

layers = tf.keras.layers


class Net:
    """A sequential binary network: the first layer reads numbers, all later ones signs."""

    def __init__(self, shape: tuple[int, ...], width: float = 1.0) -> None:
        self.width = width
        self.model = tf.keras.Sequential([layers.InputLayer(shape)])
        self.first = True

    def _quantizers(self) -> dict:
        first, self.first = self.first, False
        return {
            "input_quantizer": None if first else "ste_sign",
            "kernel_quantizer": "ste_sign",
            "kernel_constraint": "weight_clip",
            "use_bias": False,
        }

    def conv(self, filters: int, size: int = 3, padding: str = "same", strides: int = 1) -> Net:
        filters = max(1, round(filters * self.width))
        pad_value = {} if self.first or padding == "valid" else {"pad_values": 1.0}
        self.model.add(
            lq.layers.QuantConv2D(
                filters, size, strides=strides, padding=padding, **pad_value, **self._quantizers()
            )
        )
        self.model.add(layers.BatchNormalization(scale=False))
        return self

    def pool(self, size: int = 2) -> Net:
        self.model.add(layers.MaxPooling2D(size))
        return self

    def mean(self, size: int) -> Net:
        self.model.add(layers.AveragePooling2D(size))
        return self

    def dense(self, units: int, last: bool = False) -> Net:
        if len(self.model.output_shape) > 2:
            self.model.add(layers.Flatten())
        units = units if last else max(1, round(units * self.width))
        self.model.add(lq.layers.QuantDense(units, **self._quantizers()))
        self.model.add(layers.BatchNormalization(scale=False))
        return self


def bm1(width: float = 1.0) -> Net:
    """784-128-128-10 (XONN, table 2)."""
    return Net((784,), width).dense(128).dense(128).dense(10, last=True)


def bm2(width: float = 1.0) -> Net:
    """5 x 5 x 5 with stride 2, 100, 10 (XONN, table 2)."""
    return Net((28, 28, 1), width).conv(5, 5, strides=2).dense(100).dense(10, last=True)


def bm3(width: float = 1.0) -> Net:
    """Two 5 x 5 x 16 with pooling, 100, 10 (XONN, table 2)."""
    net = Net((28, 28, 1), width).conv(16, 5, "valid").pool().conv(16, 5, "valid").pool()
    return net.dense(100).dense(10, last=True)


def bc1(padding: str, width: float = 1.0) -> Net:
    """MiniONN, figure 13: seven convolutions, two poolings, one dense layer."""
    net = Net((32, 32, 3), width)
    net.conv(64, 3, padding).conv(64, 3, padding).pool()
    net.conv(64, 3, padding).conv(64, 3, padding).pool()
    return net.conv(64, 3, padding).conv(64, 1, padding).conv(16, 1, padding).dense(10, last=True)


def fitnet(width: float = 1.0) -> Net:
    """17 convolutions, three poolings, one dense layer (XONN's deepest)."""
    net = Net((32, 32, 3), width)
    for filters, count in ((32, 3), (48, 2)):
        for _ in range(count):
            net.conv(filters)
    net.pool()
    for _ in range(6):
        net.conv(80)
    net.pool()
    for _ in range(6):
        net.conv(128)
    return net.pool(8).dense(10, last=True)


def vgg16(width: float = 1.0) -> Net:
    """VGG16 at full width on 32 x 32 x 3: 13 convolutions, five poolings, three dense layers."""
    net = Net((32, 32, 3), width)
    for filters, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            net.conv(filters)
        net.pool()
    return net.dense(512).dense(512).dense(10, last=True)


SHAPES: dict[str, Callable[[float], Net]] = {
    "bm1": bm1,
    "bm2": bm2,
    "bm3": bm3,
    "bc1_same": lambda width: bc1("same", width),
    "bc1_valid": lambda width: bc1("valid", width),
    "fitnet": fitnet,
    "vgg16": vgg16,
}


def randomise(model: tf.keras.Model, seed: int) -> None:
    """Weights and statistics that give every neuron both values."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, layers.BatchNormalization):
            beta, mean, variance = weights
            spread = np.sqrt(variance * 0 + 100.0)
            weights = [
                rng.normal(0, 0.3, beta.shape),
                rng.normal(0, spread / 4, mean.shape),
                rng.uniform(25, 400, variance.shape),
            ]
        else:
            weights = [rng.uniform(-1, 1, w.shape) for w in weights]
        layer.set_weights(weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"of {', '.join(SHAPES)} (default all)")
    parser.add_argument("--out", type=Path, default=Path("target/shapes"))
    parser.add_argument("--width", type=float, default=1.0, help="XONN's scale s of the hidden layers")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    unknown = [name for name in args.shapes if name not in SHAPES]
    if unknown:
        parser.error(f"unknown shape {unknown[0]!r}, expected one of {', '.join(SHAPES)}")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.shapes or SHAPES:
        model = SHAPES[name](args.width).model
        randomise(model, args.seed)
        path = args.out / f"{name}.h5"
        model.save(path, include_optimizer=False)
        print(f"{path}: {model.count_params():,} weights, {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
