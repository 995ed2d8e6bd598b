"""Draw the sample digits of our own making in ``models/bm1/samples``.

    python -m xonn_scripts.data.draw_digits                            draw
    python -m xonn_scripts.data.draw_digits --check models/bm1/model.h5  and say what the model makes of them
    python -m xonn_scripts.data.draw_digits --sheet /some/where.png     and put all of them on one sheet

Two hands, `a` and `b`, per digit.  A digit is a list of strokes; a stroke is a list of points, each in
units of the digit's height (x to the right, y down), through which a smooth curve goes.  No font and no
data set is involved.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from xonn_scripts.command_line import parser_of
from xonn_scripts.paths import MODELS

SAMPLES = MODELS / "bm1" / "samples"

SIDE = 28
# The digits the network was trained on fill a box of 20 x 20 pixels, and the centre of mass of
# their ink is in the centre of the image.
BOX = 20
OVERSAMPLING = 8
THICKNESS = 2.3  # pixels, before blurring
BLUR = 0.55  # pixels

Point = tuple[float, float]
Stroke = list[Point]


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Stroke:
    """Points along an ellipse's arc; angles in degrees, 0 to the right, growing clockwise."""
    steps = max(2, round(abs(end - start) / 15))
    angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


# fmt: off
DIGITS: dict[str, list[Stroke]] = {
    "0_a": [arc(0.33, 0.50, 0.32, 0.49, -70, 290)],
    "0_b": [[(0.52, 0.05), (0.28, 0.10), (0.08, 0.38), (0.04, 0.70), (0.18, 0.94), (0.42, 0.92),
             (0.64, 0.66), (0.70, 0.34), (0.60, 0.10), (0.44, 0.05)]],
    "1_a": [[(0.20, 0.00), (0.18, 0.50), (0.16, 1.00)]],
    "1_b": [[(0.42, 0.00), (0.30, 0.45), (0.12, 1.00)]],
    "2_a": [[(0.05, 0.22), (0.18, 0.05), (0.40, 0.02), (0.56, 0.16), (0.52, 0.38), (0.30, 0.68),
             (0.04, 0.96)], [(0.04, 0.97), (0.36, 0.94), (0.68, 0.96)]],
    "2_b": [[(0.08, 0.16), (0.26, 0.02), (0.48, 0.08), (0.54, 0.28), (0.42, 0.58), (0.20, 0.92),
             (0.02, 0.96), (-0.02, 0.78), (0.14, 0.70), (0.34, 0.84), (0.56, 0.98), (0.76, 0.88)]],
    "3_a": [[(0.06, 0.08), (0.28, 0.00), (0.52, 0.10), (0.50, 0.32), (0.26, 0.46)],
            [(0.26, 0.46), (0.52, 0.54), (0.60, 0.76), (0.42, 0.96), (0.18, 0.99), (0.00, 0.88)]],
    "3_b": [[(0.02, 0.14), (0.24, 0.01), (0.48, 0.06), (0.54, 0.24), (0.38, 0.42), (0.22, 0.48)],
            [(0.22, 0.48), (0.44, 0.50), (0.58, 0.66), (0.52, 0.88), (0.28, 1.00), (0.04, 0.94)]],
    "4_a": [[(0.10, 0.04), (0.04, 0.34), (0.10, 0.50), (0.36, 0.50), (0.60, 0.42)],
            [(0.60, 0.00), (0.58, 0.42), (0.56, 1.00)]],
    "4_b": [[(0.16, 0.02), (0.08, 0.26), (0.06, 0.44), (0.22, 0.54), (0.46, 0.50), (0.66, 0.42)],
            [(0.64, 0.04), (0.58, 0.44), (0.46, 1.00)]],
    "5_a": [[(0.62, 0.02), (0.36, 0.04), (0.18, 0.06)], [(0.18, 0.06), (0.14, 0.24), (0.12, 0.42)],
            [(0.12, 0.42), (0.32, 0.38), (0.54, 0.50), (0.58, 0.74), (0.40, 0.96), (0.16, 0.98),
             (0.00, 0.88)]],
    "5_b": [[(0.72, 0.00), (0.50, 0.04), (0.28, 0.08)], [(0.28, 0.08), (0.22, 0.24), (0.16, 0.42)],
            [(0.16, 0.42), (0.38, 0.42), (0.52, 0.58), (0.48, 0.82), (0.28, 0.98), (0.02, 0.94)]],
    "6_a": [[(0.46, 0.00), (0.22, 0.24), (0.06, 0.56), (0.10, 0.86), (0.30, 1.00), (0.52, 0.90),
             (0.56, 0.68), (0.40, 0.54), (0.20, 0.60), (0.08, 0.76)]],
    "6_b": [[(0.32, 0.00), (0.12, 0.30), (0.04, 0.64), (0.14, 0.92), (0.36, 0.98), (0.54, 0.82),
             (0.50, 0.62), (0.32, 0.56), (0.14, 0.70)]],
    "7_a": [[(0.02, 0.08), (0.32, 0.06), (0.62, 0.04)],
            [(0.62, 0.04), (0.48, 0.34), (0.34, 0.66), (0.26, 1.00)]],
    "7_b": [[(0.00, 0.16), (0.10, 0.06), (0.34, 0.08), (0.58, 0.06)],
            [(0.58, 0.06), (0.54, 0.34), (0.40, 0.70), (0.30, 1.00)]],
    "8_a": [[(0.52, 0.14), (0.32, 0.00), (0.10, 0.12), (0.14, 0.34), (0.34, 0.50), (0.54, 0.70),
             (0.46, 0.94), (0.24, 1.00), (0.08, 0.82), (0.18, 0.62), (0.40, 0.42), (0.54, 0.22),
             (0.50, 0.12)]],
    "8_b": [arc(0.36, 0.25, 0.20, 0.24, 90, 450), arc(0.32, 0.74, 0.24, 0.25, -90, 270)],
    "9_a": [[(0.54, 0.16), (0.34, 0.02), (0.12, 0.14), (0.08, 0.36), (0.26, 0.46), (0.46, 0.36),
             (0.54, 0.16)], [(0.54, 0.16), (0.52, 0.50), (0.46, 1.00)]],
    "9_b": [[(0.52, 0.10), (0.30, 0.04), (0.10, 0.22), (0.12, 0.44), (0.32, 0.48), (0.50, 0.30),
             (0.54, 0.12)], [(0.54, 0.10), (0.46, 0.44), (0.34, 0.74), (0.22, 1.00)]],
}
# fmt: on


