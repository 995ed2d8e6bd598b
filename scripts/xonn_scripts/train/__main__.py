"""Train the binary networks in ``models/`` and export them as Keras files.

    python -m xonn_scripts.train bm1                    train, export, verify
    python -m xonn_scripts.train bm1 --export-only      export and verify the model that is already there
    python -m xonn_scripts.train bm1 --validation 5000  hold images out of training, to choose settings
    python -m xonn_scripts.train bm2 --width 1.5        hidden layers 1.5 times as wide as the paper's
    python -m xonn_scripts.train bc1                    CIFAR-10, in stages; hours
    python -m xonn_scripts.train bh1                    a medical table: repeated splits, then export

Needs the packages of ``pip install -e "scripts[train]"`` and the data, which is looked for as ``data.folder``
says. ``nets.digits`` holds the networks for digits, ``nets.photographs`` those for photographs and cells,
``nets.recipes`` how they and those of tables are trained.

What a run writes into the ``--out`` folder: ``model.h5`` and ``model.keras`` (the same weights, no
optimiser state), ``keras_labels.npy`` (the labels Keras gives on the test set) and ``training.json``
(settings, versions and measured accuracies).  Into ``target/data/`` goes the file that
``xonn-compile check --data`` reads; it contains the data set itself, so it stays out of the repository.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from xonn_scripts.command_line import parser_of
from xonn_scripts.nets.recipes import DIGITS, PHOTOGRAPHS, TABULAR

# No oneDNN kernels, whose order of summation depends on the processor, but for convolutions, which take three
# times as long without.
ONE_DNN = {"bm2", "bm3", "bc1", "bc1_valid", "bh4"}


def parse_arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = parser_of("train", __doc__)
    names = sorted([*DIGITS, *PHOTOGRAPHS, *TABULAR])
    parser.add_argument("network", choices=names, help="which network to train")
    parser.add_argument("--epochs", type=int, help="epochs, if not the recipe's")
    parser.add_argument("--width", type=float, help="scale of the hidden layers, if not the recipe's")
    parser.add_argument("--seed", type=int, default=1, help="seed of everything random (default 1)")
    parser.add_argument("--out", type=Path, help="folder to write to (default models/NETWORK)")
    parser.add_argument(
        "--export-only",
        action="store_true",
        help="do not train: check the files in --out again and rewrite what is derived from them",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="of a training in stages, do not repeat those that target/training holds",
    )
    parser.add_argument(
        "--validation",
        type=int,
        default=0,
        metavar="N",
        help="hold the last N training images out, print the accuracy on them and write nothing",
    )
    arguments = parser.parse_args()
    if arguments.epochs is not None and arguments.epochs < 1:
        parser.error("--epochs must be at least 1")
    if arguments.width is not None and not 0.25 <= arguments.width <= 8:
        parser.error("--width must be between 0.25 and 8")
    if arguments.network in TABULAR and (arguments.epochs is not None or arguments.validation):
        parser.error(f"--epochs and --validation do not apply to {arguments.network}")
    if arguments.network in PHOTOGRAPHS and (
        arguments.epochs is not None or arguments.width is not None or arguments.validation
    ):
        parser.error(f"--epochs, --width and --validation do not apply to {arguments.network}")
    return arguments


def main() -> int:
    """The command."""
    arguments = parse_arguments()
    # TensorFlow reads these when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", str(int(arguments.network in ONE_DNN)))
    from xonn_scripts.data.folder import DataError
    from xonn_scripts.train.export import ExportError
    from xonn_scripts.train.run import run

    try:
        run(arguments)
    except (DataError, ExportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
