#!/usr/bin/env python3
"""Write the Keras models with branches, real weights and three values that the compiler's tests read.

    python scripts/make_graph_fixtures.py

Install ``scripts/requirements.txt`` first.  Weights and inputs are random numbers from fixed seeds.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import larq as lq  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from make_conv_fixtures import CLASSES, ROWS, SHAPE, conv, norm, sign  # noqa: E402
from make_fixtures import OUT, random_of, write_model  # noqa: E402

layers = tf.keras.layers


def dense(units: int, first: bool = False, **more: Any) -> Any:
    more = {"kernel_quantizer": "ste_sign", "use_bias": False, **more}
    return lq.layers.QuantDense(units, input_quantizer=None if first else "ste_sign", **more)


def head(x: Any) -> Any:
    x = norm()(dense(CLASSES)(layers.Flatten()(x)))
    return layers.Activation("softmax")(x)


def residual_norm(x: Any) -> Any:
    """Bi-Real blocks: the stream is real, BatchNorm outputs join it, the last block halves the image."""
    x = norm()(conv(6, first=True, padding="same")(x))
    for _ in range(2):
        x = layers.Add()([x, norm()(conv(6, padding="same")(x))])
    short = norm()(conv(6, 1)(layers.AveragePooling2D(2, padding="same")(x)))
    x = layers.Add()([norm()(conv(6, padding="same", strides=2)(x)), short])
    return head(norm()(x))


def residual_integer(x: Any) -> Any:
    """Sums and signs are added as they are."""
    x = sign()(norm()(conv(6, first=True, padding="same")(x)))
    y = conv(6, padding="same")(x)
    y = layers.add([x, y, conv(6, 1)(x)])
    return head(norm()(y))


def concatenate(x: Any) -> Any:
    """Bits with bits, sums with sums of another fan-in, and real numbers; twice along the rows."""
    x = sign()(norm()(conv(6, first=True, padding="same")(x)))
    bits = layers.Concatenate()([x, sign()(norm()(conv(4, padding="same")(x)))])
    sums = layers.Concatenate()([conv(4, padding="same")(bits), conv(4, 1)(bits), bits])
    sums = norm()(sums)
    rows = layers.Concatenate(axis=1)([sums, norm()(conv(18, 1)(sums))])
    return head(rows)


def average_same(x: Any) -> Any:
    x = sign()(norm()(conv(6, first=True, padding="same")(x)))
    x = sign()(layers.AveragePooling2D(3, strides=2, padding="same")(x))
    x = layers.AveragePooling2D(2, strides=1, padding="same")(norm()(conv(8, 2)(x)))
    return head(x)


def sums_of_averages(x: Any) -> Any:
    """Averages of 4, 6 and 9 signs are added to each other and to signs, falling ones too, and are often 0 together."""
    a, b, c = (sign()(norm()(conv(4, first=True, padding="same")(x))) for _ in range(3))
    x = layers.Add()([layers.AveragePooling2D(3, 1, "same")(a), layers.AveragePooling2D(2, 1, "same")(b)])
    x = layers.Add()([layers.AveragePooling2D(3, 1, "same")(sign()(x)), c])
    y, z = layers.MaxPooling2D(3, 2)(a), layers.AveragePooling2D(3, 2)(b)
    y = sign()(layers.Add()([layers.Rescaling(-2.0)(y), y, layers.MaxPooling2D(3, 2)(c)]))
    z = sign()(layers.Add()([layers.Rescaling(-1.0)(z), layers.AveragePooling2D((3, 2), 2)(a)]))
    return head(layers.Concatenate()([layers.Flatten()(sign()(x)), layers.Flatten()(y), layers.Flatten()(z)]))


def real_weights(x: Any) -> Any:
    """The first and the last layer are stock ones, as in most published binary networks."""
    x = layers.Rescaling(1 / 127.5, -1)(x)
    x = norm()(layers.Conv2D(6, 3, padding="same")(x))
    x = layers.MaxPooling2D(2)(x)
    x = norm()(conv(8, padding="same")(x))
    x = layers.GlobalAveragePooling2D()(sign()(x))
    return layers.Dense(CLASSES, activation="softmax")(x)


def norm_then_dense(x: Any) -> Any:
    """BatchNorms without a sign behind them go into the kernel that reads them."""
    x = norm()(conv(6, first=True)(x))
    x = norm()(lq.layers.QuantConv2D(6, 3, padding="same", kernel_quantizer="ste_sign", use_bias=False)(x))
    x = layers.GlobalMaxPooling2D()(x)
    return layers.Dense(CLASSES)(norm()(x))


def ternary(x: Any) -> Any:
    x = norm()(lq.layers.QuantConv2D(6, 3, kernel_quantizer=lq.quantizers.SteTern(0.3), use_bias=False)(x))
    x = lq.quantizers.SteTern(0.4)(x)
    x = lq.layers.QuantConv2D(
        8, 3, padding="same", kernel_quantizer=lq.quantizers.SteTern(ternary_weight_networks=True), use_bias=False
    )(x)
    x = layers.Activation(tf.math.sign)(x)  # sums are often 0, and so is their sign
    x = norm()(dense(12, first=True)(layers.Flatten()(x)))
    return norm()(dense(CLASSES, kernel_quantizer=lq.quantizers.SteTern(0.2))(x))


def max_pool_numbers(x: Any) -> Any:
    """Maxima of sums and of falling BatchNorms, which no sign follows."""
    y = layers.MaxPooling2D(2, padding="same")(conv(6, first=True, padding="same")(x))
    z = layers.MaxPooling2D(2, padding="same")(norm()(conv(6, first=True, padding="same")(x)))
    return head(layers.Add()([norm()(y), z]))


def standardised(x: Any) -> Any:
    """Each feature by its own mean and deviation."""
    mean, variance = np.linspace(50, 200, SHAPE[2]), np.linspace(900, 8000, SHAPE[2])
    x = layers.Normalization(axis=-1, mean=mean, variance=variance)(x)
    x = norm()(dense(16, first=True)(layers.Flatten()(x)))
    return norm()(dense(CLASSES)(x))


MODELS = [
    residual_norm, residual_integer, concatenate, average_same, sums_of_averages, real_weights, norm_then_dense,
    ternary, max_pool_numbers, standardised,
]


def fill(model: Any, rng: np.random.Generator, x: np.ndarray) -> None:
    """Random weights; each BatchNorm's statistics are near those of what it reads."""
    for layer in model.layers:
        if isinstance(layer, layers.Normalization):
            continue
        if type(layer).__name__.endswith("Conv2DBatchnorm"):
            fill_folded(layer, rng)
        elif hasattr(layer, "moving_variance"):
            probe = tf.keras.Model(model.inputs, layer.input)
            data = np.asarray(probe(x)).reshape(-1, layer.input.shape[-1])
            width, spread = data.shape[1], data.std(0) + 1e-3 * (1 + data.std())
            gamma = rng.uniform(0.3, 1.5, width) * rng.choice([-1, 1], width)
            mean = np.round(data.mean(0) + rng.normal(0, 0.25, width) * spread)
            variance = spread**2 * rng.uniform(0.5, 1.5, width)
            weights = (gamma, rng.normal(0, 0.3, width), mean, variance)
            further = layer.get_weights()[4:]  # of renormalisation, for training only
            layer.set_weights([w.astype(np.float32) for w in weights] + further)
        elif layer.get_weights():
            layer.set_weights([rng.uniform(-1, 1, w.shape).astype(np.float32) for w in layer.get_weights()])


