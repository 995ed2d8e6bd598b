"""Random crops and flips of images, as PyTorch tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

CHANNELS_LAST = torch.channels_last
# Images a forward pass reads at once where nothing is learnt.
READ_AT_ONCE = 500


def read(images: np.ndarray, kind: torch.dtype) -> Iterator[torch.Tensor]:
    """uint8 [count, side, side, channels], some at a time, as networks read them."""
    for start in range(0, len(images), READ_AT_ONCE):
        yield torch.from_numpy(images[start : start + READ_AT_ONCE]).permute(0, 3, 1, 2).to(kind)


class Crops:
    """Shuffled batches of randomly mirrored and cropped images.

    `images` are uint8 [count, height, width, channels]; batches are bfloat16 [batch, channels, side, side],
    which holds 0..255 exactly.  Images are mirrored outwards by `border` pixels before they are cropped.
    """

    def __init__(self, images: np.ndarray, side: int, border: int, seed: int) -> None:
        edges = [(0, 0), (border, border), (border, border), (0, 0)]
        self.images = torch.from_numpy(np.pad(images, edges, mode="symmetric"))
        self.side = side
        self.random = torch.Generator().manual_seed(seed)

    def epoch(self, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(indices, pixels) of each whole batch of one pass over the images."""
        order = torch.randperm(len(self.images), generator=self.random)
        for chosen in order.split(batch):
            if len(chosen) == batch:
                yield chosen, self.cropped(chosen)

    def cropped(self, chosen: torch.Tensor) -> torch.Tensor:
        """The images of these indices, each mirrored and cropped by a draw of its own."""
        count, (height, width) = len(chosen), self.images.shape[1:3]
        span = torch.arange(self.side)

        def places(size: int) -> torch.Tensor:
            starts = torch.randint(size - self.side + 1, (count, 1), generator=self.random)
            return starts + span

        rows, columns = places(height), places(width)
        mirrored = torch.rand(count, 1, generator=self.random) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
        pixels = self.images[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]
        return pixels.permute(0, 3, 1, 2).to(torch.bfloat16)
