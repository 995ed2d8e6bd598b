"""What the programs print is read as they mean it: made-up output, and their own where they are built."""

from __future__ import annotations

import argparse
import re
import struct
import sys
import tempfile
import unittest
from pathlib import Path

from tests.figures import report, run
from xonn_scripts import programs
from xonn_scripts.paths import RESULTS, default_programs
from xonn_scripts.two_hosts import links, store
from xonn_scripts.two_hosts.models import Model, npy_of_bytes
from xonn_scripts.two_hosts.run import (
    FIRST_LAYERS,
    RunError,
    ahead_entry_of,
    entry_of,
    measure,
    peak_memory,
    predictions_for,
)

FOLDER = tempfile.TemporaryDirectory(prefix="two-hosts-")
unittest.addModuleCleanup(FOLDER.cleanup)


def model(ands: int = 1024, table_bytes: int = 32_768) -> Model:
    """A model that is only a name with costs."""
    return Model("bm1", Path("a.xonn"), Path("a.secret"), ands, table_bytes, 8_000, [], FOLDER)


class Reading(unittest.TestCase):
    """Lines and reports."""

    def test_peak_memory_in_each_unit(self) -> None:
        line = "2 inferences\nstats: peak memory {}, 3 threads\n"
        for said, wanted in (
            ("12.31 MB", 12_310_000),
            ("900 kB", 900_000),
            ("1.5 GB", 1_500_000_000),
            ("7 B", 7),
        ):
            self.assertEqual(peak_memory(line.format(said)), wanted)

    def test_a_server_without_figures_is_an_error_with_its_words(self) -> None:
        with self.assertRaisesRegex(RunError, "no figures: the secret is not there"):
            peak_memory("the secret is not there\n")
        with self.assertRaisesRegex(RunError, "its log is empty"):
            peak_memory("")

    def test_address(self) -> None:
        self.assertEqual(programs.address_in("listening on 127.0.0.1:4711\n"), "127.0.0.1:4711")
        self.assertIsNone(programs.address_in("loaded bm1.xonn\n"))

    def test_gates_and_traffic(self) -> None:
        self.assertEqual(programs.and_gates({"total": {"and": {"full": 5, "half": 2}, "bytes": 9}}), 7)
        self.assertEqual(programs.traffic({"sent_bytes": 3, "received_bytes": 4}), 7)

    def test_what_a_failed_program_said_last_is_the_message(self) -> None:
        script = "import sys; sys.stderr.write('first\\nno such layer\\n'); sys.exit(3)"
        with self.assertRaisesRegex(programs.ProgramError, "no such layer$"):
            programs.call(sys.executable, "-c", script)
        with self.assertRaisesRegex(programs.ProgramError, "cannot be started .* cargo build"):
            programs.call(Path("not") / "there")
        self.assertEqual(programs.call(sys.executable, "-c", "print(1 + 1)"), "2\n")


