"""What a network costs, a row each, from the figures that ``measure.plans`` measured."""

from __future__ import annotations

import json
from typing import Any

from xonn_scripts.markdown import duration, kb, mb, table
from xonn_scripts.paths import MODELS
from xonn_scripts.published import MINIONN, XONN

# Links as columns, in the order of their time.
COLUMNS = {
    "loopback": "loopback",
    "1gbit": "1 Gbit/s, 0.2 ms",
    "wan": "100 Mbit/s, 40 ms",
    "far": "20 Mbit/s, 100 ms",
}
# Networks whose figures a paper gives under another name.
SAME_TASK = {
    "square_mlp": "bm1",
    "square_cnn": "bm2",
    "relu_mnist": "bm3",
    "relu_cifar10": "bc1",
    "bc1_valid": "bc1",
    "bc1_wide": "bc1",
}

Cells = dict[str, dict[str, Any]]


def accuracy(name: str) -> str:
    """Of the test set, or the mean of repeated splits, as the network's own record says."""
    record = json.loads((MODELS / name / "training.json").read_text())
    splits = record.get("split_accuracy")
    return f"{100 * (splits['mean'] if splits else record['test_accuracy_h5']):.2f} %"


def title(name: str) -> str:
    """The network, with a link to its page."""
    return f"[{name}](../models/{name}/README.md)"


def run_of(cells: Cells, name: str, link: str, plan: str) -> dict[str, Any] | None:
    """What was measured of a network by this plan on this link, if it was run."""
    run = cells[name].get(link, {}).get("plans", {}).get(plan)
    return run if run and "further_ms" in run else None


def took(run: dict[str, Any] | None) -> str:
    """A further prediction's time, and in brackets what is left with the input."""
    if run is None:
        return ""
    online = f" ({duration(run['online_ms'] / 1000)})" if run["online_ms"] else ""
    return duration(run["further_ms"] / 1000) + online


def hosts(run: dict[str, Any]) -> list[str]:
    """Processor time of both hosts, and each one's peak of memory."""
    peaks = " / ".join(f"{peak / 1e6:.0f}" for peak in run["peak_bytes"])
    return [duration(run["cpu_s"]), peaks]


def papers(name: str) -> list[str]:
    """What both papers publish for the same task."""
    network = SAME_TASK.get(name, name)
    theirs = XONN.get(network) if name == network or name.startswith("bc1") else None
    return [str(theirs or ""), str(MINIONN.get(network, ""))]


def on_shares(cells: Cells) -> list[str]:
    """Each network on shares."""
    rows = []
    for name in cells:
        run = run_of(cells, name, "loopback", "shares")
        if run is None:
            continue
        first, further, online = (run[f"{which}_bytes"] for which in ("first", "further", "online"))
        trips = " / ".join(f"{trips:.0f}" for trips in run["round_trips"])
        times = [took(run_of(cells, name, link, "shares")) for link in COLUMNS]
        sizes = [f"{mb(first)} / {mb(further)}", kb(online), trips]
        rows.append([title(name), accuracy(name), *sizes, *times, *hosts(run), *papers(name)])
    head = ["network", "accuracy", "MB, first / further", "kB with the input"]
    head += ["round trips, first / further / with the input", *COLUMNS.values()]
    return table([*head, "processors", "peak, MB, server / client", "XONN", "MiniONN"], rows)


def of_plan(cells: Cells, plan: str) -> list[str]:
    """Each network by one plan, without anything ahead of the input."""
    rows = []
    for name in cells:
        run = run_of(cells, name, "loopback", plan)
        if run is None:
            continue
        times = [took(run_of(cells, name, link, plan)) for link in COLUMNS]
        rows.append([title(name), mb(run["further_bytes"]), *times, *hosts(run)])
    return table(["network", "MB", *COLUMNS.values(), "processors", "peak, MB, server / client"], rows)
