"""How networks are trained: plain settings, which both TensorFlow's and PyTorch's side read."""

from __future__ import annotations

from dataclasses import dataclass

from xonn_scripts.nets.shapes import BinaryShape

# The networks that can be trained: those for digits (built in `digits`), and those for photographs and cells
# (in `photographs`).  Those for tables are in `TABULAR` below.
DIGITS = ("bm1", "bm2", "bm3")
PHOTOGRAPHS = ("bc1", "bc1_valid", "bc1_wide", "fitnet_half", "vgg16_half", "bh4")

THREADS = 2
# Images whose statistics BatchNorm gets before an epoch is judged, where it gets some.
JUDGING_IMAGES = 2000
# Images whose statistics BatchNorm of a convolutional network gets in the end: each has hundreds of
# positions.
CALIBRATION_IMAGES = 10000


@dataclass(frozen=True)
class Augmentation:
    """Random affine changes of a training image; every value is the largest change either way."""

    side: int = 28
    shift: float = 0.0  # pixels
    rotation: float = 0.0  # degrees
    scale: float = 0.0  # fraction
    shear: float = 0.0  # fraction


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    epochs: int
    batch: int
    learning_rate: float
    augmentation: Augmentation
    # Whether BatchNorm's moving averages are set from the un-augmented training set at the end.
    calibrate: bool
    # 0 trains on the labels; a positive number trains on the outputs of a float network of our own
    # ("teacher", trained first on the same images) softened by this temperature.
    teacher_temperature: float = 0.0
    teacher_epochs: int = 0
    # 0 augments every batch anew; a positive number makes so many copies of the training set once and
    # draws from them, together with what the teacher says of them.
    copies: int = 0
    # The last training images that take no part in training; settings are chosen by them.
    held_out: int = 0
    # XONN's scale s of the hidden layers.
    width: float = 1.0


@dataclass(frozen=True)
class Stage:
    """A part of a training: so many epochs on crops of one size under one learning rate's half cosine.

    The next stage begins with the best epoch's weights.
    """

    epochs: int
    # Height and width of the crops; a network for smaller crops costs less and shares its convolutions.
    side: int
    # The cosine begins and ends here.
    first_rate: float
    last_rate: float
    # Images are mirrored outwards by so many pixels before they are cropped.
    border: int = 0
    # Epochs over which the cosine is laid; more than `epochs` leaves its end out, 0 stands for `epochs`.
    horizon: int = 0
    # Whether BatchNorm's averages are set anew before each epoch is judged: those of training lag behind
    # while signs still flip.
    calibrated: bool = False


@dataclass(frozen=True)
class StagedRecipe:
    """How a network is trained: stages, one after the other, best epoch by held-out training images."""

    batch: int
    stages: tuple[Stage, ...]
    # Drawn by the seed from the training images; they take no part in training and choose the epoch.
    held_out: int
    # Left-right flips always; also upside down and transposed, for images without an upright position.
    eightfold: bool = False


@dataclass(frozen=True)
class CropStage:
    """A part of a training in PyTorch: epochs on crops of one size, the learning rate along a half cosine.

    The next stage begins with the last epoch's weights, and the network is the last stage's best.
    """

    epochs: int
    # Height and width of the crops.
    side: int
    first_rate: float
    last_rate: float
    # Images are mirrored outwards by so many pixels before they are cropped.
    border: int = 0
    # What this stage trains, where it is the recipe's shape with fewer filters: the next stage begins with
    # its weights and with random ones for the filters that it adds.
    narrower: BinaryShape | None = None


@dataclass(frozen=True)
class TaughtRecipe:
    """How a network is trained in PyTorch: a float one ("teacher"), then the binary one by what it says."""

    shape: BinaryShape
    stages: tuple[CropStage, ...]
    # Drawn by the seed from the training images; they take no part in training and choose the epoch.
    held_out: int
    batch: int = 128
    # What the binary network is to say: so much of the teacher's opinion, and the rest of the label.
    teacher_share: float = 0.5
    teacher_epochs: int = 6
    teacher_batch: int = 256
    teacher_rate: float = 0.2


@dataclass(frozen=True)
class TabularRecipe:
    """How a small network is trained; the same for all splits of a table."""

    dataset: str
    widths: tuple[int, ...]
    steps: int = 1500
    teacher_steps: int = 600
    batch: int = 128
    learning_rate: float = 1e-2
    # Standard deviation of what is added to features that have a standard deviation of 1.
    noise: float = 0.4
    teacher_noise: float = 0.3
    # Noisy copies of each row that BatchNorm's final statistics are taken of.
    statistics_copies: int = 8
    # Hidden neurons of the float network that the binary one learns from; 0 is a logistic regression.
    teacher_units: int = 0
    repeats: int = 10
    folds: int = 5


# BM2 and BM3 draw from the same copies and the same teacher.
CONVOLUTIONAL = Recipe(
    epochs=40,
    batch=256,
    learning_rate=1e-2,
    augmentation=Augmentation(shift=1.0, rotation=8.0, scale=0.08, shear=0.05),
    calibrate=True,
    teacher_temperature=1.0,
    teacher_epochs=8,
    copies=10,
    held_out=5000,
)

# BH1, BH2 and BH3: three dense layers each, the last with one score a class.  BH1 is twice as wide as in the
# XONN paper.
TABULAR: dict[str, TabularRecipe] = {
    "bh1": TabularRecipe(
        dataset="breast_cancer", widths=(32, 32), teacher_units=4, noise=0.8, steps=3000, batch=256
    ),
    "bh2": TabularRecipe(dataset="diabetes", widths=(20, 20), noise=0.2),
    "bh3": TabularRecipe(dataset="liver", widths=(32, 32)),
}
