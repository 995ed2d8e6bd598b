"""The networks that ``train.py`` trains, and how each is trained.

Widths follow the XONN paper: every hidden layer of BM2 and BM3 is ``width`` times as wide as the paper's
table of architectures says (its scale ``s``), the last layer is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable

import larq as lq
import tensorflow as tf

layers = tf.keras.layers

# All larq sign quantisers compute the same function (x >= 0 -> +1, else -1) and differ only in the
# gradient that training sees.  `approx_sign` trains better, `ste_sign` is the one users know: train
# with the first and export with the second.
SURROGATE = "approx_sign"
EXPORTED = "ste_sign"


@dataclass(frozen=True)
class Augmentation:
    """Random affine changes of a training image; every value is the largest change either way."""

    side: int = 28
    shift: float = 0.0  # pixels
    rotation: float = 0.0  # degrees
    scale: float = 0.0  # fraction
    shear: float = 0.0  # fraction


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    epochs: int
    batch: int
    learning_rate: float
    augmentation: Augmentation
    # Whether BatchNorm's moving averages are set from the un-augmented training set at the end.
    calibrate: bool
    # 0 trains on the labels; a positive number trains on the outputs of a float network of our own
    # ("teacher", trained first on the same images) softened by this temperature.
    teacher_temperature: float = 0.0
    teacher_epochs: int = 0
    # 0 augments every batch anew; a positive number makes so many copies of the training set once and
    # draws from them, together with what the teacher says of them.
    copies: int = 0
    # The last training images that take no part in training; settings are chosen by them.
    held_out: int = 0
    # XONN's scale s of the hidden layers.
    width: float = 1.0


@dataclass(frozen=True)
class Architecture:
    """An image network, its data set and its recipe."""

    dataset: str
    # Called with the name of the quantiser between layers (see `SURROGATE`) and the width.
    build: Callable[[str, float], tf.keras.Model]
    teacher: Callable[[], tf.keras.Model]
    recipe: Recipe
    # Whether the files hold the signs of the kernels, compressed, instead of the latent floats.
    signs_only: bool = False


def quantised(first: bool, activation: str) -> dict[str, Any]:
    """Arguments of a larq layer: signs for weights and, but for the first layer, for inputs."""
    return {
        "input_quantizer": None if first else activation,
        "kernel_quantizer": "ste_sign",
        "kernel_constraint": "weight_clip",
        "use_bias": False,
    }


def add_norm(model: tf.keras.Sequential, number: int) -> None:
    """BatchNorm with averages that forget quickly: binary weights change in jumps."""
    model.add(layers.BatchNormalization(momentum=0.9, name=f"norm_{number}"))


def add_dense(
    model: tf.keras.Sequential, widths: list[int], activation: str, number: int, first: bool = False
) -> None:
    """Binary dense layers with BatchNorm after each; the first is called ``dense_<number>``."""
    for i, width in enumerate(widths, start=number):
        arguments = quantised(first and i == number, activation)
        model.add(lq.layers.QuantDense(width, **arguments, name=f"dense_{i}"))
        add_norm(model, i)


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
        lq.layers.QuantConv2D(
            round(5 * width), 5, strides=2, padding="same", **arguments, name="conv_1"
        )
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


# BM2 and BM3 draw from the same copies and the same teacher.
CONVOLUTIONAL = Recipe(
    epochs=40,
    batch=256,
    learning_rate=1e-2,
    augmentation=Augmentation(shift=1.0, rotation=8.0, scale=0.08, shear=0.05),
    calibrate=True,
    teacher_temperature=1.0,
    teacher_epochs=8,
    copies=10,
    held_out=5000,
)

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
