"""Makes docs/results.md and the growth plot from the figures that two-hosts.sh measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from xonn_scripts.markdown import duration, fill, kb, mb, table
from xonn_scripts.plot import growth as plot
from xonn_scripts.plot import svg
from xonn_scripts.programs import SCHEMES
from xonn_scripts.published import MINIONN, OTHERS, XONN, XONN_BY_WIDTH, size
from xonn_scripts.two_hosts import summary
from xonn_scripts.two_hosts.links import LINKS
from xonn_scripts.two_hosts.store import load

TEMPLATE = Path(__file__).with_name("results.md")

# Our models beside XONN's networks by width.
BY_WIDTH = {
    "bm1": ("bm1", 1),
    "bm1@1.5": ("bm1", 1.5),
    "bm2": ("bm2", 1),
    "bm2@4": ("bm2", 4),
    "bm3": ("bm3", 1),
    "bm3@1.5": ("bm3", 1.5),
    "bc1_valid": ("bc1", 1),
    "bc1_valid@1.5": ("bc1", 1.5),
}
TITLES = {
    "models/bm1": "BM1, trained",
    "models/bm2": "BM2, trained",
    "models/bm3": "BM3, trained",
    "bm2": "BM2, s = 1",
    "bm3": "BM3, s = 1",
    "bc1_valid": "BC1, `valid`",
    "bc1_same": "BC1, `same`",
}


Run = dict[str, Any]


class Runs:
    """Runs by what they measured."""

    def __init__(self, runs: list[Run]) -> None:
        self.by_key = {(r["model"], r["link"], r["scheme"], r["first_layer"]): r for r in runs}

    def find(self, model: str, link: str, scheme: str, first_layer: str = "garbled") -> Run | None:
        """The run that measured this, if there is one."""
        return self.by_key.get((model, link, scheme, first_layer))


def further(run: Run) -> int:
    """Bytes of a prediction on a connection that is there, both directions."""
    return run.get("prediction_bytes", run["connection_bytes"])


def first_layer_bytes(run: Run) -> float:
    """Bytes of a garbled first layer's tables. What is stored is for half gates; nearly all its ANDs are full
    ones.
    """
    full = 1 if run["scheme"] == "half-gates" else (24 + 5 / 8) / 32
    return run["first_layer_table_bytes"] * full


def compared(runs: Runs) -> list[str]:
    """Our bytes beside XONN's for the same widths, all layers garbled, half gates / three halves."""
    rows = []
    for model, (network, width) in BY_WIDTH.items():
        both = [runs.find(model, "loopback", scheme) for scheme in SCHEMES]
        if not all(both):
            continue
        sizes = " / ".join(mb(further(run)) for run in both)
        rest = " / ".join(mb(further(run) - first_layer_bytes(run)) for run in both)
        rows.append([network.upper(), f"{width:g}", size(XONN_BY_WIDTH[network, width]), sizes, rest])
    head = ["network", "s", "XONN, MB", "ours, MB", "without the first layer's tables, MB"]
    return table(head, rows)


def ahead(found: list[Run]) -> list[str]:
    """What comes before an input and after it, with garbled circuits sent ahead."""
    runs, rows = Runs(found), []
    names = [name for name in LINKS if any(key[1] == name for key in runs.by_key)]
    for model, title in TITLES.items():
        by_link = [runs.find(model, name, "half-gates") for name in names]
        run = next(filter(None, by_link), None)
        if run is None:
            continue
        sizes = [mb(run["offline_bytes"]), kb(run["online_up_bytes"]), kb(run["online_down_bytes"])]
        memory = f"{mb(run['server_peak_bytes'])} / {mb(run['client_peak_bytes'])} ({run['ahead']})"
        took = [f"{duration(r['prediction_s'])} ({duration(r['circuit_s'])})" if r else "" for r in by_link]
        rows.append([title, *sizes, str(run["online_rounds"]), *took, memory])
    head = ["model", "offline, MB", "online, kB up", "kB down", "round trips online"]
    return table(
        head + [LINKS[name].title for name in names] + ["peak memory, MB, server / client (ahead)"], rows
    )


def trained(models: dict[str, Any]) -> list[str]:
    """The networks of models/, with what the papers publish for the same task."""
    rows = []
    for name, run in models.items():
        sizes = [
            " / ".join(mb(run["bytes_of_one_prediction"][f"{way}_{scheme}"]) for scheme in SCHEMES)
            for way in ("gc", "oca")
        ]
        accuracy = f"{run['accuracy']:.2%}".replace("%", " %")
        network, _, form = name.partition("_")
        title = network.upper() if network[-1].isdigit() else network.capitalize()
        link = f"[{title}{form and ', ' + form}](../models/{name}/README.md)"
        papers = [str(paper.get(network, "")) for paper in (XONN, MINIONN)]
        rows.append([link, accuracy, f"{run['and']:,}", *sizes, *papers])
    head = [
        "network",
        "accuracy",
        "ANDs",
        "first layer garbled, MB",
        "by oca, MB",
        "XONN",
        "MiniONN",
    ]
    return table(head, rows)


