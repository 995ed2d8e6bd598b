"""Times of predictions on shares between two hosts on one machine, over links of several rates and delays.

    python -m xonn_scripts.measure.shares_on_links bm1 bc1 --count 9    after cargo build --release

The links are network namespaces, so this needs root, ``ip`` and ``tc``; inputs as for ``measure.on_shares``.
A line a network and link: a first prediction on a connection of its own with the set-up, the median of those
that follow with all in one go, and the median from an input to its answer where the rest was done ahead.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from xonn_scripts.command_line import parser_of
from xonn_scripts.data.folder import DataError
from xonn_scripts.measure.on_shares import test_inputs
from xonn_scripts.measure.private_run import build, infer
from xonn_scripts.paths import MODELS, default_programs
from xonn_scripts.programs import SCHEMES, ProgramError
from xonn_scripts.two_hosts.links import Link, LinkError, hosts, probe

LINKS = {
    "1gbit": Link("1 Gbit/s, 0.2 ms", 1_000, 0.2),
    "wan": Link("100 Mbit/s, 40 ms", 100, 40.0),
}


def line(name: str, link: Link, programs: Path, count: int) -> str:
    """One network over one link."""
    scheme = next(iter(SCHEMES))
    with tempfile.TemporaryDirectory() as temporary, hosts(link) as both:
        package, secret = build(MODELS / name / "model.h5", programs, Path(temporary))
        inputs = Path(temporary) / "inputs.npy"
        np.save(inputs, test_inputs(name, package, count + 1))
        found = probe(both)

        def run(predictions: int, ahead: int = 0) -> dict:
            return infer(package, secret, inputs, programs, scheme, "shares", predictions, both, ahead)

        first, many, ahead = run(1), run(count + 1), run(count, count)
    # The first one of a connection waits for base OTs.
    return (
        f"{name:12} {link.title:18} (rtt {found['rtt_ms']:.2f} ms, {found['mbit']:.0f} Mbit/s):"
        f" first {first['total_ms']:.0f} ms, further {many['inference_ms_median']:.1f} ms,"
        f" online {ahead['online']['inference_ms_median']:.1f} ms"
        f" in {ahead['online']['round_trips'] / count:.0f} round trips;"
        f" {many['cpu_s'] / (count + 1):.3f} s of processors each, load {os.getloadavg()[0]:.1f}"
    )


def main() -> int:
    """The command."""
    parser = parser_of("measure.shares_on_links", __doc__)
    parser.add_argument("networks", nargs="+", metavar="NAME")
    parser.add_argument("--links", nargs="+", choices=LINKS, default=list(LINKS))
    parser.add_argument("--count", type=int, default=9, help="predictions of a median (default 9)")
    parser.add_argument(
        "--programs", type=Path, default=default_programs(), help="folder of the xonn programs"
    )
    arguments = parser.parse_args()
    try:
        for name in arguments.networks:
            for link in arguments.links:
                print(line(name, LINKS[link], arguments.programs, arguments.count), flush=True)
    except (ProgramError, DataError, LinkError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
