#!/usr/bin/env python3
"""Train the binary networks in ``models/`` and export them as Keras files.

    python scripts/train.py bm1                    train, export, verify
    python scripts/train.py bm1 --export-only      export and verify the model that is already there
    python scripts/train.py bm1 --validation 5000  hold images out of the training set, to choose settings
    python scripts/train.py bm2 --width 1.5        hidden layers 1.5 times as wide as the paper's
    python scripts/train.py bc1                    CIFAR-10, in stages; hours
    python scripts/train.py bh1                    a medical table: repeated splits, then export

Install ``scripts/requirements.txt`` first.  The data is looked for as ``scripts/datasets.py`` says.
``scripts/networks.py`` holds the networks for digits and their recipes, ``scripts/convolutional.py`` those for
photographs and cells, ``scripts/tables.py`` those of tables.

What a run writes into the ``--out`` folder: ``model.h5`` and ``model.keras`` (the same weights, no
optimiser state), ``keras_labels.npy`` (the labels Keras gives on the test set) and ``training.json``
(settings, versions and measured accuracies).  Into ``target/data/`` goes the file that
``xonn-compile check --data`` reads; it contains the data set itself, so it stays out of the repository.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

# TensorFlow reads these when it is imported: no start-up chatter, and no oneDNN kernels, whose
# order of summation depends on the processor, but for convolutions, which take three times as long without.
ONE_DNN = {"bm2", "bm3", "bc1", "bc1_valid", "bh4"}
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", str(int(not ONE_DNN.isdisjoint(sys.argv))))

import tensorflow as tf  # noqa: E402

from convolutional import STAGED  # noqa: E402
from datasets import LOADERS, REPO_ROOT, DataError, Dataset  # noqa: E402
from export import ExportError, accuracy, export, predict, save, versions  # noqa: E402
from networks import ARCHITECTURES, Architecture, Recipe  # noqa: E402
from staged import run_staged  # noqa: E402
from tables import TABULAR, run_table  # noqa: E402
from training import make_deterministic, train  # noqa: E402


def silence_tensorflow() -> None:
    """Drop the remarks on models that are saved or loaded uncompiled: ours are, on purpose."""
    tf.get_logger().setLevel("ERROR")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a binary network and export it for Keras.")
    names = sorted([*ARCHITECTURES, *STAGED, *TABULAR])
    parser.add_argument("network", choices=names, help="which network to train")
    parser.add_argument("--epochs", type=int, help="epochs, if not the recipe's")
    parser.add_argument(
        "--width", type=float, help="scale of the hidden layers, if not the recipe's"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of everything random (default 1)")
    parser.add_argument("--out", type=Path, help="folder to write to (default models/NETWORK)")
    parser.add_argument(
        "--export-only",
        action="store_true",
        help="do not train: check the files in --out again and rewrite what is derived from them",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="of a training in stages, do not repeat those that target/training holds",
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
    if arguments.width is not None and not 0.25 <= arguments.width <= 8:
        parser.error("--width must be between 0.25 and 8")
    if arguments.network in TABULAR and (arguments.epochs is not None or arguments.validation):
        parser.error(f"--epochs and --validation do not apply to {arguments.network}")
    if arguments.network in STAGED and (
        arguments.epochs is not None or arguments.width is not None or arguments.validation
    ):
        parser.error(f"--epochs, --width and --validation do not apply to {arguments.network}")
    return arguments


def without(data: Dataset, held: int) -> Dataset:
    """The data set without its last training images."""
    if not 0 <= held < len(data.x_train):
        raise ExportError(
            f"the images held out must be fewer than the {len(data.x_train)} training images."
        )
    count = len(data.x_train) - held
    return data._replace(x_train=data.x_train[:count], y_train=data.y_train[:count])


def validate(
    architecture: Architecture, data: Dataset, recipe: Recipe, held: int, seed: int
) -> None:
    """Train on a part of the training set and print the accuracy on the rest."""
    part = without(data, held)
    model = train(architecture, part, recipe, seed)
    for title, images, labels in (
        ("training", part.x_train, part.y_train),
        ("held-out", data.x_train[-held:], data.y_train[-held:]),
    ):
        print(
            f"accuracy on {len(labels)} {title} images: {accuracy(predict(model, images), labels):.4f}"
        )


def train_and_save(
    arguments: argparse.Namespace, data: Dataset, recipe: Recipe, out: Path
) -> dict[str, Any]:
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
    out = arguments.out or REPO_ROOT / "models" / arguments.network
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


def main() -> int:
    arguments = parse_arguments()
    try:
        run(arguments)
    except (DataError, ExportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
