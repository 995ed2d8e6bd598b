"""Measure what a prediction of a network in ``models/`` costs, and that it is Keras's.

    python -m xonn_scripts.measure bm1 bm2   after cargo build --release
    python -m xonn_scripts.measure bc1 --count 100
    python -m xonn_scripts.measure bm1 --bytes    gates and bytes alone; no test inputs, no times
    python -m xonn_scripts.measure           only gather what was measured, in docs/results/models.json

Figures go into ``models/NAME/cost.json``.  Server and client are two processes on this machine.  Bytes are
of one prediction on a connection of its own, both directions together, for a garbled first layer and one by
oblivious conditional addition, half gates and three halves; time is the median of `--count` test inputs on
one connection.  These answers are compared with `xonn-run eval`, and `xonn-compile check` compares all test
inputs with Keras (``target/data/NAME_test.npz``, which ``python -m xonn_scripts.train NAME --export-only``
writes).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from xonn_scripts.command_line import parser_of
from xonn_scripts.measure import gathered
from xonn_scripts.paths import MODELS, default_programs
from xonn_scripts.programs import SCHEMES, ProgramError


def main() -> int:
    """The command."""
    parser = parser_of("measure", __doc__)
    parser.add_argument("networks", nargs="*", metavar="NAME")
    parser.add_argument(
        "--count", type=int, default=100, help="test inputs of the two-process runs (default 100)"
    )
    parser.add_argument(
        "--schemes",
        nargs="+",
        choices=SCHEMES,
        default=list(SCHEMES),
        help="of the two-process runs (default both)",
    )
    parser.add_argument(
        "--bytes", action="store_true", help="gates and bytes alone: the other figures stay as they are"
    )
    parser.add_argument(
        "--programs", type=Path, default=default_programs(), help="folder of the xonn programs"
    )
    arguments = parser.parse_args()
    try:
        for name in arguments.networks:
            # Here, since gathering does without NumPy.
            from xonn_scripts.measure.models import measure, measure_bytes

            if arguments.bytes:
                found = measure_bytes(name, arguments.programs)
            else:
                found = measure(name, arguments.programs, arguments.count, arguments.schemes)
            (MODELS / name / "cost.json").write_text(json.dumps(found, indent=2) + "\n")
            print(name, json.dumps(found, indent=2), flush=True)
    except ProgramError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(gathered.write())
    return 0


if __name__ == "__main__":
    sys.exit(main())
