"""Accuracy against bytes while a network was trimmed and trained in turns, from ``trim.json``."""

from __future__ import annotations

from typing import Any

from xonn_scripts.plot.chart import RIGHT, Axis, across, chart, frame, line, stacked_legend, upwards
from xonn_scripts.plot.svg import COLOURS, Point, dot, element, text
from xonn_scripts.published import XONN

MEASURE = "oca_half-gates"


def epochs_of(run: dict[str, Any]) -> int:
    """Epochs of the network that trimming began with."""
    return int(run["began_with"].split()[-2])


def trimming(name: str, runs: dict[str, Any], bundled: Point) -> str:
    """A line for each width: dots of validation images, rings of test images; beside them XONN's and ours."""
    published = (XONN[name].megabytes, XONN[name].accuracy)
    rows = [row for run in runs.values() for row in run["rounds"]]
    sizes = [row["bytes"][MEASURE] / 1e6 for row in rows] + [published[0], bundled[0]]
    seen = [100 * row[key] for row in rows for key in ("validation_accuracy", "test_accuracy")]
    seen += [published[1], bundled[1]]
    margin = 0.08 * (max(seen) - min(seen))
    wide = max(sizes) > 4 * min(sizes)
    x = Axis(min(sizes) / 1.2, max(sizes) * 1.2, *across(), logarithmic=wide)
    y = Axis(min(seen) - margin, max(seen) + margin, *upwards())
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
            tested = x.at(row["bytes"][MEASURE] / 1e6), y.at(100 * row["test_accuracy"])
            body.append(dot(tested, 3, fill="#fff", stroke=colour))
    ours = x.at(bundled[0]), y.at(bundled[1])
    body.append(dot(ours, 8, fill="none", stroke="#111", stroke_width="1.6"))
    # The mark at its place, its meaning above the frame, where no line is.
    a, b = x.at(published[0]), y.at(published[1])
    cross = f"M{a - 6:.1f},{b - 6:.1f} l12,12 m0,-12 l-12,12"
    body.append(element("path", d=cross, stroke="#111", stroke_width="1.8"))
    body.append(text(RIGHT, 18, "test images: × XONN, published; ◯ bundled here", text_anchor="end"))
    return chart(body + stacked_legend(names))
