"""The SVG writer and the chart: whatever goes in, a well-formed document comes out."""

from __future__ import annotations

import unittest
from xml.etree import ElementTree

from xonn_scripts.plot import svg
from xonn_scripts.plot.chart import Axis, chart, frame, legend, line, stacked_legend

HOSTILE = "<script> & \"quoted\" 'too' </text>"
NAMESPACE = "{http://www.w3.org/2000/svg}"


def texts(document: str) -> list[str]:
    """The texts of a document, as a reader sees them."""
    return ["".join(node.itertext()) for node in ElementTree.fromstring(document).iter(f"{NAMESPACE}text")]


class Writer(unittest.TestCase):
    """Elements and documents."""

    def test_texts_and_attributes_are_escaped(self) -> None:
        document = svg.document(10, 10, [svg.text(1, 2, HOSTILE, style=HOSTILE)])
        root = ElementTree.fromstring(document)
        node = root.find(f"{NAMESPACE}text")
        assert node is not None
        self.assertEqual(node.text, HOSTILE)
        self.assertEqual(node.get("style"), HOSTILE)
        self.assertIsNone(root.find(f".//{NAMESPACE}script"))

    def test_markup_is_not_escaped_twice(self) -> None:
        document = svg.document(10, 10, [svg.text(1, 2, svg.power_of_ten(7))])
        self.assertEqual(texts(document), ["107"])
        self.assertIn('<tspan dy="-5" font-size="9.5">7</tspan>', document)

    def test_names_of_attributes(self) -> None:
        made = svg.element("line", x1=1.25, x2=3, stroke_dasharray="4 4", class_="grid")
        self.assertEqual(made, '<line x1="1.2" x2="3" stroke-dasharray="4 4" class="grid"/>')

    def test_document_says_its_size_and_is_on_white(self) -> None:
        root = ElementTree.fromstring(svg.document(30, 20, []))
        self.assertEqual(
            (root.get("viewBox"), root.get("width"), root.get("height")), ("0 0 30 20", "30", "20")
        )
        ground = root.find(f"{NAMESPACE}rect")
        assert ground is not None
        self.assertEqual(ground.get("fill"), "#fff")


class Charts(unittest.TestCase):
    """Axes, grid and legends."""

    def test_axis_puts_values_on_pixels(self) -> None:
        even = Axis(0, 10, 100, 200)
        self.assertEqual([even.at(v) for v in (0, 5, 10)], [100, 150, 200])
        by_logarithm = Axis(1, 100, 300, 100, logarithmic=True)
        self.assertEqual([round(by_logarithm.at(v), 9) for v in (1, 10, 100)], [300, 200, 100])

    def test_ticks_are_round_and_within(self) -> None:
        self.assertEqual(Axis(0.8, 4.2, 0, 1).ticks(), [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0])
        self.assertEqual(Axis(3, 60, 0, 1, logarithmic=True).ticks(), [5, 10, 20, 50])
        self.assertEqual(Axis(3, 100, 0, 1, logarithmic=True).ticks(), [5, 10, 20, 50, 100])
        self.assertEqual(Axis(1e-3, 1e2, 0, 1, logarithmic=True).decades(), [-3, -2, -1, 0, 1, 2])

    def test_hostile_labels_stay_labels(self) -> None:
        x, y = Axis(0, 10, 70, 730), Axis(0, 1, 360, 60)
        names = [(HOSTILE, "#123456"), ("plain", "#654321")]
        body = frame(x, y, HOSTILE, HOSTILE, HOSTILE) + line(x, y, [(1, 0.5), (2, 0.25)], "#000", dots=True)
        document = chart(body + legend(names) + stacked_legend(names))
        self.assertEqual(texts(document).count(HOSTILE), 5)
        circles = list(ElementTree.fromstring(document).iter(f"{NAMESPACE}circle"))
        self.assertEqual(
            [(c.get("cx"), c.get("cy")) for c in circles], [("136.0", "210.0"), ("202.0", "285.0")]
        )


if __name__ == "__main__":
    unittest.main()
