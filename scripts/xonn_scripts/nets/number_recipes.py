"""How networks of numbers are trained: plain settings, which need neither Keras nor NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field

from xonn_scripts.nets.recipes import Augmentation


@dataclass(frozen=True)
class NumberRecipe:
    """How a network of numbers is trained: Adam, its rate up along a line and down along a half cosine."""

    dataset: str
    epochs: int
    batch: int
    learning_rate: float
    # Epochs over which the learning rate grows from 0 to its largest.
    warm_up: float = 1.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    # Digits are turned, scaled and moved at random.
    augmentation: Augmentation | None = None
    # Photographs are mirrored outwards by so many pixels, cropped, and flipped.
    border: int = 0
    # What pixels are multiplied by before the network gets them, where it does not do that itself.
    input_scale: float = 1.0
    # How `xonn-compile` is to read the input, where it has to be told.
    build_options: tuple[str, ...] = ()
    # An epoch's parts, behind each of which there is a checkpoint.
    parts: int = 1
    # Share of test images that the paper's network gets right, or the loss that it has on the test text.
    goal: float | None = None


@dataclass(frozen=True)
class TextRecipe:
    """How a language model is trained: rows of words side by side, the state kept between batches."""

    dataset: str
    epochs: int
    rows: int
    # Words that a batch takes from each row; the gradient goes back no further.
    steps: int
    learning_rate: float
    dropout: float
    warm_up: float = 0.2
    clip_norm: float = 1.0
    parts: int = 1
    goal: float | None = None


@dataclass(frozen=True)
class RowsRecipe:
    """How a network for a table is trained: one stratified split, as a first script would do it."""

    dataset: str
    epochs: int
    batch: int
    learning_rate: float
    test_share: float
    build_options: tuple[str, ...] = field(default=())
    goal: float | None = None


UPRIGHT = Augmentation(shift=1.5, rotation=8.0, scale=0.08, shear=0.05)
# A plain Keras script divides pixels by 255 before the network.
BY_255 = "0.00392156862745098"

# The networks of MiniONN's figures 10 to 13, and one as the Keras examples write it.
IMAGES: dict[str, NumberRecipe] = {
    "square_mlp": NumberRecipe("mnist", 40, 128, 2e-3, augmentation=UPRIGHT, goal=0.976),
    "square_cnn": NumberRecipe("mnist", 45, 128, 3e-3, augmentation=UPRIGHT, goal=0.9895),
    "relu_mnist": NumberRecipe("mnist", 15, 128, 3e-3, augmentation=UPRIGHT, goal=0.9931),
    "relu_cifar10": NumberRecipe(
        "cifar10", 8, 128, 6e-3, warm_up=2.0, weight_decay=5e-2, border=4, parts=10, goal=0.8161
    ),
    "plain_cnn": NumberRecipe(
        "mnist", 4, 128, 1e-3, warm_up=0.1, input_scale=1 / 255, build_options=("--input-scale", BY_255)
    ),
}
# MiniONN's figure 14, the "small" one of the TensorFlow tutorial.
TEXTS: dict[str, TextRecipe] = {
    "lstm_ptb": TextRecipe("ptb", 7, 32, 32, 4e-3, dropout=0.15, parts=10, goal=4.74),
}
ROWS: dict[str, RowsRecipe] = {
    "tabular_relu": RowsRecipe("breast_cancer", 60, 32, 1e-3, test_share=0.2),
}
NUMBERS = (*IMAGES, *TEXTS, *ROWS)
# Recipes whose training has not ended: models/ has no folder of them.
UNFINISHED = ("lstm_ptb",)
