"""Repeated stratified splits of a table, and the training of one small network on each of them at once.

All networks are trained as one stack: weights are ``[split, inputs, units]``.  A network sees standardised
values: each feature less its mean, in units of its deviation, both of the rows that the network is trained
on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from xonn_scripts.nets.recipes import TabularRecipe

# Of Keras's BatchNormalization.
EPSILON = 1e-3


# --------------------------------------------------------------------------------------------------
# Splits


def stratified_splits(y: np.ndarray, repeats: int, folds: int, seed: int) -> list[np.ndarray]:
    """Test parts: ``repeats`` times the rows in ``folds`` parts, each with its share of every class."""
    tests = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        fold_of = np.empty(len(y), int)
        offset = 0
        for label in np.unique(y):
            rows = rng.permutation(np.flatnonzero(y == label))
            fold_of[rows] = (np.arange(len(rows)) + offset) % folds
            offset += len(rows)
        tests += [np.flatnonzero(fold_of == fold) for fold in range(folds)]
    return tests


# --------------------------------------------------------------------------------------------------
# Stacks of networks


@tf.custom_gradient
def sign(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """+1 from 0 upwards, else -1; the gradient is that of larq's ``approx_sign``."""

    def gradient(dy: tf.Tensor) -> tf.Tensor:
        return dy * tf.maximum(0.0, 2.0 - 2.0 * tf.abs(x))

    return tf.where(x >= 0.0, 1.0, -1.0), gradient


@tf.custom_gradient
def sign_of_weights(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """As `sign`, with the gradient of ``ste_sign``: weights are clipped to -1..1 after each step."""
    return tf.where(x >= 0.0, 1.0, -1.0), lambda dy: dy


class Stack:
    """Networks of one shape, side by side: binary with BatchNorm and sign, or float with ReLU for sign."""

    def __init__(self, count: int, sizes: list[int], binary: bool, seed: int) -> None:
        self.binary = binary
        rng = tf.random.Generator.from_seed(seed)
        self.kernels = [
            tf.Variable(rng.uniform([count, n, m], -1.0, 1.0) * (6.0 / (n + m)) ** 0.5)
            for n, m in zip(sizes, sizes[1:])
        ]
        self.gammas = [tf.Variable(tf.ones([count, 1, m])) for m in sizes[1:]]
        self.betas = [tf.Variable(tf.zeros([count, 1, m])) for m in sizes[1:]]

    @property
    def variables(self) -> list[tf.Variable]:
        """All that training changes."""
        return [*self.kernels, *self.gammas, *self.betas]

    def __call__(
        self, x: tf.Tensor, fixed: list[tuple[tf.Tensor, tf.Tensor]] | None = None
    ) -> tuple[tf.Tensor, list[tuple[tf.Tensor, tf.Tensor]]]:
        """Scores for x [stack, rows, features], and each BatchNorm's mean and variance.

        The statistics are those of x unless they are given.
        """
        statistics = []
        for i, (kernel, gamma, beta) in enumerate(zip(self.kernels, self.gammas, self.betas)):
            if i:
                x = sign(x) if self.binary else tf.nn.relu(x)
            x = x @ (sign_of_weights(kernel) if self.binary else kernel)
            mean, variance = fixed[i] if fixed else tf.nn.moments(x, axes=1, keepdims=True)
            statistics.append((mean, variance))
            x = (x - mean) * tf.math.rsqrt(variance + EPSILON) * gamma + beta
        return x, statistics


def fit_stack(
    stack: Stack,
    x: tf.Tensor,
    targets: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    recipe: TabularRecipe,
    steps: int,
    noise: tf.Tensor,
    seed: int,
) -> None:
    """Adam with a half cosine on noisy rows; ``targets(rows, noisy x)`` are class probabilities."""
    schedule = tf.keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps)
    optimizer = tf.keras.optimizers.Adam(schedule)
    optimizer.build(stack.variables)
    count, rows = x.shape[0], x.shape[1]

    @tf.function
    def step(number: tf.Tensor) -> None:
        key = tf.stack([seed, number])
        chosen = tf.random.stateless_uniform([count, recipe.batch], seed=key, maxval=rows, dtype=tf.int32)
        batch = tf.gather(x, chosen, batch_dims=1)
        batch += noise * tf.random.stateless_normal(tf.shape(batch), seed=key + [1, 0])
        wanted = targets(chosen, batch)
        with tf.GradientTape() as tape:
            scores, _ = stack(batch)
            loss = tf.nn.softmax_cross_entropy_with_logits(wanted, scores)
            loss = tf.reduce_sum(tf.reduce_mean(loss, axis=1))
        gradients = tape.gradient(loss, stack.variables)
        optimizer.apply_gradients(zip(gradients, stack.variables))
        if stack.binary:
            for kernel in stack.kernels:
                kernel.assign(tf.clip_by_value(kernel, -1.0, 1.0))

    for number in range(steps):
        step(tf.constant(number))


