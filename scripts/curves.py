#!/usr/bin/env python3
"""Draw what training and trimming measured, as SVG written by hand.

    python scripts/curves.py

Writes docs/results/trim_NETWORK.svg from trim.json, and training.svg of the convolutional models from their training.json.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Callable, Iterable

REPO_ROOT = Path(__file__).resolve().parent.parent
RESULTS = REPO_ROOT / "docs" / "results"
WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 730, 50, 360
COLOURS = ("#1f5fa8", "#c2541b", "#2a8a57", "#8a4fa3", "#9a7b16", "#555555")
STYLE = """
  text { font: 13px system-ui, 'Helvetica Neue', Arial, sans-serif; fill: #333 }
  .title { font-weight: 600; fill: #111 } .small { font-size: 11.5px; fill: #666 }
  .grid { stroke: #e4e4e4 } .line { fill: none; stroke-width: 2 }
"""
# XONN's published network of each row: megabytes and accuracy in per cent (its tables of MNIST networks).
PUBLISHED = {"bm1": (4.29, 97.6), "bm2": (38.28, 98.64), "bm3": (32.13, 99.0)}
MEASURE = "oca_half-gates"

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """Values ``low`` to ``high`` on pixels ``begin`` to ``end``, perhaps by their logarithm."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        scale: Callable[[float], float] = math.log if self.logarithmic else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Round values within the axis: 1, 2, 5 times a power of ten, or even steps of that kind."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [m * 10.0**p for p in powers for m in (1, 2, 5)]
            return [tick for tick in found if self.low <= tick <= self.high]
        power = 10 ** math.floor(math.log10((self.high - self.low) / 4))
        step = next(m * power for m in (1, 2, 5, 10) if (self.high - self.low) / (m * power) <= 8)
        first = math.ceil(self.low / step - 1e-9)
        return [step * i for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def text(x: float, y: float, content: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(content)}</text>'


def frame(x: Axis, y: Axis, title: str, below: str, beside: str) -> list[str]:
    """Title, grid and labels of both axes."""
    out = [text(LEFT, 24, title, 'class="title"'), text(LEFT, 42, beside, 'class="small"')]
    for tick in x.ticks():
        at = x.at(tick)
        out.append(f'<line class="grid" x1="{at:.1f}" y1="{y.begin}" x2="{at:.1f}" y2="{y.end}"/>')
        out.append(text(at, y.begin + 18, f"{tick:g}", 'text-anchor="middle" class="small"'))
    for tick in y.ticks():
        at = y.at(tick)
        out.append(f'<line class="grid" x1="{x.begin}" y1="{at:.1f}" x2="{x.end}" y2="{at:.1f}"/>')
        out.append(text(x.begin - 8, at + 4, f"{tick:.4g}", 'text-anchor="end" class="small"'))
    out.append(text((x.begin + x.end) / 2, y.begin + 40, below, 'text-anchor="middle" class="small"'))
    return out


def line(x: Axis, y: Axis, points: Iterable[Point], colour: str, dots: bool) -> list[str]:
    """A polyline, perhaps with a dot at each point."""
    placed = [(x.at(a), y.at(b)) for a, b in points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in placed)
    out = [f'<polyline class="line" points="{path}" stroke="{colour}"/>']
    if dots:
        out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>' for a, b in placed]
    return out


def write(path: Path, body: list[str]) -> None:
    """An SVG file on white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    path.write_text("\n".join([head, f"<style>{STYLE}</style>", background, *body, "</svg>", ""]))
    print(path.relative_to(REPO_ROOT))


def legend(names: list[tuple[str, str]]) -> list[str]:
    """Names in their colours, in the upper right, from right to left."""
    out = []
    x = float(RIGHT)
    for name, colour in reversed(names):
        x -= 34 + 7.2 * len(name)
        out.append(f'<line class="line" x1="{x:.1f}" y1="36" x2="{x + 20:.1f}" y2="36" stroke="{colour}"/>')
        out.append(text(x + 25, 40, name))
    return out


def stacked_legend(names: list[tuple[str, str]]) -> list[str]:
    """Names in their colours, one below the other in the lower right, where lines that fall to the left leave room."""
    out = []
    for i, (name, colour) in enumerate(reversed(names)):
        x, y = RIGHT - 150, BOTTOM - 14 - 19 * i
        out.append(f'<line class="line" x1="{x}" y1="{y - 4}" x2="{x + 20}" y2="{y - 4}" stroke="{colour}"/>')
        out.append(text(x + 25, y, name))
    return out


def epochs_of(run: dict) -> int:
    """Epochs of the network that trimming began with."""
    return int(run["began_with"].split()[-2])


def trimming(name: str, runs: dict, bundled: Point) -> None:
    """Accuracy against bytes, a line for each width: dots of validation images, rings of test images."""
    rows = [row for run in runs.values() for row in run["rounds"]]
    published = PUBLISHED[name]
    sizes = [row["bytes"][MEASURE] / 1e6 for row in rows] + [published[0], bundled[0]]
    seen = [100 * row[key] for row in rows for key in ("validation_accuracy", "test_accuracy")] + [published[1], bundled[1]]
    margin = 0.08 * (max(seen) - min(seen))
    wide = max(sizes) > 4 * min(sizes)
    x = Axis(min(sizes) / 1.2, max(sizes) * 1.2, LEFT, RIGHT, logarithmic=wide)
    y = Axis(min(seen) - margin, max(seen) + margin, BOTTOM, TOP + 10)
    body = frame(
        x,
        y,
        f"{name.upper()}, trimmed and trained in turns",
        "megabytes of one prediction, both directions: first layer by conditional addition, half gates",
        "per cent right: ● 5,000 validation images, ○ 10,000 test images",
    )
    names = []
    for (width, run), colour in zip(sorted(runs.items(), key=lambda item: float(item[0])), COLOURS):
        points = [(r["bytes"][MEASURE] / 1e6, 100 * r["validation_accuracy"]) for r in run["rounds"]]
        body += line(x, y, points, colour, dots=True)
        names.append((f"s = {width}, {epochs_of(run)} epochs", colour))
        for row in run["rounds"]:
            a, tested = x.at(row["bytes"][MEASURE] / 1e6), y.at(100 * row["test_accuracy"])
            body.append(f'<circle cx="{a:.1f}" cy="{tested:.1f}" r="3" fill="#fff" stroke="{colour}"/>')
    a, b = x.at(bundled[0]), y.at(bundled[1])
    body.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="8" fill="none" stroke="#111" stroke-width="1.6"/>')
    a, b = x.at(published[0]), y.at(published[1])
    words = "test images: × XONN, published; ◯ bundled here"
    # The mark at its place, its meaning above the frame, where no line is.
    body.append(f'<path d="M{a - 6:.1f},{b - 6:.1f} l12,12 m0,-12 l-12,12" stroke="#111" stroke-width="1.8"/>')
    body.append(text(RIGHT, 18, words, 'text-anchor="end"'))
    body += stacked_legend(names)
    write(RESULTS / f"trim_{name}.svg", body)


def training(name: str, history: list[dict], sides: list[int], title: str) -> None:
    """Accuracy by epoch, on training images as they are augmented and on held-out ones as they are.

    `sides` are those of the crops of each stage.
    """
    x = Axis(0, len(history), LEFT, RIGHT)
    series = {"held out": "held_out_accuracy", "training, augmented": "training_accuracy"}
    values = [100 * row[key] for row in history for key in series.values()]
    y = Axis(math.floor(min(values) / 5) * 5, math.ceil(max(values) / 5) * 5, BOTTOM, TOP + 10)
    body = frame(x, y, title, "epoch", "per cent right")
    for (label, key), colour in zip(series.items(), COLOURS):
        body += line(x, y, [(i, 100 * row[key]) for i, row in enumerate(history, start=1)], colour, dots=False)
    changes = [i for i in range(1, len(history)) if history[i]["stage"] != history[i - 1]["stage"]]
    for at in changes:
        body.append(
            f'<line x1="{x.at(at):.1f}" y1="{BOTTOM}" x2="{x.at(at):.1f}" y2="{TOP + 10}" stroke="#999" '
            'stroke-dasharray="4 4"/>'
        )
        side = sides[history[at]["stage"] - 1]
        body.append(text(x.at(at) + 5, TOP + 24, f"{side} × {side}", 'class="small"'))
    body += legend(list(zip(series, COLOURS)))
    write(REPO_ROOT / "models" / name / "training.svg", body)


def main() -> None:
    results = RESULTS / "trim.json"
    runs = json.loads(results.read_text()) if results.is_file() else {}
    for name, widths in runs.items():
        training_of, cost = (
            json.loads((REPO_ROOT / "models" / name / file).read_text()) for file in ("training.json", "cost.json")
        )
        megabytes = cost["bytes_of_one_prediction"][MEASURE] / 1e6
        trimming(name, widths, (megabytes, 100 * training_of["test_accuracy_h5"]))
    titles = {
        "bc1": "BC1 on CIFAR-10",
        "bc1_valid": "BC1 without padding on CIFAR-10",
        "bc1_wide": "BC1, wider behind the poolings, on CIFAR-10",
        "fitnet_half": "Fitnet at half width on CIFAR-10",
        "vgg16_half": "VGG16 at half width on CIFAR-10",
        "bh4": "BH4 on malaria cells, grey",
    }
    for name, title in titles.items():
        file = REPO_ROOT / "models" / name / "training.json"
        if file.is_file():
            record = json.loads(file.read_text())
            sides = [stage["side"] for stage in record["recipe"]["stages"]]
            training(name, record["history"], sides, title)


if __name__ == "__main__":
    main()
