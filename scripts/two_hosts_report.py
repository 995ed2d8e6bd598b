"""Makes docs/results.md and the growth plot from the figures that two-hosts.sh measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Callable

import two_hosts_plot as plot
from two_hosts_links import LINKS

# XONN (Riazi, Samragh, Chen, Laine, Lauter, Koushanfar, USENIX Security 2019): what its table of results says of a
# network, in seconds and MB, and MB of the same network by the factor s on its hidden layers.
PUBLISHED = {"BM1": (0.13, 4.29), "BM2": (0.16, 38.3), "BM3": (0.15, 32.1), "BC1": (5.79, 2599)}
# The same papers' accuracy, s and MB of a prediction of a network of the same task: XONN's tables; MiniONN (Liu, Juuti, Lu,
# Asokan, CCS 2017), tables 2, 4 and 5, offline and online together, whose networks are not binary.
PAPERS = {
    "bm1": ("97.6 %, 4.29 MB, 0.13 s", "97.6 %, 15.8 MB, 1.04 s"),
    "bm2": ("98.64 %, 38.3 MB, 0.16 s", "98.95 %, 47.6 MB, 1.28 s"),
    "bm3": ("99.0 %, 32.1 MB, 0.15 s", "99.31 %, 657.5 MB, 9.3 s"),
    "bc1": ("81.85 %, 2,599 MB, 5.79 s", "81.61 %, 9,272 MB, 544 s"),
}
BY_WIDTH = {
    "bm1": (1, 2.57),
    "bm1@1.5": (1.5, 4.09),
    "bm2": (1, 2.90),
    "bm2@4": (4, 38.3),
    "bm3": (1, 17.6),
    "bm3@1.5": (1.5, 36.7),
    "bc1_valid": (1, 1260),
    "bc1_valid@1.5": (1.5, 2820),
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
SCHEMES = {"half-gates": "half gates", "three-halves": "three halves"}


def load(path: Path) -> dict:
    """Figures measured before; none yet is no error."""
    return json.loads(path.read_text()) if path.exists() else {"links": {}, "runs": [], "machine": None}


def duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms" if seconds >= 0.02 else f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def mb(size: float) -> str:
    size /= 1e6
    return f"{size:,.0f}" if size >= 100 else f"{size:.1f}" if size >= 10 else f"{size:.2f}"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table whose columns but the first are right-aligned."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)] + [""]


class Runs:
    """Runs by what they measured."""

    def __init__(self, runs: list[dict]) -> None:
        self.by_key = {(r["model"], r["link"], r["scheme"], r["first_layer"]): r for r in runs}

    def find(self, model: str, link: str, scheme: str, first_layer: str = "garbled") -> dict | None:
        return self.by_key.get((model, link, scheme, first_layer))

    def first_layers(self) -> list[str]:
        """The ways in which the first layer was run, garbled first."""
        return sorted({key[3] for key in self.by_key}, key=lambda way: (way != "garbled", way))

    def cells(self, links: list[str], show: Callable) -> list[list[str]]:
        """A row for each model, scheme and first layer that has runs; ``show`` makes the cell of a run."""
        rows = []
        for model, title in TITLES.items():
            for way in self.first_layers():
                for scheme, name in SCHEMES.items():
                    found = [self.find(model, link, scheme, way) for link in links]
                    if any(found):
                        label = name if way == "garbled" else f"{name}, first layer {way}"
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
        first = [title, scheme, f"{cell['ands']:,}", mb(further(cell)), share]
        rows.append(first + [rounds, memory, duration(cell["cpu_s"])])
    head = ["model", "scheme", "ANDs", "MB a prediction", "of which the first layer", "round trips, first / further"]
    return table(head + ["peak memory, MB, server / client", "processor time of both hosts"], rows)


def further(run: dict) -> int:
    """Bytes of a prediction on a connection that is there, both directions."""
    return run.get("prediction_bytes", run["connection_bytes"])


def first_layer_bytes(run: dict) -> float:
    """Bytes of a garbled first layer's tables. What is stored is for half gates; nearly all its ANDs are full ones."""
    full = 1 if run["scheme"] == "half-gates" else (24 + 5 / 8) / 32
    return run["first_layer_table_bytes"] * full


def times(runs: Runs) -> list[str]:
    names = [name for name in LINKS if any(key[1] == name for key in runs.by_key)]

    def show(run: dict) -> str:
        return f"{duration(run['prediction_s'])} ({duration(run['first_s'])})"

    return table(["model", "scheme"] + [LINKS[name].title for name in names], runs.cells(names, show))


def compared(runs: Runs) -> list[str]:
    """Our bytes beside XONN's for the same widths, half gates / three halves."""
    rows = []
    for model, (width, theirs) in BY_WIDTH.items():
        for way in runs.first_layers():
            both = [runs.find(model, "loopback", scheme, way) for scheme in SCHEMES]
            if not all(both):
                continue
            sizes = " / ".join(mb(further(run)) for run in both)
            rest = " / ".join(mb(further(run) - first_layer_bytes(run)) for run in both) if way == "garbled" else ""
            lan = [runs.find(model, "lan", scheme, way) for scheme in SCHEMES]
            took = " / ".join(duration(run["prediction_s"]) if run else "-" for run in lan)
            network = model.split("@")[0].split("_")[0].upper()
            rows.append([network, f"{width:g}", f"{theirs:,}", way, sizes, rest, took])
    head = ["network", "s", "XONN, MB", "our first layer", "ours, MB", "without the first layer's tables, MB", "LAN"]
    return table(head, rows)


