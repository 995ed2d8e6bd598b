"""The papers' larger networks for 32 x 32 x 3 images, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Convolution:
    """A convolution of a binary network: filters, kernel's side, and the side of the maximum behind it.

    A maximum over 1 x 1 is none, one over 0 x 0 takes all that there is.
    """

    filters: int
    size: int
    pool: int = 1


@dataclass(frozen=True)
class BinaryShape:
    """A network of convolutions, the units of hidden dense layers, and one dense layer to the classes.

    BatchNorm stands behind each of them and a sign between them.
    """

    convolutions: tuple[Convolution, ...]
    dense: tuple[int, ...] = ()
    # Keras's name of it: around the image stand zeros, around signs +1.
    padding: str = "same"


def scaled(filters: int, width: float) -> int:
    """So many filters at XONN's scale s."""
    return max(1, round(filters * width))


def bc1(
    filters: tuple[int, ...] = (64, 64, 64, 64, 64, 64, 16), padding: str = "same", width: float = 1.0
) -> BinaryShape:
    """MiniONN's figure 13, or with so many filters in its seven convolutions, two of which pool."""
    rows = zip(filters, (3, 3, 3, 3, 3, 1, 1), (1, 2, 1, 2, 1, 1, 1))
    return BinaryShape(
        tuple(Convolution(scaled(f, width), size, pool) for f, size, pool in rows), padding=padding
    )


def fitnet(width: float = 1.0) -> BinaryShape:
    """17 convolutions, three poolings, one dense layer (XONN's deepest)."""
    groups = ((32, 3, 1), (48, 2, 2), (80, 6, 2), (128, 6, 0))
    return BinaryShape(grouped(groups, width))


def vgg16(width: float = 1.0) -> BinaryShape:
    """VGG16: 13 convolutions, five poolings, three dense layers."""
    groups = tuple(
        (filters, count, 2) for filters, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    )
    return BinaryShape(grouped(groups, width), dense=(scaled(512, width),) * 2)


def grouped(groups: tuple[tuple[int, int, int], ...], width: float) -> tuple[Convolution, ...]:
    """3 x 3 convolutions, by filters, how many of them, and what pools behind the last."""
    return tuple(
        Convolution(scaled(filters, width), 3, pool if last else 1)
        for filters, count, pool in groups
        for last in (*[False] * (count - 1), True)
    )
