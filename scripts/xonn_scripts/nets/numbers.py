"""Networks of numbers: real weights, and activations that are not signs.

The first four and the language model are those of MiniONN's figures 10 to 14.  A square is written as
``Multiply()([x, x])``: that is a layer in Keras 2 and 3 and loads without code of one's own from ``.keras``
and ``.h5``, where ``keras.ops.square(x)`` makes an operation layer that Keras 3 cannot read from ``.h5``.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers

WORDS = 10000
UNITS = 200


def with_norm(x: keras.KerasTensor, layer: keras.Layer, training: bool) -> keras.KerasTensor:
    """The layer, and while the network is trained BatchNorm behind it; `folded` makes them one."""
    x = layer(x)
    if training:
        x = layers.BatchNormalization(momentum=0.9, name=f"{layer.name}_norm")(x)
    return x


def square(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """x times x."""
    return layers.Multiply(name=name)([x, x])


def pixels(*shape: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Raw pixels 0..255, and the same from 0 to 1."""
    raw = keras.Input(shape, name="pixels")
    return raw, layers.Rescaling(1 / 255, name="rescaling")(raw)


def square_mlp(training: bool) -> keras.Model:
    """784 - 128 - 128 - 10 with squares between (figure 10)."""
    raw, x = pixels(784)
    for i in (1, 2):
        x = with_norm(x, layers.Dense(128, name=f"dense_{i}"), training)
        x = square(x, f"square_{i}")
    return keras.Model(raw, layers.Dense(10, name="dense_3")(x), name="square_mlp")


def square_cnn(training: bool) -> keras.Model:
    """Convolution 5 x 5 x 5 with stride 2, 845 - 100 - 10, squares behind the first two (figure 11).

    The figure has 13 x 13 places, which a row and a column of zeros above and to the left gives.
    """
    raw, x = pixels(28, 28, 1)
    x = layers.ZeroPadding2D(((1, 0), (1, 0)), name="border")(x)
    x = with_norm(x, layers.Conv2D(5, 5, strides=2, name="conv_1"), training)
    x = layers.Flatten(name="flatten")(square(x, "square_1"))
    x = with_norm(x, layers.Dense(100, name="dense_2"), training)
    x = square(x, "square_2")
    return keras.Model(raw, layers.Dense(10, name="dense_3")(x), name="square_cnn")


def relu_mnist(training: bool) -> keras.Model:
    """Twice convolution 5 x 5 x 16, ReLU and maxima of 2 x 2, then 256 - 100 - 10 (figure 12)."""
    raw, x = pixels(28, 28, 1)
    for i in (1, 2):
        x = with_norm(x, layers.Conv2D(16, 5, name=f"conv_{i}"), training)
        x = layers.ReLU(name=f"relu_{i}")(x)
        x = layers.MaxPooling2D(2, name=f"pool_{i}")(x)
    x = with_norm(layers.Flatten(name="flatten")(x), layers.Dense(100, name="dense_3"), training)
    x = layers.ReLU(name="relu_3")(x)
    return keras.Model(raw, layers.Dense(10, name="dense_4")(x), name="relu_mnist")


def relu_cifar10(training: bool) -> keras.Model:
    """Seven convolutions, each with ReLU, means of 2 x 2 behind the second and fourth, 1024 - 10 (figure 13).

    The figure writes 64 x 16 x 16 behind the second mean as well; its next line needs 64 x 8 x 8.
    """
    raw, x = pixels(32, 32, 3)
    shapes = [(64, 3), (64, 3), (64, 3), (64, 3), (64, 3), (64, 1), (16, 1)]
    for i, (filters, size) in enumerate(shapes, start=1):
        x = with_norm(x, layers.Conv2D(filters, size, padding="same", name=f"conv_{i}"), training)
        x = layers.ReLU(name=f"relu_{i}")(x)
        if i in (2, 4):
            x = layers.AveragePooling2D(2, name=f"pool_{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(raw, layers.Dense(10, name="dense_8")(x), name="relu_cifar10")


def plain_cnn(training: bool) -> keras.Model:
    """The convolutional network of Keras's own examples, as it stands there; pixels from 0 to 1."""
    return keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ],
        name="plain_cnn",
    )


