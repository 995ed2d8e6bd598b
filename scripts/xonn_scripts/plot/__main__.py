"""Draw what training and trimming measured.

    python -m xonn_scripts.plot

Writes docs/results/trim_NETWORK.svg from trim.json, docs/results/table_widths.svg from table_widths.json, and
training.svg of the convolutional models from their training.json.  The plot of growth is drawn with
docs/results.md, by scripts/two-hosts.sh --report.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xonn_scripts.command_line import parser_of
from xonn_scripts.paths import DOCS, MODELS, RESULTS
from xonn_scripts.plot import svg
from xonn_scripts.plot.training import TITLES, training
from xonn_scripts.plot.trimming import trimming
from xonn_scripts.plot.widths import widths

# Bytes of the bundled networks by the programs that trim.json was measured with: all points of a plot are of
# the same programs. Those of today are in cost.json.
BUNDLED = {"bm1": 1_517_629, "bm2": 14_277_001, "bm3": 28_632_063}


def read(path: Path) -> dict[str, Any]:
    """A file of figures; none yet is no error."""
    return json.loads(path.read_text()) if path.is_file() else {}


def drawn() -> dict[Path, str]:
    """Every plot and its file."""
    plots = {}
    for name, runs in read(RESULTS / "trim.json").items():
        trained = read(MODELS / name / "training.json")
        bundled = (BUNDLED[name] / 1e6, 100 * trained["test_accuracy_h5"])
        plots[RESULTS / f"trim_{name}.svg"] = trimming(name, runs, bundled)
    if by_width := read(RESULTS / "table_widths.json"):
        plots[RESULTS / "table_widths.svg"] = widths(by_width)
    for name, title in TITLES.items():
        if record := read(MODELS / name / "training.json"):
            plots[MODELS / name / "training.svg"] = training(record, title)
    return plots


def main() -> None:
    """The command."""
    parser = parser_of("plot", __doc__)
    parser.add_argument("--out", type=Path, help="folder to write to instead of docs/ and models/")
    out = parser.parse_args().out
    for path, content in drawn().items():
        if out:
            inside = path.relative_to(DOCS.parent)
            svg.write(out / inside, content)
        else:
            svg.write(path, content)


if __name__ == "__main__":
    main()
