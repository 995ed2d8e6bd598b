"""Networks of numbers on shares: how many classes are equal, and when they are too few."""

from __future__ import annotations

import tempfile
import unittest
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

if find_spec("numpy") is None:
    raise unittest.SkipTest("classes are compared with NumPy")

import numpy as np

from xonn_scripts.measure import on_shares
from xonn_scripts.programs import ProgramError


class Classes(unittest.TestCase):
    """What is said of classes."""

    def beside(self, answers: np.ndarray, clear: np.ndarray, keras: np.ndarray) -> tuple[str, bool]:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "some").mkdir()
            np.save(Path(folder) / "some" / "keras_labels.npy", keras.astype(np.uint8))
            with mock.patch.object(on_shares, "MODELS", Path(folder)):
                return on_shares.beside_keras("some", answers, clear)

    def test_are_counted_against_eval_and_keras(self) -> None:
        keras = np.arange(300) % 10
        clear, answers = keras[:200].copy(), keras[:200].copy()
        clear[0], answers[:2] = 9, 9
        text, is_right = self.beside(answers, clear.reshape(-1, 1), keras)
        self.assertEqual(text, " classes 199 of shares = eval, 198 of shares = Keras, 199 of eval = Keras,")
        self.assertTrue(is_right)

    def test_too_few_that_are_equal_are_an_error(self) -> None:
        keras = np.zeros(100)
        answers = keras.copy()
        answers[:2] = 1
        self.assertFalse(self.beside(answers, keras, keras)[1])

    def test_inputs_that_are_missing_are_named(self) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(on_shares, "TARGET", Path(folder)),
            self.assertRaisesRegex(ProgramError, "train.numbers relu_mnist --export-only"),
        ):
            on_shares.exported("relu_mnist", "test")


if __name__ == "__main__":
    unittest.main()
