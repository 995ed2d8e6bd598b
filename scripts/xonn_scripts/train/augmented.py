"""Training of image networks: augmentation, teacher, schedule, BatchNorm's statistics."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from xonn_scripts.data.images import Dataset
from xonn_scripts.nets.digits import Architecture
from xonn_scripts.nets.layers import EXPORTED, SURROGATE
from xonn_scripts.nets.recipes import CALIBRATION_IMAGES, THREADS, Augmentation, Recipe
from xonn_scripts.paths import TARGET


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
    maps = tf.stack([a, b, centre * (1 - a - b) + dx, c, d, centre * (1 - c - d) + dy, zero, zero], axis=1)
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


def shaped_for(model: tf.keras.Model, x: np.ndarray | tf.Tensor) -> np.ndarray | tf.Tensor:
    """Flattened images in the shape of the model's input."""
    shape = (-1, *model.input_shape[1:])
    return x.reshape(shape) if isinstance(x, np.ndarray) else tf.reshape(x, shape)


def shuffled_steps(count: int, batch: int, seed: int) -> tf.data.Dataset:
    """Endless (indices of a batch, number of the step)."""
    order = tf.data.Dataset.range(count).shuffle(count, seed=seed).repeat()
    order = order.batch(batch, drop_remainder=True)
    return tf.data.Dataset.zip((order, tf.data.Dataset.counter()))


