"""Trim a network step by step and train it on after each step, as XONN's trimming does (section 3.1).

    python -m xonn_scripts.trim bm3 --width 1.5     the network as it is in models/, or trained first
    python -m xonn_scripts.trim bm3 --choose 99.1   fewest bytes with that validation accuracy, to models/bm3

A round is `xonn-compile trim` on some training images (`--images`) that the network has right, of which it
may lose a few per mille or per cent (`--step`), and then epochs of training in Keras on augmented copies of
the 55,000 training images judged by a float network, as in ``xonn_scripts.train``.  Rounds end when accuracy
on the 5,000 validation images, the last training images, falls below `--floor`.  Accuracy, AND gates and
measured bytes of each round go into ``docs/results/trim.json``; drawing is ``xonn_scripts.plot``'s.  Accuracy
on the test images is noted there too, and nothing is decided by it.

Needs the packages of ``pip install -e "scripts[train]"``, the data (see ``data.folder``) and the programs
(`cargo build --release`).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from xonn_scripts.command_line import parser_of
from xonn_scripts.nets.recipes import DIGITS
from xonn_scripts.paths import default_programs


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = parser_of("trim", __doc__)
    parser.add_argument("network", choices=DIGITS)
    parser.add_argument("--width", type=float, default=1.0, help="XONN's scale s to begin with (default 1)")
    parser.add_argument("--rounds", type=int, default=4, help="most rounds (default 4)")
    parser.add_argument(
        "--floor", type=float, default=97.0, help="stop below this validation accuracy, per cent"
    )
    parser.add_argument(
        "--step", type=float, default=1.0, help="accuracy a round may take before training, points"
    )
    parser.add_argument(
        "--start", type=Path, help="train's --out (default target/trim/start/NETWORK, then models/NETWORK)"
    )
    parser.add_argument("--epochs", type=int, default=6, help="epochs after each round (default 6)")
    parser.add_argument("--first-epochs", type=int, default=25, help="epochs of a new network (default 25)")
    parser.add_argument("--rate", type=float, default=3e-3, help="Adam's rate after a round (default 0.003)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on behind the rounds that an earlier run with the same settings left",
    )
    parser.add_argument(
        "--images", type=int, default=4000, help="training images trimming looks at (default 4000)"
    )
    parser.add_argument(
        "--samples", type=int, default=500, help="of them, those an effect is measured on (500)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--choose", type=float, metavar="ACC", help="export the cheapest round so accurate, per cent"
    )
    parser.add_argument(
        "--measure", default="oca_half-gates", help="bytes to choose by (default oca_half-gates)"
    )
    parser.add_argument("--out", type=Path, help="with --choose: folder to write to (default models/NETWORK)")
    parser.add_argument(
        "--programs", type=Path, default=default_programs(), help="folder of the xonn programs"
    )
    return parser.parse_args()


def main() -> int:
    """The command."""
    arguments = parse_arguments()
    # TensorFlow reads these when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    import tensorflow as tf

    from xonn_scripts.data.folder import DataError
    from xonn_scripts.programs import ProgramError
    from xonn_scripts.train.augmented import make_deterministic
    from xonn_scripts.train.export import ExportError
    from xonn_scripts.trim.rounds import choose, run

    tf.get_logger().setLevel("ERROR")
    make_deterministic(arguments.seed)
    try:
        if arguments.choose is not None:
            choose(arguments)
        else:
            run(arguments)
    except (DataError, ExportError, ProgramError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
