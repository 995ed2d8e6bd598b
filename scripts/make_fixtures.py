#!/usr/bin/env python3
"""Write the small Keras models that the tests of `xonn-compile` read.

    python scripts/make_fixtures.py larq      with scripts/requirements.txt
    python scripts/make_fixtures.py keras3    with scripts/requirements-keras3.txt

All weights are random and all inputs are random bytes; no data set is involved.  Each supported
model `NAME` comes with `NAME.npz`: `x` (uint8 [64, 12]) and `keras` (float32 [64, 4], what Keras's
`predict` gives on it).  The weights are chosen to be awkward: see `batch_norm_weights`.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any, Callable

# Read when TensorFlow is imported: no start-up chatter, and no oneDNN kernels, whose order of
# summation depends on the processor.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np  # noqa: E402

OUT = Path(__file__).resolve().parent.parent / "xonn-compile" / "tests" / "data"
INPUTS = 12
WIDTHS = [16, 8, 4]
ROWS = 64
MAX_FILE_BYTES = 120_000
# Two classes of a head with BatchNorm never come closer than this, so no test hangs on the last bit
# of a float.
MIN_GAP = 1e-4
MAX_ATTEMPTS = 500

Weights = list[np.ndarray]


# --------------------------------------------------------------------------------------------------
# Awkward numbers


def random_of(name: str) -> np.random.Generator:
    """A generator that depends on the fixture's name only, not on the order of writing."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def sample_inputs(rng: np.random.Generator) -> np.ndarray:
    """Random bytes, an all-zero row (which hits cuts at zero exactly) and an all-255 row."""
    x = rng.integers(0, 256, size=(ROWS, INPUTS), dtype=np.uint8)
    x[0] = 0
    x[1] = 255
    return x


