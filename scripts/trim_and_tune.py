#!/usr/bin/env python3
"""Trim a network step by step and train it on after each step, as XONN's trimming does (section 3.1).

    python scripts/trim_and_tune.py bm3 --width 1.5     the network as it is in models/, or trained first
    python scripts/trim_and_tune.py bm3 --choose 99.1   fewest bytes with so much validation accuracy, to models/bm3

A round is `xonn-compile trim` on some training images (`--images`) that the network has right, of which it may lose a few
per mille or per cent (`--step`), and then epochs of training in Keras on augmented copies of the 55,000 training images judged by a
float network, as in ``train.py``.  Rounds end when accuracy on the 5,000 validation images, the last training images, falls below
`--floor`.  Accuracy, AND gates and measured bytes of each round go into ``docs/results/trim.json``; drawing is
``curves.py``'s.  Accuracy on the test images is noted there too, and nothing is decided by it.

Needs ``scripts/requirements.txt``, the data (see ``scripts/datasets.py``) and the programs (`cargo build --release`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import larq as lq  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from datasets import REPO_ROOT, DataError, Dataset, load_mnist  # noqa: E402
from export import ExportError, accuracy, export, load, predict, save, versions  # noqa: E402
from networks import ARCHITECTURES, CONVOLUTIONAL, EXPORTED, SURROGATE, Recipe  # noqa: E402
from private_run import PrivateRunError, and_gates, build, bytes_of_one, call, default_programs  # noqa: E402
from training import (  # noqa: E402
    augmented_copies,
    calibrate_batch_norm,
    copied_batches,
    fit,
    make_deterministic,
)

RESULTS = REPO_ROOT / "docs" / "results" / "trim.json"
WORK = REPO_ROOT / "target" / "trim"
# Latent weights are held to this before training goes on, so that a sign can still change.
LATENT = 0.2


def with_quantiser(model: tf.keras.Model, name: str) -> tf.keras.Model:
    """The same network and weights with another gradient of the sign between layers."""

    def copied(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        settings = layer.get_config()
        if settings.get("input_quantizer") is not None:
            settings["input_quantizer"] = name
        return layer.__class__.from_config(settings)

    copy = tf.keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return copy


def soften(model: tf.keras.Model) -> None:
    """Bring the latent weights of binary kernels near their sign's border; no prediction changes."""
    for layer in model.layers:
        if isinstance(layer, (lq.layers.QuantDense, lq.layers.QuantConv2D)):
            kernel, *others = layer.get_weights()
            kernel = np.where(kernel >= 0, 1.0, -1.0) * np.clip(np.abs(kernel), 1e-3, LATENT)
            layer.set_weights([kernel.astype(np.float32), *others])


