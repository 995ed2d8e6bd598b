"""SVG, written by hand: elements whose texts and attributes are escaped, and a document on white."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

COLOURS = ("#1f5fa8", "#c2541b", "#2a8a57", "#8a4fa3", "#9a7b16", "#555555")
STYLE = """
  text { font: 13px system-ui, 'Helvetica Neue', Arial, sans-serif; fill: #333 }
  .title { font-weight: 600; fill: #111 } .small { font-size: 11.5px; fill: #666 }
  .grid { stroke: #e4e4e4 } .axis { stroke: #777; fill: none }
  .line { fill: none; stroke-width: 2 } .mark { stroke-width: 1.6 }
"""

Point = tuple[float, float]
Value = float | str


class Markup(str):
    """Text that is SVG already and is not escaped again."""


def number(value: Value) -> str:
    """A pixel to one digit, a whole number or a word as it is."""
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def element(name: str, content: str | None = None, **attributes: Value) -> Markup:
    """An element; ``_`` in an attribute's name stands for ``-``, and one at its end for nothing."""
    words = [name]
    words += [
        f'{key.rstrip("_").replace("_", "-")}="{escape(number(value))}"' for key, value in attributes.items()
    ]
    if content is None:
        return Markup(f"<{' '.join(words)}/>")
    inner = content if isinstance(content, Markup) else escape(content, quote=False)
    return Markup(f"<{' '.join(words)}>{inner}</{name}>")


def text(x: float, y: float, content: str, **attributes: Value) -> Markup:
    """A line of text that begins at a place, or with ``text_anchor`` ends or has its middle there."""
    return element("text", content, x=float(x), y=float(y), **attributes)


def power_of_ten(exponent: int) -> Markup:
    """10 with an exponent, as the content of a text."""
    return Markup("10" + element("tspan", str(exponent), dy="-5", font_size="9.5"))


def straight(begin: Point, end: Point, **attributes: Value) -> Markup:
    """A straight line."""
    return element("line", x1=begin[0], y1=begin[1], x2=end[0], y2=end[1], **attributes)


def polyline(points: Iterable[Point], colour: str, **attributes: Value) -> Markup:
    """A line through points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", class_="line", points=path, stroke=colour, **attributes)


def dot(at: Point, radius: float, **attributes: Value) -> Markup:
    """A circle around a point."""
    return element("circle", cx=float(at[0]), cy=float(at[1]), r=radius, **attributes)


def document(width: int, height: int, body: Iterable[Markup]) -> str:
    """A whole file, on white."""
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">'
    )
    ground = element("rect", width=width, height=height, fill="#fff")
    return "\n".join([root, f"<style>{STYLE}</style>", ground, *body, "</svg>", ""])


def write(path: Path, content: str) -> None:
    """Write a document, its folder made if need be, and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    print(path)