def latent_kernel(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Float weights as training leaves them, with the values on which sign quantisers differ."""
    kernel = rng.uniform(-1, 1, size=(rows, columns)).astype(np.float32)
    kernel[0, 0], kernel[1, 0], kernel[2, 0] = 0.0, -0.0, -1e-30
    kernel[0, 1], kernel[1, 1] = 1.0, -1.0
    return kernel


def sign_kernel(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Weights that are exactly +-1."""
    return rng.choice(np.array([-1, 1], np.float32), size=(rows, columns))


def batch_norm_weights(
    rng: np.random.Generator, width: int, spread: float, scale: bool, center: bool
) -> Weights:
    """gamma, beta, mean, variance for sums whose standard deviation is about `spread`.

    Half of the gammas are negative, and a hidden layer's first channels are the special cases of
    folding BatchNorm into a cut: constant channels (gamma = 0), means that the sum can hit exactly
    (sign(0) is +1 for either sign of gamma), a gamma that is tiny but counts, a variance of zero.
    """
    gamma = rng.uniform(0.3, 1.5, width) * rng.choice([-1, 1], width)
    beta = rng.normal(0, 0.3, width)
    mean = rng.normal(0, spread / 2, width)
    variance = spread**2 * rng.uniform(0.5, 1.5, width)
    if width >= 8:
        gamma[0], beta[0] = 0.0, -0.4
        gamma[1], beta[1], mean[1] = -0.9, 0.0, 0.0
        gamma[2], beta[2], mean[2] = 1e-30, 0.0, -0.3
    if width >= 16:
        gamma[3], beta[3], mean[3] = -1e-30, 0.0, 0.7
        gamma[4], beta[4] = 1e-30, -0.2
        gamma[5], beta[5], mean[5], variance[5] = -0.8, 0.1, 2.0, 0.0
        gamma[6], beta[6], mean[6] = 0.9, 0.0, 0.0
        gamma[7], beta[7] = 0.0, 0.0
    parts = ([gamma] if scale else []) + ([beta] if center else []) + [mean, variance]
    return [part.astype(np.float32) for part in parts]


def fill(model: Any, rng: np.random.Generator, kernel: Callable[..., np.ndarray]) -> None:
    """Give every dense and BatchNorm layer of a model random weights."""
    fan_in = INPUTS
    raw_pixels = True
    spread = 1.0
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in ("Dense", "QuantDense"):
            layer.set_weights([kernel(rng, fan_in, layer.units)])
            # Standard deviation of a sum of signed bytes (147) or of signs (1).
            spread = (147.0 if raw_pixels else 1.0) * np.sqrt(fan_in)
            fan_in, raw_pixels = layer.units, False
        elif kind == "BatchNormalization":
            layer.set_weights(
                batch_norm_weights(rng, fan_in, spread, bool(layer.scale), bool(layer.center))
            )


# --------------------------------------------------------------------------------------------------
# Writing


def is_useful(outputs: np.ndarray, ties_allowed: bool) -> bool:
    """Whether a fixture tests enough and does not hang on the rounding of a float."""
    top = np.sort(outputs, axis=1)
    clear = ties_allowed or float(np.min(top[:, -1] - top[:, -2])) >= MIN_GAP
    counts = np.bincount(outputs.argmax(axis=1), minlength=WIDTHS[-1])
    return clear and np.sum(counts >= ROWS // 16) >= 3


def write_model(model: Any, name: str, formats: tuple[str, ...]) -> None:
    """Save an uncompiled model (so without optimiser state) in the given formats."""
    for suffix in formats:
        path = OUT / f"{name}.{suffix}"
        with warnings.catch_warnings():
            # Keras calls HDF5 legacy; most existing models are in it.
            warnings.simplefilter("ignore")
            model.save(path)
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SystemExit(f"{path} has {path.stat().st_size} bytes, over {MAX_FILE_BYTES}.")


def write_deflated(name: str) -> None:
    """Pack a `.keras` file again with compression, as zip tools do; Keras itself only stores."""
    with zipfile.ZipFile(OUT / f"{name}.keras") as stored:
        target = OUT / f"{name}_deflated.keras"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as deflated:
            for member in stored.infolist():
                deflated.writestr(member.filename, stored.read(member))


def write_supported(
    model: Any,
    name: str,
    load: Callable[[Path], Any],
    kernel: Callable[..., np.ndarray] = latent_kernel,
    formats: tuple[str, ...] = ("h5", "keras"),
    ties_allowed: bool = False,
) -> None:
    """Fill and save a model, and what Keras predicts; each file re-loaded must predict the same."""
    for attempt in range(MAX_ATTEMPTS):
        rng = random_of(f"{name}/{attempt}")
        fill(model, rng, kernel)
        x = sample_inputs(rng)
        outputs = np.asarray(model(x.astype(np.float32), training=False))
        if is_useful(outputs, ties_allowed):
            break
    else:
        raise SystemExit(f"{name}: no useful weights in {MAX_ATTEMPTS} attempts.")
    write_model(model, name, formats)
    for suffix in formats:
        again = load(OUT / f"{name}.{suffix}").predict(x.astype(np.float32), verbose=0)
        labels_differ = np.any(again.argmax(axis=1) != outputs.argmax(axis=1))
        if labels_differ or not np.allclose(again, outputs, rtol=0, atol=1e-6):
            raise SystemExit(f"{name}.{suffix} predicts something else when loaded again.")
        np.savez_compressed(OUT / f"{name}.npz", x=x, keras=again)
    top = np.sort(outputs, axis=1)
    counts = np.bincount(outputs.argmax(axis=1), minlength=WIDTHS[-1])
    print(f"{name}: attempt {attempt}, labels {counts.tolist()}, ties {np.sum(top[:, -1] == top[:, -2])}")


# --------------------------------------------------------------------------------------------------
# TensorFlow 2.15 with Keras 2 and larq


def larq_fixtures() -> None:
    """Everything written by Keras 2."""
    import larq as lq
    import tensorflow as tf

    layers = tf.keras.layers
    # Silences remarks on models that are saved or loaded uncompiled: all of these are, on purpose.
    tf.get_logger().setLevel("ERROR")

    def load(path: Path) -> Any:
        return tf.keras.models.load_model(path, compile=False)

    def quant_dense(units: int, first: bool, **more: Any) -> Any:
        return lq.layers.QuantDense(
            units,
            input_quantizer=None if first else "ste_sign",
            kernel_quantizer="ste_sign",
            kernel_constraint="weight_clip",
            use_bias=False,
            **more,
        )

    def mlp(norms: list[dict[str, bool] | None], widths: list[int] = WIDTHS) -> Any:
        """A Sequential; `norms` holds the arguments of the BatchNorm after each layer, or None."""
        model = tf.keras.Sequential([tf.keras.Input((INPUTS,))])
        for i, (units, norm) in enumerate(zip(widths, norms)):
            model.add(quant_dense(units, first=i == 0))
            if norm is not None:
                model.add(layers.BatchNormalization(**norm))
        model.add(layers.Activation("softmax"))
        return model

    def functional() -> Any:
        """The same network, wired by hand; strings and objects as quantisers, a Softmax layer."""
        x = inputs = tf.keras.Input((INPUTS,), name="pixels")
        for i, units in enumerate(WIDTHS):
            x = quant_dense(units, first=i == 0, name=f"dense_{i}")(x)
            # 0.01, not the default 0.001: epsilon must be read from each layer.
            x = layers.BatchNormalization(name=f"norm_{i}", epsilon=0.01)(x)
        return tf.keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="by_hand")

    def stock() -> Any:
        """Stock Dense layers with +-1 kernels; larq's sign as a layer and inside an Activation."""
        model = tf.keras.Sequential([tf.keras.Input((INPUTS,))])
        signs = [lq.quantizers.SteSign(), layers.Activation(lq.quantizers.SteSign()), None]
        for units, sign in zip(WIDTHS, signs):
            model.add(layers.Dense(units, use_bias=False))
            model.add(layers.BatchNormalization())
            if sign is not None:
                model.add(sign)
        model.add(layers.Activation("softmax"))
        return model

    full: list[dict[str, bool] | None] = [{}, {}, {}]
    bare: list[dict[str, bool] | None] = [
        {"scale": False},
        {"center": False},
        {"scale": False, "center": False},
    ]

    def supported(name: str, model: Any, **more: Any) -> None:
        write_supported(model, name, load, **more)

    # clear_session restarts Keras's automatic names.
    tf.keras.backend.clear_session()
    supported("tiny_mlp", mlp(full))
    write_deflated("tiny_mlp")
    tf.keras.backend.clear_session()
    supported("twin_a", mlp(full), formats=("h5",))
    # No clear_session here: twin_b's layers get other automatic names than twin_a's.
    supported("twin_b", mlp(full), formats=("h5",))
    tf.keras.backend.clear_session()
    supported("bare_norm", mlp(bare))
    tf.keras.backend.clear_session()
    supported("no_head_norm", mlp([{}, {}, None]), formats=("h5",), ties_allowed=True)
    tf.keras.backend.clear_session()
    supported("functional", functional())
    tf.keras.backend.clear_session()
    supported("stock_dense", stock(), kernel=sign_kernel)
    tf.keras.backend.clear_session()
    # The kernels are saved as +-1 instead of as latent floats.
    with lq.context.quantized_scope(True):
        supported("quantized_scope", mlp(full), formats=("h5",))

    # Models that must be refused; a smaller network is enough.
    tf.keras.backend.clear_session()
    lstm = tf.keras.Sequential([tf.keras.Input((3, 4))])
    lstm.add(layers.LSTM(4, name="recurrent"))
    lstm.add(layers.Dense(2, activation="softmax"))
    write_model(lstm, "unsupported_lstm", ("h5", "keras"))

    tf.keras.backend.clear_session()
    poisoned = mlp([{}, None], widths=[5, 3])
    fill(poisoned, random_of("nan_weights"), latent_kernel)
    kernel = poisoned.layers[2].get_weights()[0]
    kernel[3, 1] = np.nan
    poisoned.layers[2].set_weights([kernel])
    write_model(poisoned, "nan_weights", ("keras",))

    tf.keras.backend.clear_session()
    negative = mlp([{}, None], widths=[5, 3])
    fill(negative, random_of("negative_variance"), latent_kernel)
    gamma, beta, mean, variance = negative.layers[1].get_weights()
    variance[2] = -3.0
    negative.layers[1].set_weights([gamma, beta, mean, variance])
    write_model(negative, "negative_variance", ("h5",))


# --------------------------------------------------------------------------------------------------
# Keras 3


def keras3_fixtures() -> None:
    """The same small network as Keras 3 writes it, with a sign function of the user's own."""
    import keras
    import tensorflow as tf

    # The same remarks as in `larq_fixtures`.
    logging.getLogger("absl").setLevel(logging.ERROR)

    @keras.saving.register_keras_serializable(package="bnn", name="sign")
    def sign(x: Any) -> Any:
        return tf.where(x >= 0, tf.ones_like(x), -tf.ones_like(x))

    def load(path: Path) -> Any:
        model = keras.saving.load_model(path, compile=False)
        # XLA reorders BatchNorm and turns exact ties into noise, so it must stay off.  (The model
        # that is saved is never compiled: Keras 3 would save an optimiser with it.)
        model.compile(jit_compile=False)
        return model

    model = keras.Sequential([keras.Input((INPUTS,))])
    for i, units in enumerate(WIDTHS):
        model.add(keras.layers.Dense(units, use_bias=False))
        model.add(keras.layers.BatchNormalization())
        if i + 1 < len(WIDTHS):
            model.add(keras.layers.Activation(sign))
    model.add(keras.layers.Activation("softmax"))
    write_supported(model, "keras3_stock", load, sign_kernel)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the Keras models the tests read.")
    parser.add_argument("family", choices=["larq", "keras3"], help="which toolchain is installed")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    if arguments.family == "larq":
        larq_fixtures()
    else:
        keras3_fixtures()
    return 0


if __name__ == "__main__":
    sys.exit(main())