def train_on(
    model: tf.keras.Model,
    copies: tuple[np.ndarray, np.ndarray],
    x: np.ndarray,
    recipe: Recipe,
    epochs: int,
    rate: float,
    seed: int,
    title: str,
) -> tf.keras.Model:
    """Train for some epochs; the result in its exported form."""
    model = with_quantiser(model, SURROGATE)
    batches = copied_batches(*copies, recipe, seed, model)
    fit(model, batches, len(x) // recipe.batch, epochs, rate, title)
    exported = with_quantiser(model, EXPORTED)
    calibrate_batch_norm(exported, x)
    return exported


def beginning(
    copies: tuple[np.ndarray, np.ndarray], x: np.ndarray, recipe: Recipe, arguments: argparse.Namespace
) -> tuple[tf.keras.Model, str]:
    """The network to trim and where it is from.

    What ``train.py`` wrote with this width and the same images left out is taken, from `--start` or models/; a network
    that was trimmed already is not.  Else a new one is trained, for fewer epochs.
    """
    name, width = arguments.network, arguments.width
    for folder in (arguments.start or WORK / "start" / name, REPO_ROOT / "models" / name):
        file = folder / "training.json"
        settings = json.loads(file.read_text()).get("recipe", {}) if file.is_file() else {}
        if (settings.get("width"), settings.get("held_out")) == (width, recipe.held_out):
            return load(folder / "model.h5"), f"train.py {name} --width {width:g}, {settings['epochs']} epochs"
    model = ARCHITECTURES[name].build(EXPORTED, width)
    model = train_on(
        model, copies, x, recipe, arguments.first_epochs, recipe.learning_rate, arguments.seed, "untrimmed"
    )
    return model, f"a new network, {arguments.first_epochs} epochs"


def sizes(model: tf.keras.Model) -> list[int]:
    """Channels or neurons of each layer but the last."""
    quantised = (lq.layers.QuantDense, lq.layers.QuantConv2D)
    return [layer.get_weights()[0].shape[-1] for layer in model.layers if isinstance(layer, quantised)][:-1]


def measured(
    model: tf.keras.Model, data: Dataset, held: int, h5: Path, programs: Path
) -> dict[str, Any]:
    """A row of the results: sizes, AND gates, bytes of one prediction, accuracy."""
    package, secret = build(h5, programs, h5.parent)
    # Bytes do not depend on the input.
    sample = h5.with_name("sample.npy")
    np.save(sample, np.zeros((1, *model.input_shape[1:]), np.uint8))
    return {
        "sizes": sizes(model),
        "and": and_gates(package, programs),
        "bytes": bytes_of_one(package, secret, sample, programs),
        "validation_accuracy": accuracy(predict(model, data.x_train[-held:]), data.y_train[-held:]),
        "test_accuracy": accuracy(predict(model, data.x_test), data.y_test),
    }


def write_judged(file: Path, model: tf.keras.Model, part: Dataset, count: int) -> None:
    """Training images for the next trimming: such as the network has right, so that both halves begin at 100 %."""
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


def note(name: str, width: float, record: dict[str, Any]) -> None:
    """Write a run's rows among those of the other networks and widths."""
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    results.setdefault(name, {})[f"{width:g}"] = record
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What a run's rounds depend on."""
    return {
        "seed": arguments.seed,
        "trim_images": arguments.images,
        "trim_samples": arguments.samples,
        "step": arguments.step,
        "epochs": arguments.epochs,
        "rate": arguments.rate,
    }


def known_rounds(arguments: argparse.Namespace, folder: Path) -> tuple[list[dict[str, Any]], str]:
    """Rounds of an earlier run with the same settings whose networks are there, and what it began with."""
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    record = results.get(arguments.network, {}).get(f"{arguments.width:g}", {})
    if any(record.get(key) != value for key, value in settings(arguments).items()):
        return [], ""
    there = [number for number in range(len(record["rounds"])) if (folder / f"round_{number}.h5").is_file()]
    if there != list(range(len(record["rounds"]))):
        return [], ""
    return record["rounds"], record["began_with"]


def end(rows: list[dict[str, Any]], floor: float) -> str | None:
    """Why a run of so many rounds ends, if it does."""
    if rows[-1]["validation_accuracy"] < floor / 100:
        return f"the floor of {floor:g} %"
    if len(rows) > 1 and rows[-1]["sizes"] == rows[-2]["sizes"]:
        return "nothing left that --step lets trim"
    return None


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
                model, copies, part.x_train, recipe, arguments.epochs, arguments.rate, arguments.seed + number, "tune"
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
    results = json.loads(RESULTS.read_text())[name]
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
    out = arguments.out or REPO_ROOT / "models" / name
    save(model, out, signs_only=True)
    data = load_mnist()
    made = {
        "network": name,
        "seed": record["seed"],
        "trimmed": {"width": float(width), "round": number, **{k: v for k, v in record.items() if k != "rounds"}},
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


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trim and train a network in turns.")
    parser.add_argument("network", choices=("bm1", "bm2", "bm3"))
    parser.add_argument("--width", type=float, default=1.0, help="XONN's scale s to begin with (default 1)")
    parser.add_argument("--rounds", type=int, default=4, help="most rounds (default 4)")
    parser.add_argument("--floor", type=float, default=97.0, help="stop below this validation accuracy, per cent")
    parser.add_argument("--step", type=float, default=1.0, help="accuracy a round may take before training, points")
    parser.add_argument(
        "--start", type=Path, help="train.py's --out (default target/trim/start/NETWORK, then models/NETWORK)"
    )
    parser.add_argument("--epochs", type=int, default=6, help="epochs after each round (default 6)")
    parser.add_argument("--first-epochs", type=int, default=25, help="epochs of a new network (default 25)")
    parser.add_argument("--rate", type=float, default=3e-3, help="Adam's rate after a round (default 0.003)")
    parser.add_argument(
        "--resume", action="store_true", help="go on behind the rounds that an earlier run with the same settings left"
    )
    parser.add_argument("--images", type=int, default=4000, help="training images trimming looks at (default 4000)")
    parser.add_argument("--samples", type=int, default=500, help="of them, those an effect is measured on (500)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--choose", type=float, metavar="ACC", help="export the cheapest round so accurate, per cent")
    parser.add_argument("--measure", default="oca_half-gates", help="bytes to choose by (default oca_half-gates)")
    parser.add_argument("--out", type=Path, help="with --choose: folder to write to (default models/NETWORK)")
    parser.add_argument("--programs", type=Path, default=default_programs(), help="folder of the xonn programs")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    tf.get_logger().setLevel("ERROR")
    make_deterministic(arguments.seed)
    try:
        if arguments.choose is not None:
            choose(arguments)
        else:
            run(arguments)
    except (DataError, ExportError, PrivateRunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