class Entries(unittest.TestCase):
    """From reports to entries of the files of figures."""

    def test_further_predictions_are_the_difference_of_two_connections(self) -> None:
        entry = entry_of(model(), "lan", report(1), report(5), 5)
        self.assertEqual(entry["connection_bytes"], 1_010 + 90_000)
        self.assertEqual(entry["prediction_bytes"], 40_010)
        self.assertEqual(entry["prediction_rounds"], 1)
        self.assertEqual(
            (entry["connection_rounds"], entry["ands"], entry["first_layer"]), (3, 1024, "garbled")
        )
        self.assertAlmostEqual(entry["cpu_s"], 0.125)
        self.assertAlmostEqual(entry["prediction_s"], 0.005)

    def test_gates_of_several_protocols_are_not_counted_as_none(self) -> None:
        first, many = (report(count) | {"and": None, "first_layer": "shares"} for count in (1, 5))
        entry = entry_of(model(), "lan", first, many, 5)
        self.assertEqual((entry["ands"], entry["first_layer"]), (None, "shares"))

    def test_a_single_prediction_stands_for_itself(self) -> None:
        entry = entry_of(model(), "wan", report(1), report(1), 1)
        self.assertNotIn("prediction_bytes", entry)
        self.assertAlmostEqual(entry["cpu_s"], 0.375)

    def test_ahead(self) -> None:
        half = {"sent_bytes": 40, "received_bytes": 400, "circuit_ms_median": 20.0}
        online = {"sent_bytes": 8, "received_bytes": 80, "round_trips": 4, "inference_ms_median": 2.0}
        said = report(4) | {"offline": half, "online": online, "circuits_ahead": 4, "first_layer": "oca"}
        entry = ahead_entry_of(model(), "lan", said, 4)
        self.assertEqual(
            (entry["offline_bytes"], entry["online_up_bytes"], entry["online_down_bytes"]), (110, 2, 20)
        )
        self.assertEqual((entry["online_rounds"], entry["ahead"], entry["first_layer"]), (1, 4, "oca"))

    def test_entries_have_what_the_committed_ones_have(self) -> None:
        added = {"load_before", "commit", "date", "of_runs"}
        entry = set(entry_of(model(), "lan", report(1), report(5), 5)) | added
        known = store.load(RESULTS / "two-hosts.json")["runs"]
        self.assertGreater(len(known), 0)
        for row in known:
            self.assertLessEqual(set(row), entry, row["model"])

    def test_of_one_revision_the_quickest_run_is_kept(self) -> None:
        slow, quick = run("bm2", "half-gates", 1000), run("bm2", "half-gates", 1000) | {"prediction_s": 1e-9}
        other = run("bm3", "half-gates", 1000)
        runs = store.merged([other], slow)
        runs = store.merged(store.merged(runs, quick), slow)
        self.assertEqual([(r["model"], r.get("of_runs")) for r in runs], [("bm3", None), ("bm2", 3)])
        self.assertEqual(runs[1]["prediction_s"], 1e-9)
        newer = store.merged(runs, slow | {"commit": "1234567"})
        self.assertEqual((newer[1]["commit"], newer[1]["of_runs"]), ("1234567", 1))
        self.assertEqual(newer[1]["prediction_s"], slow["prediction_s"])

    def test_predictions_fit_into_the_time(self) -> None:
        args = argparse.Namespace(predictions=None, seconds=10.0)
        wan, loopback = links.LINKS["wan"], links.LINKS["loopback"]
        self.assertEqual(predictions_for(args, loopback, model()), 20)
        self.assertEqual(predictions_for(args, wan, model(table_bytes=25_000_000)), 4)
        self.assertEqual(predictions_for(args, wan, model(table_bytes=10**10)), 1)
        self.assertEqual(predictions_for(argparse.Namespace(predictions=7), wan, model()), 7)


class Files(unittest.TestCase):
    """What the scripts write for the programs."""

    def test_npy_without_numpy(self) -> None:
        made = npy_of_bytes((2, 3), bytes(range(6)))
        self.assertEqual(made[:8], b"\x93NUMPY\x01\x00")
        (length,) = struct.unpack("<H", made[8:10])
        self.assertEqual((10 + length) % 64, 0)
        header = made[10 : 10 + length].decode()
        self.assertTrue(header.endswith("\n"))
        self.assertEqual(eval(header), {"descr": "|u1", "fortran_order": False, "shape": (2, 3)})  # noqa: S307
        self.assertEqual(made[10 + length :], bytes(range(6)))


def programs_are_built() -> bool:
    """Whether the release programs are there."""
    return all((default_programs() / name).is_file() for name in ("xonn-compile", "xonn-run"))


@unittest.skipUnless(programs_are_built(), f"no programs in {default_programs()}: cargo build --release")
class RealPrograms(unittest.TestCase):
    """The programs as they are say what the scripts read."""

    def test_two_connections_become_an_entry(self) -> None:
        here = links.Hosts([], [], "127.0.0.1", "the loopback interface")
        with tempfile.TemporaryDirectory() as shapes:
            bm1 = Model.at_hand("models/bm1", Path(shapes), default_programs())
            self.addCleanup(bm1.folder.cleanup)
            args = argparse.Namespace(bin=default_programs(), predictions=2, ahead=None)
            entry = measure(args, here, "loopback", bm1, "half-gates", "oca")
            args.ahead = 2
            ahead = measure(args, here, "loopback", bm1, "half-gates", "oca")
            args.ahead = None
            counted = {way: measure(args, here, "loopback", bm1, "half-gates", way) for way in FIRST_LAYERS}
        self.assertEqual(
            (entry["first_layer"], entry["scheme"], entry["predictions"]), ("oca", "half-gates", 2)
        )
        # An answer with the first layer by conditional addition; with a garbled one it has 26 MB.
        self.assertLess(entry["prediction_bytes"], 2_000_000)
        self.assertGreater(entry["prediction_bytes"], 500_000)
        self.assertGreater(entry["server_peak_bytes"], 1_000_000)
        self.assertEqual(counted["gc"]["ands"], bm1.ands)
        for way in ("oca", "shares"):
            self.assertEqual((counted[way]["first_layer"], counted[way]["ands"]), (way, None))
        self.assertIn(counted["auto"]["first_layer"], ("garbled", "oca", "shares"))
        self.assertTrue(re.fullmatch(r"[0-9a-f]+\+?|unknown\+?", entry["commit"]), entry["commit"])
        self.assertEqual((ahead["ahead"], ahead["online_rounds"]), (2, 1))


if __name__ == "__main__":
    unittest.main()
