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


def way_of(runs: list[Run | None]) -> str:
    """How the first layer was run, with a mark where it was none of a plan's stages yet: only then were gates
    beside it counted.
    """
    found = [run for run in runs if run]
    way = found[0]["first_layer"]
    before_plans = way != "garbled" and any(run.get("ands") is not None for run in found)
    return f"{way} †" if before_plans else way


class Runs:
    """Runs by what they measured."""

    def __init__(self, runs: list[Run]) -> None:
        self.by_key = {(r["model"], r["link"], r["scheme"], r["first_layer"]): r for r in runs}

    def find(self, model: str, link: str, scheme: str, first_layer: str = "garbled") -> Run | None:
        """The run that measured this, if there is one."""
        return self.by_key.get((model, link, scheme, first_layer))

    def first_layers(self) -> list[str]:
        """The ways in which the first layer was run, garbled first."""
        return sorted({key[3] for key in self.by_key}, key=lambda way: (way != "garbled", way))

    def cells(self, links: list[str], show: Callable[[Run], Any]) -> list[list[str]]:
        """A row for each model, scheme and first layer that has runs; ``show`` makes the cell of a run."""
        rows = []
        for model, title in TITLES.items():
            for way in self.first_layers():
                for scheme, name in SCHEMES.items():
                    found = [self.find(model, link, scheme, way) for link in links]
                    if any(found):
                        label = name if way == "garbled" else f"{name}, first layer {way_of(found)}"
                        rows.append([title, label] + [show(run) if run else "" for run in found])
        return rows


def costs(runs: Runs) -> list[str]:
    """Bytes, rounds and memory of each model, from the runs over loopback."""
    rows = []
    for title, scheme, cell in runs.cells(["loopback"], lambda run: run):
        if not cell:
            continue
        share = "" if cell["first_layer"] != "garbled" else f"{first_layer_bytes(cell) / further(cell):.0%}"
        memory = f"{mb(cell['server_peak_bytes'])} / {mb(cell['client_peak_bytes'])}"
        rounds = f"{cell['connection_rounds']} / {cell.get('prediction_rounds', 1)}"
        first = [title, scheme, counted(cell["ands"]), mb(further(cell)), share]
        rows.append(first + [rounds, memory, duration(cell["cpu_s"])])
    head = [
        "model",
        "scheme",
        "ANDs",
        "MB a prediction",
        "of which the first layer",
        "round trips, first / further",
    ]
    return table(head + ["peak memory, MB, server / client", "processor time of both hosts"], rows)


def counted(gates: int | None) -> str:
    """A number of gates as a cell; where none was counted it stays empty."""
    return "" if gates is None else f"{gates:,}"


def further(run: Run) -> int:
    """Bytes of a prediction on a connection that is there, both directions."""
    return run.get("prediction_bytes", run["connection_bytes"])


def first_layer_bytes(run: Run) -> float:
    """Bytes of a garbled first layer's tables. What is stored is for half gates; nearly all its ANDs are full
    ones.
    """
    full = 1 if run["scheme"] == "half-gates" else (24 + 5 / 8) / 32
    return run["first_layer_table_bytes"] * full


def times(runs: Runs) -> list[str]:
    """Time of each model by link: on a connection that is there, and of a single prediction."""
    names = [name for name in LINKS if any(key[1] == name for key in runs.by_key)]

    def show(run: Run) -> str:
        return f"{duration(run['prediction_s'])} ({duration(run['first_s'])})"

    return table(["model", "scheme"] + [LINKS[name].title for name in names], runs.cells(names, show))


def compared(runs: Runs) -> list[str]:
    """Our bytes beside XONN's for the same widths, half gates / three halves."""
    rows = []
    for model, (network, width) in BY_WIDTH.items():
        theirs = XONN_BY_WIDTH[network, width]
        for way in runs.first_layers():
            both = [runs.find(model, "loopback", scheme, way) for scheme in SCHEMES]
            if not all(both):
                continue
            sizes = " / ".join(mb(further(run)) for run in both)
            rest = (
                " / ".join(mb(further(run) - first_layer_bytes(run)) for run in both)
                if way == "garbled"
                else ""
            )
            lan = [runs.find(model, "lan", scheme, way) for scheme in SCHEMES]
            took = " / ".join(duration(run["prediction_s"]) if run else "-" for run in lan)
            rows.append([network.upper(), f"{width:g}", size(theirs), way_of(both), sizes, rest, took])
    head = [
        "network",
        "s",
        "XONN, MB",
        "our first layer",
        "ours, MB",
        "without the first layer's tables, MB",
        "LAN",
    ]
    return table(head, rows)


