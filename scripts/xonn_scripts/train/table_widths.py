"""Measure and draw the accuracy of BH1, BH2 and BH3 on the repeated splits by width, XONN's scale s.

    python -m xonn_scripts.train.table_widths             all three, to docs/results/table_widths.*
    python -m xonn_scripts.train.table_widths bh2 bh3     these two
    python -m xonn_scripts.train.table_widths --draw      the plot alone

For each width fifty networks are trained by the recipe in ``nets.recipes`` and tested on the parts that they
have not seen, as ``xonn_scripts.train`` does for the bundled width.  Nothing is chosen by it.  Needs the
packages of ``pip install -e "scripts[train]"`` and the tables (see ``data.folder``).
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from typing import Any

from xonn_scripts.command_line import parser_of
from xonn_scripts.nets.recipes import TABULAR
from xonn_scripts.paths import RESULTS
from xonn_scripts.plot import svg
from xonn_scripts.plot.widths import widths as drawn
from xonn_scripts.published import XONN_HIDDEN

FILE = RESULTS / "table_widths.json"
WIDTHS = (1.0, 1.5, 2.0, 3.0, 4.0)


def measure(name: str, width: float, seed: int) -> dict[str, Any]:
    """Accuracy of fifty networks of one width, and of the float networks that they learn from."""
    import numpy as np

    from xonn_scripts.data.tables import TABLES
    from xonn_scripts.train.stacks import stratified_splits, train_stack
    from xonn_scripts.train.tables import summary

    widths = tuple(round(width * units) for units in XONN_HIDDEN[name])
    recipe = replace(TABULAR[name], widths=widths)
    table = TABLES[recipe.dataset]()
    x, rows = table.x.astype(np.float32), np.arange(len(table.x))
    parts = stratified_splits(table.y, recipe.repeats, recipe.folds, seed)
    start = time.monotonic()
    trained = train_stack(x, table.y, [np.setdiff1d(rows, part) for part in parts], recipe, seed)
    found = summary(trained, x, table.y, parts, recipe.folds)
    return {"hidden": widths, "seconds": round(time.monotonic() - start), **found}


def main() -> int:
    """The command."""
    parser = parser_of("train.table_widths", __doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(XONN_HIDDEN)} (default all)")
    parser.add_argument("--seed", type=int, default=1, help="seed of splits and training (default 1)")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what was measured")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(XONN_HIDDEN):
        parser.error(f"there is no {', '.join(sorted(unknown))}, expected {', '.join(XONN_HIDDEN)}")
    results = json.loads(FILE.read_text()) if FILE.is_file() else {}
    if not arguments.draw:
        from xonn_scripts.data.folder import DataError

        for name in arguments.names or XONN_HIDDEN:
            for width in WIDTHS:
                try:
                    row = measure(name, width, arguments.seed)
                except DataError as error:
                    print(f"error: {error}", file=sys.stderr)
                    return 1
                results.setdefault(name, {})[f"{width:g}"] = row
                FILE.write_text(json.dumps(results, indent=1) + "\n")
                split = row["split_accuracy"]
                print(
                    f"{name} s = {width:g}: {split['mean']:.4f} ± {split['deviation_of_repetitions']:.4f}",
                    flush=True,
                )
    svg.write(RESULTS / "table_widths.svg", drawn(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
