"""Write models of published shapes with random weights, to measure what compiling and running them costs.

    python -m xonn_scripts.nets.random_weights            all of them, to target/shapes
    python -m xonn_scripts.nets.random_weights bc1_same   one

The predictions mean nothing; sizes, gates, bytes and times are those of a trained network of the same shape,
since the circuit does not depend on the weights.  Needs the packages of ``pip install -e "scripts[train]"``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import larq as lq
import numpy as np
import tensorflow as tf

from xonn_scripts.command_line import parser_of
from xonn_scripts.nets import shapes
from xonn_scripts.nets.shapes import BinaryShape
from xonn_scripts.paths import TARGET

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
        """Add a convolution and its BatchNorm."""
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
        """Add a maximum."""
        self.model.add(layers.MaxPooling2D(size))
        return self

    def dense(self, units: int, last: bool = False) -> Net:
        """Add a dense layer and its BatchNorm; the last one is not scaled."""
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


def plain(shape: BinaryShape) -> Net:
    """A shape of `shapes`."""
    net = Net((32, 32, 3))
    for row in shape.convolutions:
        net.conv(row.filters, row.size, shape.padding)
        if row.pool != 1:
            net.pool(row.pool or net.model.output_shape[1])
    for units in shape.dense:
        net.dense(units)
    return net.dense(10, last=True)


SHAPES: dict[str, Callable[[float], Net]] = {
    "bm1": bm1,
    "bm2": bm2,
    "bm3": bm3,
    "bc1_same": lambda width: plain(shapes.bc1(width=width)),
    "bc1_valid": lambda width: plain(shapes.bc1(padding="valid", width=width)),
    "fitnet": lambda width: plain(shapes.fitnet(width)),
    "vgg16": lambda width: plain(shapes.vgg16(width)),
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
    """The command."""
    parser = parser_of("nets.random_weights", __doc__)
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"of {', '.join(SHAPES)} (default all)")
    parser.add_argument("--out", type=Path, default=TARGET / "shapes")
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
