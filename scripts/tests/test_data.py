"""Readers of data sets, on tiny files made here; a missing or damaged one gives an error that helps."""

from __future__ import annotations

import gzip
import lzma
import os
import struct
import tempfile
import unittest
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

if find_spec("numpy") is None:
    raise unittest.SkipTest("the readers need NumPy")

import numpy as np

from xonn_scripts.data import images, tables, words
from xonn_scripts.data.folder import DEFAULT_DATA_DIR, DataError, data_dir


class WithFolder(unittest.TestCase):
    """A folder of data sets for a test."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        changed = mock.patch.dict(os.environ, {"XONN_DATA": temporary.name})
        changed.start()
        self.addCleanup(changed.stop)

    def put(self, name: str, content: bytes | str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


def idx(magic: int, shape: tuple[int, ...], body: bytes) -> bytes:
    """A gzipped IDX file."""
    return gzip.compress(struct.pack(f">{1 + len(shape)}I", magic, *shape) + body)


class Folder(unittest.TestCase):
    """Where data sets are looked for."""

    def test_variable_else_the_repository(self) -> None:
        with mock.patch.dict(os.environ, {"XONN_DATA": "somewhere"}):
            self.assertEqual(data_dir(), Path("somewhere"))
        with mock.patch.dict(os.environ, {"XONN_DATA": ""}):
            self.assertEqual(data_dir(), DEFAULT_DATA_DIR)


class Mnist(WithFolder):
    """IDX files."""

    def put_all(self) -> None:
        """Two training images and one test image of 2 x 3."""
        for part, count in (("train", 2), ("t10k", 1)):
            pixels, labels = bytes(range(6 * count)), bytes(range(7, 7 + count))
            self.put(f"mnist/{part}-images-idx3-ubyte.gz", idx(2051, (count, 2, 3), pixels))
            self.put(f"mnist/{part}-labels-idx1-ubyte.gz", idx(2049, (count,), labels))

    def test_images_are_flattened(self) -> None:
        self.put_all()
        data = images.load_mnist()
        np.testing.assert_array_equal(data.x_train, [range(6), range(6, 12)])
        np.testing.assert_array_equal(data.y_train, [7, 8])
        self.assertEqual((data.x_test.shape, data.x_test.dtype), ((1, 6), np.uint8))

    def test_what_is_missing_is_named(self) -> None:
        self.put_all()
        (self.folder / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
        with self.assertRaisesRegex(DataError, "t10k-labels-idx1-ubyte.gz missing.*set XONN_DATA"):
            images.load_mnist()

    def test_damaged_files(self) -> None:
        for content, said in (
            (idx(2049, (6,), bytes(6)), "wrong first four bytes"),
            (idx(2051, (2, 2, 3), bytes(11)), "cut short: 11 bytes"),
            (b"no gzip", "cannot be read as a gzip file"),
            (gzip.compress(b"\0\0"), "wrong first four bytes"),
            (idx(2051, (2, 2, 3), bytes(12))[:-9], "cannot be read as a gzip file"),
        ):
            with self.subTest(said), self.assertRaisesRegex(DataError, said):
                images.read_idx(self.put("mnist/a.gz", content), images.IDX_IMAGES_MAGIC)


class Cifar(WithFolder):
    """Batches of planes."""

    def test_planes_become_pixels(self) -> None:
        planes = np.arange(2 * 3 * 1024).reshape(2, 3, 1024).astype(np.uint8)
        rows = b"".join(bytes([label]) + planes[i].tobytes() for i, label in enumerate((3, 9)))
        for name, content in (("a.bin", rows), ("b.bin.xz", lzma.compress(rows))):
            self.put(f"cifar10/{name}", content)
            x, y = images.read_cifar_batch(self.folder / "cifar10" / name.removesuffix(".xz"))
            np.testing.assert_array_equal(y, [3, 9])
            # The first pixel's red, green and blue, side by side.
            np.testing.assert_array_equal(x[1, :3], planes[1, :, 0])
            np.testing.assert_array_equal(x[1, 3:6], planes[1, :, 1])

    def test_damaged_and_missing_files(self) -> None:
        path = self.put("cifar10/a.bin", bytes(3000))
        with self.assertRaisesRegex(DataError, "3000 bytes, expected rows of 3073"):
            images.read_cifar_batch(path)
        self.put("cifar10/b.bin.xz", b"no xz")
        with self.assertRaisesRegex(DataError, "cannot be read"):
            images.read_cifar_batch(self.folder / "cifar10" / "b.bin")
        with self.assertRaisesRegex(DataError, "data_batch_1.bin missing.*set XONN_DATA"):
            images.load_cifar10()

    def test_middle(self) -> None:
        x = np.arange(36).reshape(1, 6, 6, 1)
        np.testing.assert_array_equal(images.central(x, 2)[0, :, :, 0], [[14, 15], [20, 21]])


class Malaria(WithFolder):
    """An archive of arrays."""

    def test_arrays_are_flattened(self) -> None:
        (self.folder / "malaria").mkdir()
        parts = {"x_train": np.ones((3, 4, 4), np.uint8), "y_train": np.array([0, 1, 1])}
        parts |= {"x_test": np.zeros((2, 4, 4), np.uint8), "y_test": np.array([1, 0])}
        np.savez(self.folder / "malaria" / "malaria32_gray.npz", **parts)
        data = images.load_malaria()
        self.assertEqual((data.x_train.shape, data.x_test.shape), ((3, 16), (2, 16)))
        np.testing.assert_array_equal(data.y_train, [0, 1, 1])
        self.assertEqual(data.y_train.dtype, np.uint8)

    def test_an_array_is_missing(self) -> None:
        (self.folder / "malaria").mkdir()
        np.savez(self.folder / "malaria" / "malaria32_gray.npz", x_train=np.zeros(1))
        with self.assertRaisesRegex(DataError, "y_train"):
            images.load_malaria()


class Tables(WithFolder):
    """Comma-separated tables."""

    def test_breast_cancer(self) -> None:
        head = ",".join([*(f"f{i}" for i in range(30)), "malignant"])
        rows = [",".join([*(str(i + row / 2) for i in range(30)), str(row)]) for row in (0, 1)]
        self.put("breast_cancer/wdbc.csv", "\n".join([head, *rows, ""]))
        table = tables.load_breast_cancer()
        self.assertEqual((table.names[29], table.x.shape), ("f29", (2, 30)))
        np.testing.assert_array_equal(table.x[1, :2], [0.5, 1.5])
        np.testing.assert_array_equal(table.y, [0, 1])

    def test_a_row_of_values_is_no_heading(self) -> None:
        self.put("breast_cancer/wdbc.csv", ",".join(["1.5"] * 31) + "\n")
        with self.assertRaisesRegex(DataError, "no heading"):
            tables.load_breast_cancer()

    def test_diabetes(self) -> None:
        self.put("diabetes/pima-indians-diabetes.csv", "6,148,72,35,0,33.6,0.627,50,1\n")
        table = tables.load_diabetes()
        self.assertEqual((table.names[1], table.x[0, 1], table.y[0]), ("glucose", 148, 1))

    def test_liver_fills_the_ratio_and_reads_the_sex(self) -> None:
        head = ",".join(f"f{i}" for i in range(11))
        rows = ["65,Female,0.7,0.1,187,16,18,6.8,3.3,0.9,1", "62,Male,10.9,5.5,699,64,100,7.5,3.0,,2"]
        self.put("liver/ilpd.csv", "\n".join([head, *rows, ""]))
        table = tables.load_liver()
        np.testing.assert_array_equal(table.x[:, 1], [0, 1])
        self.assertAlmostEqual(table.x[1, 9], 3.0 / 4.5)
        np.testing.assert_array_equal(table.y, [1, 0])

    def test_damaged_and_missing_files(self) -> None:
        with self.assertRaisesRegex(DataError, "docs/models.md.*set XONN_DATA"):
            tables.load_diabetes()
        self.put("diabetes/pima-indians-diabetes.csv", "1,2,3,4,5,6,7,8,0\n1,2,3\n")
        with self.assertRaisesRegex(DataError, "3 columns in row 2, expected 9"):
            tables.load_diabetes()
        self.put("diabetes/pima-indians-diabetes.csv", "1,2,3,4,5,six,7,8,0\n")
        with self.assertRaisesRegex(DataError, "no number"):
            tables.load_diabetes()


class Words(WithFolder):
    """Texts of words."""

    def put_all(self, test: str) -> None:
        """Three texts, the first as it is, the others gzipped."""
        self.put("ptb/ptb.train.txt", " b a b \n c a b \n")
        self.put("ptb/ptb.valid.txt.gz", gzip.compress(b" a \n"))
        self.put("ptb/ptb.test.txt.gz", gzip.compress(test.encode()))

    def test_words_are_numbered_by_count_then_alphabet(self) -> None:
        self.put_all(" c b \n")
        text = words.load_ptb()
        self.assertEqual(text.words, ["b", "<eos>", "a", "c"])
        np.testing.assert_array_equal(text.train, [0, 2, 0, 1, 3, 2, 0, 1])
        np.testing.assert_array_equal(text.valid, [2, 1])
        np.testing.assert_array_equal(text.test, [3, 0, 1])

    def test_damaged_and_missing_files(self) -> None:
        with self.assertRaisesRegex(DataError, "ptb.train.txt cannot be read.*set XONN_DATA"):
            words.load_ptb()
        self.put_all(" d \n")
        with self.assertRaisesRegex(DataError, "'d', which ptb.train.txt has not"):
            words.load_ptb()
        self.put("ptb/ptb.valid.txt.gz", b"no gzip")
        with self.assertRaisesRegex(DataError, "ptb.valid.txt cannot be read"):
            words.load_ptb()


if __name__ == "__main__":
    unittest.main()
