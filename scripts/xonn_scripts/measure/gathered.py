"""What the networks of ``models/`` say of themselves: ``docs/results/models.json`` and ``models.md``."""

from __future__ import annotations

import json
from typing import Any

from xonn_scripts import markdown
from xonn_scripts.paths import MODELS, RESULTS
from xonn_scripts.programs import SCHEMES


def gather() -> dict[str, dict[str, Any]]:
    """What all networks of ``models/`` say of themselves, by name."""
    found = {}
    for cost in sorted(MODELS.glob("*/cost.json")):
        training = json.loads(cost.with_name("training.json").read_text())
        known = json.loads(cost.read_text())
        splits = training.get("split_accuracy")
        found[cost.parent.name] = {
            "accuracy": splits["mean"] if splits else training["test_accuracy_h5"],
            "accuracy_is": "mean of repeated splits" if splits else "of the test inputs",
            "tested_on": next(n for key, n in training.items() if key in ("test_images", "test_rows")),
            "validation_accuracy": training.get("held_out_accuracy"),
            "and": known["and"],
            "bytes_of_one_prediction": known["bytes_of_one_prediction"],
            "median_ms": {run["scheme"]: run["inference_ms_median"] for run in known["private_runs"]},
            "equal_to_eval": [f"{run['equal_to_eval']} of {run['samples']}" for run in known["private_runs"]],
            "check": known["check"],
        }
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """The same as a Markdown table."""

    def megabytes(sizes: dict[str, int], first_layer: str) -> str:
        found = [sizes[f"{first_layer}_{scheme}"] / 1e6 for scheme in SCHEMES]
        return " / ".join(f"{size:,.0f}" if size >= 1000 else f"{size:.3g}" for size in found)

    rows = []
    for name, row in found.items():
        sizes = row["bytes_of_one_prediction"]
        times = " / ".join(f"{time:,.0f}" for time in row["median_ms"].values())
        accuracy = f"{100 * row['accuracy']:.2f} %"
        by_protocol = [megabytes(sizes, first_layer) for first_layer in ("gc", "oca")]
        rows.append([name, accuracy, f"{row['and']:,}", *by_protocol, times])
    head = ["network", "accuracy", "AND gates", "first layer garbled, MB", "by conditional addition, MB"]
    return "\n".join(markdown.table([*head, "median, ms"], rows))


def write() -> str:
    """Write both files; the table."""
    found = gather()
    (RESULTS / "models.json").write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "models.md").write_text(table(found))
    return table(found)
