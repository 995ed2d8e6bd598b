#!/usr/bin/env python3
"""Write small images, and the pixels that Pillow, which ``keras.utils.load_img`` uses, reads from them.

    python scripts/make_image_fixtures.py

Needs ``pillow`` and ``numpy``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path(__file__).resolve().parent.parent / "circuits" / "tests" / "data"
HEIGHT, WIDTH = 20, 27


def colours() -> np.ndarray:
    """Smooth ramps with a few edges: [height, width, 3]."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    red = rows * 12
    green = columns * 9
    blue = np.where((rows // 5 + columns // 6) % 2, 220, 30)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def main() -> int:
    OUT.mkdir(parents=True, exist_ok=True)
    rgb = Image.fromarray(colours())
    rgb.convert("L").save(OUT / "grey.jpg", quality=92)
    rgb.save(OUT / "colour.jpg", quality=92, subsampling="4:4:4")
    rgb.save(OUT / "half_colour.jpg", quality=85, subsampling="4:2:0")
    rgb.save(OUT / "progressive.jpg", quality=90, progressive=True, subsampling="4:2:0")
    rgb.convert("CMYK").save(OUT / "print.jpg", quality=90)

    alpha = np.where(colours()[..., 0] > 100, 255, 90).astype(np.uint8)
    Image.fromarray(np.dstack([colours(), alpha])).save(OUT / "alpha.png")
    Image.fromarray(np.dstack([colours()[..., 1], alpha])).save(OUT / "grey_alpha.png")
    palette = rgb.quantize(16)
    palette.save(OUT / "palette.png")
    palette.save(OUT / "palette_alpha.png", transparency=3)
    rgb.convert("1").save(OUT / "bits.png")
    wide = colours()[..., 0].astype(np.uint16) * 257 + colours()[..., 1]
    Image.fromarray(wide).save(OUT / "wide.png")
    for path in sorted([*OUT.glob("*.jpg"), *OUT.glob("*.png")]):
        if path.name == "print.jpg":
            continue
        image = Image.open(path)
        grey = image.mode in ("L", "LA", "1") or image.mode.startswith("I")
        if grey and image.mode in ("LA", "1"):
            image = image.convert("L")
        if not grey:
            image = image.convert("RGB")
        pixels = np.asarray(image)
        np.save(path.with_suffix(path.suffix + ".npy"), pixels[..., None] if grey else pixels)
    return 0


if __name__ == "__main__":
    sys.exit(main())
