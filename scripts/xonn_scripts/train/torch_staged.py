"""Training of convolutional binary networks in PyTorch: the twin of ``staged`` for the larger ones.

A network is the one that `nets.photographs.plain` builds, and its weights come back under the names of
Keras's layers.  Convolutions run in bfloat16: the signs and small sums that they see are exact in it,
gradients are not.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from xonn_scripts.data.images import central
from xonn_scripts.nets.recipes import CALIBRATION_IMAGES, JUDGING_IMAGES, THREADS, CropStage, TaughtRecipe
from xonn_scripts.train.torch_images import Crops
from xonn_scripts.train.torch_network import BinaryNetwork, calibrate, keras_weights, predict, take_over
from xonn_scripts.train.torch_teacher import opinions, train_teacher


@dataclass(frozen=True)
class Lesson:
    """What a network is taught: uint8 images [count, side, side, channels], class probabilities of each."""

    images: np.ndarray
    targets: np.ndarray
    held_images: np.ndarray
    held_labels: np.ndarray


def targets_of(labels: np.ndarray, scores: np.ndarray, share: float) -> np.ndarray:
    """`share` of the teacher's opinion and the rest of the label; float32 [count, classes]."""
    soft = torch.softmax(torch.from_numpy(scores), dim=1).numpy()
    return (share * soft + (1 - share) * np.eye(scores.shape[1])[labels]).astype(np.float32)


def judge(network: BinaryNetwork, lesson: Lesson, side: int) -> float:
    """Accuracy on the held-out images."""
    calibrate(network, central(lesson.images[:JUDGING_IMAGES], side), torch.bfloat16)
    scores = predict(network, central(lesson.held_images, side), torch.bfloat16)
    return float(np.mean(scores.argmax(1) == lesson.held_labels))


def train_epoch(
    network: BinaryNetwork,
    optimiser: torch.optim.Optimizer,
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    rates: Iterator[float],
    targets: torch.Tensor,
) -> tuple[float, float]:
    """One pass; mean loss, and the share of images whose most likely class the network found."""
    network.train()
    for norm in network.all_norms():
        norm.momentum = 0.1
    losses, right, seen = 0.0, 0, 0
    for chosen, pixels in batches:
        for group in optimiser.param_groups:
            group["lr"] = next(rates)
        scores, wanted = network(pixels), targets[chosen]
        loss = F.cross_entropy(scores, wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        network.clip()
        losses += loss.item() * len(chosen)
        right += int((scores.argmax(1) == wanted.argmax(1)).sum())
        seen += len(chosen)
    return losses / seen, right / seen


def half_cosine(stage: CropStage, steps: int) -> Iterator[float]:
    """The learning rate of each step."""
    for step in range(steps):
        share = 0.5 + 0.5 * math.cos(math.pi * step / steps)
        yield stage.last_rate + (stage.first_rate - stage.last_rate) * share


def train_stage(
    network: BinaryNetwork,
    stage: CropStage,
    lesson: Lesson,
    batch: int,
    seed: int,
    log: Path,
    keep_best: bool,
) -> None:
    """Train through one stage; the network ends with its last or its best epoch's weights.

    A line of JSON an epoch goes to `log`, the weights beside it.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=stage.first_rate, fused=True)
    crops = Crops(lesson.images, stage.side, stage.border, seed)
    targets = torch.from_numpy(lesson.targets)
    rates = half_cosine(stage, stage.epochs * (len(lesson.images) // batch))
    best, kept = -1.0, network.state_dict()
    progress = tqdm(total=stage.epochs, desc=log.stem, unit="epoch", disable=None)
    log.write_text("")
    for epoch in range(1, stage.epochs + 1):
        start = time.monotonic()
        loss, right = train_epoch(network, optimiser, crops.epoch(batch), rates, targets)
        accuracy = judge(network, lesson, stage.side)
        row = {
            "epoch": epoch,
            "loss": round(loss, 4),
            "training_accuracy": round(right, 4),
            "held_out_accuracy": round(accuracy, 4),
            "seconds": round(time.monotonic() - start, 1),
        }
        with log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        progress.set_postfix(row, refresh=False)
        progress.update(1)
        if accuracy > best or not keep_best:
            best = accuracy
            kept = {key: value.clone() for key, value in network.state_dict().items()}
            torch.save(kept, log.with_suffix(".pt"))
    progress.close()
    network.load_state_dict(kept)


def rows_of(log: Path) -> list[dict[str, float]]:
    """What the epochs of a stage gave; empty if it has not begun."""
    return [json.loads(row) for row in log.read_text().splitlines()] if log.is_file() else []


@dataclass(frozen=True)
class Trained:
    """A network's weights by the name of Keras's layer, and how it came about."""

    weights: dict[str, list[np.ndarray]]
    history: list[dict[str, float]]
    teacher_held_out_accuracy: float


def taught_scores(
    images: np.ndarray, labels: np.ndarray, held: np.ndarray, recipe: TaughtRecipe, seed: int, folder: Path
) -> tuple[np.ndarray, np.ndarray]:
    """The teacher's scores on the training and on the held-out images.

    They are kept in `folder` under a name that depends on all that they depend on, for the next network.
    """
    settings = [recipe.teacher_epochs, recipe.teacher_batch, recipe.teacher_rate, seed]
    key = hashlib.sha256(json.dumps(settings).encode() + images.tobytes() + held.tobytes()).hexdigest()[:12]
    file = folder / f"{key}_teacher.npz"
    if file.is_file():
        with np.load(file) as known:
            return known["training"], known["held_out"]
    teacher = train_teacher(
        images, labels, recipe.teacher_epochs, recipe.teacher_batch, recipe.teacher_rate, seed
    )
    found = opinions(teacher, images), opinions(teacher, held)
    np.savez(file, training=found[0], held_out=found[1])
    return found


def train_taught(
    images: np.ndarray,
    labels: np.ndarray,
    held_images: np.ndarray,
    held_labels: np.ndarray,
    recipe: TaughtRecipe,
    seed: int,
    log: Path,
    resume: bool,
) -> Trained:
    """Train by a recipe on uint8 images [count, side, side, channels].

    Files are written under the name of `log`; with `resume` a stage that ended is not repeated.
    """
    torch.set_num_threads(THREADS)
    log.parent.mkdir(parents=True, exist_ok=True)
    scores, held_scores = taught_scores(images, labels, held_images, recipe, seed + 1, log.parent)
    lesson = Lesson(images, targets_of(labels, scores, recipe.teacher_share), held_images, held_labels)
    torch.manual_seed(seed)
    previous: BinaryNetwork | None = None
    history: list[dict[str, float]] = []
    for number, stage in enumerate(recipe.stages, start=1):
        network = BinaryNetwork(stage.narrower or recipe.shape, stage.side, images.shape[-1], scores.shape[1])
        if previous is not None:
            take_over(previous, network)
        previous = network
        file = log.with_name(f"{log.name}_{number}.jsonl")
        last = number == len(recipe.stages)
        if resume and len(rows_of(file)) == stage.epochs:
            network.load_state_dict(torch.load(file.with_suffix(".pt"), weights_only=True))
        else:
            train_stage(network, stage, lesson, recipe.batch, seed + number, file, last)
        history += [{"stage": number, **row} for row in rows_of(file)]
    # In float32, as Keras will run it.
    calibrate(network, images[:CALIBRATION_IMAGES], torch.float32)
    teacher_accuracy = float(np.mean(held_scores.argmax(1) == held_labels))
    return Trained(keras_weights(network), history, round(teacher_accuracy, 4))
