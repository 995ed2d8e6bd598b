"""A chart of one panel: axes with a grid, lines with dots, and a legend."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from xonn_scripts.plot.svg import Markup, Point, document, dot, polyline, straight, text

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 730, 50, 360


@dataclass(frozen=True)
class Axis:
    """Values ``low`` to ``high`` on pixels ``begin`` to ``end``, perhaps by their logarithm."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value."""
        scale: Callable[[float], float] = math.log if self.logarithmic else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Round values within the axis: 1, 2, 5 times a power of ten, or even steps of that kind."""
        if self.logarithmic:
            found = [m * 10.0**p for p in [*self.decades(), self.last_decade() + 1] for m in (1, 2, 5)]
            return [tick for tick in found if self.low <= tick <= self.high]
        power = 10 ** math.floor(math.log10((self.high - self.low) / 4))
        step = next(m * power for m in (1, 2, 5, 10) if (self.high - self.low) / (m * power) <= 8)
        first = math.ceil(self.low / step - 1e-9)
        return [step * i for i in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def last_decade(self) -> int:
        """The exponent of the last power of ten within the axis, or before it."""
        return math.floor(math.log10(self.high) + 1e-9)

    def decades(self) -> list[int]:
        """Exponents of ten, from the one at the axis's beginning or before it to the last."""
        return list(range(math.floor(math.log10(self.low) + 1e-9), self.last_decade() + 1))


def across() -> tuple[float, float]:
    """The pixels that an axis of x takes."""
    return LEFT, RIGHT


def upwards() -> tuple[float, float]:
    """The pixels that an axis of y takes, below the title."""
    return BOTTOM, TOP + 10


def frame(x: Axis, y: Axis, title: str, below: str, beside: str) -> list[Markup]:
    """Title, grid and labels of both axes."""
    out = [text(LEFT, 24, title, class_="title"), text(LEFT, 42, beside, class_="small")]
    for tick in x.ticks():
        at = x.at(tick)
        out.append(straight((at, y.begin), (at, y.end), class_="grid"))
        out.append(text(at, y.begin + 18, f"{tick:g}", text_anchor="middle", class_="small"))
    for tick in y.ticks():
        at = y.at(tick)
        out.append(straight((x.begin, at), (x.end, at), class_="grid"))
        out.append(text(x.begin - 8, at + 4, f"{tick:.4g}", text_anchor="end", class_="small"))
    out.append(text((x.begin + x.end) / 2, y.begin + 40, below, text_anchor="middle", class_="small"))
    return out


def line(x: Axis, y: Axis, points: Iterable[Point], colour: str, dots: bool) -> list[Markup]:
    """A line through values, perhaps with a dot at each of them."""
    placed = [(x.at(a), y.at(b)) for a, b in points]
    marks = [dot(place, 3.5, fill=colour) for place in placed] if dots else []
    return [polyline(placed, colour), *marks]


def legend(names: list[tuple[str, str]]) -> list[Markup]:
    """Names in their colours, in the upper right, from right to left."""
    out: list[Markup] = []
    x = float(RIGHT)
    for name, colour in reversed(names):
        x -= 34 + 7.2 * len(name)
        out.append(straight((x, 36), (x + 20, 36), class_="line", stroke=colour))
        out.append(text(x + 25, 40, name))
    return out


def stacked_legend(names: list[tuple[str, str]]) -> list[Markup]:
    """Names in their colours, one below the other in the lower right, where falling lines leave room."""
    out: list[Markup] = []
    for i, (name, colour) in enumerate(reversed(names)):
        x, y = RIGHT - 150, BOTTOM - 14 - 19 * i
        out.append(straight((x, y - 4), (x + 20, y - 4), class_="line", stroke=colour))
        out.append(text(x + 25, y, name))
    return out


def chart(body: Iterable[Markup]) -> str:
    """The chart as a file."""
    return document(WIDTH, HEIGHT, body)