def smooth(points: Stroke) -> Stroke:
    """A Catmull-Rom curve through the points, as many short straight lines."""
    if len(points) < 3:
        return points
    padded = [points[0], *points, points[-1]]
    curve: Stroke = []
    for i in range(len(points) - 1):
        p0, p1, p2, p3 = (np.array(p) for p in padded[i : i + 4])
        for t in np.linspace(0.0, 1.0, 12, endpoint=False):
            value = 0.5 * (
                2 * p1
                + (p2 - p0) * t
                + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
                + (3 * p1 - p0 - 3 * p2 + p3) * t**3
            )
            curve.append((float(value[0]), float(value[1])))
    curve.append(points[-1])
    return curve


def fit_to_box(strokes: list[Stroke]) -> list[Stroke]:
    """Scale to the box's size, less the pen's width, keeping the proportions."""
    x, y = np.array([point for stroke in strokes for point in stroke]).T
    scale = (BOX - THICKNESS) / max(np.ptp(x), np.ptp(y))
    return [[((px - x.min()) * scale, (py - y.min()) * scale) for px, py in stroke] for stroke in strokes]


def rasterise(strokes: list[Stroke], dx: float, dy: float) -> Image.Image:
    """Draw with a round pen, large, moved by (dx, dy) pixels; then blur and shrink."""
    canvas = Image.new("L", (SIDE * OVERSAMPLING, SIDE * OVERSAMPLING), 0)
    pen = ImageDraw.Draw(canvas)
    radius = THICKNESS * OVERSAMPLING / 2
    for stroke in strokes:
        large = [((x + dx) * OVERSAMPLING, (y + dy) * OVERSAMPLING) for x, y in stroke]
        pen.line(large, fill=255, width=round(2 * radius), joint="curve")
        for x, y in large:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    canvas = canvas.filter(ImageFilter.GaussianBlur(BLUR * OVERSAMPLING))
    return canvas.resize((SIDE, SIDE), Image.Resampling.BOX)


def draw(strokes: list[Stroke]) -> Image.Image:
    """One digit, its centre of mass in the centre of the image."""
    placed = fit_to_box([smooth(stroke) for stroke in strokes])
    dx = dy = (SIDE - BOX + THICKNESS) / 2
    ink = np.asarray(rasterise(placed, dx, dy), dtype=float)
    rows, columns = np.indices(ink.shape)
    centre = (SIDE - 1) / 2
    dx += centre - float((ink * columns).sum() / ink.sum())
    dy += centre - float((ink * rows).sum() / ink.sum())
    image = rasterise(placed, dx, dy)
    # Full white in the middle of a stroke, as a pen on paper has.
    return image.point(lambda value: min(255, round(value * 1.15)))


def contact_sheet(images: list[Image.Image], zoom: int = 6, columns: int = 10) -> Image.Image:
    """All images, enlarged, column by column: one digit per column."""
    rows = math.ceil(len(images) / columns)
    step = SIDE * zoom + zoom
    sheet = Image.new("L", (columns * step, rows * step), 96)
    for i, image in enumerate(images):
        large = image.resize((SIDE * zoom, SIDE * zoom), Image.Resampling.NEAREST)
        sheet.paste(large, ((i // rows) * step, (i % rows) * step))
    return sheet


def check(model_path: Path, names: list[str], images: list[Image.Image]) -> None:
    """Print what a Keras model says about each image."""
    import larq  # noqa: F401  (registers the layers that the model uses)
    import tensorflow as tf

    model = tf.keras.models.load_model(model_path, compile=False)
    shape = model.input_shape[1:]
    pixels = np.stack([np.asarray(image, np.float32).reshape(shape) for image in images])
    outputs = model.predict(pixels, verbose=0)
    right = 0
    for name, row in zip(names, outputs):
        label = int(row.argmax())
        right += label == int(name[0])
        print(f"digit_{name}.png: {label} ({row[label]:.3f}){'' if label == int(name[0]) else '  WRONG'}")
    print(f"{right} of {len(names)} right")


def main() -> None:
    """The command."""
    parser = parser_of("data.draw_digits", __doc__)
    parser.add_argument("--out", type=Path, default=SAMPLES, help="folder for the images")
    parser.add_argument("--check", type=Path, metavar="MODEL", help="classify them with this Keras model")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="write all of them on one sheet")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    images = [draw(strokes) for strokes in DIGITS.values()]
    for name, image in zip(DIGITS, images):
        image.save(arguments.out / f"digit_{name}.png", optimize=True)
    if arguments.sheet:
        contact_sheet(images).save(arguments.sheet)
    if arguments.check:
        check(arguments.check, list(DIGITS), images)


if __name__ == "__main__":
    main()