def ahead(found: list[dict]) -> list[str]:
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
            took = [f"{duration(r['prediction_s'])} ({duration(r['circuit_s'])})" if r else "" for r in by_link]
            rows.append([title, way, *sizes, str(run["online_rounds"]), *took, memory])
    head = ["model", "first layer", "offline, MB", "online, kB up", "kB down", "round trips online"]
    return table(head + [LINKS[name].title for name in names] + ["peak memory, MB, server / client (ahead)"], rows)


def kb(size: float) -> str:
    size /= 1e3
    return f"{size:,.0f}" if size >= 100 else f"{size:.1f}"


def trained(models: dict) -> list[str]:
    """The networks of models/, with what the papers publish for the same task."""
    rows = []
    for name, run in models.items():
        sizes = [
            " / ".join(mb(run["bytes_of_one_prediction"][f"{way}_{scheme}"]) for scheme in SCHEMES) for way in ("gc", "oca")
        ]
        took = " / ".join(f"{run['median_ms'][scheme]:.0f} ms" for scheme in SCHEMES)
        accuracy = f"{run['accuracy']:.2%}".replace("%", " %")
        network, _, form = name.partition("_")
        title = network.upper() if network[-1].isdigit() else network.capitalize()
        link = f"[{title}{form and ', ' + form}](../models/{name}/README.md)"
        rows.append([link, accuracy, f"{run['and']:,}", *sizes, took, *PAPERS.get(network, ("", ""))])
    head = ["network", "accuracy", "ANDs", "first layer garbled, MB", "by oca, MB", "median", "XONN", "MiniONN"]
    return table(head, rows)


def seen(links: dict) -> list[str]:
    rows = []
    for name in filter(links.get, LINKS):
        link = links[name]
        rows.append([LINKS[name].title, link["made_of"], f"{link['rtt_ms']:.2f} ms", f"{link['mbit']:,.0f} Mbit/s"])
    return table(["link", "made of", "round trip", "one TCP stream"], rows)


def grown(runs: list[dict]) -> list[str]:
    rows = []
    half = [run for run in runs if run["scheme"] == "half-gates"]
    for run in sorted(half, key=lambda run: run["ands"]):
        three = next((r for r in runs if r["scheme"] == "three-halves" and r["model"] == run["model"]), None)
        both = [run] + ([three] if three else [])

        def each(show: Callable[[dict], str]) -> str:
            return " / ".join(map(show, both))

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
    head = ["network", "ANDs", "MB sent", "time", "processor ns an AND", "server's peak, MB", "client's peak, MB"]
    return table(head, rows)


def machine(found: dict) -> str:
    told = found["machine"] or {}
    vector = " with VAES on 512 bits" if told.get("vaes") and told.get("avx512") else ""
    processor, cores, kernel = (told.get(name, "unknown") for name in ("processor", "cores", "kernel"))
    return f"{processor}{vector}, {cores} cores, Linux {kernel}"


def fill(template: str, parts: dict[str, list[str] | str]) -> str:
    for name, part in parts.items():
        template = template.replace("{{" + name + "}}", part if isinstance(part, str) else "\n".join(part).rstrip())
    return template


def spread(found: dict) -> str:
    """From the least to the most work that others did when a run began."""
    loads = [run["load_before"] for run in found["runs"]]
    return f"{min(loads):.0f} to {max(loads):.0f}" if loads else "unknown"


def write(out: Path) -> None:
    """Writes the page below ``out``, and the plot if growth was measured."""
    found, growth = load(out / "results/two-hosts.json"), load(out / "results/growth.json")
    early = load(out / "results/ahead.json")
    growth["runs"] = [run for run in growth["runs"] if run["first_layer"] == "garbled"]
    runs = Runs(found["runs"])
    schemes = {run["scheme"] for run in growth["runs"]}
    if schemes == set(SCHEMES):
        caption = f"Two processes over loopback, {machine(growth)}, shared with other work; medians."
        plot.growth(growth["runs"], out / "results/growth.svg", caption)
    revisions = sorted({run["commit"] for run in found["runs"] + growth["runs"] + early["runs"]})
    dates = sorted({run["date"] for run in found["runs"] + growth["runs"] + early["runs"]})
    published = [[name, f"{seconds} s", f"{size:,}"] for name, (seconds, size) in PUBLISHED.items()]
    parts = {
        "machine": machine(found),
        "load": spread(found),
        "revisions": ", ".join(revisions),
        "dates": " to ".join(dict.fromkeys([dates[0], dates[-1]])) if dates else "",
        "costs": costs(runs),
        "times": times(runs),
        "trained": trained(json.loads((out / "results/models.json").read_text())),
        "ahead": ahead(early["runs"]),
        "compared": compared(runs),
        "published": table(["network", "XONN, time", "XONN, MB"], published),
        "links": seen(found["links"]),
        "growth": grown(growth["runs"]),
    }
    template = (Path(__file__).resolve().parent / "two_hosts_results.md").read_text()
    (out / "results.md").write_text(fill(template, parts))
