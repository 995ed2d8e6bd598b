"""The page of results: its tables from made-up figures, and the page of the repository from its own."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

from tests.figures import growth_runs, run
from xonn_scripts import markdown
from xonn_scripts.measure import gathered
from xonn_scripts.paths import DOCS, RESULTS
from xonn_scripts.plot.growth import growth
from xonn_scripts.published import MINIONN, XONN
from xonn_scripts.two_hosts import report, summary


class Words(unittest.TestCase):
    """Figures and tables as pages show them."""

    def test_durations_and_sizes(self) -> None:
        shown = [markdown.duration(s) for s in (0.0007, 0.0199, 0.02, 0.9, 1.25, 99.9, 143.4)]
        self.assertEqual(shown, ["0.7 ms", "19.9 ms", "20 ms", "900 ms", "1.2 s", "99.9 s", "143 s"])
        self.assertEqual([markdown.mb(b) for b in (163_000, 26_500_000, 2_229e6)], ["0.16", "26.5", "2,229"])
        self.assertEqual([markdown.kb(b) for b in (800, 2_581_000)], ["0.8", "2,581"])

    def test_table_and_its_cells(self) -> None:
        lines = markdown.table(["a", "b", "c"], [["x", "1", ""]], words=2)
        self.assertEqual(lines, ["| a | b | c |", "| --- | --- | ---: |", "| x | 1 |  |", ""])
        self.assertEqual(markdown.cells(lines[2]), ["x", "1", ""])

    def test_a_page_lacks_nothing(self) -> None:
        self.assertEqual(markdown.fill("{{a}}, {{b}}", {"a": "1", "b": ["2", "3", ""]}), "1, 2\n3")
        with self.assertRaisesRegex(ValueError, "nothing was given for {{c}}"):
            markdown.fill("{{a}} {{c}}", {"a": "1"})


class Tables(unittest.TestCase):
    """Tables of made-up figures."""

    def test_what_a_network_costs(self) -> None:
        ran = {"further_ms": 12.5, "first_bytes": 350_000, "further_bytes": 300_000, "cpu_s": 0.031}
        ran |= {"round_trips": [5, 4.0, 3.0], "peak_bytes": [36e6, 10e6], "online_ms": 0.7}
        ran |= {"online_bytes": 15_300}
        cells = {"bm1": {"loopback": {"plans": {"shares": ran, "gc": {"expected_ms": [1, 2, 3]}}}}}
        row = markdown.cells(summary.on_shares(cells)[2])
        self.assertEqual(row[2:6], ["0.35 / 0.30", "15.3", "5 / 4 / 3", "12.5 ms (0.7 ms)"])
        self.assertEqual(row[6:], ["", "", "", "31 ms", "36 / 10", str(XONN["bm1"]), str(MINIONN["bm1"])])
        # What was not run is no row.
        self.assertEqual(len(summary.of_plan(cells, "gc")), 3)
        row = markdown.cells(summary.of_plan(cells, "shares")[2])
        self.assertEqual(row[1:3], ["0.30", "12.5 ms (0.7 ms)"])

    def test_grown_and_its_plot_leave_out_runs_without_counted_gates(self) -> None:
        runs = growth_runs("bm1@0.125")
        uncounted = [run("bm3", "half-gates", 10) | {"ands": ands} for ands in (None, 0)]
        self.assertEqual(report.grown(runs + uncounted), report.grown(runs))
        self.assertEqual(growth(runs + uncounted, "made up"), growth(runs, "made up"))

    def test_compared_takes_what_xonn_publishes_for_the_width(self) -> None:
        runs = report.Runs([run("bm1@1.5", scheme, 1_000_000) for scheme in ("half-gates", "three-halves")])
        rows = report.compared(runs)[2:-1]
        self.assertEqual([markdown.cells(row)[:4] for row in rows], [["BM1", "1.5", "4.09", "31.0 / 23.2"]])

    def test_grown_is_sorted_and_has_both_schemes_in_a_cell(self) -> None:
        rows = [markdown.cells(row) for row in report.grown(growth_runs("bm1@0.125"))[2:-1]]
        self.assertEqual([row[0] for row in rows], ["bm1, s = 0.125", "bc1_same, s = 0.25", "bc1_same"])
        self.assertEqual(rows[0][1:3], ["200,000", "6.40 / 4.80"])

    def test_a_page_before_anything_was_measured(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "models.json").write_text("{}")
            page, drawn = report.page(Path(folder))
        self.assertIn("# Results", page)
        self.assertIsNone(drawn)


class OfTheRepository(unittest.TestCase):
    """The files that are committed."""

    def test_page_and_plot_are_written_from_the_figures(self) -> None:
        page, drawn = report.page(RESULTS)
        self.assertEqual(
            (DOCS / "results.md").read_text(), page, "scripts/two-hosts.sh --report writes it again"
        )
        self.assertEqual(
            (RESULTS / "growth.svg").read_text(), drawn, "scripts/two-hosts.sh --report draws it again"
        )

    def test_models_are_gathered_from_what_each_says(self) -> None:
        found = gathered.gather()
        self.assertEqual(json.loads((RESULTS / "models.json").read_text()), found)
        self.assertEqual((RESULTS / "models.md").read_text(), gathered.table(found))


if __name__ == "__main__":
    unittest.main()
