#!/usr/bin/env python3
"""Measure and draw what the width of BH1, BH2 and BH3 gives: accuracy on the repeated splits by XONN's scale s.

    python scripts/table_widths.py                  all three, to docs/results/table_widths.json and .svg
    python scripts/table_widths.py bh2 bh3          these two
    python scripts/table_widths.py --draw           the plot alone

For each width fifty networks are trained by the recipe in ``tables.py`` and tested on the parts that they have not
seen, as ``train.py`` does for the bundled width.  Nothing is chosen by it.  Needs ``scripts/requirements.txt`` and
the tables (see ``scripts/datasets.py``).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from typing import Any

from curves import BOTTOM, COLOURS, LEFT, RESULTS, RIGHT, TOP, Axis, frame, legend, line, write

FILE = RESULTS / "table_widths.json"
WIDTHS = (1.0, 1.5, 2.0, 3.0, 4.0)
# Hidden neurons of the XONN paper's networks, which s = 1 stands for.
PAPER = {"bh1": (16, 16), "bh2": (20, 20), "bh3": (32, 32)}


def measure(name: str, width: float, seed: int) -> dict[str, Any]:
    """Accuracy of fifty networks of one width, and of the float networks that they learn from."""
    import numpy as np

    from datasets import TABLES
    from tables import TABULAR, summary
    from tabular import stratified_splits, train_stack

    widths = tuple(round(width * units) for units in PAPER[name])
    recipe = replace(TABULAR[name], widths=widths)
    table = TABLES[recipe.dataset]()
    x, rows = table.x.astype(np.float32), np.arange(len(table.x))
    parts = stratified_splits(table.y, recipe.repeats, recipe.folds, seed)
    start = time.monotonic()
    trained = train_stack(x, table.y, [np.setdiff1d(rows, part) for part in parts], recipe, seed)
    found = summary(trained, x, table.y, parts, recipe.folds)
    return {"hidden": widths, "seconds": round(time.monotonic() - start), **found}


def draw(results: dict[str, dict[str, Any]]) -> None:
    """A line for each table, with the deviation of the ten repetitions; dashed what the float network gives."""
    values = [100 * row["split_accuracy"]["mean"] for rows in results.values() for row in rows.values()]
    x = Axis(0.8, 4.2, LEFT, RIGHT)
    y = Axis(5 * (min(values) // 5), 100, BOTTOM, TOP + 10)
    title = "Medical tables: accuracy by width, ten times five stratified splits"
    body = frame(x, y, title, "XONN's scale s of the hidden layers", "per cent right: BH1 breast cancer, BH2 diabetes, BH3 liver; dashed: their teachers")
    for (name, rows), colour in zip(results.items(), COLOURS):
        points = []
        for width, row in rows.items():
            split = row["split_accuracy"]
            mean, deviation = 100 * split["mean"], 100 * split["deviation_of_repetitions"]
            points.append((float(width), mean))
            at = x.at(float(width))
            low, high = y.at(mean - deviation), y.at(mean + deviation)
            body.append(f'<line x1="{at:.1f}" y1="{low:.1f}" x2="{at:.1f}" y2="{high:.1f}" stroke="{colour}"/>')
        body += line(x, y, points, colour, dots=True)
        teacher = y.at(100 * next(iter(rows.values()))["split_accuracy_of_float_teacher"]["mean"])
        body.append(
            f'<line x1="{LEFT}" y1="{teacher:.1f}" x2="{RIGHT}" y2="{teacher:.1f}" stroke="{colour}" '
            'stroke-dasharray="5 5"/>'
        )
    body += legend([(name.upper(), colour) for name, colour in zip(results, COLOURS)])
    write(RESULTS / "table_widths.svg", body)


def main() -> int:
    parser = argparse.ArgumentParser(description="Accuracy of the medical tables' networks by width.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PAPER)} (default all)")
    parser.add_argument("--seed", type=int, default=1, help="seed of splits and training (default 1)")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what was measured")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(PAPER):
        parser.error(f"there is no {', '.join(sorted(unknown))}, expected {', '.join(PAPER)}")
    results = json.loads(FILE.read_text()) if FILE.is_file() else {}
    if not arguments.draw:
        from datasets import DataError

        for name in arguments.names or PAPER:
            for width in WIDTHS:
                try:
                    row = measure(name, width, arguments.seed)
                except DataError as error:
                    print(f"error: {error}", file=sys.stderr)
                    return 1
                results.setdefault(name, {})[f"{width:g}"] = row
                FILE.write_text(json.dumps(results, indent=1) + "\n")
                split = row["split_accuracy"]
                print(f"{name} s = {width:g}: {split['mean']:.4f} ± {split['deviation_of_repetitions']:.4f}", flush=True)
    draw(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
