"""Compare private predictions on shares with those in the clear, on test inputs, labels and scores.

    python -m xonn_scripts.measure.on_shares bm1 bc1 --count 100   after cargo build --release
    python -m xonn_scripts.measure.on_shares relu_mnist            labels beside Keras's, too
    python -m xonn_scripts.measure.on_shares                       all networks of models/ with a cost.json

Server and client are two processes on this machine.  The test inputs are read from the data sets themselves
(``XONN_DATA``), so this needs NumPy and no TensorFlow; those of networks of numbers are in the files that
``train.numbers NAME --export-only`` leaves in ``target/data``.  A line a network: answers that equal those of
``xonn-run eval``, bytes of a first and of a further prediction, round trips, times, processor seconds of
both hosts together, and the peak of each host's memory.

Networks of numbers are rounded by chance on shares, so of them classes are compared, those of the float
network in Keras included, and it is an error if more than one in a hundred differs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from xonn_scripts.command_line import parser_of
from xonn_scripts.data.folder import DataError
from xonn_scripts.data.images import LOADERS
from xonn_scripts.data.tables import TABLES
from xonn_scripts.measure.private_run import answered, build, figures, infer
from xonn_scripts.nets.number_recipes import NUMBERS
from xonn_scripts.nets.recipes import DIGITS, TABULAR
from xonn_scripts.paths import MODELS, TARGET, default_programs
from xonn_scripts.programs import SCHEMES, ProgramError, traffic

# What a model reveals; scores are compared number by number.
REVEALED = ("class", "scores")
# How many classes of a network of numbers must be those of the clear and of Keras.
LEAST_EQUAL = 0.99


def exported(name: str, what: str) -> Path:
    """A file of inputs that a network of numbers was written with."""
    file = TARGET / "data" / f"{name}_{what}.npz"
    if not file.is_file():
        raise ProgramError(
            f"{file} is not there: run python -m xonn_scripts.train.numbers {name} --export-only."
        )
    return file


def calibration(name: str) -> list[str]:
    """Options of `xonn-compile build` that a network of numbers takes."""
    return ["--calibrate", str(exported(name, "calibration"))] if name in NUMBERS else []


def test_inputs(name: str, package: Path, count: int) -> np.ndarray:
    """The first test inputs of a network's data set, in the shape that it takes."""
    if name in NUMBERS:
        with np.load(exported(name, "test")) as test:
            return test["x"][:count]
    if name in TABULAR:
        return TABLES[TABULAR[name].dataset]().x[:count]
    dataset = "mnist" if name in DIGITS else "malaria" if name == "bh4" else "cifar10"
    shape = json.loads(package.read_text())["input"]["shape"]
    return LOADERS[dataset]().x_test[:count].reshape(-1, *shape).astype(np.uint8)


def beside_keras(name: str, answers: np.ndarray, clear: np.ndarray) -> tuple[str, bool]:
    """How many classes are those of the float network, and whether they are enough."""
    keras = np.load(MODELS / name / "keras_labels.npy")[: len(answers)]
    answers, clear = answers.reshape(-1), clear.reshape(-1)
    equal = {
        "of shares = eval": np.sum(answers == clear),
        "of shares = Keras": np.sum(answers == keras),
        "of eval = Keras": np.sum(clear == keras),
    }
    text = ", ".join(f"{count} {which}" for which, count in equal.items())
    return f" classes {text},", min(equal.values()) >= LEAST_EQUAL * len(answers)


def line(name: str, revealed: str, programs: Path, count: int) -> tuple[str, bool]:
    """One network's line, and whether all answers were equal, or enough of numbers."""
    model = MODELS / name / "model.h5"
    scheme = next(iter(SCHEMES))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        package, secret = build(model, programs, folder, ["--reveal", revealed, *calibration(name)])
        inputs = folder / "inputs.npy"
        np.save(inputs, test_inputs(name, package, count))
        first = infer(package, secret, inputs, programs, scheme, "shares", 1)
        report, clear = answered(package, secret, inputs, programs, count, scheme, "shares")
        run = figures(report, clear, scheme)

    def further(of_first: float, of_all: float) -> float:
        return (of_all - of_first) / max(count - 1, 1)

    all_bytes = count * (run["sent_bytes_each"] + run["received_bytes_each"])
    bytes_more = further(traffic(first), all_bytes)
    rounds_more = further(first["round_trips"], run["round_trips"])
    classes, is_right = "", run["equal_to_eval"] == run["samples"]
    if name in NUMBERS:
        classes, is_right = beside_keras(name, report["answers"], clear)
    text = (
        f"{name:12} {revealed:7} {run['equal_to_eval']:5} of {run['samples']:5} equal,{classes}"
        f" first {traffic(first) / 1e6:.3f} MB in {first['round_trips']} round trips,"
        f" further {bytes_more / 1e6:.3f} MB in {rounds_more:.1f},"
        f" median {run['inference_ms_median']} ms,"
        f" {further(first['cpu_s'], run['cpu_s']):.3f} s of processors,"
        f" peak {run['server_peak_bytes'] / 1e6:.0f} MB server,"
        f" {run['peak_memory_bytes'] / 1e6:.0f} MB client"
    )
    return text, is_right


def main() -> int:
    """The command."""
    parser = parser_of("measure.on_shares", __doc__)
    parser.add_argument("networks", nargs="*", metavar="NAME")
    parser.add_argument("--count", type=int, default=1000, help="test inputs (default 1000)")
    parser.add_argument("--reveal", choices=REVEALED, nargs="+", default=list(REVEALED))
    parser.add_argument(
        "--programs", type=Path, default=default_programs(), help="folder of the xonn programs"
    )
    arguments = parser.parse_args()
    names = arguments.networks or sorted(path.parent.name for path in MODELS.glob("*/cost.json"))
    equal = True
    try:
        for name in names:
            # Scores of numbers are rounded by chance.
            for revealed in REVEALED[:1] if name in NUMBERS else arguments.reveal:
                text, all_equal = line(name, revealed, arguments.programs, arguments.count)
                print(text, flush=True)
                equal &= all_equal
    except (ProgramError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
