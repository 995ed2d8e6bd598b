#!/usr/bin/env python3
"""Train the binary networks in ``models/`` and export them as Keras files.

    python scripts/train.py bm1                    train, export, verify
    python scripts/train.py bm1 --export-only      export and verify the model that is already there
    python scripts/train.py bm1 --validation 5000  hold images out of the training set, to choose settings

Install ``scripts/requirements.txt`` first.  The data is looked for as ``scripts/datasets.py`` says.

What a run writes into the ``--out`` folder: ``model.h5`` and ``model.keras`` (the same weights, no
optimiser state), ``keras_labels.npy`` (the labels Keras gives on the test set) and ``training.json``
(settings, versions and measured accuracies).  Into ``target/data/`` goes the file that
``xonn-compile check --data`` reads; it contains the data set itself, so it stays out of the repository.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Callable

# TensorFlow reads these when it is imported: no start-up chatter, and no oneDNN kernels, whose
# order of summation depends on the processor.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import larq as lq  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tqdm import tqdm  # noqa: E402

from datasets import LOADERS, REPO_ROOT, DataError, Dataset  # noqa: E402

THREADS = 2
PREDICT_BATCH = 1000


class TrainingError(Exception):
    """Something the user must know about; the message is one sentence."""


# --------------------------------------------------------------------------------------------------
# Architectures


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


@dataclass(frozen=True)
class Architecture:
    """A network, its data set and its recipe."""

    dataset: str
    # Called with the name of the quantiser between layers: see `SURROGATE`.
    build: Callable[[str], tf.keras.Model]
    recipe: Recipe


# All larq sign quantisers compute the same function (x >= 0 -> +1, else -1) and differ only in the
# gradient that training sees.  `approx_sign` trains better, `ste_sign` is the one users know: train
# with the first and export with the second.
SURROGATE = "approx_sign"
EXPORTED = "ste_sign"


def binary_mlp(inputs: int, widths: list[int], activation: str) -> tf.keras.Model:
    """Dense layers with +-1 weights, BatchNorm after each, sign between them, softmax at the end.

    The input is the raw pixel value 0..255.  There is no rescaling layer: BatchNorm absorbs any
    scale, and sums of at most 784 * 255 stay exact integers in float32 (below 2^24).
    """
    model = tf.keras.Sequential([tf.keras.Input((inputs,), name="pixels")])
    for i, width in enumerate(widths, start=1):
        model.add(
            lq.layers.QuantDense(
                width,
                input_quantizer=None if i == 1 else activation,
                kernel_quantizer="ste_sign",
                kernel_constraint="weight_clip",
                use_bias=False,
                name=f"dense_{i}",
            )
        )
        model.add(tf.keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{i}"))
    model.add(tf.keras.layers.Activation("softmax", name="softmax"))
    return model


ARCHITECTURES: dict[str, Architecture] = {
    # BM1 of the XONN paper.
    "bm1": Architecture(
        dataset="mnist",
        build=lambda activation: binary_mlp(784, [128, 128, 10], activation),
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
}


# --------------------------------------------------------------------------------------------------
# Training


def silence_tensorflow() -> None:
    """Drop the remarks on models that are saved or loaded uncompiled: ours are, on purpose."""
    tf.get_logger().setLevel("ERROR")


def make_deterministic(seed: int) -> None:
    """Fix every source of randomness and of varying summation order that TensorFlow lets us fix."""
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def transform_images(x: tf.Tensor, settings: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """Apply a random affine map to each flattened image; the values stay integers in 0..255."""
    amplitude = [
        np.deg2rad(settings.rotation),
        settings.scale,
        settings.shear,
        settings.shift,
        settings.shift,
    ]
    count = tf.shape(x)[0]
    noise = tf.random.stateless_uniform([count, 5], seed=seed, minval=-1.0, maxval=1.0)
    angle, scale, shear, dx, dy = tf.unstack(noise * tf.constant(amplitude, tf.float32), axis=1)
    cos, sin = tf.cos(angle) * (1.0 + scale), tf.sin(angle) * (1.0 + scale)
    a, b, c, d = cos, shear * cos - sin, sin, cos + shear * sin
    centre = (settings.side - 1) / 2
    zero = tf.zeros_like(a)
    maps = tf.stack(
        [a, b, centre * (1 - a - b) + dx, c, d, centre * (1 - c - d) + dy, zero, zero], axis=1
    )
    images = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.reshape(x, [-1, settings.side, settings.side, 1]),
        transforms=maps,
        output_shape=[settings.side, settings.side],
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=0.0,
    )
    # The real inputs are integers, so the network never sees anything else.
    return tf.round(tf.reshape(images, tf.shape(x)))


def training_batches(
    x: np.ndarray,
    y: np.ndarray,
    classes: int,
    recipe: Recipe,
    seed: int,
    teacher: tf.keras.Model | None,
) -> tf.data.Dataset:
    """An endless stream of shuffled, augmented (images, class probabilities)."""
    images, labels = tf.constant(x), tf.constant(y, tf.int32)

    def prepare(indices: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = tf.cast(tf.gather(images, indices), tf.float32)
        batch = transform_images(batch, recipe.augmentation, tf.stack([seed, step]))
        if teacher is None:
            return batch, tf.one_hot(tf.gather(labels, indices), classes)
        # softmax(log p / T) is the teacher's softmax at temperature T; the small term keeps log finite.
        probabilities = teacher(batch, training=False)
        softened = tf.math.log(probabilities + 1e-7) / recipe.teacher_temperature
        return batch, tf.nn.softmax(softened)

    order = tf.data.Dataset.range(len(x)).shuffle(len(x), seed=seed).repeat()
    order = order.batch(recipe.batch, drop_remainder=True)
    steps = tf.data.Dataset.counter()
    return tf.data.Dataset.zip((order, steps)).map(prepare).prefetch(4)


class Progress(tf.keras.callbacks.Callback):
    """One progress bar over the epochs, on a terminal only."""

    def __init__(self, title: str, epochs: int) -> None:
        super().__init__()
        # disable=None: tqdm shows nothing when standard error is not a terminal.
        self.bar = tqdm(total=epochs, desc=title, unit="epoch", disable=None)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.bar.set_postfix({k: f"{v:.4f}" for k, v in (logs or {}).items()}, refresh=False)
        self.bar.update(1)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.bar.close()


def fit(
    model: tf.keras.Model,
    batches: tf.data.Dataset,
    steps_per_epoch: int,
    epochs: int,
    learning_rate: float,
    title: str,
) -> None:
    """Adam with a learning rate that falls to zero along a half cosine."""
    schedule = tf.keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps_per_epoch)
    model.compile(
        tf.keras.optimizers.Adam(schedule),
        tf.keras.losses.CategoricalCrossentropy(),
        metrics=["accuracy"],
        steps_per_execution=32,
    )
    model.fit(
        batches,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        verbose=0,
        callbacks=[Progress(title, epochs)],
    )


def teacher_network(inputs: int, classes: int) -> tf.keras.Model:
    """A plain float network, used only while training and then thrown away."""
    layers = tf.keras.layers
    model = tf.keras.Sequential([tf.keras.Input((inputs,))])
    for _ in range(2):
        model.add(layers.Dense(512, use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        model.add(layers.Dropout(0.3))
    model.add(layers.Dense(classes, activation="softmax"))
    return model


def calibrate_batch_norm(model: tf.keras.Model, x: np.ndarray) -> None:
    """Set BatchNorm's moving averages to the statistics of the un-augmented training images.

    The averages left by training lag behind the last weights and describe augmented images.  Layer
    by layer, because each layer's statistics depend on the signs that the layers before it give.
    """
    values = x.astype(np.float32)
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            gamma, beta, _, _ = layer.get_weights()
            exact = values.astype(np.float64)
            layer.set_weights([gamma, beta, exact.mean(axis=0), exact.var(axis=0)])
        values = np.concatenate(
            [layer(values[i : i + 10000]).numpy() for i in range(0, len(values), 10000)]
        )


def train(architecture: Architecture, data: Dataset, recipe: Recipe, seed: int) -> tf.keras.Model:
    """Train a network and return it in its exported form (see `SURROGATE`)."""
    x, y = data.x_train, data.y_train
    classes = int(y.max()) + 1
    steps = len(x) // recipe.batch
    teacher = None
    if recipe.teacher_temperature > 0:
        teacher = teacher_network(x.shape[1], classes)
        batches = training_batches(x, y, classes, recipe, seed + 1, None)
        fit(teacher, batches, steps, recipe.teacher_epochs, 1e-3, "teacher")
    model = architecture.build(SURROGATE)
    batches = training_batches(x, y, classes, recipe, seed, teacher)
    fit(model, batches, steps, recipe.epochs, recipe.learning_rate, "binary network")
    exported = architecture.build(EXPORTED)
    exported.set_weights(model.get_weights())
    if recipe.calibrate:
        calibrate_batch_norm(exported, x)
    return exported


# --------------------------------------------------------------------------------------------------
# Export


def predict(model: tf.keras.Model, x: np.ndarray) -> np.ndarray:
    """Keras's outputs on raw pixels."""
    return model.predict(x.astype(np.float32), batch_size=PREDICT_BATCH, verbose=0)


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows whose largest output (first one on a tie) is the label."""
    return float(np.mean(outputs.argmax(axis=1) == labels))


def load(path: Path) -> tf.keras.Model:
    """Load a model without its training state."""
    if not path.is_file():
        raise TrainingError(f"{path} is not there: train first, without --export-only.")
    return tf.keras.models.load_model(path, compile=False)


def save(model: tf.keras.Model, out: Path) -> None:
    """Write the two files.  The model must never have been compiled: then no optimiser is saved."""
    out.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # Keras calls its HDF5 format legacy; we write it because most existing models are in it.
        warnings.simplefilter("ignore", UserWarning)
        model.save(out / "model.h5", save_format="h5", include_optimizer=False)
    model.save(out / "model.keras", save_format="keras")


def export(name: str, out: Path, data: Dataset) -> dict[str, Any]:
    """Re-load both files, compare them, and write what other programs check themselves against."""
    h5 = predict(load(out / "model.h5"), data.x_test)
    zipped = predict(load(out / "model.keras"), data.x_test)
    labels = h5.argmax(axis=1).astype(np.uint8)
    differing = int(np.sum(labels != zipped.argmax(axis=1)))
    if differing:
        raise TrainingError(
            f"model.h5 and model.keras in {out} give different labels on {differing} test images."
        )
    top = np.sort(h5, axis=1)
    report = {
        "test_images": len(labels),
        "test_accuracy_h5": accuracy(h5, data.y_test),
        "test_accuracy_keras": accuracy(zipped, data.y_test),
        "test_images_with_tied_top_two": int(np.sum(top[:, -1] == top[:, -2])),
    }
    np.save(out / "keras_labels.npy", labels)
    checker = REPO_ROOT / "target" / "data" / f"{name}_test.npz"
    checker.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(checker, x=data.x_test, y=data.y_test, keras=h5)
    return report


def versions() -> dict[str, str]:
    """The toolchain this ran on."""
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": metadata.version("keras"),
        "larq": lq.__version__,
        "numpy": np.__version__,
    }


# --------------------------------------------------------------------------------------------------
# Command line


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a binary network and export it for Keras.")
    parser.add_argument("network", choices=sorted(ARCHITECTURES), help="which network to train")
    parser.add_argument("--epochs", type=int, help="epochs, if not the recipe's")
    parser.add_argument("--seed", type=int, default=1, help="seed of everything random (default 1)")
    parser.add_argument("--out", type=Path, help="folder to write to (default models/NETWORK)")
    parser.add_argument(
        "--export-only",
        action="store_true",
        help="do not train: check the files in --out again and rewrite what is derived from them",
    )
    parser.add_argument(
        "--validation",
        type=int,
        default=0,
        metavar="N",
        help="hold the last N training images out, print the accuracy on them and write nothing",
    )
    arguments = parser.parse_args()
    if arguments.epochs is not None and arguments.epochs < 1:
        parser.error("--epochs must be at least 1")
    return arguments


def validate(architecture: Architecture, data: Dataset, recipe: Recipe, held: int, seed: int) -> None:
    """Train on a part of the training set and print the accuracy on the rest."""
    if not 0 < held < len(data.x_train):
        raise TrainingError(f"--validation must be below the {len(data.x_train)} training images.")
    part = data._replace(x_train=data.x_train[:-held], y_train=data.y_train[:-held])
    model = train(architecture, part, recipe, seed)
    for title, images, labels in (
        ("training", part.x_train, part.y_train),
        ("held-out", data.x_train[-held:], data.y_train[-held:]),
    ):
        print(f"accuracy on {len(labels)} {title} images: {accuracy(predict(model, images), labels):.4f}")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    architecture = ARCHITECTURES[arguments.network]
    data = LOADERS[architecture.dataset]()
    out = arguments.out or REPO_ROOT / "models" / arguments.network
    recipe = architecture.recipe
    if arguments.epochs is not None:
        recipe = replace(recipe, epochs=arguments.epochs)
    silence_tensorflow()
    make_deterministic(arguments.seed)
    if arguments.validation:
        validate(architecture, data, recipe, arguments.validation, arguments.seed)
        return
    record: dict[str, Any] = {}
    log = out / "training.json"
    if arguments.export_only:
        record = json.loads(log.read_text()) if log.is_file() else {}
    else:
        start = time.monotonic()
        model = train(architecture, data, recipe, arguments.seed)
        save(model, out)
        record = {
            "network": arguments.network,
            "seed": arguments.seed,
            "recipe": asdict(recipe),
            "seconds": round(time.monotonic() - start),
            "versions": versions(),
        }
    record.update(export(arguments.network, out, data))
    log.write_text(json.dumps(record, indent=2) + "\n")
    for key in ("test_accuracy_h5", "test_accuracy_keras", "test_images_with_tied_top_two"):
        print(f"{key}: {record[key]}")


def main() -> int:
    arguments = parse_arguments()
    try:
        run(arguments)
    except (DataError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
