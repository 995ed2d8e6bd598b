"""Networks of numbers: what their training keeps, folds and rounds, on data that is made here."""

from __future__ import annotations

import tempfile
import unittest
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

if find_spec("keras") is None or find_spec("tensorflow") is None:
    raise unittest.SkipTest("networks of numbers need Keras 3")

import keras
import numpy as np

if keras.__version__ < "3":
    raise unittest.SkipTest("networks of numbers need Keras 3")

from xonn_scripts.data.images import Dataset
from xonn_scripts.nets.number_recipes import IMAGES, NUMBERS, TEXTS
from xonn_scripts.nets.numbers import BUILDERS, folded, lstm_ptb, tabular_relu, tied_lstm_ptb, untied
from xonn_scripts.train import number_images
from xonn_scripts.train.number_export import halve, round_weights, store_halves
from xonn_scripts.train.number_images import cropped, shown, train_images
from xonn_scripts.train.number_words import side_by_side


def made_up(count: int, features: int) -> Dataset:
    """Images whose class is where they are bright."""
    random = np.random.default_rng(1)
    y = random.integers(0, 10, count).astype(np.uint8)
    x = random.integers(0, 100, (count, features)).astype(np.uint8)
    for image, label in zip(x, y):
        image[int(label) * features // 10 :][: features // 10] += 100
    return Dataset(x, y, x[:50], y[:50])


class Training(unittest.TestCase):
    """A training that was stopped."""

    def test_goes_on_as_if_it_had_not_been(self) -> None:
        data = made_up(200, 784)
        for name in ("square_mlp", "plain_cnn"):
            recipe = replace(IMAGES[name], epochs=3, batch=20, parts=2)
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                found = []
                for stops in ((6,), (1, 4, 6)):
                    keras.utils.set_random_seed(1)
                    checkpoint = Path(folder) / f"{len(stops)}.keras"
                    for parts in stops:
                        # The schedule's length stays the recipe's, as if the process had been ended.
                        model, rows = train_until(name, data, recipe, parts, checkpoint)
                    self.assertEqual([row["epoch"] for row in rows], [0.5, 1, 1.5, 2, 2.5, 3])
                    self.assertEqual(int(model.optimizer.iterations), 30)
                    found.append(model.get_weights())
                for once, stopped in zip(*found):
                    np.testing.assert_allclose(once, stopped, rtol=1e-3, atol=1e-4)

    def test_epochs_show_the_same_again_and_not_each_other(self) -> None:
        data = made_up(300, 784)
        first, again, second = (
            shown(data, (784,), IMAGES["square_mlp"], seed=1, epoch=epoch)[0] for epoch in (0, 0, 1)
        )
        np.testing.assert_array_equal(first, again)
        self.assertTrue(np.any(first != second))


def train_until(name: str, data: Dataset, recipe: object, parts: int, checkpoint: Path) -> tuple:
    """Train by a recipe, and end behind so many parts of epochs."""
    whole = number_images.train_parts

    def part(begin: object, part_of: object, _: int, *others: object) -> tuple:
        return whole(begin, part_of, parts, *others)

    with mock.patch.object(number_images, "train_parts", part), mock.patch("builtins.print"):
        return train_images(name, data, recipe, 1, checkpoint)


class Networks(unittest.TestCase):
    """What the definitions compute."""

    def test_folding_changes_nothing(self) -> None:
        random = np.random.default_rng(1)
        for name, build in BUILDERS.items():
            trained, plain = build(True), build(False)
            trained.set_weights([random.uniform(0.05, 0.2, w.shape) for w in trained.get_weights()])
            x = random.uniform(0, 255, (4, *trained.input_shape[1:])).astype(np.float32)
            with self.subTest(name):
                np.testing.assert_allclose(
                    trained.predict(x, verbose=0),
                    folded(trained, plain).predict(x, verbose=0),
                    rtol=1e-3,
                )

    def test_rounding_keeps_what_was_measured_and_what_is_large(self) -> None:
        model = tabular_relu(2)
        x = np.array([[1, 1e5], [2, 3e5], [3, 5e5]], np.float32)
        model.layers[0].adapt(x)
        measured = model.layers[0].get_weights()
        self.assertTrue(round_weights(model, x))
        for before, after in zip(measured, model.layers[0].get_weights()):
            np.testing.assert_array_equal(before, after)
        model.layers[1].set_weights([np.full((2, 16), 1e6), np.zeros(16)])
        self.assertFalse(round_weights(model, x))
        self.assertEqual(model.layers[1].get_weights()[0][0, 0], 1e6)

    def test_all_are_there(self) -> None:
        self.assertEqual({*IMAGES}, {*BUILDERS})
        self.assertLess({*IMAGES, *TEXTS}, {*NUMBERS})

    def test_crops_are_parts_of_the_image(self) -> None:
        image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)
        found = cropped(image.repeat(50, axis=0), 2, np.random.default_rng(1))
        self.assertEqual(found.shape, (50, 8, 8, 1))
        # The middle keeps its rows' distance, and its columns' up to the flip.
        self.assertEqual({*np.diff(found[:, :, 4, 0].astype(int), axis=1)[:, 3]}, {8})
        self.assertEqual({*np.diff(found[:, 4, :, 0].astype(int), axis=1)[:, 3]}, {1, -1})


class Words(unittest.TestCase):
    """The language model's text and file."""

    def test_rows_go_on_from_batch_to_batch(self) -> None:
        words, following = side_by_side(np.arange(26), rows=2, steps=4)
        np.testing.assert_array_equal(words[0], [0, 1, 2, 3])
        np.testing.assert_array_equal(words[2], [4, 5, 6, 7])
        np.testing.assert_array_equal(words[1], [12, 13, 14, 15])
        np.testing.assert_array_equal(following, words + 1)

    def test_one_matrix_becomes_two(self) -> None:
        tied = tied_lstm_ptb(2, 3, 0.5)
        words = np.array([[1, 2, 3], [4, 5, 6]], np.int32)
        np.testing.assert_allclose(
            tied.predict(words, batch_size=2, verbose=0),
            untied(tied, lstm_ptb(2, None)).predict(words, batch_size=2, verbose=0),
            atol=1e-6,
        )

    def test_weights_of_two_bytes_are_read_as_they_were(self) -> None:
        model = lstm_ptb(1, None)
        self.assertTrue(halve(model))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.keras"
            model.save(file)
            whole = file.stat().st_size
            store_halves(file)
            self.assertLess(file.stat().st_size, 0.51 * whole)
            again = keras.models.load_model(file, compile=False)
        for kept, read in zip(model.get_weights(), again.get_weights()):
            np.testing.assert_array_equal(kept, read)


if __name__ == "__main__":
    unittest.main()
