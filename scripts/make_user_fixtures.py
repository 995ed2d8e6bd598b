#!/usr/bin/env python3
"""Write models of the kinds that users have beside plain layers.

Functions outside of layers, activation objects, merging layers, crops, learnable shifts, models of an own class, and
QKeras's constants.

    python scripts/make_user_fixtures.py

Install ``scripts/requirements.txt`` and ``qkeras==0.9.0 "pyparsing<3.3"`` first.  Weights and inputs are random
numbers from fixed seeds.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import larq as lq  # noqa: E402
import numpy as np  # noqa: E402
import qkeras as qk  # noqa: E402
import tensorflow as tf  # noqa: E402

from make_conv_fixtures import CLASSES, SHAPE, conv, norm, sign  # noqa: E402
from make_graph_fixtures import dense, head, save  # noqa: E402

layers = tf.keras.layers


@tf.keras.utils.register_keras_serializable(package="react")
class RSign(layers.Layer):
    """ReActNet's sign of shifted numbers."""

    def build(self, shape: Any) -> None:
        self.shift = self.add_weight("shift", shape=(1, 1, 1, shape[-1]))

    def call(self, x: Any) -> Any:
        return lq.math.sign(x + self.shift)


@tf.keras.utils.register_keras_serializable(package="react")
class RPReLU(layers.Layer):
    """ReActNet's PReLU between two shifts."""

    def build(self, shape: Any) -> None:
        self.before = self.add_weight("before", shape=(shape[-1],))
        self.slope = self.add_weight("slope", shape=(shape[-1],))
        self.behind = self.add_weight("behind", shape=(shape[-1],))

    def call(self, x: Any) -> Any:
        x = x - self.before
        return tf.where(x >= 0, x, self.slope * x) + self.behind


@tf.keras.utils.register_keras_serializable(package="mine")
class OwnTraining(tf.keras.Model):
    """A functional model with a training step of its own."""


def functions(x: Any) -> Any:
    """Scaled pixels, and TensorFlow's functions in the place of layers."""
    x = 1.0 - 2.0 * (x / 255.0)
    x = norm()(conv(6, first=True, padding="same")(x - 0.25))
    a = tf.where(tf.nn.elu(x) >= 0.5, 1.0, -1.0)
    b = tf.math.sign(tf.clip_by_value(x, -1.0, 1.0) + 1e-3)
    x = tf.transpose(tf.concat([a, b], axis=-1), [0, 2, 1, 3])
    y = conv(8, padding="valid")(x)
    y = norm()(y)
    z = tf.reduce_mean(tf.math.sign(y), axis=[1, 2])
    w = tf.reshape(tf.nn.relu(tf.math.sign(y - 0.125)), [-1, int(np.prod(y.shape[1:]))])
    return tf.nn.softmax(norm()(dense(CLASSES, first=True)(w) + dense(CLASSES, first=True)(z)))


def activation_objects(x: Any) -> Any:
    """Activations that are layer objects, and functions that fall in front of a sign."""
    x = norm()(conv(6, first=True, activation=layers.LeakyReLU(0.1))(x))
    x = norm()(conv(6, activation=layers.ReLU(max_value=6.0))(x))
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = norm()(conv(6, 2)(x))
    x = layers.Activation("selu")(layers.ELU(0.5)(x))
    x = norm()(conv(6, 2)(x))
    x = sign()(layers.Activation("gelu")(x))
    x = layers.Flatten()(x)
    return dense(CLASSES, use_bias=True, activation=layers.Softmax())(x)


def merges(x: Any) -> Any:
    """Differences, products and extremes of signs and of sums."""
    a = sign()(norm()(conv(6, first=True, padding="same")(x)))
    b = sign()(norm()(conv(6, first=True, padding="same")(x)))
    product = layers.Multiply()([a, b])
    x = layers.Subtract()([conv(6, padding="same")(product), conv(6, padding="same")(a)])
    x = sign()(norm()(x))
    x = layers.Maximum()([conv(6)(x), conv(6)(layers.Minimum()([x, b])), conv(6)(layers.Maximum()([x, a]))])
    x = sign()(norm()(x))
    mean = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Average()([x, product[:, 1:-1, 1:-1], layers.Cropping2D(1)(b)])
    return head(norm()(layers.Add()([x, sign()(mean)])))


