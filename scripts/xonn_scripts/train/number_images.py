"""Training of image networks of numbers, in Keras 3; one that was stopped goes on from its last checkpoint.

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
from xonn_scripts.nets.number_recipes import NumberRecipe, TextRecipe
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


def rate_of(recipe: NumberRecipe | TextRecipe, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate by steps, of which a part of an epoch has so many."""
    warm = max(1, round(recipe.warm_up * recipe.parts * steps))
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        recipe.epochs * recipe.parts * steps - warm,
        alpha=0.0,
        warmup_target=recipe.learning_rate,
        warmup_steps=warm,
    )


def compiled(name: str, recipe: NumberRecipe, steps: int) -> keras.Model:
    """The network at the begin of its training."""
    model = BUILDERS[name](True)
    softmax = model.layers[-1].activation is keras.activations.softmax
    model.compile(
        optimizer=keras.optimizers.AdamW(
            rate_of(recipe, steps),
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


def reseed(model: keras.Model, seed: int, part: int) -> None:
    """Set what Dropout draws from: a `.keras` file does not hold it."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    for number, layer in enumerate(layers):
        layer.seed_generator.state.assign(np.array([1000 * seed + number, part << 16], np.uint32))


def train_parts(
    begin: Callable[[], keras.Model],
    part_of: Callable[[keras.Model, int], dict[str, float]],
    parts: int,
    steps: int,
    seed: int,
    checkpoint: Path,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train up to so many parts in all, from the checkpoint if there is one; the model, what each part gave.

    A part is an epoch or less, so many `steps`, and ends with a checkpoint.
    """
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    log = checkpoint.with_suffix(".jsonl")
    if checkpoint.is_file():
        model = keras.models.load_model(checkpoint)
        done = int(model.optimizer.iterations) // steps
        print(f"{checkpoint} holds {done} of {parts} parts", flush=True)
    else:
        model, done = begin(), 0
    rows = list(read_log(log))[:done]
    for part in range(done, parts):
        start = time.monotonic()
        reseed(model, seed, part)
        row = part_of(model, part)
        row["seconds"] = round(time.monotonic() - start, 1)
        if not math.isfinite(row["loss"]):
            raise ArithmeticError(f"the loss of part {part + 1} is no number: lower the learning rate.")
        rows.append(row)
        keep(model, checkpoint)
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
        print(json.dumps(row), flush=True)
    return model, rows


def read_log(log: Path) -> Iterator[dict[str, float]]:
    """The parts that a training went through."""
    if log.is_file():
        yield from map(json.loads, log.read_text().splitlines())


def train_images(
    name: str, data: Dataset, recipe: NumberRecipe, seed: int, checkpoint: Path
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train on labels; the model as it was trained, and what each part of an epoch gave."""
    steps = len(data.x_train) // recipe.batch // recipe.parts

    def part_of(model: keras.Model, part: int) -> dict[str, float]:
        epoch, place = divmod(part, recipe.parts)
        images, labels = shown(data, model.input_shape[1:], recipe, seed, epoch)
        here = slice(place * steps * recipe.batch, (place + 1) * steps * recipe.batch)
        images = images[here].astype(np.float32) * np.float32(recipe.input_scale)
        labels = labels[here]
        history = model.fit(images, labels, batch_size=recipe.batch, shuffle=False, verbose=0).history
        return {
            "epoch": round((part + 1) / recipe.parts, 2),
            "loss": round(history["loss"][-1], 4),
            "training_accuracy": round(history["accuracy"][-1], 4),
        }

    parts = recipe.epochs * recipe.parts
    return train_parts(lambda: compiled(name, recipe, steps), part_of, parts, steps, seed, checkpoint)
