"""The networks for digits.

Widths follow the XONN paper: every hidden layer of BM2 and BM3 is ``width`` times as wide as the paper's
table of architectures says (its scale ``s``), the last layer is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import larq as lq
import tensorflow as tf

from xonn_scripts.nets.layers import add_dense, add_norm, quantised
from xonn_scripts.nets.recipes import CONVOLUTIONAL, DIGITS, Augmentation, Recipe

layers = tf.keras.layers


@dataclass(frozen=True)
class Architecture:
    """An image network, its data set and its recipe."""

    dataset: str
    # Called with the name of the quantiser between layers (see `layers.SURROGATE`) and the width.
    build: Callable[[str, float], tf.keras.Model]
    teacher: Callable[[], tf.keras.Model]
    recipe: Recipe
    # Whether the files hold the signs of the kernels, compressed, instead of the latent floats.
    signs_only: bool = False


def binary_mlp(inputs: int, widths: list[int], activation: str) -> tf.keras.Model:
    """Dense layers with +-1 weights, BatchNorm after each, sign between them, softmax at the end.

    The input is the raw pixel value 0..255.  There is no rescaling layer: BatchNorm absorbs any
    scale, and sums of at most 784 * 255 stay exact integers in float32 (below 2^24).
    """
    model = tf.keras.Sequential([tf.keras.Input((inputs,), name="pixels")])
    add_dense(model, widths, activation, 1, first=True)
    model.add(layers.Activation("softmax", name="softmax"))
    return model


def bm2(activation: str, width: float) -> tf.keras.Model:
    """Convolution 5 x 5 x 5 with stride 2, dense 100, dense 10; raw pixels in."""
    model = tf.keras.Sequential([tf.keras.Input((28, 28, 1), name="pixels")])
    arguments = quantised(True, activation)
    model.add(
        lq.layers.QuantConv2D(round(5 * width), 5, strides=2, padding="same", **arguments, name="conv_1")
    )
    add_norm(model, 1)
    model.add(layers.Flatten(name="flatten"))
    add_dense(model, [round(100 * width), 10], activation, 2)
    model.add(layers.Activation("softmax", name="softmax"))
    return model


def bm3(activation: str, width: float) -> tf.keras.Model:
    """Twice convolution 5 x 5 x 16 and pooling, then dense 100, dense 10; raw pixels in.

    The maximum is taken of the sums, before BatchNorm, as binary networks are usually trained.  The
    compiler moves the sign in front of it, where it is an OR of bits.
    """
    model = tf.keras.Sequential([tf.keras.Input((28, 28, 1), name="pixels")])
    for i in (1, 2):
        arguments = quantised(i == 1, activation)
        model.add(lq.layers.QuantConv2D(round(16 * width), 5, **arguments, name=f"conv_{i}"))
        model.add(layers.MaxPooling2D(2, name=f"pool_{i}"))
        add_norm(model, i)
    model.add(layers.Flatten(name="flatten"))
    add_dense(model, [round(100 * width), 10], activation, 3)
    model.add(layers.Activation("softmax", name="softmax"))
    return model


def dense_teacher() -> tf.keras.Model:
    """A plain float network, used only while training and then thrown away."""
    model = tf.keras.Sequential([tf.keras.Input((784,))])
    for _ in range(2):
        model.add(layers.Dense(512, use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        model.add(layers.Dropout(0.3))
    model.add(layers.Dense(10, activation="softmax"))
    return model


def convolutional_teacher() -> tf.keras.Model:
    """As `dense_teacher`, for convolutional networks; strides instead of pooling, for speed."""
    model = tf.keras.Sequential([tf.keras.Input((28, 28, 1))])
    for filters in (24, 48):
        model.add(layers.Conv2D(filters, 5, strides=2, padding="same", use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
    model.add(layers.Flatten())
    model.add(layers.Dense(128, use_bias=False))
    model.add(layers.BatchNormalization(momentum=0.9))
    model.add(layers.ReLU())
    model.add(layers.Dropout(0.4))
    model.add(layers.Dense(10, activation="softmax"))
    return model


ARCHITECTURES: dict[str, Architecture] = {
    # BM1, BM2 and BM3 of the XONN paper.
    "bm1": Architecture(
        dataset="mnist",
        build=lambda activation, width: binary_mlp(
            784, [round(128 * width), round(128 * width), 10], activation
        ),
        teacher=dense_teacher,
        recipe=Recipe(
            epochs=120,
            batch=256,
            learning_rate=1e-2,
            augmentation=Augmentation(shift=1.0, rotation=5.0, scale=0.05),
            calibrate=True,
            teacher_temperature=1.0,
            teacher_epochs=20,
        ),
    ),
    "bm2": Architecture(
        dataset="mnist",
        build=bm2,
        teacher=convolutional_teacher,
        recipe=replace(CONVOLUTIONAL, epochs=60, width=2.0),
        signs_only=True,
    ),
    "bm3": Architecture(
        dataset="mnist",
        build=bm3,
        teacher=convolutional_teacher,
        recipe=replace(CONVOLUTIONAL, epochs=20, width=1.5),
        signs_only=True,
    ),
}

assert tuple(ARCHITECTURES) == DIGITS
