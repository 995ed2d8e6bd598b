"""What a run of training does: train or check a network, write its files and what was measured."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from xonn_scripts.data.images import LOADERS, Dataset
from xonn_scripts.nets.digits import ARCHITECTURES, Architecture
from xonn_scripts.nets.photographs import STAGED
from xonn_scripts.nets.recipes import TABULAR, Recipe
from xonn_scripts.paths import MODELS
from xonn_scripts.train.augmented import make_deterministic, train
from xonn_scripts.train.export import ExportError, accuracy, export, predict, save, versions
from xonn_scripts.train.staged import run_staged
from xonn_scripts.train.tables import run_table


def silence_tensorflow() -> None:
    """Drop the remarks on models that are saved or loaded uncompiled: ours are, on purpose."""
    tf.get_logger().setLevel("ERROR")


def without(data: Dataset, held: int) -> Dataset:
    """The data set without its last training images."""
    if not 0 <= held < len(data.x_train):
        raise ExportError(f"the images held out must be fewer than the {len(data.x_train)} training images.")
    count = len(data.x_train) - held
    return data._replace(x_train=data.x_train[:count], y_train=data.y_train[:count])


def validate(architecture: Architecture, data: Dataset, recipe: Recipe, held: int, seed: int) -> None:
    """Train on a part of the training set and print the accuracy on the rest."""
    part = without(data, held)
    model = train(architecture, part, recipe, seed)
    for title, images, labels in (
        ("training", part.x_train, part.y_train),
        ("held-out", data.x_train[-held:], data.y_train[-held:]),
    ):
        print(f"accuracy on {len(labels)} {title} images: {accuracy(predict(model, images), labels):.4f}")


def train_and_save(arguments: argparse.Namespace, data: Dataset, recipe: Recipe, out: Path) -> dict[str, Any]:
    """Train an image network, write its files, and say how it was made."""
    architecture = ARCHITECTURES[arguments.network]
    start = time.monotonic()
    model = train(architecture, without(data, recipe.held_out), recipe, arguments.seed)
    save(model, out, architecture.signs_only)
    record: dict[str, Any] = {
        "network": arguments.network,
        "seed": arguments.seed,
        "recipe": asdict(recipe),
        "seconds": round(time.monotonic() - start),
        "versions": versions(),
    }
    if recipe.held_out:
        held = (part[-recipe.held_out :] for part in (data.x_train, data.y_train))
        images, labels = held
        record["held_out_accuracy"] = accuracy(predict(model, images), labels)
    return record


def run_images(arguments: argparse.Namespace, out: Path) -> dict[str, Any] | None:
    """Train or check an image network; None if nothing is to be written."""
    architecture = ARCHITECTURES[arguments.network]
    data = LOADERS[architecture.dataset]()
    recipe = architecture.recipe
    if arguments.epochs is not None:
        recipe = replace(recipe, epochs=arguments.epochs)
    if arguments.width is not None:
        recipe = replace(recipe, width=arguments.width)
    if arguments.validation:
        validate(architecture, data, recipe, arguments.validation, arguments.seed)
        return None
    if arguments.export_only:
        log = out / "training.json"
        record = json.loads(log.read_text()) if log.is_file() else {}
    else:
        record = train_and_save(arguments, data, recipe, out)
    record.update(export(arguments.network, out, data.x_test, data.y_test, "images"))
    return record


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    out = arguments.out or MODELS / arguments.network
    silence_tensorflow()
    make_deterministic(arguments.seed)
    if arguments.network in TABULAR:
        record = run_table(
            arguments.network, out, arguments.seed, arguments.width or 1.0, arguments.export_only
        )
    elif arguments.network in STAGED:
        record = run_staged(arguments.network, out, arguments.seed, arguments.export_only, arguments.resume)
    else:
        record = run_images(arguments, out)
    if record is None:
        return
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    for key, value in record.items():
        if "accuracy" in key or "tied" in key:
            print(f"{key}: {value}")
