"""Training of the networks in ``nets.photographs``: crops, flips, stages, best epoch by held-out images."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from xonn_scripts.data.images import LOADERS, Dataset, central
from xonn_scripts.nets.layers import EXPORTED, SURROGATE
from xonn_scripts.nets.photographs import STAGED, Staged
from xonn_scripts.nets.recipes import JUDGING_IMAGES, Stage, StagedRecipe, TaughtRecipe
from xonn_scripts.paths import MODELS, TARGET
from xonn_scripts.train.augmented import Progress, calibrate_batch_norm, shuffled_steps
from xonn_scripts.train.export import accuracy, export, load, predict, save, versions


def split(data: Dataset, held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training images to train on, and of those to choose the epoch by."""
    order = np.random.default_rng(seed).permutation(len(data.x_train))
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def cropped(images: tf.Tensor, stage: Stage, recipe: StagedRecipe, seed: tf.Tensor) -> tf.Tensor:
    """A random flip and crop of each image; float32 [count, side, side, channels], still integers."""
    count = tf.shape(images)[0]
    draws = tf.random.stateless_uniform([5, count], seed=seed)

    def chosen(row: tf.Tensor, changed: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
        return tf.where((row < 0.5)[:, None, None, None], changed, images)

    images = chosen(draws[0], images[:, :, ::-1], images)
    if recipe.eightfold:
        images = chosen(draws[1], images[:, ::-1], images)
        images = chosen(draws[2], tf.transpose(images, [0, 2, 1, 3]), images)
    border = [stage.border, stage.border]
    images = tf.pad(images, [[0, 0], border, border, [0, 0]], "SYMMETRIC")
    for axis, draw in ((1, draws[3]), (2, draws[4])):
        places = images.shape[axis] - stage.side + 1
        start = tf.cast(tf.floor(draw * places), tf.int32)
        index = start[:, None] + tf.range(stage.side)[None, :]
        images = tf.gather(images, index, axis=axis, batch_dims=1)
    return tf.cast(tf.ensure_shape(images, [None, stage.side, stage.side, None]), tf.float32)


def batches(
    x: np.ndarray, y: np.ndarray, classes: int, stage: Stage, recipe: StagedRecipe, seed: int
) -> tf.data.Dataset:
    """An endless stream of shuffled, augmented (images, one-hot classes); `x` is uint8, four axes."""
    images, labels = tf.constant(x), tf.one_hot(y, classes)

    def prepare(indices: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        moved = cropped(tf.gather(images, indices), stage, recipe, tf.stack([seed, step]))
        return moved, tf.gather(labels, indices)

    return shuffled_steps(len(x), recipe.batch, seed).map(prepare).prefetch(4)


def copy_matching(source: tf.keras.Model, target: tf.keras.Model) -> None:
    """Copy the weights of every layer that has the same name and the same shapes in both networks."""
    names = {layer.name: layer for layer in target.layers}
    for layer in source.layers:
        other = names.get(layer.name)
        if other is None or not layer.weights:
            continue
        if [w.shape for w in layer.weights] == [w.shape for w in other.weights]:
            other.set_weights(layer.get_weights())


class HeldOut(tf.keras.callbacks.Callback):
    """Measures the accuracy on held-out images after each epoch and keeps the best weights."""

    def __init__(
        self, x: np.ndarray, y: np.ndarray, stage: int, log: Path, calibration: np.ndarray | None
    ) -> None:
        super().__init__()
        self.x, self.y, self.stage, self.log = x, y, stage, log
        # Un-augmented training images; None judges a network by the averages of its training.
        self.calibration = calibration
        self.history: list[dict[str, float]] = []
        self.best: tuple[float, list[np.ndarray]] = (-1.0, [])

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """What Keras calls after each epoch."""
        trained = self.model.get_weights()
        if self.calibration is not None:
            calibrate_batch_norm(self.model, self.calibration)
        seen = accuracy(predict(self.model, self.x), self.y)
        logs = logs if logs is not None else {}
        row = {
            "stage": self.stage,
            "epoch": epoch + 1,
            "loss": round(float(logs.get("loss", math.nan)), 4),
            "training_accuracy": round(float(logs.get("accuracy", math.nan)), 4),
            "held_out_accuracy": round(seen, 4),
        }
        logs["held_out"] = seen
        self.history.append(row)
        with self.log.open("a") as log:
            log.write(json.dumps(row) + "\n")
        if seen > self.best[0]:
            self.best = (seen, self.model.get_weights())
            np.savez(self.log.with_suffix(".npz"), *self.best[1])
        self.model.set_weights(trained)


def done_before(log: Path, stage: Stage, model: tf.keras.Model) -> list[dict[str, float]]:
    """What every epoch of a finished stage gave, its best weights put into `model`; empty if it is not
    finished.
    """
    if not log.is_file():
        return []
    rows = [json.loads(row) for row in log.read_text().splitlines()]
    if len(rows) < stage.epochs:
        return []
    with np.load(log.with_suffix(".npz")) as file:
        model.set_weights([file[name] for name in file.files])
    return rows


def train_stages(
    architecture: Staged, data: Dataset, seed: int, log: Path, resume: bool
) -> tuple[tf.keras.Model, list[dict[str, float]]]:
    """Train a network; the exported form of its best epoch of the last stage, and what every epoch gave.

    A stage writes a line of JSON an epoch, and the weights of its best epoch so far beside it, under the name
    of `log` and the stage's number; with `resume` a stage that ended there is not repeated.
    """
    recipe = architecture.recipe
    kept, held = split(data, recipe.held_out, seed)
    images = data.x_train.reshape(-1, *architecture.shape)
    labels, classes = data.y_train, int(data.y_train.max()) + 1
    previous: tf.keras.Model | None = None
    if architecture.start_from is not None:
        previous = load(MODELS / architecture.start_from / "model.h5")
    history: list[dict[str, float]] = []
    log.parent.mkdir(parents=True, exist_ok=True)
    for number, stage in enumerate(recipe.stages, start=1):
        # So that a stage draws the same whether those before it were repeated.
        if number > 1:
            tf.keras.utils.set_random_seed(seed + number)
        model = architecture.build(SURROGATE, stage.side)
        if previous is not None:
            copy_matching(previous, model)
        previous = model
        file = log.with_name(f"{log.name}_{number}.jsonl")
        if resume and (rows := done_before(file, stage, model)):
            history += rows
            continue
        file.write_text("")
        steps = len(kept) // recipe.batch
        schedule = tf.keras.optimizers.schedules.CosineDecay(
            stage.first_rate,
            (stage.horizon or stage.epochs) * steps,
            alpha=stage.last_rate / stage.first_rate,
        )
        model.compile(
            tf.keras.optimizers.Adam(schedule),
            tf.keras.losses.CategoricalCrossentropy(),
            metrics=["accuracy"],
        )
        calibration = None
        if stage.calibrated:
            calibration = images[kept][:JUDGING_IMAGES].reshape(JUDGING_IMAGES, -1)
        chooser = HeldOut(central(images[held], stage.side), labels[held], number, file, calibration)
        model.fit(
            batches(images[kept], labels[kept], classes, stage, recipe, seed + number),
            epochs=stage.epochs,
            steps_per_epoch=steps,
            verbose=0,
            callbacks=[chooser, Progress(f"stage {number}", stage.epochs)],
        )
        history += chooser.history
        model.set_weights(chooser.best[1])
    exported = architecture.build(EXPORTED, architecture.recipe.stages[-1].side)
    exported.set_weights(previous.get_weights())
    if not recipe.stages[-1].calibrated:
        exported = calibrated_if_better(exported, images[kept], images[held], labels[held])
    return exported, history


def calibrated_if_better(
    model: tf.keras.Model, x: np.ndarray, held_x: np.ndarray, held_y: np.ndarray
) -> tf.keras.Model:
    """BatchNorm's averages set anew from un-augmented images, where the held-out images agree."""
    before, accuracy_before = model.get_weights(), accuracy(predict(model, held_x), held_y)
    calibrate_batch_norm(model, x.reshape(len(x), -1))
    if accuracy(predict(model, held_x), held_y) < accuracy_before:
        model.set_weights(before)
    return model


def train_in_torch(
    architecture: Staged, recipe: TaughtRecipe, data: Dataset, seed: int, log: Path, resume: bool
) -> tuple[tf.keras.Model, dict[str, Any]]:
    """Train a network by its PyTorch twin; its exported form, and what is to be said of it."""
    # Here, since the other networks do without PyTorch.
    import torch

    from xonn_scripts.train.torch_staged import train_taught

    kept, held = split(data, recipe.held_out, seed)
    images = data.x_train.reshape(-1, *architecture.shape)
    trained = train_taught(
        images[kept], data.y_train[kept], images[held], data.y_train[held], recipe, seed, log, resume
    )
    model = architecture.build(EXPORTED, architecture.shape[0])
    for name, weights in trained.weights.items():
        model.get_layer(name).set_weights(weights)
    return model, {
        "history": trained.history,
        "teacher_held_out_accuracy": trained.teacher_held_out_accuracy,
        "torch": torch.__version__.partition("+")[0],
    }


def train_in_keras(
    architecture: Staged, data: Dataset, seed: int, log: Path, resume: bool
) -> tuple[tf.keras.Model, dict[str, Any]]:
    """Train a network with larq; its exported form, and what is to be said of it."""
    model, history = train_stages(architecture, data, seed, log, resume)
    return model, {"start_from": architecture.start_from, "history": history}


def run_staged(name: str, out: Path, seed: int, export_only: bool, resume: bool) -> dict[str, Any]:
    """Train or check a network of `STAGED`; what goes into ``training.json``."""
    architecture = STAGED[name]
    recipe = architecture.recipe
    data = LOADERS[architecture.dataset]()
    record: dict[str, Any] = {}
    file = out / "training.json"
    if export_only:
        record = json.loads(file.read_text()) if file.is_file() else {}
    else:
        log = TARGET / "training" / name
        if isinstance(recipe, TaughtRecipe):
            model, said = train_in_torch(architecture, recipe, data, seed, log, resume)
        else:
            model, said = train_in_keras(architecture, data, seed, log, resume)
        save(model, out, signs_only=True)
        _, held = split(data, recipe.held_out, seed)
        record = {
            "network": name,
            "seed": seed,
            "recipe": asdict(recipe),
            **said,
            "held_out_accuracy": accuracy(predict(model, data.x_train[held]), data.y_train[held]),
            "versions": versions(),
        }
    record.update(export(name, out, data.x_test, data.y_test, "images"))
    return record
