"""The growth plot, written as SVG by hand: two panels over one logarithmic axis of AND gates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from operator import itemgetter
from pathlib import Path
from typing import Callable

WIDTH, LEFT, RIGHT = 860, 84, 150
HALF, THREE, CLIENT, TABLES = "#1f5fa8", "#c2541b", "#2a8a57", "#888888"
STYLE = """
  text { font: 13px system-ui, 'Helvetica Neue', Arial, sans-serif; fill: #333 }
  .title { font-weight: 600; fill: #111 } .small { font-size: 11.5px; fill: #666 }
  .mark { stroke-width: 1.6 } .grid { stroke: #e4e4e4 } .axis { stroke: #777; fill: none } .line { fill: none; stroke-width: 2 }
"""


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis from 10^low to 10^high on pixels ``begin`` to ``end``."""

    low: int
    high: int
    begin: float
    end: float

    def at(self, value: float) -> float:
        return self.begin + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self) -> list[int]:
        return list(range(self.low, self.high + 1))


def power(exponent: int) -> str:
    return f'10<tspan dy="-5" font-size="9.5">{exponent}</tspan>'


def seconds(exponent: int) -> str:
    return f"{10 ** (exponent + 3)} ms" if exponent < 0 else f"{10 ** exponent} s"


def size(exponent: int) -> str:
    unit, less = ("MB", 6) if exponent < 9 else ("GB", 9)
    return f"{10 ** (exponent - less)} {unit}"


def text(x: float, y: float, content: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{content}</text>'


def frame(x: Axis, y: Axis, title: str, name: Callable) -> list[str]:
    """Grid, labels of both axes, title."""
    out = [text(x.begin, y.end - 12, title, 'class="title"')]
    for tick in x.ticks():
        at = x.at(10**tick)
        out.append(f'<line class="grid" x1="{at:.1f}" y1="{y.begin}" x2="{at:.1f}" y2="{y.end}"/>')
        out.append(text(at, y.begin + 20, power(tick), 'text-anchor="middle"'))
    for tick in y.ticks():
        at = y.at(10.0**tick)
        out.append(f'<line class="grid" x1="{x.begin}" y1="{at:.1f}" x2="{x.end}" y2="{at:.1f}"/>')
        out.append(text(x.begin - 8, at + 4, name(tick), 'text-anchor="end"'))
    out.append(f'<path class="axis" d="M{x.begin} {y.end}V{y.begin}H{x.end}"/>')
    return out


def is_line(run: dict) -> bool:
    """Whether a run belongs to the network that is measured by width; the others stand beside its line."""
    return run["model"].startswith("bc1_same")


def series(runs: list[dict], value: Callable, x: Axis, y: Axis, colour: str, dash: str = "") -> list[str]:
    """The network by width as a line with full marks, other networks as hollow ones; or all as a dashed line."""
    runs = sorted(runs, key=lambda run: run["ands"])
    points = [(x.at(run["ands"]), y.at(value(run)), is_line(run) or bool(dash)) for run in runs]
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py, on in points if on)
    out = [f'<polyline class="line" stroke="{colour}" points="{path}"{dash and f""" stroke-dasharray="{dash}" """}/>']
    if not dash:
        out += [
            f'<circle class="mark" cx="{px:.1f}" cy="{py:.1f}" r="4" fill="{colour if on else "#fff"}" stroke="{colour}"/>'
            for px, py, on in points
        ]
    return out


def beside(run: dict, value: Callable, x: Axis, y: Axis, colour: str, name: str) -> str:
    """A series' name behind its last point."""
    return text(x.end + 10, y.at(value(run)) + 4, name, f'style="fill:{colour}"')


def growth(runs: list[dict], path: Path, caption: str) -> None:
    """Writes the plot of runs by both schemes; ``caption`` is the line under it."""
    half = [run for run in runs if run["scheme"] == "half-gates"]
    three = [run for run in runs if run["scheme"] == "three-halves"]
    last = max(filter(is_line, half), key=lambda run: run["ands"])
    x = Axis(5, 9, LEFT, WIDTH - RIGHT)
    upper, lower = Axis(-3, 2, 318, 48), Axis(6, 11, 668, 398)
    time = itemgetter("prediction_s")
    server, client = itemgetter("server_peak_bytes"), itemgetter("client_peak_bytes")
    tables = itemgetter("connection_bytes")
    out = frame(x, upper, "Time of a prediction", seconds)
    out += series(half, time, x, upper, HALF) + series(three, time, x, upper, THREE)
    out += labels(half, three, time, x, upper)
    out += key(x.begin + 16, 66, [(HALF, "half gates"), (THREE, "three halves")])
    out += frame(x, lower, "Memory at the peak, and bytes on the wire (half gates)", size)
    out += series(half, tables, x, lower, TABLES, "6 4")
    out += series(half, server, x, lower, HALF) + series(half, client, x, lower, CLIENT)
    out.append(beside(last, tables, x, lower, TABLES, "bytes sent"))
    high, low = sorted((server, client), key=lambda peak: -peak(last))
    for peak, shift in ((high, -5), (low, 11)):
        colour, name = (HALF, "memory, server") if peak is server else (CLIENT, "memory, client")
        out.append(text(x.end + 10, lower.at(peak(last)) + shift, name, f'style="fill:{colour}"'))
    out.append(text((x.begin + x.end) / 2, 706, "AND gates of a prediction", 'text-anchor="middle"'))
    out.append(text(x.begin, 732, escape(caption), 'class="small"'))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 746" width="{WIDTH}" height="746">'
    body = "\n".join(out)
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    path.write_text(f"{head}\n<style>{STYLE}</style>\n{ground}\n{body}\n</svg>\n")


def labels(half: list[dict], three: list[dict], value: Callable, x: Axis, y: Axis) -> list[str]:
    """Names of the networks that are not on the line: below it, and above it where two would meet."""
    out, taken = [], -math.inf
    for run in sorted((run for run in half if not is_line(run)), key=lambda run: run["ands"]):
        same = [value(other) for other in half + three if other["model"] == run["model"]]
        at, name = x.at(run["ands"]), escape(run["model"].replace("@", " × ").upper())
        if at - taken > 40:
            out.append(text(at + 4, y.at(min(same)) + 18, name, 'class="small"'))
            taken = at
        else:
            out.append(text(at - 4, y.at(max(same)) - 10, name, 'class="small"'))
    return out


def key(x: float, y: float, entries: list[tuple[str, str]]) -> list[str]:
    """What the colours and marks stand for."""
    out = []
    for i, (colour, name) in enumerate(entries):
        at = y + 18 * i
        out.append(f'<line x1="{x}" y1="{at}" x2="{x + 22}" y2="{at}" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<circle cx="{x + 11}" cy="{at}" r="4" fill="{colour}"/>')
        out.append(text(x + 30, at + 4, name))
    at = y + 18 * len(entries)
    out.append(text(x, at + 5, "full marks: BC1 by width; hollow: other networks", 'class="small"'))
    return out
