"""The networks for medical tables: accuracy by repeated splits, then one of the networks as a model.

The bundled network is that of the first part of the first repetition, whatever its accuracy: it was trained
on the rows outside of that part, so the part is its test set.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from xonn_scripts.data.tables import TABLES
from xonn_scripts.nets.layers import EXPORTED, add_dense
from xonn_scripts.nets.recipes import TABULAR
from xonn_scripts.train.export import export, load, save, versions, write_check_file
from xonn_scripts.train.stacks import Trained, stratified_splits, train_stack

# How the networks are compiled: the client standardises by the Normalization's numbers, which become public.
BUILD_OPTIONS = ["--input-standardised"]


def keras_model(trained: Trained, member: int) -> tf.keras.Model:
    """One network of a stack, as larq layers behind a Normalization."""
    stack, statistics = trained.stack, trained.statistics
    sizes = [stack.kernels[0].shape[1], *(kernel.shape[2] for kernel in stack.kernels)]
    model = tf.keras.Sequential([tf.keras.Input((sizes[0],), name="features")])
    mean, deviation = (part[member, 0].numpy() for part in (trained.mean, trained.deviation))
    model.add(tf.keras.layers.Normalization(mean=mean, variance=deviation**2, name="standardise"))
    add_dense(model, sizes[1:], EXPORTED, 1, first=True)
    model.add(tf.keras.layers.Activation("softmax", name="softmax"))
    weights = []
    for kernel, gamma, beta, (mean, variance) in zip(stack.kernels, stack.gammas, stack.betas, statistics):
        weights.append([kernel[member]])
        weights.append([part[member, 0] for part in (gamma, beta, mean, variance)])
    weighted = [layer for layer in model.layers if layer.weights]
    for layer, parts in zip(weighted, weights):
        layer.set_weights([np.asarray(part) for part in parts])
    return model


def mean_and_deviation(accuracies: np.ndarray, folds: int) -> dict[str, float]:
    """Over all parts, the deviation of a single part, and that of the mean of a repetition."""
    return {
        "mean": round(float(accuracies.mean()), 4),
        "deviation_of_parts": round(float(accuracies.std(ddof=1)), 4),
        "deviation_of_repetitions": round(float(accuracies.reshape(-1, folds).mean(axis=1).std(ddof=1)), 4),
    }


def summary(
    trained: Trained, x: np.ndarray, y: np.ndarray, parts: list[np.ndarray], folds: int
) -> dict[str, Any]:
    """What the splits say."""
    binary, teacher = trained.accuracies(x, y, parts)
    return {
        "majority_accuracy": round(float(np.bincount(y).max() / len(y)), 4),
        "split_accuracy": mean_and_deviation(binary, folds),
        "split_accuracy_of_float_teacher": mean_and_deviation(teacher, folds),
    }


def run_table(name: str, out: Path, seed: int, width: float, export_only: bool) -> dict[str, Any]:
    """Train on all splits and export one network, or check the one that is there; returns the report."""
    recipe = TABULAR[name]
    recipe = replace(recipe, widths=tuple(round(width * units) for units in recipe.widths))
    table = TABLES[recipe.dataset]()
    # As the network reads them.
    x = table.x.astype(np.float32)
    parts = stratified_splits(table.y, recipe.repeats, recipe.folds, seed)
    log = out / "training.json"
    if export_only:
        record: dict[str, Any] = json.loads(log.read_text()) if log.is_file() else {}
    else:
        start = time.monotonic()
        rows = np.arange(len(x))
        trained = train_stack(x, table.y, [np.setdiff1d(rows, part) for part in parts], recipe, seed)
        save(keras_model(trained, 0), out, signs_only=False)
        record = {
            "network": name,
            "seed": seed,
            "recipe": asdict(recipe),
            "build_options": BUILD_OPTIONS,
            "seconds": round(time.monotonic() - start),
            "versions": versions(),
            **summary(trained, x, table.y, parts, recipe.folds),
        }
    record.update(export(name, out, x[parts[0]], table.y[parts[0]], "rows"))
    write_check_file(f"{name}_all", load(out / "model.h5"), x, table.y)
    return record
