"""Accuracy by epoch of a network that was trained in stages, from its ``training.json``."""

from __future__ import annotations

import math
from typing import Any

from xonn_scripts.plot.chart import BOTTOM, TOP, Axis, across, chart, frame, legend, line, upwards
from xonn_scripts.plot.svg import COLOURS, straight, text

# What is written over the plot of each network.
TITLES = {
    "bc1": "BC1 on CIFAR-10",
    "bc1_valid": "BC1 without padding on CIFAR-10",
    "bc1_wide": "BC1, wider behind the poolings, on CIFAR-10",
    "fitnet_half": "Fitnet at half width on CIFAR-10",
    "vgg16_half": "VGG16 at half width on CIFAR-10",
    "bh4": "BH4 on malaria cells, grey",
}
SERIES = {"held out": "held_out_accuracy", "training, augmented": "training_accuracy"}


def training(record: dict[str, Any], title: str) -> str:
    """Lines of training images as they are augmented and of held-out ones as they are; stages are marked."""
    history = record["history"]
    sides = [stage["side"] for stage in record["recipe"]["stages"]]
    values = [100 * row[key] for row in history for key in SERIES.values()]
    x = Axis(0, len(history), *across())
    y = Axis(math.floor(min(values) / 5) * 5, math.ceil(max(values) / 5) * 5, *upwards())
    body = frame(x, y, title, "epoch", "per cent right")
    for key, colour in zip(SERIES.values(), COLOURS):
        points = [(i, 100 * row[key]) for i, row in enumerate(history, start=1)]
        body += line(x, y, points, colour, dots=False)
    for row in range(1, len(history)):
        stage = history[row]["stage"]
        if stage == history[row - 1]["stage"]:
            continue
        at = x.at(row)
        body.append(straight((at, BOTTOM), (at, TOP + 10), stroke="#999", stroke_dasharray="4 4"))
        side = sides[stage - 1]
        body.append(text(at + 5, TOP + 24, f"{side} × {side}", class_="small"))
    return chart(body + legend(list(zip(SERIES, COLOURS))))