def fill_folded(layer: Any, rng: np.random.Generator) -> None:
    """QKeras's convolutions with a BatchNorm inside: its variance is positive, the iteration is a whole number."""
    weights = []
    for variable, weight in zip(layer.weights, layer.get_weights()):
        name, shape = variable.name.split("/")[-1], weight.shape
        if "iteration" in name:
            weights.append(weight)
        elif "variance" in name:
            weights.append(rng.uniform(0.5, 2.0, shape).astype(np.float32))
        else:
            weights.append(rng.uniform(-1, 1, shape).astype(np.float32))
    layer.set_weights(weights)


def two_inputs() -> Any:
    a, b = layers.Input((6, 5, 1), name="image"), layers.Input((7,), name="record")
    x = layers.Flatten()(sign()(norm()(conv(4, first=True)(a))))
    x = layers.Concatenate()([x, sign()(norm()(dense(9, first=True)(b)))])
    return tf.keras.Model([a, b], norm()(dense(CLASSES)(x)))


def save(name: str, make: Any, inputs: Any, formats: tuple[str, ...] = ("h5",)) -> None:
    """Searches weights under which several classes occur, and writes model, inputs and outputs."""
    for attempt in range(200):
        rng = random_of(f"{name}/{attempt}")
        tf.keras.backend.clear_session()
        model = make()
        x = inputs(rng)
        fill(model, rng, x)
        outputs = np.asarray(model(x))
        if np.sum(np.bincount(outputs.argmax(axis=1), minlength=CLASSES) >= 3) >= 3:
            break
    else:
        raise SystemExit(f"{name}: no useful weights.")
    write_model(model, name, formats)
    # Own classes need a scope, and Keras 2.15 does not read its own tf.math.sign.
    if name not in ("ternary", "functions", "renormalised", "constants"):
        again = tf.keras.models.load_model(OUT / f"{name}.h5", compile=False)
        assert np.array_equal(np.asarray(again(x)), outputs), name
    parts = x if isinstance(x, list) else [x]
    rows = np.concatenate([part.reshape(ROWS, -1) for part in parts], 1).astype(np.uint8)
    if not isinstance(x, list):
        rows = rows.reshape(x.shape)
    np.savez_compressed(OUT / f"{name}.npz", x=rows, keras=outputs)
    print(name, model.count_params(), "weights")


def main() -> int:
    tf.get_logger().setLevel("ERROR")

    def image(rng: np.random.Generator, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
        return rng.integers(0, 256, size=(ROWS, *shape)).astype(np.float32)

    for body in MODELS:
        def make(body: Any = body) -> Any:
            x = tf.keras.Input(SHAPE)
            return tf.keras.Model(x, body(x))

        save(body.__name__, make, image)
    save("two_inputs", two_inputs, lambda rng: [image(rng, (6, 5, 1)), image(rng, (7,))])
    return 0


if __name__ == "__main__":
    sys.exit(main())
