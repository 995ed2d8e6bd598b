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
from recipes import Convolution, CropStage, Stage, StagedRecipe, TaughtRecipe

layers = tf.keras.layers


@dataclass(frozen=True)
class Staged:
    """An image network, its data set and its recipe."""

    dataset: str
    # Height, width and channels of the data set's images.
    shape: tuple[int, int, int]
    # Called with the name of the quantiser between layers and the side of the images.
    build: Callable[[str, int], tf.keras.Model]
    recipe: StagedRecipe | TaughtRecipe
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


def bc1_rows(filters: tuple[int, ...]) -> tuple[Convolution, ...]:
    """MiniONN's figure 13 with so many filters in its seven convolutions, two of which pool."""
    sizes = (3, 3, 3, 3, 3, 1, 1)
    return tuple(Convolution(f, size, i in (2, 4)) for i, (f, size) in enumerate(zip(filters, sizes), start=1))


def bc1(rows: tuple[Convolution, ...], padding: str, activation: str, side: int) -> tf.keras.Model:
    """Seven convolutions, two poolings, one dense layer; raw colours in.  `torch_staged` has its twin."""
    model = tf.keras.Sequential([tf.keras.Input((side, side, 3), name="pixels")])
    for number, row in enumerate(rows, start=1):
        add_convolution(model, number, row.filters, row.size, padding, activation, row.pooled)
    model.add(layers.Flatten(name="flatten"))
    last = len(rows) + 1
    model.add(lq.layers.QuantDense(10, **quantised(False, activation), name=f"dense_{last}"))
    add_norm(model, last)
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


def taught_bc1(rows: tuple[Convolution, ...], padding: str, stages: tuple[CropStage, ...]) -> Staged:
    """A network of BC1's shape on CIFAR-10, taught in PyTorch."""
    return Staged(
        dataset="cifar10",
        shape=(32, 32, 3),
        build=lambda activation, side: bc1(rows, padding, activation, side),
        # The first epochs see crops, which cost half the work or a quarter.
        recipe=TaughtRecipe(convolutions=rows, padding=padding, stages=stages, held_out=5000),
    )


BC1 = bc1_rows((64, 64, 64, 64, 64, 64, 16))

STAGED: dict[str, Staged] = {
    # BC1 of the XONN paper at its scale s = 1, with convolutions that keep the size ...
    "bc1": Staged(
        dataset="cifar10",
        shape=(32, 32, 3),
        build=lambda activation, side: bc1(BC1, "same", activation, side),
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
    "bc1_valid": taught_bc1(
        BC1,
        "valid",
        (
            CropStage(epochs=8, side=24, first_rate=3e-3, last_rate=1e-3),
            CropStage(epochs=5, side=32, first_rate=1e-3, last_rate=0.0, border=2),
        ),
    ),
    # The same layers, wider where a filter is cheap: behind the poolings.  XONN scales all layers and trims them.
    "bc1_wide": taught_bc1(
        bc1_rows((48, 64, 96, 112, 128, 128, 32)),
        "same",
        (
            CropStage(epochs=12, side=16, first_rate=4e-3, last_rate=3e-3),
            CropStage(epochs=46, side=24, first_rate=3e-3, last_rate=8e-4),
            CropStage(epochs=20, side=32, first_rate=1e-3, last_rate=0.0, border=2),
            # Once more from a higher rate: it was still learning.
            CropStage(epochs=14, side=32, first_rate=7e-4, last_rate=0.0, border=2),
        ),
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
