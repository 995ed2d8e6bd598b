"""Accuracy of the medical tables' networks by their width, from ``docs/results/table_widths.json``."""

from __future__ import annotations

from typing import Any

from xonn_scripts.plot.chart import LEFT, RIGHT, Axis, across, chart, frame, legend, line, upwards
from xonn_scripts.plot.svg import COLOURS, straight


def widths(results: dict[str, dict[str, Any]]) -> str:
    """A line for each table, with the deviation of the repetitions; dashed what the float network gives."""
    values = [100 * row["split_accuracy"]["mean"] for rows in results.values() for row in rows.values()]
    x = Axis(0.8, 4.2, *across())
    y = Axis(5 * (min(values) // 5), 100, *upwards())
    body = frame(
        x,
        y,
        "Medical tables: accuracy by width, ten times five stratified splits",
        "XONN's scale s of the hidden layers",
        "per cent right: BH1 breast cancer, BH2 diabetes, BH3 liver; dashed: their teachers",
    )
    for rows, colour in zip(results.values(), COLOURS):
        points = []
        for width, row in rows.items():
            split = row["split_accuracy"]
            mean, deviation = 100 * split["mean"], 100 * split["deviation_of_repetitions"]
            points.append((float(width), mean))
            at = x.at(float(width))
            body.append(straight((at, y.at(mean - deviation)), (at, y.at(mean + deviation)), stroke=colour))
        body += line(x, y, points, colour, dots=True)
        first = next(iter(rows.values()))
        teacher = y.at(100 * first["split_accuracy_of_float_teacher"]["mean"])
        body.append(straight((LEFT, teacher), (RIGHT, teacher), stroke=colour, stroke_dasharray="5 5"))
    return chart(body + legend([(name.upper(), colour) for name, colour in zip(results, COLOURS)]))
