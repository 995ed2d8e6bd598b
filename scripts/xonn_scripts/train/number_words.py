"""Training of the language model, in Keras 3; it goes on from its last checkpoint as ``number_images`` does.

The text is cut into rows that lie side by side.  A batch takes the next words of every row and keeps the
state of the one before; at the begin of a part of an epoch the state is zero.
"""

from __future__ import annotations

import math
from pathlib import Path

import keras
import numpy as np

from xonn_scripts.data.words import Text
from xonn_scripts.nets.number_recipes import TextRecipe
from xonn_scripts.nets.numbers import lstm_ptb, tied_lstm_ptb, untied
from xonn_scripts.train.number_images import rate_of, train_parts

# Rows and steps by which a text is read where nothing is learnt; a row begins without words before it.
JUDGING_ROWS, JUDGING_STEPS = 10, 50


def side_by_side(text: np.ndarray, rows: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Words and the next of each, int32 ``[batches * rows, steps]``, in the order of the batches."""
    batches = (len(text) - 1) // (rows * steps)
    count = rows * batches * steps

    def cut(part: np.ndarray) -> np.ndarray:
        return part.reshape(rows, batches, steps).transpose(1, 0, 2).reshape(-1, steps)

    return cut(text[:count]), cut(text[1 : count + 1])


def reset(model: keras.Model) -> None:
    """Set the state to zero."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.LSTM):
            layer.reset_states()


def cross_entropy(judge: keras.Model, text: np.ndarray, rows: int, steps: int) -> float:
    """Mean loss a word, the state kept along each row: nearly that of one text, and quick."""
    judge.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    words, following = side_by_side(text, rows, steps)
    return float(judge.evaluate(words, following, batch_size=rows, verbose=0))


def compiled(recipe: TextRecipe, steps: int) -> keras.Model:
    """The network at the begin of its training."""
    model = tied_lstm_ptb(recipe.rows, recipe.steps, recipe.dropout)
    model.compile(
        optimizer=keras.optimizers.Adam(
            rate_of(recipe, steps),
            global_clipnorm=recipe.clip_norm,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=1,
        jit_compile=False,
    )
    return model


def train_words(
    text: Text, recipe: TextRecipe, seed: int, checkpoint: Path
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train on the training text; the model as it was trained, and what each part of an epoch gave."""
    # Each epoch begins at another word, so that batches are not cut at the same places.
    steps = (len(text.train) - 1 - recipe.steps) // (recipe.rows * recipe.steps) // recipe.parts

    def part_of(model: keras.Model, part: int) -> dict[str, float]:
        epoch, place = divmod(part, recipe.parts)
        shift = epoch * 7 % recipe.steps
        words, following = side_by_side(text.train[shift:], recipe.rows, recipe.steps)
        here = slice(place * steps * recipe.rows, (place + 1) * steps * recipe.rows)
        reset(model)
        history = model.fit(
            words[here], following[here], batch_size=recipe.rows, shuffle=False, verbose=0
        ).history
        row = {"epoch": round((part + 1) / recipe.parts, 2), "loss": round(history["loss"][-1], 4)}
        if place + 1 < recipe.parts:
            return row
        judge = untied(model, lstm_ptb(JUDGING_ROWS, JUDGING_STEPS))
        valid = cross_entropy(judge, text.valid, JUDGING_ROWS, JUDGING_STEPS)
        return row | {"valid_cross_entropy": round(valid, 4), "valid_perplexity": round(math.exp(valid), 2)}

    parts = recipe.epochs * recipe.parts
    return train_parts(lambda: compiled(recipe, steps), part_of, parts, steps, seed, checkpoint)
