"""What the rounds of trimming gave: ``docs/results/trim.json``, and when a run ends."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from xonn_scripts.paths import RESULTS, TARGET

FILE = RESULTS / "trim.json"
WORK = TARGET / "trim"


def note(name: str, width: float, record: dict[str, Any]) -> None:
    """Write a run's rows among those of the other networks and widths."""
    results = json.loads(FILE.read_text()) if FILE.is_file() else {}
    results.setdefault(name, {})[f"{width:g}"] = record
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(results, indent=1) + "\n")


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What a run's rounds depend on."""
    return {
        "seed": arguments.seed,
        "trim_images": arguments.images,
        "trim_samples": arguments.samples,
        "step": arguments.step,
        "epochs": arguments.epochs,
        "rate": arguments.rate,
    }


def known_rounds(arguments: argparse.Namespace, folder: Path) -> tuple[list[dict[str, Any]], str]:
    """Rounds of an earlier run with the same settings whose networks are there, and what it began with."""
    results = json.loads(FILE.read_text()) if FILE.is_file() else {}
    record = results.get(arguments.network, {}).get(f"{arguments.width:g}", {})
    if any(record.get(key) != value for key, value in settings(arguments).items()):
        return [], ""
    there = [number for number in range(len(record["rounds"])) if (folder / f"round_{number}.h5").is_file()]
    if there != list(range(len(record["rounds"]))):
        return [], ""
    return record["rounds"], record["began_with"]


def end(rows: list[dict[str, Any]], floor: float) -> str | None:
    """Why a run of so many rounds ends, if it does."""
    if rows[-1]["validation_accuracy"] < floor / 100:
        return f"the floor of {floor:g} %"
    if len(rows) > 1 and rows[-1]["sizes"] == rows[-2]["sizes"]:
        return "nothing left that --step lets trim"
    return None
