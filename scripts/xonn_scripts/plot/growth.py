"""The growth plot: two panels, time and memory, over one logarithmic axis of AND gates."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from xonn_scripts.plot.chart import Axis
from xonn_scripts.plot.svg import (
    COLOURS,
    Markup,
    document,
    dot,
    element,
    polyline,
    power_of_ten,
    straight,
    text,
)

WIDTH, HEIGHT, LEFT, RIGHT = 860, 746, 84, 150
HALF, THREE, CLIENT = COLOURS[:3]
TABLES = "#888888"

Run = dict[str, Any]
Figure = Callable[[Run], float]


def seconds(exponent: int) -> str:
    """A power of ten of seconds, in words."""
    return f"{10 ** (exponent + 3)} ms" if exponent < 0 else f"{10**exponent} s"


def size(exponent: int) -> str:
    """A power of ten of bytes, in words."""
    unit, less = ("MB", 6) if exponent < 9 else ("GB", 9)
    return f"{10 ** (exponent - less)} {unit}"


def panel(x: Axis, y: Axis, title: str, name: Callable[[int], str]) -> list[Markup]:
    """Grid of powers of ten, labels of both axes, title."""
    out = [text(x.begin, y.end - 12, title, class_="title")]
    for tick in x.decades():
        at = x.at(10**tick)
        out.append(straight((at, y.begin), (at, y.end), class_="grid"))
        out.append(text(at, y.begin + 20, power_of_ten(tick), text_anchor="middle"))
    for tick in y.decades():
        at = y.at(10.0**tick)
        out.append(straight((x.begin, at), (x.end, at), class_="grid"))
        out.append(text(x.begin - 8, at + 4, name(tick), text_anchor="end"))
    out.append(element("path", class_="axis", d=f"M{x.begin} {y.end}V{y.begin}H{x.end}"))
    return out


def is_line(run: Run) -> bool:
    """Whether a run belongs to the network that is measured by width; the others stand beside its line."""
    return run["model"].startswith("bc1_same")


def series(runs: list[Run], value: Figure, x: Axis, y: Axis, colour: str, dash: str = "") -> list[Markup]:
    """The network by width as a line with full marks, others as hollow ones; or all as a dashed line."""
    runs = sorted(runs, key=itemgetter("ands"))
    points = [((x.at(run["ands"]), y.at(value(run))), is_line(run) or bool(dash)) for run in runs]
    dashes = {"stroke_dasharray": dash} if dash else {}
    out = [polyline([at for at, on in points if on], colour, **dashes)]
    if not dash:
        out += [dot(at, 4, class_="mark", fill=colour if on else "#fff", stroke=colour) for at, on in points]
    return out


def coloured(x: float, y: float, name: str, colour: str) -> Markup:
    """A series' name in its colour."""
    return text(x, y, name, style=f"fill:{colour}")


def growth(runs: list[Run], caption: str) -> str:
    """The plot of runs by both schemes; ``caption`` is the line under it.

    Runs whose ANDs were not counted have no place in it.
    """
    runs = [run for run in runs if run["ands"]]
    half = [run for run in runs if run["scheme"] == "half-gates"]
    three = [run for run in runs if run["scheme"] == "three-halves"]
    last = max(filter(is_line, half), key=itemgetter("ands"))
    x = Axis(1e5, 1e9, LEFT, WIDTH - RIGHT, logarithmic=True)
    upper = Axis(1e-3, 1e2, 318, 48, logarithmic=True)
    lower = Axis(1e6, 1e11, 668, 398, logarithmic=True)
    time = itemgetter("prediction_s")
    server, client = itemgetter("server_peak_bytes"), itemgetter("client_peak_bytes")
    tables = itemgetter("connection_bytes")
    out = panel(x, upper, "Time of a prediction", seconds)
    out += series(half, time, x, upper, HALF) + series(three, time, x, upper, THREE)
    out += labels(half, three, time, x, upper)
    out += key(x.begin + 16, 66, [(HALF, "half gates"), (THREE, "three halves")])
    out += panel(x, lower, "Memory at the peak, and bytes on the wire (half gates)", size)
    out += series(half, tables, x, lower, TABLES, "6 4")
    out += series(half, server, x, lower, HALF) + series(half, client, x, lower, CLIENT)
    beside = x.end + 10
    out.append(coloured(beside, lower.at(tables(last)) + 4, "bytes sent", TABLES))
    high, low = sorted((server, client), key=lambda peak: -peak(last))
    for peak, shift in ((high, -5), (low, 11)):
        colour, name = (HALF, "memory, server") if peak is server else (CLIENT, "memory, client")
        out.append(coloured(beside, lower.at(peak(last)) + shift, name, colour))
    out.append(text((x.begin + x.end) / 2, 706, "AND gates of a prediction", text_anchor="middle"))
    out.append(text(x.begin, 732, caption, class_="small"))
    return document(WIDTH, HEIGHT, out)


def labels(half: list[Run], three: list[Run], value: Figure, x: Axis, y: Axis) -> list[Markup]:
    """Names of the networks that are not on the line: below it, and above it where two would meet."""
    out: list[Markup] = []
    taken = -math.inf
    for run in sorted((run for run in half if not is_line(run)), key=itemgetter("ands")):
        same = [value(other) for other in half + three if other["model"] == run["model"]]
        at, name = x.at(run["ands"]), run["model"].replace("@", " × ").upper()
        if at - taken > 40:
            out.append(text(at + 4, y.at(min(same)) + 18, name, class_="small"))
            taken = at
        else:
            out.append(text(at - 4, y.at(max(same)) - 10, name, class_="small"))
    return out


def key(x: float, y: float, entries: list[tuple[str, str]]) -> list[Markup]:
    """What the colours and marks stand for."""
    out: list[Markup] = []
    for i, (colour, name) in enumerate(entries):
        at = y + 18 * i
        out.append(straight((x, at), (x + 22, at), stroke=colour, stroke_width="2"))
        out.append(dot((x + 11, at), 4, fill=colour))
        out.append(text(x + 30, at + 4, name))
    at = y + 18 * len(entries)
    out.append(text(x, at + 5, "full marks: BC1 by width; hollow: other networks", class_="small"))
    return out