def ahead(found: list[Run]) -> list[str]:
    """What comes before an input and after it, with circuits sent ahead."""
    runs, rows = Runs(found), []
    names = [name for name in LINKS if any(key[1] == name for key in runs.by_key)]
    for model, title in TITLES.items():
        for way in runs.first_layers():
            by_link = [runs.find(model, name, "half-gates", way) for name in names]
            run = next(filter(None, by_link), None)
            if run is None:
                continue
            sizes = [mb(run["offline_bytes"]), kb(run["online_up_bytes"]), kb(run["online_down_bytes"])]
            memory = f"{mb(run['server_peak_bytes'])} / {mb(run['client_peak_bytes'])} ({run['ahead']})"
            took = [
                f"{duration(r['prediction_s'])} ({duration(r['circuit_s'])})" if r else "" for r in by_link
            ]
            rows.append([title, way, *sizes, str(run["online_rounds"]), *took, memory])
    head = ["model", "first layer", "offline, MB", "online, kB up", "kB down", "round trips online"]
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
        took = " / ".join(f"{run['median_ms'][scheme]:.0f} ms" for scheme in SCHEMES)
        accuracy = f"{run['accuracy']:.2%}".replace("%", " %")
        network, _, form = name.partition("_")
        title = network.upper() if network[-1].isdigit() else network.capitalize()
        link = f"[{title}{form and ', ' + form}](../models/{name}/README.md)"
        papers = [str(paper.get(network, "")) for paper in (XONN, MINIONN)]
        rows.append([link, accuracy, f"{run['and']:,}", *sizes, took, *papers])
    head = [
        "network",
        "accuracy",
        "ANDs",
        "first layer garbled, MB",
        "by oca, MB",
        "median",
        "XONN",
        "MiniONN",
    ]
    return table(head, rows)


def seen(links: dict[str, Any]) -> list[str]:
    """The links as the probe saw them."""
    rows = []
    for name in filter(links.get, LINKS):
        link = links[name]
        rows.append(
            [LINKS[name].title, link["made_of"], f"{link['rtt_ms']:.2f} ms", f"{link['mbit']:,.0f} Mbit/s"]
        )
    return table(["link", "made of", "round trip", "one TCP stream"], rows)


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


def spread(found: dict[str, Any]) -> str:
    """From the least to the most work that others did when a run began."""
    loads = [run["load_before"] for run in found["runs"]]
    return f"{min(loads):.0f} to {max(loads):.0f}" if loads else "unknown"


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
    growth["runs"] = [run for run in growth["runs"] if run["first_layer"] == "garbled"]
    runs = Runs(found["runs"])
    drawn = None
    if {run["scheme"] for run in growth["runs"]} == set(SCHEMES):
        caption = f"Two processes over loopback, {machine(growth)}, shared with other work; medians."
        drawn = plot.growth(growth["runs"], caption)
    everything = found["runs"] + growth["runs"] + early["runs"]
    dates = sorted({run["date"] for run in everything})
    parts = {
        "machine": machine(found),
        "load": spread(found),
        "revisions": ", ".join(sorted({run["commit"] for run in everything})),
        "dates": " to ".join(dict.fromkeys([dates[0], dates[-1]])) if dates else "",
        "costs": costs(runs),
        "times": times(runs),
        "trained": trained(json.loads((results / "models.json").read_text())),
        "others": others(),
        "ahead": ahead(early["runs"]),
        "compared": compared(runs),
        "published": published(),
        "links": seen(found["links"]),
        "growth": grown(growth["runs"]),
    }
    return fill(TEMPLATE.read_text(), parts), drawn


def write(out: Path) -> None:
    """Write the page below ``out``, and the plot."""
    text, drawn = page(out / "results")
    (out / "results.md").write_text(text)
    if drawn:
        svg.write(out / "results/growth.svg", drawn)
