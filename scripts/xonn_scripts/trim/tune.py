"""Training a trimmed network on: from its signs back to weights that training can change."""

from __future__ import annotations

import larq as lq
import numpy as np
import tensorflow as tf

from xonn_scripts.nets.layers import EXPORTED, SURROGATE
from xonn_scripts.nets.recipes import Recipe
from xonn_scripts.train.augmented import calibrate_batch_norm, copied_batches, fit

# Latent weights are held to this before training goes on, so that a sign can still change.
LATENT = 0.2


def with_quantiser(model: tf.keras.Model, name: str) -> tf.keras.Model:
    """The same network and weights with another gradient of the sign between layers."""

    def copied(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        settings = layer.get_config()
        if settings.get("input_quantizer") is not None:
            settings["input_quantizer"] = name
        return layer.__class__.from_config(settings)

    copy = tf.keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return copy


def soften(model: tf.keras.Model) -> None:
    """Bring the latent weights of binary kernels near their sign's border; no prediction changes."""
    for layer in model.layers:
        if isinstance(layer, (lq.layers.QuantDense, lq.layers.QuantConv2D)):
            kernel, *others = layer.get_weights()
            kernel = np.where(kernel >= 0, 1.0, -1.0) * np.clip(np.abs(kernel), 1e-3, LATENT)
            layer.set_weights([kernel.astype(np.float32), *others])


def train_on(
    model: tf.keras.Model,
    copies: tuple[np.ndarray, np.ndarray],
    x: np.ndarray,
    recipe: Recipe,
    epochs: int,
    rate: float,
    seed: int,
    title: str,
) -> tf.keras.Model:
    """Train for some epochs; the result in its exported form."""
    model = with_quantiser(model, SURROGATE)
    batches = copied_batches(*copies, recipe, seed, model)
    fit(model, batches, len(x) // recipe.batch, epochs, rate, title)
    exported = with_quantiser(model, EXPORTED)
    calibrate_batch_norm(exported, x)
    return exported
