"""Plots of made-up figures, and the plots of the repository: they are what their figures give."""

from __future__ import annotations

import unittest
from xml.etree import ElementTree

from tests.figures import growth_runs
from tests.test_svg import NAMESPACE, texts
from xonn_scripts.paths import REPO_ROOT
from xonn_scripts.plot.__main__ import drawn
from xonn_scripts.plot.growth import growth
from xonn_scripts.plot.training import training
from xonn_scripts.plot.trimming import trimming
from xonn_scripts.published import XONN


class MadeUp(unittest.TestCase):
    """Plots of figures that are at hand."""

    def test_growth_shows_every_network_and_escapes_its_name(self) -> None:
        document = growth(growth_runs("a<b&c"), "measured <here> & there")
        self.assertIn("A<B&C", texts(document))
        self.assertIn("measured <here> & there", texts(document))
        marks = [c for c in ElementTree.fromstring(document).iter(f"{NAMESPACE}circle") if c.get("class")]
        # Three networks by both schemes above; below, half gates on server and client.
        self.assertEqual(len(marks), 2 * 3 + 2 * 3)
        hollow = [c for c in marks if c.get("fill") == "#fff"]
        self.assertEqual(len(hollow), 4)

    def test_trimming_marks_what_xonn_publishes(self) -> None:
        rounds = [
            {
                "bytes": {"oca_half-gates": size * 1e6},
                "validation_accuracy": seen,
                "test_accuracy": seen - 0.01,
            }
            for size, seen in ((5, 0.98), (3, 0.97), (2, 0.96))
        ]
        runs = {"1": {"rounds": rounds, "began_with": "train bm1 --width 1, 20 epochs"}}
        document = trimming("bm1", runs, (1.5, 97.65))
        self.assertIn("s = 1, 20 epochs", texts(document))
        path = ElementTree.fromstring(document).find(f"{NAMESPACE}path")
        assert path is not None
        least, most = 1.5 / 1.2, 5 * 1.2
        at = 70 + (XONN["bm1"].megabytes - least) / (most - least) * (730 - 70)
        self.assertTrue((path.get("d") or "").startswith(f"M{at - 6:.1f},"), path.get("d"))

    def test_training_marks_where_a_stage_begins(self) -> None:
        history = [
            {"stage": stage, "held_out_accuracy": 0.5 + epoch / 20, "training_accuracy": 0.4 + epoch / 20}
            for epoch, stage in enumerate((1, 1, 2, 2))
        ]
        record = {"history": history, "recipe": {"stages": [{"side": 24}, {"side": 32}]}}
        document = training(record, "made up")
        self.assertIn("32 × 32", texts(document))
        self.assertNotIn("24 × 24", texts(document))
        self.assertEqual(document.count("stroke-dasharray"), 1)


class OfTheRepository(unittest.TestCase):
    """The files that are committed."""

    def test_every_plot_is_drawn_from_its_figures(self) -> None:
        plots = drawn()
        self.assertGreaterEqual(len(plots), 10)
        for path, content in plots.items():
            with self.subTest(path.relative_to(REPO_ROOT)):
                ElementTree.fromstring(content)
                self.assertEqual(path.read_text(), content, "python -m xonn_scripts.plot draws it again")


if __name__ == "__main__":
    unittest.main()