@dataclass(frozen=True)
class Trained:
    """A stack with its statistics on all rows of each training part, and the float stack it learned from.

    Means and deviations of the features are ``[stack, 1, features]``.
    """

    stack: Stack
    statistics: list[tuple[tf.Tensor, tf.Tensor]]
    teacher: Stack
    teacher_statistics: list[tuple[tf.Tensor, tf.Tensor]]
    mean: tf.Tensor
    deviation: tf.Tensor

    def accuracies(
        self, x: np.ndarray, y: np.ndarray, rows: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each network's accuracy on its own rows, then each teacher's."""
        every = tf.constant(np.broadcast_to(x, (len(rows), *x.shape)), tf.float32)
        inputs = (every - self.mean) / self.deviation
        found = []
        for stack, fixed in (
            (self.stack, self.statistics),
            (self.teacher, self.teacher_statistics),
        ):
            labels = tf.argmax(stack(inputs, fixed)[0], axis=2).numpy()
            found.append(np.array([np.mean(row[part] == y[part]) for row, part in zip(labels, rows)]))
        return found[0], found[1]


def train_stack(
    x: np.ndarray, y: np.ndarray, training: list[np.ndarray], recipe: TabularRecipe, seed: int
) -> Trained:
    """Train one network on each of the training parts."""
    # Parts differ by a row or two: the first ones of shorter parts stand in twice.
    rows = max(len(part) for part in training)
    parts = np.stack([np.resize(part, rows) for part in training])
    raw = tf.constant(x[parts], tf.float32)
    labels = tf.one_hot(y[parts], int(y.max()) + 1)
    mean = tf.math.reduce_mean(raw, axis=1, keepdims=True)
    deviation = tf.math.reduce_std(raw, axis=1, keepdims=True)
    inputs = (raw - mean) / deviation
    count, features, classes = len(training), x.shape[1], int(y.max()) + 1

    hidden = [recipe.teacher_units] if recipe.teacher_units else []
    teacher = Stack(count, [features, *hidden, classes], False, seed)
    fit_stack(
        teacher,
        inputs,
        lambda chosen, _: tf.gather(labels, chosen, batch_dims=1),
        recipe,
        recipe.teacher_steps,
        tf.constant(recipe.teacher_noise),
        seed + 1,
    )
    _, teacher_statistics = teacher(inputs)
    student = Stack(count, [features, *recipe.widths, classes], True, seed + 2)
    fit_stack(
        student,
        inputs,
        lambda _, noisy: tf.nn.softmax(teacher(noisy, teacher_statistics)[0]),
        recipe,
        recipe.steps,
        tf.constant(recipe.noise),
        seed + 3,
    )
    # BatchNorm's statistics are those of noisy rows, which the network was trained on.
    noisy = tf.repeat(inputs, recipe.statistics_copies, axis=1)
    noisy += recipe.noise * tf.random.stateless_normal(tf.shape(noisy), seed=[seed + 4, 0])
    return Trained(student, student(noisy)[1], teacher, teacher_statistics, mean, deviation)
