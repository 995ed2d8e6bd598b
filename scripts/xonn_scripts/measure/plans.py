"""Times of all plans of networks between two hosts on one machine, beside those that the planner expects.

    python -m xonn_scripts.measure.plans bm1 relu_mnist --links 1gbit wan    after cargo build --release
    python -m xonn_scripts.measure.plans --report                            the page again

Links are network namespaces, so this needs root, ``ip`` and ``tc``; inputs as for ``measure.on_shares``.
For each network, link and plan: a first prediction on a connection of its own, the median of some that
follow, and on shares the median with the input where the rest was done ahead.  A plan that is expected to
take longer than ``--most`` seconds is not run.  Figures go into ``docs/results/plans.json``, those of other
networks and links stay; ``docs/results/plans.md`` shows them.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from xonn_scripts import markdown
from xonn_scripts.command_line import parser_of
from xonn_scripts.data.folder import DataError
from xonn_scripts.measure.on_shares import calibration, test_inputs
from xonn_scripts.measure.private_run import build, infer
from xonn_scripts.paths import MODELS, RESULTS, default_programs
from xonn_scripts.programs import SCHEMES, ProgramError, call, traffic
from xonn_scripts.two_hosts.links import Hosts, Link, LinkError, hosts, probe

LINKS = {
    "loopback": Link("loopback"),
    "10gbit": Link("10 Gbit/s, no delay added", 10_000),
    "1gbit": Link("1 Gbit/s, 0.2 ms", 1_000, 0.2),
    "wan": Link("100 Mbit/s, 40 ms", 100, 40.0),
    "far": Link("20 Mbit/s, 100 ms", 20, 100.0),
}
SHARES = "shares"
PLANS = {"gc": "garbled", "oca": "conditional addition", SHARES: "on shares"}
FILE = RESULTS / "plans.json"
PAGE = RESULTS / "plans.md"
TEMPLATE = Path(__file__).with_name("plans.md")
# Seconds that the predictions of a median are to take together, and how many there are at most.
SECONDS, MOST_COUNT = 4.0, 9
# How much longer than the quickest plan the chosen one may take.
GOAL = 1.15


def expected(package: Path, programs: Path, link: dict[str, float]) -> dict[str, list[float]]:
    """Milliseconds of a first prediction, of one that follows and with the input, by plan."""
    network = ["--rtt", link["rtt_ms"], "--mbps", link["mbit"]]
    report = call(programs / "xonn-compile", "inspect", package, "--format", "json", *network)
    plans = json.loads(report)["plans"]
    return {plan["first_layer"]: plan["links"][0]["first_further_online_ms"] for plan in plans}


def measured(
    files: tuple[Path, Path, Path], programs: Path, plan: str, both: Hosts, further_ms: float
) -> dict[str, Any]:
    """One plan over one link, in ms; `further_ms` is what a prediction is expected to take."""
    package, secret, inputs = files
    scheme = next(iter(SCHEMES))

    def run(predictions: int, ahead: int = 0) -> dict[str, Any]:
        return infer(package, secret, inputs, programs, scheme, plan, predictions, both, ahead)

    count = int(min(MOST_COUNT, max(1, SECONDS * 1000 / further_ms)))
    firsts = [run(1) for _ in range(min(count, 3))]
    first = firsts[0]
    # The first one of a connection waits for base OTs.
    many = run(count + 1) if count > 1 else first
    rest = count if count > 1 else 1
    before = first if count > 1 else {"sent_bytes": 0, "received_bytes": 0, "round_trips": 0, "cpu_s": 0}
    online = run(count, count)["online"] if plan == SHARES else None
    return {
        "first_ms": round(statistics.median(report["total_ms"] for report in firsts), 2),
        "further_ms": round(many["inference_ms_median"], 2),
        "online_ms": online and round(online["inference_ms_median"], 2),
        "first_bytes": traffic(first),
        "further_bytes": round((traffic(many) - traffic(before)) / rest),
        "online_bytes": online and round((online["sent_bytes"] + online["received_bytes"]) / count),
        "round_trips": [
            first["round_trips"],
            round((many["round_trips"] - before["round_trips"]) / rest, 1),
            online and round(online["round_trips"] / count, 1),
        ],
        "cpu_s": round((many["cpu_s"] - before["cpu_s"]) / rest, 4),
        "peak_bytes": [many["server_peak_bytes"], many["peak_memory_bytes"]],
    }


def of_network(name: str, links: list[str], programs: Path, most: float) -> dict[str, Any]:
    """All plans of a network over some links."""
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        package, secret = build(MODELS / name / "model.h5", programs, folder, calibration(name))
        inputs = folder / "inputs.npy"
        np.save(inputs, test_inputs(name, package, MOST_COUNT + 1))
        for key in links:
            with hosts(LINKS[key]) as both:
                link = probe(both)
                cell: dict[str, Any] = {"link": link, "load": round(os.getloadavg()[0], 1), "plans": {}}
                for plan, times in expected(package, programs, link).items():
                    row: dict[str, Any] = {"expected_ms": [round(time, 2) for time in times]}
                    if times[1] < 1000 * most:
                        row |= measured((package, secret, inputs), programs, plan, both, times[1])
                    cell["plans"][plan] = row
                    print(f"{name:14} {key:9} {plan:7} {row}", flush=True)
                found[key] = cell
    return found


def times(plan: dict[str, Any] | None, which: str) -> str:
    """A cell: measured, and in brackets expected."""
    if plan is None:
        return ""
    wanted = plan["expected_ms"][("first_ms", "further_ms", "online_ms").index(which)]
    shown = markdown.duration(plan[which] / 1000) if which in plan else "not run"
    return f"{shown} ({markdown.duration(wanted / 1000)})"


def chosen(plans: dict[str, dict[str, Any]]) -> tuple[str, str, float | None]:
    """The plan that the planner takes, the quickest measured, and how much longer the first took."""
    taken = min(plans, key=lambda plan: plans[plan]["expected_ms"][0])
    run = {plan: row["first_ms"] for plan, row in plans.items() if "first_ms" in row}
    if not run:
        return taken, "", None
    best = min(run, key=run.__getitem__)
    return taken, best, run[taken] / run[best] if taken in run else None


def page(cells: dict[str, dict[str, Any]]) -> str:
    """The page of all figures."""
    parts, ratios = [], []
    for key, link in LINKS.items():
        rows = []
        for name, links in cells.items():
            if key not in links:
                continue
            plans = links[key]["plans"]
            taken, best, ratio = chosen(plans)
            ratios.append(ratio)
            rows.append(
                [name]
                + [f"{times(plans.get(p), 'first_ms')}<br>{times(plans.get(p), 'further_ms')}" for p in PLANS]
                + [times(plans[SHARES], "online_ms") if SHARES in plans else ""]
                + [PLANS[taken], PLANS.get(best, ""), f"{ratio:.2f}" if ratio else ""]
            )
        if rows:
            head = ["network", *PLANS.values(), "with the input", "taken", "quickest", "ratio"]
            parts += [f"## {link.title}", "", *markdown.table(head, rows)]
    ratios = [ratio for ratio in ratios if ratio]
    within = sum(ratio <= GOAL for ratio in ratios)
    return markdown.fill(TEMPLATE.read_text(), {"within": f"{within} of {len(ratios)}", "tables": parts})


def main() -> int:
    """The command."""
    parser = parser_of("measure.plans", __doc__)
    parser.add_argument("networks", nargs="*", metavar="NAME")
    parser.add_argument("--links", nargs="+", choices=LINKS, default=list(LINKS))
    parser.add_argument("--most", type=float, default=20.0, help="seconds of a prediction (default 20)")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument(
        "--programs", type=Path, default=default_programs(), help="folder of the xonn programs"
    )
    arguments = parser.parse_args()
    cells = json.loads(FILE.read_text()) if FILE.is_file() else {}
    try:
        for name in [] if arguments.report else arguments.networks:
            found = of_network(name, arguments.links, arguments.programs, arguments.most)
            cells[name] = cells.get(name, {}) | found
            FILE.write_text(json.dumps(cells, indent=1) + "\n")
        PAGE.write_text(page(cells))
    except (ProgramError, DataError, LinkError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
