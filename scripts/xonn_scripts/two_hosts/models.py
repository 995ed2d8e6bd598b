"""The models that two-hosts.sh measures: trained ones of models/, and published shapes with random weights.

A circuit does not depend on the weights, so random ones cost what trained ones do.
"""

from __future__ import annotations

import math
import os
import random
import struct
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from xonn_scripts.paths import REPO_ROOT
from xonn_scripts.programs import ProgramError, and_gates, call, costs_of

# Shapes of an input number each, 0 to 255.
INPUTS = {
    "bm1": (784,),
    "bm2": (28, 28, 1),
    "bm3": (28, 28, 1),
    "bc1_valid": (32, 32, 3),
    "bc1_same": (32, 32, 3),
    "fitnet": (32, 32, 3),
    "vgg16": (32, 32, 3),
}

DEFAULT = ("models/bm1", "models/bm2", "models/bm3", "bm2", "bm3", "bc1_valid", "bc1_same")

# From 10^5 to 10^9 ANDs: one network by width, and others beside it.
GROWTH = ["bm1@0.125", "bm2", "bm1", "bm3", "fitnet", "vgg16"] + [
    f"bc1_same{at}" for at in ("@0.0625", "@0.25", "@0.5", "", "@2", "@3", "@4.125")
]


def make(shape: str, width: str, h5: Path) -> None:
    """A Keras file of a shape with random weights; needs the packages of ``scripts[train]``."""
    python = os.environ.get("XONN_PYTHON", sys.executable)
    call(python, "-m", "xonn_scripts.nets.random_weights", "--out", h5.parent, "--width", width, shape)


def newer(made: Path, *sources: Path) -> bool:
    """Whether a file was made after all that it is made from."""
    return all(made.stat().st_mtime >= source.stat().st_mtime for source in sources)


@dataclass
class Model:
    """A compiled model with its costs, from ``xonn-compile inspect``.

    ``name`` is ``SHAPE`` or ``SHAPE@WIDTH``, with random weights, or ``models/SHAPE``, the trained one.
    """

    name: str
    package: Path
    secret: Path
    ands: int
    table_bytes: int
    first_layer_bytes: int
    samples: list[Path]
    folder: tempfile.TemporaryDirectory = field(repr=False)

    @classmethod
    def at_hand(cls, name: str, shapes: Path, programs: Path) -> Model:
        """The model of this name; what is not there is made first."""
        trained = name.startswith("models/")
        shape, _, width = name.removeprefix("models/").partition("@")
        if shape not in INPUTS or (width and (trained or not width.replace(".", "", 1).isdigit())):
            raise ProgramError(
                f"unknown model {name!r}, expected SHAPE, SHAPE@WIDTH or models/SHAPE "
                f"with SHAPE of {', '.join(INPUTS)}"
            )
        folder = shapes / "trained" if trained else shapes / f"x{width}" if width else shapes
        h5 = REPO_ROOT / name / "model.h5" if trained else folder / f"{shape}.h5"
        package, secret = folder / f"{shape}.xonn", folder / f"{shape}.secret"
        compiler = programs / "xonn-compile"
        if trained and not h5.exists():
            raise ProgramError(f"there is no trained model {h5}")
        if not h5.exists():
            make(shape, width or "1", h5)
        if not all(made.exists() and newer(made, h5, compiler) for made in (package, secret)):
            folder.mkdir(parents=True, exist_ok=True)
            call(compiler, "build", h5, "--force", "-o", package)
        costs = costs_of(package, programs)
        samples = sorted((h5.parent / "samples").glob("*.png")) if trained else []
        made = tempfile.TemporaryDirectory(prefix="two-hosts-")
        first, total = costs["layers"][0]["bytes"], costs["total"]["bytes"]
        return cls(name, package, secret, and_gates(costs), total, first, samples, made)

    def inputs(self, count: int) -> list[Path]:
        """Files with at least ``count`` samples: the trained model's own, else random numbers of the input's
        shape.
        """
        if self.samples:
            return self.samples
        shape = INPUTS[self.name.removeprefix("models/").partition("@")[0]]
        path = Path(self.folder.name) / f"{count}.npy"
        numbers = random.Random(1).randbytes(count * math.prod(shape))
        path.write_bytes(npy_of_bytes((count, *shape), numbers))
        return [path]


def npy_of_bytes(shape: tuple[int, ...], numbers: bytes) -> bytes:
    """An array of unsigned bytes as a ``.npy`` file (numpy.lib.format, version 1), made without NumPy."""
    header = str({"descr": "|u1", "fortran_order": False, "shape": shape})
    # The header ends with a line feed at a multiple of 64 bytes.
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + numbers
