"""What a run of training a network of numbers does: train or check it, write its files and its figures."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from xonn_scripts.data.images import LOADERS, Dataset
from xonn_scripts.data.tables import TABLES
from xonn_scripts.data.words import load_ptb
from xonn_scripts.nets.number_recipes import IMAGES, ROWS, TEXTS
from xonn_scripts.nets.numbers import BUILDERS, folded, lstm_ptb, tabular_relu, untied
from xonn_scripts.paths import MODELS
from xonn_scripts.train.number_export import (
    ExportError,
    halve,
    load,
    round_weights,
    save,
    store_halves,
    verify,
    versions,
    write_data,
)
from xonn_scripts.train.number_images import train_images
from xonn_scripts.train.number_words import cross_entropy, train_words

# Training images that tell `xonn-compile` how large a network's numbers become.
CALIBRATION_ROWS = 1000


def run_images(arguments: argparse.Namespace, out: Path) -> dict[str, Any]:
    """An image network."""
    name = arguments.network
    recipe, data = IMAGES[name], LOADERS[IMAGES[name].dataset]()
    plain = BUILDERS[name](False)
    x_test = data.x_test.reshape(-1, *plain.input_shape[1:]).astype(np.float32)
    x_test *= np.float32(recipe.input_scale)
    x_some = data.x_train[:CALIBRATION_ROWS].reshape(-1, *plain.input_shape[1:]).astype(np.float32)
    write_data(f"{name}_calibration", x=x_some * np.float32(recipe.input_scale))
    record: dict[str, Any] = {}
    if not arguments.export_only:
        if arguments.validation:
            data = held_out(data, arguments.validation)
        trained, epochs = train_images(
            name, data, recipe, arguments.seed, arguments.checkpoints / f"{name}.keras"
        )
        if arguments.validation:
            x = data.x_test.reshape(-1, *plain.input_shape[1:]).astype(np.float32) * np.float32(
                recipe.input_scale
            )
            right = np.mean(folded(trained, plain).predict(x, verbose=0).argmax(1) == data.y_test)
            print(f"accuracy on {len(x)} held-out images: {right:.4f}")
            return {}
        model = folded(trained, plain)
        record = made(arguments, asdict(recipe), epochs)
        record["weights_are_float16"] = round_weights(model, x_test)
        save(model, out)
    return record | verify(name, out, x_test, data.y_test, "images")


def held_out(data: Dataset, count: int) -> Dataset:
    """The data set with its last training images in place of the test images."""
    return Dataset(data.x_train[:-count], data.y_train[:-count], data.x_train[-count:], data.y_train[-count:])


def split(y: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows to test, each with its share of the classes."""
    random = np.random.default_rng(seed)
    test = np.concatenate(
        [random.permutation(np.flatnonzero(y == c))[: round(share * np.sum(y == c))] for c in np.unique(y)]
    )
    return np.setdiff1d(np.arange(len(y)), test), np.sort(test)


def run_rows(arguments: argparse.Namespace, out: Path) -> dict[str, Any]:
    """A network for a table; seconds, so it is not resumed."""
    recipe = ROWS[arguments.network]
    table = TABLES[recipe.dataset]()
    train, test = split(table.y, recipe.test_share, arguments.seed)
    x = table.x.astype(np.float32)
    write_data(f"{arguments.network}_calibration", x=x[train])
    record: dict[str, Any] = {}
    if not arguments.export_only:
        # Costs nothing here; in convolutions it would.
        tf.config.experimental.enable_op_determinism()
        model = tabular_relu(x.shape[1])
        model.layers[0].adapt(x[train])
        model.compile(
            keras.optimizers.Adam(recipe.learning_rate), "binary_crossentropy", metrics=["accuracy"]
        )
        history = model.fit(x[train], table.y[train], recipe.batch, recipe.epochs, verbose=0).history
        epochs = [
            {"epoch": i, "loss": round(loss, 4), "training_accuracy": round(right, 4)}
            for i, (loss, right) in enumerate(zip(history["loss"], history["accuracy"]), start=1)
        ]
        plain = keras.Sequential.from_config(model.get_config())
        plain.set_weights(model.get_weights())
        record = made(arguments, asdict(recipe), epochs[-1:])
        record["weights_are_float16"] = round_weights(plain, x[test])
        save(plain, out)
    return record | verify(arguments.network, out, x[test], table.y[test], "rows")


def run_words(arguments: argparse.Namespace, out: Path) -> dict[str, Any]:
    """The language model; of its files `model.h5` would be too large."""
    recipe, text = TEXTS[arguments.network], load_ptb()
    record: dict[str, Any] = {}
    if not arguments.export_only:
        trained, epochs = train_words(
            text, recipe, arguments.seed, arguments.checkpoints / f"{arguments.network}.keras"
        )
        record = made(arguments, asdict(recipe), epochs)
        model = untied(trained, lstm_ptb(1, None))
        record["test_cross_entropy_float32"] = round(cross_entropy(model, text.test, 1, 50), 4)
        if not halve(model):
            raise ExportError("a weight of the language model is too large for float16.")
        out.mkdir(parents=True, exist_ok=True)
        model.save(out / "model.keras")
        store_halves(out / "model.keras")
        record["weights_are_float16"] = True
    # As one text, from its first word to its last, the state never reset.
    loss = cross_entropy(load(out / "model.keras"), text.test, 1, 50)
    return record | {
        "test_words": len(text.test) - 1,
        "test_cross_entropy": round(loss, 4),
        "test_perplexity": round(math.exp(loss), 2),
    }


def made(
    arguments: argparse.Namespace, recipe: dict[str, Any], epochs: list[dict[str, float]]
) -> dict[str, Any]:
    """How a network was made."""
    record: dict[str, Any] = {"network": arguments.network, "seed": arguments.seed, "recipe": recipe}
    if recipe.get("build_options"):
        record["build_options"] = list(recipe["build_options"])
    return record | {
        "seconds": round(sum(row.get("seconds", 0) for row in epochs)),
        "versions": versions(),
        "epochs": epochs,
    }


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    out = arguments.out or MODELS / arguments.network
    keras.utils.set_random_seed(arguments.seed)
    kinds = [(IMAGES, run_images), (TEXTS, run_words), (ROWS, run_rows)]
    record = next(run_one for names, run_one in kinds if arguments.network in names)(arguments, out)
    if not record:
        return
    log = out / "training.json"
    if arguments.export_only and log.is_file():
        record = json.loads(log.read_text()) | record
    log.write_text(json.dumps(record, indent=2) + "\n")
    for key, value in record.items():
        if key.startswith(("test", "weights")):
            print(f"{key}: {value}")
