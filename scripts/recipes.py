"""How networks are trained: plain settings, which both TensorFlow's and PyTorch's side read."""

from __future__ import annotations

from dataclasses import dataclass

from shapes import BinaryShape

THREADS = 2
# Images whose statistics BatchNorm gets before an epoch is judged, where it gets some.
JUDGING_IMAGES = 2000
# Images whose statistics BatchNorm of a convolutional network gets in the end: each has hundreds of positions.
CALIBRATION_IMAGES = 10000


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
    # What this stage trains, where it is the recipe's shape with fewer filters: the next stage begins with its weights
    # and with random ones for the filters that it adds.
    narrower: BinaryShape | None = None


@dataclass(frozen=True)
class TaughtRecipe:
    """How a network is trained in PyTorch: first a float one ("teacher"), then the binary one by what it says."""

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
