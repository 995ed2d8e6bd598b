"""Train the networks of numbers in ``models/`` (real weights, ReLU and the like) and export them.

    python -m xonn_scripts.train.numbers square_mlp                    train, export, verify
    python -m xonn_scripts.train.numbers square_mlp --export-only      check the files that are there again
    python -m xonn_scripts.train.numbers square_mlp --validation 5000  hold images out, to choose settings

Needs the packages of ``pip install -e "scripts[keras3]"`` and the data, which is looked for as
``data.folder`` says.  ``nets.numbers`` holds the networks, ``nets.number_recipes`` how they are trained.

After each epoch, or a part of a long one, a checkpoint goes into ``target/training``, the optimiser's state
included.  The same command goes on from there; ``--restart`` begins again.  The ``--out`` folder gets the
same files as of ``train``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from xonn_scripts.command_line import parser_of
from xonn_scripts.nets.number_recipes import IMAGES, NUMBERS
from xonn_scripts.nets.recipes import THREADS
from xonn_scripts.paths import TARGET


def parse_arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = parser_of("train.numbers", __doc__)
    parser.add_argument("network", choices=sorted(NUMBERS), help="which network to train")
    parser.add_argument("--seed", type=int, default=1, help="seed of everything random (default 1)")
    parser.add_argument("--out", type=Path, help="folder to write to (default models/NETWORK)")
    parser.add_argument(
        "--checkpoints", type=Path, help="folder of the checkpoints (default target/training)"
    )
    parser.add_argument("--restart", action="store_true", help="do not go on from a checkpoint")
    parser.add_argument("--export-only", action="store_true", help="do not train: check the files in --out")
    parser.add_argument(
        "--validation",
        type=int,
        default=0,
        metavar="N",
        help="hold the last N training images out, print the accuracy on them and write nothing",
    )
    arguments = parser.parse_args()
    if arguments.validation and arguments.network not in IMAGES:
        parser.error(f"--validation does not apply to {arguments.network}")
    if not 0 <= arguments.validation <= 20000:
        parser.error("--validation must be at most 20000")
    if arguments.checkpoints is None:
        folder = f"validation_{arguments.validation}" if arguments.validation else ""
        arguments.checkpoints = TARGET / "training" / folder
    if arguments.restart:
        (arguments.checkpoints / f"{arguments.network}.keras").unlink(missing_ok=True)
    return arguments


def main() -> int:
    """The command."""
    arguments = parse_arguments()
    # TensorFlow and Keras read these when they are imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(THREADS))
    from xonn_scripts.data.folder import DataError
    from xonn_scripts.train.number_export import ExportError
    from xonn_scripts.train.number_runs import run

    try:
        run(arguments)
    except (DataError, ExportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