def crops(x: Any) -> Any:
    """Elements that are left out or repeated."""
    x = layers.CenterCrop(7, 5)(x)
    x = sign()(norm()(conv(4, first=True)(x)))
    x = layers.UpSampling2D(2)(layers.Cropping2D(((1, 0), (0, 1)))(x))
    rows = layers.Reshape((x.shape[1] * x.shape[2], 4))(x)
    rows = layers.TimeDistributed(dense(5))(layers.Cropping1D((1, 2))(rows))
    rows = layers.TimeDistributed(layers.Activation("tanh"))(layers.TimeDistributed(norm())(rows))
    rows = layers.GlobalAveragePooling1D()(sign()(rows))
    rows = layers.RepeatVector(3)(sign()(norm()(rows)))
    return head(rows)


def shifts(x: Any) -> Any:
    """Learnable shifts, as the custom map says them."""
    x = RSign()(norm()(conv(6, first=True, padding="same")(x)))
    x = RPReLU()(norm()(conv(6, first=True, padding="same")(x)))
    x = RSign()(x)
    return norm()(dense(CLASSES, first=True)(layers.Flatten()(x)))


def renormalised(x: Any) -> Any:
    x = layers.BatchNormalization(renorm=True)(conv(6, first=True)(x))
    x = layers.experimental.SyncBatchNormalization()(conv(6)(x))
    return head(x)


def constants(x: Any) -> Any:
    """QKeras's quantised weights, biases and norms, and activations of a few values."""
    bias = qk.quantized_bits(6, 5, 1)
    x = qk.QConv2DBatchnorm(6, 3, kernel_quantizer=qk.binary(alpha=1), use_bias=True, bias_quantizer=bias)(x)
    x = qk.QActivation("quantized_bits(1)")(x)
    x = qk.QConv2D(6, 2, kernel_quantizer=qk.stochastic_ternary(alpha="auto"), bias_quantizer=qk.quantized_po2(4))(x)
    x = qk.QBatchNormalization(mean_quantizer=None, variance_quantizer=None)(x)
    x = qk.QActivation("quantized_relu(2)")(x)
    x = qk.QConv2D(6, 2, kernel_quantizer=qk.quantized_bits(4, 0, 1, alpha=1), bias_quantizer=qk.binary(alpha=1))(x)
    x = qk.QActivation("quantized_bits(2,1)")(norm()(x))
    x = qk.QDepthwiseConv2DBatchnorm(2, depthwise_quantizer=qk.quantized_bits(3, 0, 1, alpha=1), use_bias=False)(x)
    x = qk.QActivation("quantized_relu(1)")(x)
    last = qk.QDense(CLASSES, kernel_quantizer=qk.quantized_bits(4, 0, 1, alpha="auto"), use_bias=False)
    return norm()(last(layers.Flatten()(x)))


MODELS = [functions, activation_objects, merges, crops, shifts, renormalised, constants]


def main() -> int:
    tf.get_logger().setLevel("ERROR")

    def image(rng: np.random.Generator, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
        return rng.integers(0, 256, size=(48, *shape)).astype(np.float32)

    wanted = sys.argv[1:]
    for body in MODELS:
        if wanted and body.__name__ not in wanted:
            continue

        def make(body: Any = body) -> Any:
            x = tf.keras.Input(SHAPE)
            kind = OwnTraining if body is renormalised else tf.keras.Model
            return kind(x, body(x))

        formats = ("h5",) if body in (shifts, constants, merges) else ("h5", "keras")
        save(body.__name__, make, image, formats)
    return 0


if __name__ == "__main__":
    sys.exit(main())