def joined(runs: list[Run], show: Callable[[Run], str]) -> str:
    """The same figure of several runs in one cell."""
    return " / ".join(map(show, runs))


def grown(runs: list[Run]) -> list[str]:
    """Cost of networks of growing size, half gates / three halves."""
    rows = []
    # What a run costs an AND says nothing where no ANDs were counted.
    runs = [run for run in runs if run["ands"]]
    half = [run for run in runs if run["scheme"] == "half-gates"]
    for run in sorted(half, key=lambda run: run["ands"]):
        three = next((r for r in runs if r["scheme"] == "three-halves" and r["model"] == run["model"]), None)
        each = partial(joined, [run, *([three] if three else [])])
        rows.append(
            [
                run["model"].replace("@", ", s = "),
                f"{run['ands']:,}",
                each(lambda r: mb(r["connection_bytes"])),
                each(lambda r: duration(r["prediction_s"])),
                each(lambda r: f"{r['cpu_s'] / r['ands'] * 1e9:.0f}"),
                each(lambda r: mb(r["server_peak_bytes"])),
                each(lambda r: mb(r["client_peak_bytes"])),
            ]
        )
    head = [
        "network",
        "ANDs",
        "MB sent",
        "time",
        "processor ns an AND",
        "server's peak, MB",
        "client's peak, MB",
    ]
    return table(head, rows)


def machine(found: dict[str, Any]) -> str:
    """Where it was measured, in words."""
    told = found["machine"] or {}
    vector = " with VAES on 512 bits" if told.get("vaes") and told.get("avx512") else ""
    processor, cores, kernel = (told.get(name, "unknown") for name in ("processor", "cores", "kernel"))
    return f"{processor}{vector}, {cores} cores, Linux {kernel}"


def older(runs: list[Run], where: str) -> str:
    """Which programs the garbled runs of the last tables are of, and where they ran."""
    commits, dates = sorted({run["commit"] for run in runs}), sorted({run["date"] for run in runs})
    return f"programs at {', '.join(commits)}, {dates[-1]}, {where}" if runs else "nothing measured yet"


def published() -> list[str]:
    """What XONN gives for its networks."""
    rows = [[name.upper(), f"{row.seconds:g} s", size(row.megabytes)] for name, row in XONN.items()]
    return table(["network", "XONN, time", "XONN, MB"], rows)


def others() -> list[str]:
    """Other systems on the same tasks."""
    rows = [
        [
            *(row.system, row.network, row.task, f"{row.accuracy} %"),
            *("not reported" if row.megabytes is None else size(row.megabytes), row.time),
        ]
        for row in OTHERS
    ]
    return table(["system", "network", "task", "accuracy", "MB", "time"], rows, words=3)


def page(results: Path) -> tuple[str, str | None]:
    """The page from the figures in a folder, and the plot if growth was measured by both schemes."""
    found, early = load(results / "two-hosts.json"), load(results / "ahead.json")
    growth = load(results / "growth.json")
    for stored in (found, early, growth):
        stored["runs"] = [run for run in stored["runs"] if run["first_layer"] == "garbled"]
    plans = results / "plans.json"
    cells = json.loads(plans.read_text()) if plans.is_file() else {}
    drawn = None
    if {run["scheme"] for run in growth["runs"]} == set(SCHEMES):
        caption = f"Two processes over loopback, {machine(growth)}, shared with other work; medians."
        drawn = plot.growth(growth["runs"], caption)
    parts = {
        "on_shares": summary.on_shares(cells),
        "garbled": summary.of_plan(cells, "gc"),
        "added": summary.of_plan(cells, "oca"),
        "trained": trained(json.loads((results / "models.json").read_text())),
        "others": others(),
        "ahead": ahead(early["runs"]),
        "compared": compared(Runs(found["runs"])),
        "published": published(),
        "growth": grown(growth["runs"]),
        "older": older(found["runs"] + early["runs"] + growth["runs"], machine(found)),
    }
    return fill(TEMPLATE.read_text(), parts), drawn


def write(out: Path) -> None:
    """Write the page below ``out``, and the plot."""
    text, drawn = page(out / "results")
    (out / "results.md").write_text(text)
    if drawn:
        svg.write(out / "results/growth.svg", drawn)
