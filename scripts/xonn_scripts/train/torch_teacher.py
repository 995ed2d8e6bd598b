"""A float network for colour images, which binary ones learn from; trained in PyTorch, then thrown away.

Convolutions run in bfloat16, of which recent processors multiply twice as many a second.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from xonn_scripts.train.torch_images import CHANNELS_LAST, Crops, read

LABEL_SMOOTHING = 0.1
# Filters of its blocks, each of which halves the image.
FILTERS = (64, 128, 256)


class Block(nn.Module):
    """Two convolutions 3 x 3 with a maximum over 2 x 2 after the first, a residual path around the second."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What it computes."""
        x = F.relu(self.norms[0](F.max_pool2d(self.first(x), 2)))
        return x + F.relu(self.norms[1](self.second(x)))


class Teacher(nn.Module):
    """Pixels 0..255 as [count, 3, side, side] to scores [count, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(32)
        widths = (32, *FILTERS)
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in zip(widths, widths[1:])))
        self.head = nn.Linear(FILTERS[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What it computes."""
        x = F.relu(self.stem_norm(self.stem(x / 64 - 2)))
        x = self.blocks(x).amax(dim=(2, 3))
        return self.head(x).float()


def train_teacher(
    images: np.ndarray, labels: np.ndarray, epochs: int, batch: int, rate: float, seed: int
) -> Teacher:
    """Train on uint8 images [count, side, side, 3]: stochastic gradients with momentum, a triangular rate."""
    torch.manual_seed(seed)
    classes = int(labels.max()) + 1
    teacher = Teacher(classes).to(torch.bfloat16).to(memory_format=CHANNELS_LAST)
    for module in teacher.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.float()
    # Weights are kept in float32 and rounded for the convolutions: small steps would be lost otherwise.
    master = [p.detach().float().clone().requires_grad_() for p in teacher.parameters()]
    decayed = [p for p in master if p.ndim > 1]
    others = [p for p in master if p.ndim <= 1]
    optimiser = torch.optim.SGD(
        [{"params": decayed, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0.0}],
        lr=rate,
        momentum=0.9,
        nesterov=True,
    )
    steps = len(images) // batch
    total, warm = epochs * steps, max(1, epochs * steps // 5)
    crops = Crops(images, side=images.shape[1], border=4, seed=seed)
    answers = torch.from_numpy(labels.astype(np.int64))
    progress = tqdm(total=epochs, desc="teacher", unit="epoch", disable=None)
    step = 0
    for _ in range(epochs):
        teacher.train()
        seen = right = 0
        for chosen, pixels in crops.epoch(batch):
            scores = teacher(pixels)
            loss = F.cross_entropy(scores, answers[chosen], label_smoothing=LABEL_SMOOTHING)
            loss.backward()
            share = step / warm if step < warm else (total - step) / (total - warm)
            for group in optimiser.param_groups:
                group["lr"] = rate * max(share, 1e-3)
            with torch.no_grad():
                for kept, used in zip(master, teacher.parameters()):
                    kept.grad = used.grad.float()
                    used.grad = None
                optimiser.step()
                for kept, used in zip(master, teacher.parameters()):
                    used.copy_(kept)
            step += 1
            seen += len(chosen)
            right += int((scores.argmax(1) == answers[chosen]).sum())
        progress.set_postfix({"training": f"{right / seen:.4f}", "loss": f"{loss.item():.3f}"})
        progress.update(1)
    progress.close()
    if not math.isfinite(loss.item()):
        raise ArithmeticError("the teacher's loss is no number: lower its rate.")
    return teacher


@torch.no_grad()
def opinions(teacher: Teacher, images: np.ndarray) -> np.ndarray:
    """The teacher's scores on whole images and their mirror images, averaged; float32 [count, classes]."""
    teacher.eval()
    parts = read(images, torch.bfloat16)
    return np.concatenate([((teacher(part) + teacher(part.flip(3))) / 2).numpy() for part in parts])
