"""The papers' figures stand once: the pages that repeat them say the same."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

from xonn_scripts.markdown import cells
from xonn_scripts.paths import DOCS, REPO_ROOT
from xonn_scripts.published import MINIONN, OTHERS, XONN, XONN_BY_WIDTH, Published, size


def table_below(path: Path, heading: str) -> list[dict[str, str]]:
    """The rows of the first table below a heading, by the names of their columns."""
    lines = path.read_text().splitlines()
    lines = lines[lines.index(heading) :]
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(cells(lines[first]), cells(line), strict=True)))
    return rows


def network_of(title: str) -> str:
    """``bc1`` of ``[BC1, wide](...)``."""
    return re.sub(r"^\[|[],].*$", "", title).lower()


class Pages(unittest.TestCase):
    """Tables of the repository."""

    def test_results_of_the_trained_networks(self) -> None:
        rows = table_below(DOCS / "results.md", "## The papers' networks, trained")
        self.assertGreaterEqual(len(rows), 12)
        shown = set()
        for row in rows:
            network = network_of(row["network"])
            for column, paper in (("XONN", XONN), ("MiniONN", MINIONN)):
                self.assertEqual(row[column], str(paper.get(network, "")), row["network"])
            shown.add(network)
        self.assertLessEqual(set(XONN), shown)

    def test_results_of_xonn(self) -> None:
        rows = table_below(DOCS / "results.md", "## Beside XONN")
        found = {row["network"].lower(): (row["XONN, time"], row["XONN, MB"]) for row in rows}
        wanted = {name: (f"{row.seconds:g} s", size(row.megabytes)) for name, row in XONN.items()}
        self.assertEqual(found, wanted)

    def test_results_by_width(self) -> None:
        lines = (DOCS / "results.md").read_text().splitlines()
        head = next(i for i, line in enumerate(lines) if line.startswith("| network | s | XONN, MB |"))
        rows = [cells(line)[:3] for line in lines[head + 2 :][: len(XONN_BY_WIDTH)]]
        found = {(network.lower(), float(s)): megabytes for network, s, megabytes in rows}
        self.assertEqual(found, {key: size(megabytes) for key, megabytes in XONN_BY_WIDTH.items()})

    def test_results_of_others(self) -> None:
        page = (DOCS / "results.md").read_text()
        for row in OTHERS:
            self.assertIn(f"| {row.system} | {row.network} | {row.task} | {row.accuracy} % |", page)

    def test_models(self) -> None:
        for row in table_below(DOCS / "models.md", "## Beside XONN"):
            paper = XONN[row["network"].lower()]
            self.assertEqual(row["XONN"], f"{paper.accuracy} %, {paper.megabytes} MB")

    def test_readme(self) -> None:
        rows = {row[""]: row["XONN, published"] for row in table_below(REPO_ROOT / "README.md", "## One run")}
        paper = XONN["bm1"]
        self.assertEqual(rows["accuracy on the 10,000 test images"], f"{paper.accuracy} %")
        sizes = next(value for name, value in rows.items() if name.startswith("bytes of a single prediction"))
        self.assertEqual(sizes, f"{paper.megabytes} MB")
        self.assertTrue(rows["time, each prediction"].startswith(f"{1e3 * paper.seconds:.0f} ms "))


class Form(unittest.TestCase):
    """Figures as they are shown."""

    def test_digits_are_the_papers(self) -> None:
        shown = [size(megabytes) for megabytes in (2.9, 4.29, 38.28, 657.5, 1260, 9272)]
        self.assertEqual(shown, ["2.90", "4.29", "38.3", "657.5", "1,260", "9,272"])
        self.assertEqual(str(Published(99.0, 32.13, 0.15)), "99.0 %, 32.1 MB, 0.15 s")


if __name__ == "__main__":
    unittest.main()