def training_batches(
    x: np.ndarray,
    y: np.ndarray,
    classes: int,
    recipe: Recipe,
    seed: int,
    model: tf.keras.Model,
    teacher: tf.keras.Model | None,
) -> tf.data.Dataset:
    """An endless stream of shuffled, augmented (images, class probabilities) for `model`."""
    images, labels = tf.constant(x), tf.constant(y, tf.int32)

    def prepare(indices: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = tf.cast(tf.gather(images, indices), tf.float32)
        batch = transform_images(batch, recipe.augmentation, tf.stack([seed, step]))
        if teacher is None:
            return shaped_for(model, batch), tf.one_hot(tf.gather(labels, indices), classes)
        # softmax(log p / T) is the teacher's softmax at temperature T; the small term keeps log finite.
        probabilities = teacher(shaped_for(teacher, batch), training=False)
        softened = tf.math.log(probabilities + 1e-7) / recipe.teacher_temperature
        return shaped_for(model, batch), tf.nn.softmax(softened)

    return shuffled_steps(len(x), recipe.batch, seed).map(prepare).prefetch(4)


class Progress(tf.keras.callbacks.Callback):
    """One progress bar over the epochs, on a terminal only."""

    def __init__(self, title: str, epochs: int) -> None:
        super().__init__()
        # disable=None: tqdm shows nothing when standard error is not a terminal.
        self.bar = tqdm(total=epochs, desc=title, unit="epoch", disable=None)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """What Keras calls after each epoch."""
        self.bar.set_postfix({k: f"{v:.4f}" for k, v in (logs or {}).items()}, refresh=False)
        self.bar.update(1)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """What Keras calls in the end."""
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


def train_teacher(architecture: Architecture, data: Dataset, recipe: Recipe, seed: int) -> tf.keras.Model:
    """Train the float network that the binary one learns from."""
    x, y = data.x_train, data.y_train
    teacher = architecture.teacher()
    batches = training_batches(x, y, int(y.max()) + 1, recipe, seed + 1, teacher, None)
    fit(teacher, batches, len(x) // recipe.batch, recipe.teacher_epochs, 1e-3, "teacher")
    return teacher


def augmented_copies(
    architecture: Architecture, data: Dataset, recipe: Recipe, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Augmented copies of the training set, uint8 [copies * count, 784], and the teacher's opinion.

    The opinions are float16 [copies * count, classes].  Both are kept in ``target/training``, under a
    name that depends on all that they depend on, for the next width or network.
    """
    settings = {
        "dataset": architecture.dataset,
        "count": len(data.x_train),
        "seed": seed,
        "teacher": architecture.teacher.__name__,
        "augmentation": asdict(recipe.augmentation),
        **{key: getattr(recipe, key) for key in ("batch", "copies", "teacher_epochs")},
    }
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    folder: Path = TARGET / "training"
    files = [folder / f"{key}_{part}.npy" for part in ("images", "teacher")]
    if all(file.is_file() for file in files):
        return np.load(files[0]), np.load(files[1])
    teacher = train_teacher(architecture, data, recipe, seed)

    @tf.function
    def copied(part: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        moved = transform_images(part, recipe.augmentation, tf.stack([seed + 2, number]))
        opinion = teacher(shaped_for(teacher, moved), training=False)
        return tf.cast(moved, tf.uint8), tf.cast(opinion, tf.float16)

    images, opinions = [], []
    batches = [data.x_train[i : i + 1000] for i in range(0, len(data.x_train), 1000)]
    for number in tqdm(range(recipe.copies * len(batches)), desc="copies", disable=None):
        part = tf.constant(batches[number % len(batches)], tf.float32)
        image, opinion = copied(part, tf.constant(number))
        images.append(image.numpy())
        opinions.append(opinion.numpy())
    x, p = np.concatenate(images), np.concatenate(opinions)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(files[0], x)
    np.save(files[1], p)
    return x, p


def copied_batches(
    x: np.ndarray, p: np.ndarray, recipe: Recipe, seed: int, model: tf.keras.Model
) -> tf.data.Dataset:
    """As `training_batches`, from copies made before: each image in a random one of its copies."""
    count = len(x) // recipe.copies
    images, opinions = tf.constant(x), tf.constant(p)

    def prepare(indices: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        copy = tf.random.stateless_uniform(
            [recipe.batch], seed=tf.stack([seed, step]), maxval=recipe.copies, dtype=tf.int64
        )
        rows = copy * count + indices
        probabilities = tf.cast(tf.gather(opinions, rows), tf.float32)
        softened = tf.math.log(probabilities + 1e-7) / recipe.teacher_temperature
        batch = tf.cast(tf.gather(images, rows), tf.float32)
        return shaped_for(model, batch), tf.nn.softmax(softened)

    return shuffled_steps(count, recipe.batch, seed).map(prepare).prefetch(4)


def calibrate_batch_norm(model: tf.keras.Model, x: np.ndarray) -> None:
    """Set BatchNorm's moving averages to the statistics of the un-augmented training images.

    The averages left by training lag behind the last weights and describe augmented images.  Layer
    by layer, because each layer's statistics depend on the signs that the layers before it give.
    """
    if len(model.input_shape) > 2:
        x = x[:CALIBRATION_IMAGES]
    values = shaped_for(model, x.astype(np.float32))
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            gamma, beta, _, _ = layer.get_weights()
            exact = values.astype(np.float64)
            axes = tuple(range(exact.ndim - 1))
            layer.set_weights([gamma, beta, exact.mean(axis=axes), exact.var(axis=axes)])
        values = np.concatenate([layer(values[i : i + 10000]).numpy() for i in range(0, len(values), 10000)])


def train(architecture: Architecture, data: Dataset, recipe: Recipe, seed: int) -> tf.keras.Model:
    """Train a network and return it in its exported form (see `nets.layers.SURROGATE`)."""
    x, y = data.x_train, data.y_train
    steps = len(x) // recipe.batch
    if recipe.copies:
        copies = augmented_copies(architecture, data, recipe, seed)
        # So that it makes no difference whether the copies were there.
        tf.keras.utils.set_random_seed(seed)
        model = architecture.build(SURROGATE, recipe.width)
        batches = copied_batches(*copies, recipe, seed, model)
    else:
        teacher = None
        if recipe.teacher_temperature > 0:
            teacher = train_teacher(architecture, data, recipe, seed)
        model = architecture.build(SURROGATE, recipe.width)
        batches = training_batches(x, y, int(y.max()) + 1, recipe, seed, model, teacher)
    fit(model, batches, steps, recipe.epochs, recipe.learning_rate, "binary network")
    exported = architecture.build(EXPORTED, recipe.width)
    exported.set_weights(model.get_weights())
    if recipe.calibrate:
        calibrate_batch_norm(exported, x)
    return exported
