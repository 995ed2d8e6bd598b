"""Binary layers as larq has them, of which the networks are built."""

from __future__ import annotations

from typing import Any

import larq as lq
import tensorflow as tf

layers = tf.keras.layers

# All larq sign quantisers compute the same function (x >= 0 -> +1, else -1) and differ only in the
# gradient that training sees.  `approx_sign` trains better, `ste_sign` is the one users know: train
# with the first and export with the second.
SURROGATE = "approx_sign"
EXPORTED = "ste_sign"


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
