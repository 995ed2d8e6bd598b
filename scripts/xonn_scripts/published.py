"""What the papers publish, once: every table and plot of this repository takes its figures from here.

XONN's (Riazi, Samragh, Chen, Laine, Lauter, Koushanfar, USENIX Security 2019) are those that we remember of
its tables of results; MiniONN's (Liu, Juuti, Lu, Asokan, CCS 2017) are its tables 2, 4 and 5, offline and
online together.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A network's accuracy in per cent, and what one prediction takes: megabytes, both directions, and
    seconds.
    """

    accuracy: float
    megabytes: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.accuracy} %, {size(self.megabytes)} MB, {self.seconds:g} s"


@dataclass(frozen=True)
class Quoted:
    """A row of a table of other systems, as MiniONN's tables 2 and 4 quote them."""

    system: str
    network: str
    task: str
    accuracy: float
    megabytes: float | None
    time: str


def size(megabytes: float) -> str:
    """Megabytes with as many digits as the papers give."""
    digits = 0 if megabytes >= 1000 else 1 if megabytes >= 10 else 2
    return f"{megabytes:,.{digits}f}"


XONN: dict[str, Published] = {
    "bm1": Published(97.6, 4.29, 0.13),
    "bm2": Published(98.64, 38.28, 0.16),
    "bm3": Published(99.0, 32.13, 0.15),
    "bc1": Published(81.85, 2599, 5.79),
}

# Networks for the same tasks. They are not binary: those of the first two rows have squares, the others ReLU.
MINIONN: dict[str, Published] = {
    "bm1": Published(97.6, 15.8, 1.04),
    "bm2": Published(98.95, 47.6, 1.28),
    "bm3": Published(99.31, 657.5, 9.3),
    "bc1": Published(81.61, 9272, 544),
}

# XONN's megabytes of a network whose hidden layers are wider by the factor s.
XONN_BY_WIDTH: dict[tuple[str, float], float] = {
    ("bm1", 1): 2.57,
    ("bm1", 1.5): 4.09,
    ("bm2", 1): 2.90,
    ("bm2", 4): XONN["bm2"].megabytes,
    ("bm3", 1): 17.6,
    ("bm3", 1.5): 36.7,
    ("bc1", 1): 1260,
    ("bc1", 1.5): 2820,
}

# Hidden neurons of XONN's networks for medical tables, which s = 1 stands for.
XONN_HIDDEN: dict[str, tuple[int, ...]] = {"bh1": (16, 16), "bh2": (20, 20), "bh3": (32, 32)}

OTHERS: tuple[Quoted, ...] = (
    Quoted(
        "SecureML (S&P 2017)", "784-128-128-10, squares", "MNIST", 93.1, None, "4.7 s offline, 0.18 s online"
    ),
    Quoted(
        "CryptoNets (ICML 2016)",
        "one convolution, two dense, squares",
        "MNIST",
        98.95,
        372.2,
        "297.5 s, in which one client can have many answers (51,739 an hour)",
    ),
)
