"""Write networks of larq_zoo at 64 x 64 with random weights, to check the compiler with.

Writes NAME.h5 and NAME.npz (x: 60 images of integers 0 to 255, keras: what Keras gives) for each network.
Weights are random; BatchNorm's statistics come from the images, so that signs are balanced as in a trained
network. Nothing of larq_zoo is copied: its package builds the networks.

    pip install -e "scripts[zoo]"
    python -m xonn_scripts.nets.zoo
    xonn-compile check target/zoo/birealnet.h5 --data target/zoo/birealnet.npz
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from larq_zoo import literature

from xonn_scripts.command_line import parser_of
from xonn_scripts.paths import TARGET

NETWORKS = {
    "birealnet": literature.BiRealNet,
    "resnet_e18": literature.BinaryResNetE18,
    "binary_densenet28": literature.BinaryDenseNet28,
}


def images(count: int, size: int, seed: int) -> np.ndarray:
    """Smooth random images of integers: sums of a few waves and some noise."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(0, 1, size)
    x = np.zeros((count, size, size, 3))
    for image in x:
        for _ in range(6):
            frequency, phase = rng.uniform(-4, 4, 2), rng.uniform(0, 2 * np.pi, 3)
            wave = 2 * np.pi * (frequency[0] * axis[:, None] + frequency[1] * axis[None, :])
            image += np.sin(wave[..., None] + phase) * rng.uniform(0.2, 1)
    x += rng.normal(0, 0.3, x.shape)
    return np.clip(128 + 40 * x, 0, 255).round().astype(np.float32)


def without_relu(layer: Any) -> Any:
    """The layer, or one that passes on what a ReLU would have cut."""
    config = layer.get_config()
    if config.get("activation") == "relu":
        return type(layer).from_config(config | {"activation": "linear"})
    return layer


def learn_statistics(model: Any, x: np.ndarray) -> None:
    """Sets BatchNorm's moving statistics to those of `x`: each pass with momentum 0 takes the batch's own."""
    norms = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(x, training=True)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum


def spread_weights(model: Any, seed: int) -> None:
    """Gamma and beta that are not 1 and 0."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            for weight in layer.trainable_weights:
                center = 1.0 if "gamma" in weight.name else 0.0
                weight.assign(rng.normal(center, 0.3, weight.shape))


def main() -> None:
    """The command."""
    parser = parser_of("nets.zoo", __doc__)
    parser.add_argument("--out", type=Path, default=TARGET / "zoo")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument(
        "--without-relu",
        action="store_true",
        help="ReLUs become linear, as real hidden values do not run yet",
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    x = images(60, args.size, 1)
    for name in args.networks:
        tf.keras.utils.set_random_seed(7)
        model = NETWORKS[name](input_shape=(args.size, args.size, 3), weights=None, num_classes=10)
        if args.without_relu:
            model = tf.keras.models.clone_model(model, clone_function=without_relu)
        spread_weights(model, 7)
        learn_statistics(model, x)
        keras = model.predict(x, verbose=0)
        model.save(args.out / f"{name}.h5")
        np.savez_compressed(args.out / f"{name}.npz", x=x, keras=keras)
        relus = [layer.name for layer in model.layers if "relu" in str(layer.get_config().get("activation"))]
        print(f"{name}: labels {np.bincount(keras.argmax(1), minlength=10).tolist()}, ReLUs {relus}")


if __name__ == "__main__":
    main()
