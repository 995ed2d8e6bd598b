"""Rounds of trimming and training, and the choice of one of them for ``models/``."""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import larq as lq
import numpy as np
import tensorflow as tf

from xonn_scripts.data.images import Dataset, load_mnist
from xonn_scripts.measure.private_run import build, bytes_of_one
from xonn_scripts.nets.digits import ARCHITECTURES
from xonn_scripts.nets.layers import EXPORTED
from xonn_scripts.nets.recipes import CONVOLUTIONAL, Recipe
from xonn_scripts.paths import MODELS
from xonn_scripts.programs import and_gates, call, costs_of
from xonn_scripts.train.augmented import augmented_copies
from xonn_scripts.train.export import ExportError, accuracy, export, load, predict, save, versions
from xonn_scripts.trim.results import FILE, WORK, end, known_rounds, note, settings
from xonn_scripts.trim.tune import soften, train_on


def beginning(
    copies: tuple[np.ndarray, np.ndarray], x: np.ndarray, recipe: Recipe, arguments: argparse.Namespace
) -> tuple[tf.keras.Model, str]:
    """The network to trim and where it is from.

    What ``xonn_scripts.train`` wrote with this width and the same images left out is taken, from `--start` or
    models/; a network that was trimmed already is not.  Else a new one is trained, for fewer epochs.
    """
    name, width = arguments.network, arguments.width
    for folder in (arguments.start or WORK / "start" / name, MODELS / name):
        file = folder / "training.json"
        settings = json.loads(file.read_text()).get("recipe", {}) if file.is_file() else {}
        if (settings.get("width"), settings.get("held_out")) == (width, recipe.held_out):
            return load(folder / "model.h5"), f"train {name} --width {width:g}, {settings['epochs']} epochs"
    model = ARCHITECTURES[name].build(EXPORTED, width)
    model = train_on(
        model, copies, x, recipe, arguments.first_epochs, recipe.learning_rate, arguments.seed, "untrimmed"
    )
    return model, f"a new network, {arguments.first_epochs} epochs"


def sizes(model: tf.keras.Model) -> list[int]:
    """Channels or neurons of each layer but the last."""
    quantised = (lq.layers.QuantDense, lq.layers.QuantConv2D)
    return [layer.get_weights()[0].shape[-1] for layer in model.layers if isinstance(layer, quantised)][:-1]


def measured(model: tf.keras.Model, data: Dataset, held: int, h5: Path, programs: Path) -> dict[str, Any]:
    """A row of the results: sizes, AND gates, bytes of one prediction, accuracy."""
    package, secret = build(h5, programs, h5.parent)
    # Bytes do not depend on the input.
    sample = h5.with_name("sample.npy")
    np.save(sample, np.zeros((1, *model.input_shape[1:]), np.uint8))
    return {
        "sizes": sizes(model),
        "and": and_gates(costs_of(package, programs)),
        "bytes": bytes_of_one(package, secret, sample, programs),
        "validation_accuracy": accuracy(predict(model, data.x_train[-held:]), data.y_train[-held:]),
        "test_accuracy": accuracy(predict(model, data.x_test), data.y_test),
    }


def write_judged(file: Path, model: tf.keras.Model, part: Dataset, count: int) -> None:
    """Training images for the next trimming: such as the network has right, so that both halves begin at 100
    %.
    """
    order = np.random.default_rng(7).permutation(len(part.x_train))[: 2 * count]
    x, y = part.x_train[order], part.y_train[order]
    right = np.flatnonzero(predict(model, x).argmax(axis=1) == y)[:count]
    np.savez(file, x=x[right].reshape(-1, *model.input_shape[1:]), y=y[right])


def trim(h5: Path, out: Path, data: Path, floor: float, arguments: argparse.Namespace) -> None:
    """One step of `xonn-compile trim`."""
    call(
        *(arguments.programs / "xonn-compile", "trim", h5, "--data", data, "--floor", f"{floor:.4f}"),
        *("--samples", arguments.samples, "--seed", arguments.seed, "-o", out),
    )


