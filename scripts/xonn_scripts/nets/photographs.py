"""Convolutional networks of the papers on CIFAR-10 and malaria cells, and how each is trained.

As in ``digits`` the first layer reads raw numbers 0..255 and every later one signs; the maximum is
taken of the sums, before BatchNorm, which the compiler turns into an OR of bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import larq as lq
import tensorflow as tf

from xonn_scripts.nets.layers import add_norm, quantised
from xonn_scripts.nets.recipes import PHOTOGRAPHS, CropStage, Stage, StagedRecipe, TaughtRecipe
from xonn_scripts.nets.shapes import BinaryShape, bc1, fitnet, vgg16

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
    pool: int = 1,
) -> None:
    """Binary convolution, perhaps the maximum over `pool` x `pool` (0: over all), BatchNorm; later layers are
    padded by +1.
    """
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
    if pool != 1:
        model.add(layers.MaxPooling2D(pool or model.output_shape[1], name=f"pool_{number}"))
    add_norm(model, number)


def add_dense(model: tf.keras.Sequential, number: int, units: int, activation: str) -> None:
    """Binary dense layer of signs, BatchNorm."""
    model.add(lq.layers.QuantDense(units, **quantised(False, activation), name=f"dense_{number}"))
    add_norm(model, number)


def plain(shape: BinaryShape, activation: str, side: int) -> tf.keras.Model:
    """A network for images of ten classes, raw colours in; `torch_network.BinaryNetwork` is its twin."""
    model = tf.keras.Sequential([tf.keras.Input((side, side, 3), name="pixels")])
    for number, row in enumerate(shape.convolutions, start=1):
        add_convolution(model, number, row.filters, row.size, shape.padding, activation, row.pool)
    model.add(layers.Flatten(name="flatten"))
    for number, units in enumerate((*shape.dense, 10), start=len(shape.convolutions) + 1):
        add_dense(model, number, units, activation)
    model.add(layers.Activation("softmax", name="softmax"))
    return model


def bh4(activation: str, side: int) -> tf.keras.Model:
    """XONN's network for malaria cells: twice convolution 5 x 5 x 36 and pooling, dense 72, dense 2."""
    model = tf.keras.Sequential([tf.keras.Input((side, side, 1), name="pixels")])
    for number in (1, 2):
        add_convolution(model, number, 36, 5, "valid", activation, pool=2)
    model.add(layers.Flatten(name="flatten"))
    for number, units in ((3, 72), (4, 2)):
        add_dense(model, number, units, activation)
    model.add(layers.Activation("softmax", name="softmax"))
    return model


def taught(shape: BinaryShape, stages: tuple[CropStage, ...]) -> Staged:
    """A network on CIFAR-10, taught in PyTorch."""
    return Staged(
        dataset="cifar10",
        shape=(32, 32, 3),
        build=lambda activation, side: plain(shape, activation, side),
        # The first epochs see crops, which cost half the work or a quarter.
        recipe=TaughtRecipe(shape=shape, stages=stages, held_out=5000),
    )


# What `bc1_wide` begins as.
BC1_NARROWER = bc1((48, 64, 96, 112, 128, 128, 32))

STAGED: dict[str, Staged] = {
    # BC1 of the XONN paper at its scale s = 1, with convolutions that keep the size ...
    "bc1": taught(
        bc1(),
        (
            CropStage(epochs=12, side=24, first_rate=3e-3, last_rate=1e-3),
            CropStage(epochs=8, side=32, first_rate=1e-3, last_rate=0.0, border=2),
        ),
    ),
    # ... and with those that do not.
    "bc1_valid": taught(
        bc1(padding="valid"),
        (
            CropStage(epochs=12, side=24, first_rate=3e-3, last_rate=1e-3),
            CropStage(epochs=7, side=32, first_rate=1e-3, last_rate=0.0, border=2),
        ),
    ),
    # The same layers, wider where a filter is cheap: behind the poolings.  XONN scales all layers and trims
    # them.
    "bc1_wide": taught(
        bc1((48, 64, 96, 112, 224, 192, 80)),
        (
            CropStage(epochs=12, side=16, first_rate=4e-3, last_rate=3e-3, narrower=BC1_NARROWER),
            CropStage(epochs=46, side=24, first_rate=3e-3, last_rate=8e-4, narrower=BC1_NARROWER),
            CropStage(epochs=20, side=32, first_rate=1e-3, last_rate=0.0, border=2, narrower=BC1_NARROWER),
            CropStage(epochs=14, side=32, first_rate=7e-4, last_rate=0.0, border=2, narrower=BC1_NARROWER),
            # It was no better on the training images than on others: wider, and less of a border.
            CropStage(epochs=30, side=32, first_rate=1.5e-3, last_rate=0.0, border=1),
        ),
    ),
    # Deep ones, without a path around their layers, at half of their width.
    "fitnet_half": taught(
        fitnet(0.5),
        (
            CropStage(epochs=16, side=16, first_rate=4e-3, last_rate=2e-3),
            CropStage(epochs=5, side=32, first_rate=2e-3, last_rate=0.0, border=1),
        ),
    ),
    # Its five poolings need whole images.
    "vgg16_half": taught(
        vgg16(0.5), (CropStage(epochs=8, side=32, first_rate=3e-3, last_rate=0.0, border=1),)
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

assert tuple(STAGED) == PHOTOGRAPHS
