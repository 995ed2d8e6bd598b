"""Training of image networks of numbers, in Keras 3; one that was stopped goes on from its last epoch.

All that is random in an epoch follows from the seed and the epoch's number, and the checkpoint holds the
weights and Adam's averages: a training that was stopped gives what it would have given.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np

from xonn_scripts.data.images import Dataset
from xonn_scripts.nets.number_recipes import NumberRecipe
from xonn_scripts.nets.numbers import BUILDERS
from xonn_scripts.nets.recipes import Augmentation

# Images that are turned at once.
AT_ONCE = 5000


def transformed(images: np.ndarray, change: Augmentation, random: np.random.Generator) -> np.ndarray:
    """A random affine map of each image ``[count, side, side, 1]``; values stay whole numbers of 0..255."""
    amplitude = [np.deg2rad(change.rotation), change.scale, change.shear, change.shift, change.shift]
    angle, scale, shear, dx, dy = (random.uniform(-1, 1, (len(images), 5)) * amplitude).T
    cos, sin = np.cos(angle) * (1 + scale), np.sin(angle) * (1 + scale)
    a, b, c, d = cos, shear * cos - sin, sin, cos + shear * sin
    centre = (images.shape[1] - 1) / 2
    zero = np.zeros_like(a)
    maps = [a, b, centre * (1 - a - b) + dx, c, d, centre * (1 - c - d) + dy, zero, zero]
    maps = np.stack(maps, axis=1).astype(np.float32)
    return np.concatenate(
        [
            np.rint(
                keras.ops.convert_to_numpy(
                    keras.ops.image.affine_transform(
                        images[start : start + AT_ONCE].astype(np.float32), maps[start : start + AT_ONCE]
                    )
                )
            ).astype(np.uint8)
            for start in range(0, len(images), AT_ONCE)
        ]
    )


def cropped(images: np.ndarray, border: int, random: np.random.Generator) -> np.ndarray:
    """Each image mirrored outwards by `border` pixels, cut to its size at random, and flipped or not."""
    count, side = images.shape[:2]
    edges = [(0, 0), (border, border), (border, border), (0, 0)]
    wide = np.pad(images, edges, mode="symmetric")
    rows, columns = (random.integers(0, 2 * border + 1, (count, 1)) + np.arange(side) for _ in range(2))
    columns = np.where(random.random((count, 1)) < 0.5, columns[:, ::-1], columns)
    return wide[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


def shown(
    data: Dataset, shape: tuple[int, ...], recipe: NumberRecipe, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """What an epoch shows the network, in its order: whole batches of images and labels."""
    random = np.random.default_rng([seed, epoch])
    count = len(data.x_train) // recipe.batch * recipe.batch
    chosen = random.permutation(len(data.x_train))[:count]
    images = data.x_train[chosen]
    if recipe.augmentation:
        side = recipe.augmentation.side
        images = transformed(images.reshape(-1, side, side, 1), recipe.augmentation, random)
    elif recipe.border:
        images = cropped(images.reshape(-1, *shape), recipe.border, random)
    images = images.reshape(-1, *shape)
    return images, data.y_train[chosen].astype(np.int32)


def rate_of(recipe_rate: float, warm_up: float, epochs: int, steps: int) -> keras.optimizers.schedules:
    """The learning rate by steps."""
    warm = max(1, round(warm_up * steps))
    return keras.optimizers.schedules.CosineDecay(
        0.0, epochs * steps - warm, alpha=0.0, warmup_target=recipe_rate, warmup_steps=warm
    )


def compiled(name: str, recipe: NumberRecipe, steps: int) -> keras.Model:
    """The network at the begin of its training."""
    model = BUILDERS[name](True)
    softmax = model.layers[-1].activation is keras.activations.softmax
    model.compile(
        optimizer=keras.optimizers.AdamW(
            rate_of(recipe.learning_rate, recipe.warm_up, recipe.epochs, steps),
            weight_decay=recipe.weight_decay,
            epsilon=1e-7,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=not softmax),
        metrics=["accuracy"],
        steps_per_execution=20,
        jit_compile=False,
    )
    return model


def keep(model: keras.Model, file: Path) -> None:
    """Write a checkpoint; a stop in between leaves the one before."""
    half = file.with_name(f"{file.stem}.half.keras")
    model.save(half)
    half.replace(file)


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Set what Dropout draws from: a `.keras` file does not hold it."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    for number, layer in enumerate(layers):
        layer.seed_generator.state.assign(np.array([1000 * seed + number, epoch << 16], np.uint32))


def train_epochs(
    begin: Callable[[], keras.Model],
    epoch_of: Callable[[keras.Model, int], dict[str, float]],
    epochs: int,
    steps: int,
    seed: int,
    checkpoint: Path,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train up to so many epochs in all, from the checkpoint if there is one; the model and its epochs."""
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    log = checkpoint.with_suffix(".jsonl")
    if checkpoint.is_file():
        model = keras.models.load_model(checkpoint)
        done = int(model.optimizer.iterations) // steps
        print(f"{checkpoint} holds {done} of {epochs} epochs", flush=True)
    else:
        model, done = begin(), 0
    rows = list(read_log(log))[:done]
    for epoch in range(done, epochs):
        start = time.monotonic()
        reseed(model, seed, epoch)
        row = {"epoch": epoch + 1, **epoch_of(model, epoch)}
        row["seconds"] = round(time.monotonic() - start, 1)
        if not math.isfinite(row["loss"]):
            raise ArithmeticError(f"the loss of epoch {epoch + 1} is no number: lower the learning rate.")
        rows.append(row)
        keep(model, checkpoint)
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
        print(json.dumps(row), flush=True)
    return model, rows


def read_log(log: Path) -> Iterator[dict[str, float]]:
    """The epochs that a training went through."""
    if log.is_file():
        yield from map(json.loads, log.read_text().splitlines())


def train_images(
    name: str, data: Dataset, recipe: NumberRecipe, seed: int, checkpoint: Path
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train on labels; the model as it was trained, and its epochs."""
    steps = len(data.x_train) // recipe.batch

    def epoch_of(model: keras.Model, epoch: int) -> dict[str, float]:
        images, labels = shown(data, model.input_shape[1:], recipe, seed, epoch)
        images = images.astype(np.float32) * np.float32(recipe.input_scale)
        history = model.fit(images, labels, batch_size=recipe.batch, shuffle=False, verbose=0).history
        return {
            "loss": round(history["loss"][-1], 4),
            "training_accuracy": round(history["accuracy"][-1], 4),
        }

    return train_epochs(
        lambda: compiled(name, recipe, steps), epoch_of, recipe.epochs, steps, seed, checkpoint
    )
