"""Run private predictions between two hosts on this machine and write down what they cost; two-hosts.sh calls
it.

Each run is one entry of docs/results/two-hosts.json (growth.json with --growth, ahead.json with --ahead); a
run made again replaces its entry if it took less, so that the page can be measured in parts.  ``report``
makes docs/results.md from these files.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from xonn_scripts.command_line import parser_of
from xonn_scripts.paths import DOCS, TARGET, default_programs
from xonn_scripts.programs import SCHEMES, ProgramError
from xonn_scripts.two_hosts import links, report
from xonn_scripts.two_hosts.models import DEFAULT, GROWTH, Model
from xonn_scripts.two_hosts.run import FIRST_LAYERS, RunError, measure
from xonn_scripts.two_hosts.store import Entry, store, store_link


def chosen(text: str, known: Collection[str], what: str) -> list[str]:
    """The names in a list separated by commas, all of them known."""
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise RunError(f"unknown {what} {unknown[0]!r}, expected some of {', '.join(known)}")
    return names


def parse() -> argparse.Namespace:
    """The command line."""
    parser = parser_of("two_hosts", __doc__)
    parser.prog = "two-hosts.sh"
    add = parser.add_argument
    shapes = f"shapes, @S scales their hidden layers; default {','.join(DEFAULT)}, for --growth a longer list"
    add("--models", metavar="NAME[@S],...", help=shapes)
    add("--links", default=",".join(links.LINKS), metavar="NAME,...", help=f"of {', '.join(links.LINKS)}")
    add("--schemes", default=",".join(SCHEMES), metavar="NAME,...", help="garbling schemes")
    add(
        "--first-layer",
        metavar="HOW,...",
        help=f"{', '.join(FIRST_LAYERS)}, for serve and infer; default gc,oca, for --growth gc",
    )
    add(
        "--ahead",
        type=int,
        metavar="N",
        help="measure with circuits sent ahead of the inputs, at most N at a time",
    )
    add("--growth", action="store_true", help="time and memory from 10^5 to 10^9 ANDs, over loopback")
    add("--report", action="store_true", help="measure nothing, write the page and the plot again")
    add("--seconds", type=float, default=10.0, help="time aimed at for each run (default 10)")
    add("--predictions", type=int, help="predictions of each run, instead of --seconds")
    add("--bin", type=Path, default=default_programs(), help="folder of the programs")
    add("--shapes", type=Path, default=TARGET / "shapes", help="folder of models with random weights")
    add("--out", type=Path, default=DOCS, help="folder of results.md")
    return parser.parse_args()


def line_of(link: str, first_layer: str, entry: Entry) -> str:
    """A run in a line, as it is shown while others are measured."""
    sent = entry.get("connection_bytes") or entry["online_up_bytes"] + entry["online_down_bytes"]
    peak = max(entry["client_peak_bytes"], entry["server_peak_bytes"])
    return (
        f"{link:9} {entry['model']:16} {entry['scheme']:13} {first_layer:5} "
        f"{entry['prediction_s'] * 1e3:10.1f} ms {sent / 1e6:9.3f} MB, {peak / 1e6:6.1f} MB of memory"
    )


def main() -> None:
    """The command."""
    args = parse()
    # Ended by a signal, the script still removes its namespaces and ends its processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("two-hosts: ended by a signal"))
    results = args.out / "results"
    path = results / ("growth.json" if args.growth else "ahead.json" if args.ahead else "two-hosts.json")
    try:
        schemes = chosen(args.schemes, SCHEMES, "scheme")
        names = ["loopback"] if args.growth else chosen(args.links, links.LINKS, "link")
        first_layers = chosen(
            args.first_layer or ("gc" if args.growth else "gc,oca"), FIRST_LAYERS, "first layer"
        )
        usual = GROWTH if args.growth else DEFAULT
        wanted = [name for name in args.models.split(",") if name] if args.models else usual
        models = [] if args.report else [Model.at_hand(name, args.shapes, args.bin) for name in wanted]
        for name in [] if args.report else names:
            with links.hosts(links.LINKS[name]) as both:
                store_link(path, name, both.made_of, links.probe(both))
                for model, scheme, first_layer in itertools.product(models, schemes, first_layers):
                    entry = measure(args, both, name, model, scheme, first_layer)
                    store(path, entry)
                    print(line_of(name, first_layer, entry), flush=True)
        report.write(args.out)
    except (RunError, ProgramError, links.LinkError, subprocess.SubprocessError) as error:
        sys.exit(f"two-hosts: {error}")


if __name__ == "__main__":
    main()