def tabular_relu(features: int) -> keras.Model:
    """A first network for a table: standardised features, two ReLU layers, one probability."""
    return keras.Sequential(
        [
            keras.Input(shape=(features,)),
            layers.Normalization(),
            layers.Dense(16, activation="relu"),
            layers.Dense(8, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="tabular_relu",
    )


def lstm_ptb(rows: int, steps: int | None) -> keras.Model:
    """Numbers of words to scores of the next: Embedding, two LSTM, Dense, of 200 units (figure 14).

    The state stays from one call to the next.
    """
    words = keras.Input(batch_shape=(rows, steps), dtype="int32", name="words")
    x = layers.Embedding(WORDS, UNITS, name="embedding")(words)
    for i in (1, 2):
        x = layers.LSTM(UNITS, return_sequences=True, stateful=True, name=f"lstm_{i}")(x)
    return keras.Model(words, layers.Dense(WORDS, name="logits")(x), name="lstm_ptb")


def tied_lstm_ptb(rows: int, steps: int, dropout: float) -> keras.Model:
    """What is trained for `lstm_ptb`: one matrix is both the Embedding and the kernel of the last layer.

    All rows go through that layer as one matrix: a product by row would have a gradient by row.
    """
    words = keras.Input(batch_shape=(rows, steps), dtype="int32", name="words")
    embedding = layers.ReversibleEmbedding(WORDS, UNITS, name="embedding")
    x = embedding(words)
    for i in (1, 2):
        x = layers.Dropout(dropout, name=f"dropout_{i}")(x)
        x = layers.LSTM(UNITS, return_sequences=True, stateful=True, unroll=True, name=f"lstm_{i}")(x)
    x = layers.Dropout(dropout, name="dropout_3")(x)
    x = keras.ops.reshape(x, (rows * steps, UNITS))
    x = keras.ops.reshape(embedding(x, reverse=True), (rows, steps, WORDS))
    return keras.Model(words, x, name="tied_lstm_ptb")


def untied(trained: keras.Model, plain: keras.Model) -> keras.Model:
    """`plain`, an `lstm_ptb`, with the weights of a `tied_lstm_ptb`."""
    (words,) = trained.get_layer("embedding").get_weights()
    plain.get_layer("embedding").set_weights([words])
    plain.get_layer("logits").set_weights([words.T, 0 * words[:, 0]])
    for name in ("lstm_1", "lstm_2"):
        plain.get_layer(name).set_weights(trained.get_layer(name).get_weights())
    return plain


def folded(trained: keras.Model, plain: keras.Model) -> keras.Model:
    """`plain` with the weights of `trained`, BatchNorm multiplied into the layer in front of it."""
    norms = {layer.name: layer for layer in trained.layers if isinstance(layer, layers.BatchNormalization)}
    sources = [layer for layer in trained.layers if layer.weights and layer.name not in norms]
    targets = [layer for layer in plain.layers if layer.weights]
    for source, target in zip(sources, targets, strict=True):
        weights = source.get_weights()
        norm = norms.get(f"{source.name}_norm")
        if norm is not None:
            gamma, beta, mean, variance = (w.astype("float64") for w in norm.get_weights())
            scale = gamma / (variance + norm.epsilon) ** 0.5
            kernel, bias = weights
            weights = [kernel * scale, (bias - mean) * scale + beta]
        target.set_weights(weights)
    return plain


BUILDERS: dict[str, Callable[[bool], keras.Model]] = {
    "square_mlp": square_mlp,
    "square_cnn": square_cnn,
    "relu_mnist": relu_mnist,
    "relu_cifar10": relu_cifar10,
    "plain_cnn": plain_cnn,
}
