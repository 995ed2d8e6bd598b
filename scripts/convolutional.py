"""Convolutional networks of the papers on CIFAR-10 and malaria cells, and how each is trained.

As in ``networks.py`` the first layer reads raw numbers 0..255 and every later one signs; the maximum is
taken of the sums, before BatchNorm, which the compiler turns into an OR of bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import larq as lq
import tensorflow as tf

from networks import add_norm, quantised

layers = tf.keras.layers


@dataclass(frozen=True)
class Stage:
    """A part of a training: so many epochs on crops of one size under one learning rate's half cosine.

    The next stage begins with the best epoch's weights.
    """

    epochs: int
    # Height and width of the crops; a network for smaller crops costs less and shares its convolutions.
    side: int
    # The cosine begins and ends here.
    first_rate: float
    last_rate: float
    # Images are mirrored outwards by so many pixels before they are cropped.
    border: int = 0
    # Epochs over which the cosine is laid; more than `epochs` leaves its end out, 0 stands for `epochs`.
    horizon: int = 0
    # Whether BatchNorm's averages are set anew before each epoch is judged: those of training lag behind
    # while signs still flip.
    calibrated: bool = False


@dataclass(frozen=True)
class StagedRecipe:
    """How a network is trained: stages, one after the other, best epoch by held-out training images."""

    batch: int
    stages: tuple[Stage, ...]
    # Drawn by the seed from the training images; they take no part in training and choose the epoch.
    held_out: int
    # Left-right flips always; also upside down and transposed, for images without an upright position.
    eightfold: bool = False


@dataclass(frozen=True)
class Staged:
    """An image network, its data set and its recipe."""

    dataset: str
    # Height, width and channels of the data set's images.
    shape: tuple[int, int, int]
    # Called with the name of the quantiser between layers and the side of the images.
    build: Callable[[str, int], tf.keras.Model]
    recipe: StagedRecipe
    # Network of `models/` whose kernels training starts from; None starts from random ones.
    start_from: str | None = None


def add_convolution(
    model: tf.keras.Sequential,
    number: int,
    filters: int,
    size: int,
    padding: str,
    activation: str,
    pooled: bool = False,
) -> None:
    """Binary convolution, perhaps pooling by two, BatchNorm; later layers are padded by +1."""
    first = number == 1
    padded = {} if first or padding == "valid" else {"pad_values": 1.0}
    model.add(
        lq.layers.QuantConv2D(
            filters,
            size,
            padding=padding,
            **padded,
            **quantised(first, activation),
            name=f"conv_{number}",
        )
    )
    if pooled:
        model.add(layers.MaxPooling2D(2, name=f"pool_{number}"))
    add_norm(model, number)


def bc1(padding: str, activation: str, side: int) -> tf.keras.Model:
    """MiniONN, figure 13: seven convolutions, two poolings, one dense layer; raw colours in."""
    model = tf.keras.Sequential([tf.keras.Input((side, side, 3), name="pixels")])
    rows = [(64, 3), (64, 3), (64, 3), (64, 3), (64, 3), (64, 1), (16, 1)]
    for number, (filters, size) in enumerate(rows, start=1):
        add_convolution(model, number, filters, size, padding, activation, number in (2, 4))
    model.add(layers.Flatten(name="flatten"))
    model.add(lq.layers.QuantDense(10, **quantised(False, activation), name="dense_8"))
    add_norm(model, 8)
    model.add(layers.Activation("softmax", name="softmax"))
    return model


def bh4(activation: str, side: int) -> tf.keras.Model:
    """XONN's network for malaria cells: twice convolution 5 x 5 x 36 and pooling, dense 72, dense 2."""
    model = tf.keras.Sequential([tf.keras.Input((side, side, 1), name="pixels")])
    for number in (1, 2):
        add_convolution(model, number, 36, 5, "valid", activation, pooled=True)
    model.add(layers.Flatten(name="flatten"))
    for number, units in ((3, 72), (4, 2)):
        model.add(lq.layers.QuantDense(units, **quantised(False, activation), name=f"dense_{number}"))
        add_norm(model, number)
    model.add(layers.Activation("softmax", name="softmax"))
    return model


STAGED: dict[str, Staged] = {
    # BC1 of the XONN paper, with convolutions that keep the size ...
    "bc1": Staged(
        dataset="cifar10",
        shape=(32, 32, 3),
        build=lambda activation, side: bc1("same", activation, side),
        # Three quarters of an image are enough for the first epochs, at half the work.
        recipe=StagedRecipe(
            batch=128,
            stages=(
                Stage(epochs=4, side=24, first_rate=5e-3, last_rate=2e-3, horizon=11),
                Stage(epochs=4, side=32, first_rate=2e-3, last_rate=0.0, border=2, calibrated=True),
            ),
            held_out=5000,
        ),
    ),
    # ... and with those that do not.
    "bc1_valid": Staged(
        dataset="cifar10",
        shape=(32, 32, 3),
        build=lambda activation, side: bc1("valid", activation, side),
        recipe=StagedRecipe(
            batch=128,
            stages=(Stage(epochs=8, side=32, first_rate=1e-3, last_rate=0.0, border=2, calibrated=True),),
            held_out=5000,
        ),
        start_from="bc1",
    ),
    # BH4 of the XONN paper, on grey images.
    "bh4": Staged(
        dataset="malaria",
        shape=(32, 32, 1),
        build=bh4,
        recipe=StagedRecipe(
            batch=128,
            stages=(Stage(epochs=40, side=32, first_rate=5e-3, last_rate=0.0, border=1),),
            held_out=2000,
            eightfold=True,
        ),
    ),
}
