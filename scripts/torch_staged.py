"""Training of convolutional binary networks in PyTorch: the twin of ``staged.py`` for the larger ones.

A network is the one that `convolutional.plain` builds, and its weights come back under the names of Keras's layers.
Convolutions run in bfloat16: the signs and small sums that they see are exact in it, gradients are not.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from datasets import central
from recipes import CALIBRATION_IMAGES, JUDGING_IMAGES, THREADS, CropStage, TaughtRecipe
from shapes import BinaryShape
from torch_images import CHANNELS_LAST, Crops, read
from torch_teacher import opinions, train_teacher

# Keras's default, which the exported network has.
NORM_EPSILON = 1e-3


class Sign(torch.autograd.Function):
    """+1 where x >= 0, else -1; the gradient is that of larq's `approx_sign`, 2 - 2 |x| within [-1, 1]."""

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(x)
        return x.ge(0).to(x.dtype).mul_(2).sub_(1)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        (x,) = context.saved_tensors
        return x.abs().mul_(-2).add_(2).clamp_(min=0).mul_(gradient)


class SignOfKernel(torch.autograd.Function):
    """As `Sign` for latent weights, which are kept within [-1, 1]: the gradient passes (larq's `ste_sign`)."""

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        return x.ge(0).to(x.dtype).mul_(2).sub_(1)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        return gradient


def glorot(*shape: int, fan_in: int, fan_out: int) -> nn.Parameter:
    """Latent weights as Keras draws them."""
    limit = math.sqrt(6 / (fan_in + fan_out))
    return nn.Parameter(torch.empty(*shape).uniform_(-limit, limit))


class BinaryNetwork(nn.Module):
    """Layers of a shape, BatchNorm behind each, signs between them: pixels [count, channels, side, side] to scores."""

    def __init__(self, shape: BinaryShape, side: int, channels: int, classes: int) -> None:
        super().__init__()
        self.rows, self.padded, self.side = shape.convolutions, shape.padding == "same", side
        self.kernels, self.norms = nn.ParameterList(), nn.ModuleList()
        for row in self.rows:
            area = row.size**2
            kernel = glorot(
                row.filters, channels, row.size, row.size, fan_in=area * channels, fan_out=area * row.filters
            )
            kernel.data = kernel.data.to(memory_format=CHANNELS_LAST)
            self.kernels.append(kernel)
            self.norms.append(nn.BatchNorm2d(row.filters, eps=NORM_EPSILON))
            channels = row.filters
            side -= 0 if self.padded else row.size - 1
            side //= row.pool or side
        self.dense, self.dense_norms = nn.ParameterList(), nn.ModuleList()
        features = side * side * channels
        for units in (*shape.dense, classes):
            self.dense.append(glorot(units, features, fan_in=features, fan_out=units))
            self.dense_norms.append(nn.BatchNorm1d(units, eps=NORM_EPSILON))
            features = units

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number, (row, kernel, norm) in enumerate(zip(self.rows, self.kernels, self.norms)):
            if number > 0:
                x = Sign.apply(x)
            border = row.size // 2 if self.padded else 0
            if border:
                # Raw pixels are surrounded by zeros, signs by +1.
                x = F.pad(x, [border] * 4, value=0.0 if number == 0 else 1.0)
            x = F.conv2d(x, SignOfKernel.apply(kernel).to(x.dtype))
            if row.pool != 1:
                x = F.max_pool2d(x, row.pool or x.shape[-1])
            x = norm(x)
        # Keras flattens row by row, a pixel's channels side by side.
        x = x.permute(0, 2, 3, 1).flatten(1)
        for kernel, norm in zip(self.dense, self.dense_norms):
            x = norm(F.linear(Sign.apply(x), SignOfKernel.apply(kernel).to(x.dtype)).float())
        return x

    def clip(self) -> None:
        """Keep the latent weights within [-1, 1], larq's `weight_clip`."""
        with torch.no_grad():
            for kernel in (*self.kernels, *self.dense):
                kernel.clamp_(-1, 1)

    def all_norms(self) -> list[nn.Module]:
        """Every BatchNorm, in order."""
        return [*self.norms, *self.dense_norms]


@torch.no_grad()
def calibrate(network: BinaryNetwork, images: np.ndarray, kind: torch.dtype) -> None:
    """Set BatchNorm's averages to the statistics of these images; training's lag behind."""
    network.train()
    for norm in network.all_norms():
        norm.reset_running_stats()
        # None: the average over all batches that follow, equally weighted.
        norm.momentum = None
    for part in read(images, kind):
        network(part)


@torch.no_grad()
def predict(network: BinaryNetwork, images: np.ndarray, kind: torch.dtype) -> np.ndarray:
    """Scores [count, classes] by the averages that `calibrate` set."""
    network.eval()
    return np.concatenate([network(part).numpy() for part in read(images, kind)])


@dataclass(frozen=True)
class Lesson:
    """What a network is taught: images uint8 [count, side, side, channels] and class probabilities of each."""

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
    network: BinaryNetwork, stage: CropStage, lesson: Lesson, batch: int, seed: int, log: Path, keep_best: bool
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


def take_over(source: BinaryNetwork, target: BinaryNetwork) -> None:
    """Copy the weights of the filters that both have, the first ones of each convolution, and the dense layers.

    What `target` has beyond them keeps its own; so does the first dense layer if it reads another number of positions.
    """
    with torch.no_grad():
        for theirs, ours in zip(source.kernels, target.kernels):
            ours[: theirs.shape[0], : theirs.shape[1]] = theirs
        for theirs, ours in zip(source.all_norms(), target.all_norms()):
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(ours, name)[: theirs.num_features] = getattr(theirs, name)
        for number, (theirs, ours) in enumerate(zip(source.dense, target.dense)):
            channels = [network.rows[-1].filters if number == 0 else 1 for network in (source, target)]
            old, new = (kernel.view(len(kernel), -1, n) for kernel, n in zip((theirs, ours), channels))
            if old.shape[1] == new.shape[1]:
                new[:, :, : channels[0]] = old


def keras_weights(network: BinaryNetwork) -> dict[str, list[np.ndarray]]:
    """Weights by the name of Keras's layer, in its order of weights and of axes."""
    found: dict[str, list[np.ndarray]] = {}
    for number, kernel in enumerate(network.kernels, start=1):
        found[f"conv_{number}"] = [kernel.detach().permute(2, 3, 1, 0).contiguous().numpy()]
    for number, kernel in enumerate(network.dense, start=len(network.rows) + 1):
        found[f"dense_{number}"] = [kernel.detach().T.contiguous().numpy()]
    for number, norm in enumerate(network.all_norms(), start=1):
        parts = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        found[f"norm_{number}"] = [part.detach().numpy() for part in parts]
    return found


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
