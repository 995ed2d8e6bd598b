"""A binary network as a PyTorch module: the twin of the one that `nets.photographs.plain` builds in Keras."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from xonn_scripts.nets.shapes import BinaryShape
from xonn_scripts.train.torch_images import CHANNELS_LAST, read

# Keras's default, which the exported network has.
NORM_EPSILON = 1e-3


class Sign(torch.autograd.Function):
    """+1 where x >= 0, else -1; the gradient is that of larq's `approx_sign`, 2 - 2 |x| within [-1, 1]."""

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        """What it computes."""
        context.save_for_backward(x)
        return x.ge(0).to(x.dtype).mul_(2).sub_(1)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient."""
        (x,) = context.saved_tensors
        return x.abs().mul_(-2).add_(2).clamp_(min=0).mul_(gradient)


class SignOfKernel(torch.autograd.Function):
    """As `Sign` for latent weights, kept within [-1, 1]: the gradient passes (larq's `ste_sign`)."""

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        """What it computes."""
        return x.ge(0).to(x.dtype).mul_(2).sub_(1)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient."""
        return gradient


def glorot(*shape: int, fan_in: int, fan_out: int) -> nn.Parameter:
    """Latent weights as Keras draws them."""
    limit = math.sqrt(6 / (fan_in + fan_out))
    return nn.Parameter(torch.empty(*shape).uniform_(-limit, limit))


class BinaryNetwork(nn.Module):
    """Layers of a shape, BatchNorm behind each, signs between them: pixels [count, channels, side, side] to
    scores.
    """

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
        """What it computes."""
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


def take_over(source: BinaryNetwork, target: BinaryNetwork) -> None:
    """Copy the weights of the filters that both have, the first ones of each convolution, and the dense
    layers.

    What `target` has beyond them keeps its own; so does the first dense layer if it reads another number of
    positions.
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
