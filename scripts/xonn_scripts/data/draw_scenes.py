"""Draw sample inputs of our own making for networks on photographs and on blood cells.

    python -m xonn_scripts.data.draw_scenes     into samples/ of models/bh4 and of those on CIFAR-10

Scenes of flat shapes, 32 x 32 in colour, stand for photographs; they show what the programs read and answer,
and no accuracy is claimed on them.  Cells, 32 x 32 grey, are discs with a soft edge on black, half of them
with dark blots as parasites make.  No data set is involved; the same seed draws the same images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from xonn_scripts.command_line import parser_of
from xonn_scripts.paths import MODELS

SIDE = 32
OVERSAMPLING = 8
CELLS = 5  # of each kind
# Networks on photographs.
PHOTOGRAPHS = ("bc1", "bc1_valid", "bc1_wide", "fitnet_half", "vgg16_half")

Shape = tuple[str, list[tuple[float, float]], tuple[int, int, int]]
SKY, SEA, GRASS, ROAD = (150, 190, 230), (40, 90, 150), (80, 130, 60), (110, 110, 115)
WHITE, GREY, BROWN, RED, GREEN, DARK = (
    (235, 235, 235),
    (150, 150, 160),
    (130, 95, 60),
    (190, 40, 40),
    (60, 120, 50),
    (35, 35, 40),
)

# Per scene the two halves of the background, upper and lower, and shapes in units of the image,
# x right, y down.
SCENES: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], list[Shape]]] = {
    "airplane": (
        SKY,
        SKY,
        [
            ("ellipse", [(0.10, 0.44), (0.90, 0.56)], WHITE),
            ("polygon", [(0.40, 0.50), (0.62, 0.50), (0.36, 0.82), (0.28, 0.82)], GREY),
            ("polygon", [(0.45, 0.48), (0.60, 0.48), (0.42, 0.26), (0.36, 0.26)], GREY),
            ("polygon", [(0.10, 0.50), (0.22, 0.48), (0.12, 0.30), (0.06, 0.30)], GREY),
        ],
    ),
    "automobile": (
        SKY,
        ROAD,
        [
            ("polygon", [(0.28, 0.50), (0.38, 0.34), (0.66, 0.34), (0.76, 0.50)], DARK),
            ("rectangle", [(0.10, 0.48), (0.90, 0.70)], RED),
            ("ellipse", [(0.18, 0.60), (0.36, 0.80)], DARK),
            ("ellipse", [(0.64, 0.60), (0.82, 0.80)], DARK),
        ],
    ),
    "ship": (
        SKY,
        SEA,
        [
            ("polygon", [(0.08, 0.54), (0.92, 0.54), (0.80, 0.72), (0.18, 0.72)], DARK),
            ("rectangle", [(0.30, 0.38), (0.66, 0.54)], WHITE),
            ("rectangle", [(0.44, 0.22), (0.52, 0.38)], RED),
        ],
    ),
    "truck": (
        SKY,
        ROAD,
        [
            ("rectangle", [(0.08, 0.24), (0.64, 0.70)], WHITE),
            ("rectangle", [(0.66, 0.40), (0.92, 0.70)], RED),
            ("ellipse", [(0.14, 0.62), (0.32, 0.82)], DARK),
            ("ellipse", [(0.66, 0.62), (0.84, 0.82)], DARK),
        ],
    ),
    "deer": (
        GREEN,
        GRASS,
        [
            ("ellipse", [(0.26, 0.42), (0.72, 0.64)], BROWN),
            ("polygon", [(0.62, 0.48), (0.72, 0.52), (0.82, 0.24), (0.72, 0.22)], BROWN),
            ("rectangle", [(0.30, 0.58), (0.35, 0.88)], BROWN),
            ("rectangle", [(0.62, 0.58), (0.67, 0.88)], BROWN),
        ],
    ),
    "frog": (
        GRASS,
        BROWN,
        [
            ("ellipse", [(0.20, 0.36), (0.80, 0.80)], GREEN),
            ("ellipse", [(0.28, 0.28), (0.42, 0.44)], GREEN),
            ("ellipse", [(0.58, 0.28), (0.72, 0.44)], GREEN),
            ("ellipse", [(0.32, 0.32), (0.39, 0.40)], DARK),
            ("ellipse", [(0.61, 0.32), (0.68, 0.40)], DARK),
        ],
    ),
}


def reduced(canvas: Image.Image) -> Image.Image:
    """The image at its final size."""
    return canvas.resize((SIDE, SIDE), Image.Resampling.BOX)


def scene(name: str, rng: np.random.Generator) -> Image.Image:
    """One scene with a little noise, as a camera has."""
    upper, lower, shapes = SCENES[name]
    large = SIDE * OVERSAMPLING
    canvas = Image.new("RGB", (large, large), upper)
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((0, large * 0.62, large, large), fill=lower)
    for kind, points, colour in shapes:
        getattr(pen, kind)([(x * large, y * large) for x, y in points], fill=colour)
    pixels = np.asarray(reduced(canvas.filter(ImageFilter.GaussianBlur(OVERSAMPLING / 2))), float)
    noisy = pixels + rng.normal(0, 6, pixels.shape)
    return Image.fromarray(np.clip(np.round(noisy), 0, 255).astype(np.uint8))


def cell(infected: bool, rng: np.random.Generator) -> Image.Image:
    """One cell, grey."""
    large = SIDE * OVERSAMPLING
    canvas = Image.new("L", (large, large), 0)
    pen = ImageDraw.Draw(canvas)
    x, y = rng.uniform(0.03, 0.08, 2) * large
    body = int(rng.integers(165, 190))
    pen.ellipse((x, y, large - x, large - y), fill=body)
    if infected:
        for _ in range(int(rng.integers(1, 3))):
            centre, radius = rng.uniform(0.3, 0.7, 2) * large, rng.uniform(0.06, 0.11) * large
            corners = (*(centre - radius), *(centre + radius))
            pen.ellipse(corners, fill=body - int(rng.integers(60, 85)))
    pixels = np.asarray(reduced(canvas.filter(ImageFilter.GaussianBlur(OVERSAMPLING / 2))), float)
    noisy = np.where(pixels > 20, pixels + rng.normal(0, 3, pixels.shape), pixels)
    return Image.fromarray(np.clip(np.round(noisy), 0, 255).astype(np.uint8))


def main() -> None:
    """The command."""
    parser = parser_of("data.draw_scenes", __doc__)
    parser.add_argument("--out", type=Path, default=MODELS, help="folder of the networks' folders")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    *photographs, cells = (arguments.out / name / "samples" for name in (*PHOTOGRAPHS, "bh4"))
    for folder in (*photographs, cells):
        folder.mkdir(parents=True, exist_ok=True)
    for name in SCENES:
        drawn = scene(name, rng)
        for folder in photographs:
            drawn.save(folder / f"{name}.png", optimize=True)
    for number in range(1, CELLS + 1):
        for kind in ("healthy", "infected"):
            cell(kind == "infected", rng).save(cells / f"{kind}_{number}.png", optimize=True)


if __name__ == "__main__":
    main()