def run(arguments: argparse.Namespace) -> None:
    """Rounds of trimming and training for one width."""
    name, width = arguments.network, arguments.width
    recipe = replace(CONVOLUTIONAL, width=width)
    data = load_mnist()
    held = recipe.held_out
    part = data._replace(x_train=data.x_train[:-held], y_train=data.y_train[:-held])
    # One teacher and one set of copies for all networks.
    copies = augmented_copies(ARCHITECTURES["bm3"], part, recipe, arguments.seed)
    tf.keras.utils.set_random_seed(arguments.seed)
    folder = WORK / f"{name}_{width:g}"
    folder.mkdir(parents=True, exist_ok=True)
    rows, origin = known_rounds(arguments, folder) if arguments.resume else ([], "")
    if rows:
        model = load(folder / f"round_{len(rows) - 1}.h5")
    else:
        model, origin = beginning(copies, part.x_train, recipe, arguments)
    judged = folder / "trim_data.npz"
    start = time.monotonic()
    record = {**settings(arguments), "began_with": origin, "rounds": rows}
    # Rounds that are there may have been the last ones under another floor.
    for number in range(len(rows), arguments.rounds + 1):
        if rows and end(rows, arguments.floor):
            break
        h5 = folder / f"round_{number}.h5"
        if number:
            trimmed = folder / f"trimmed_{number}.h5"
            write_judged(judged, model, part, arguments.images)
            floor = 1 - arguments.step / 100
            trim(folder / f"round_{number - 1}.h5", trimmed, judged, floor, arguments)
            model = load(trimmed)
            raw = accuracy(predict(model, data.x_train[-held:]), data.y_train[-held:])
            soften(model)
            model = train_on(
                model,
                copies,
                part.x_train,
                recipe,
                arguments.epochs,
                arguments.rate,
                arguments.seed + number,
                "tune",
            )
        with warnings.catch_warnings():
            # Keras calls its HDF5 format legacy.
            warnings.simplefilter("ignore", UserWarning)
            model.save(h5, include_optimizer=False)
        row = measured(model, data, held, h5, arguments.programs)
        if number:
            row["validation_accuracy_before_tuning"] = raw
        rows.append(row)
        note(name, width, record)
        print(
            f"{name} s = {width:g} round {number}: {row['sizes']}, {row['and']:,} ANDs, "
            f"{row['bytes']['oca_half-gates']:,} bytes, validation {row['validation_accuracy']:.4f}, "
            f"{time.monotonic() - start:.0f} s",
            flush=True,
        )
    record["ended_by"] = end(rows, arguments.floor) or "--rounds"
    note(name, width, record)


def choose(arguments: argparse.Namespace) -> None:
    """Export the round with the fewest bytes among those at the floor, of all widths that were run."""
    name = arguments.network
    results = json.loads(FILE.read_text())[name]
    candidates = [
        (row["bytes"][arguments.measure], width, number, record, row)
        for width, record in results.items()
        for number, row in enumerate(record["rounds"])
        if row["validation_accuracy"] >= arguments.choose / 100
    ]
    if not candidates:
        raise ExportError(f"no round of {name} has a validation accuracy of {arguments.choose} %.")
    _, width, number, record, row = min(candidates, key=lambda candidate: candidate[:3])
    model = load(WORK / f"{name}_{width}" / f"round_{number}.h5")
    out = arguments.out or MODELS / name
    save(model, out, signs_only=True)
    data = load_mnist()
    made = {
        "network": name,
        "seed": record["seed"],
        "trimmed": {
            "width": float(width),
            "round": number,
            **{k: v for k, v in record.items() if k != "rounds"},
        },
        "chosen_by": f"fewest {arguments.measure} bytes with a validation accuracy of {arguments.choose} %",
        "sizes": row["sizes"],
        "and": row["and"],
        "bytes": row["bytes"],
        "held_out_accuracy": row["validation_accuracy"],
        "versions": versions(),
    }
    made.update(export(name, out, data.x_test, data.y_test, "images"))
    (out / "training.json").write_text(json.dumps(made, indent=2) + "\n")
    print(json.dumps(made, indent=2))
