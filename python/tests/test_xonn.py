"""The package as its users call it: Keras, the clear evaluation and private predictions beside each other."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

import xonn

MODELS = Path(__file__).resolve().parents[2] / "models"
COUNT = 400


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    """Images of 784 raw pixels, made up."""
    return np.random.default_rng(1).integers(0, 256, (COUNT, 784), dtype=np.uint8)


@pytest.fixture(scope="module")
def binary() -> xonn.Compiled:
    """The bundled binary network for MNIST, from its file."""
    return xonn.compile(MODELS / "bm1" / "model.keras")


@pytest.fixture(scope="module")
def plain() -> tuple[keras.Model, np.ndarray]:
    """A live ReLU network with weights by chance, and inputs."""
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dense(12, activation="relu"), keras.layers.Dense(8, activation="relu")]
    model = keras.Sequential([keras.Input((10,)), *layers, keras.layers.Dense(4)], name="plain")
    return model, np.random.default_rng(2).normal(size=(COUNT, 10)).astype(np.float32)


def served(compiled: xonn.Compiled, folder: Path, **options: object) -> xonn.Server:
    """A server of a compiled model."""
    package, secret = compiled.save(folder / "m.xonn", force=True)
    return xonn.serve(package, secret, **options)


def test_a_binary_network(binary: xonn.Compiled, digits: np.ndarray, tmp_path: Path) -> None:
    clear = binary.predict(digits)
    assert clear.shape == (COUNT,) and len(set(clear.tolist())) > 3
    with served(binary, tmp_path, clients="semi-honest") as server:
        with xonn.Client(server.address, digest=binary.digest) as client:
            assert np.array_equal(client.predict(digits), clear)
            sent, received, trips = client.traffic
    assert sent > 0 and received > 0 and trips > 0


def test_a_live_relu_network(plain: tuple[keras.Model, np.ndarray], tmp_path: Path) -> None:
    model, x = plain
    compiled = xonn.compile(model, calibrate=x, activation_bits=14, weight_bits=14)
    scores = keras.ops.convert_to_numpy(model(x))
    labels = scores.argmax(1)
    assert len(set(labels.tolist())) == 4
    # 14 bits tell scores apart that are not as good as equal.
    top = np.sort(scores, axis=1)
    sure = top[:, -1] - top[:, -2] > 2e-3 * np.abs(scores).max()
    assert sure.sum() > 0.97 * COUNT
    assert np.array_equal(compiled.predict(x)[sure], labels[sure])
    with served(compiled, tmp_path, clients="semi-honest", pool=4) as server:
        with xonn.Client(server.address, digest=compiled.digest, ahead=4) as client:
            assert np.array_equal(client.predict(x)[sure], labels[sure])


def test_hostile_clients_get_garbled_circuits(plain: tuple[keras.Model, np.ndarray], tmp_path: Path) -> None:
    model, x = plain
    compiled = xonn.compile(model, calibrate=x, reveal="scores")
    with served(compiled, tmp_path) as server, xonn.Client(server.address) as client:
        found = client.predict(x[:3])
        assert client.digest == compiled.digest
    assert found.shape == (3, 4) and found.dtype == np.float64
    assert np.array_equal(found, compiled.predict(x[:3]))


def test_a_client_has_a_limit(binary: xonn.Compiled, digits: np.ndarray, tmp_path: Path) -> None:
    with served(binary, tmp_path, clients="semi-honest", inferences=3) as server:
        with xonn.Client(server.address) as client, pytest.raises(xonn.Error):
            client.predict(digits[:5])


def test_what_a_model_costs(binary: xonn.Compiled) -> None:
    assert "on shares" in binary.inspect()
    assert '"plans"' in binary.inspect("json")
    assert binary._repr_html_().lstrip().startswith("<!")
    assert binary.notes and len(binary.digest) == 64
    with pytest.raises(xonn.DataError, match='expected "text"'):
        binary.inspect("pdf")


def test_a_model_that_is_refused() -> None:
    layers = [keras.layers.Dense(3, activation="relu"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    with pytest.raises(xonn.CompileError) as refused:
        xonn.compile(model)
    assert any("calibrate" in problem for problem in refused.value.problems)
    with pytest.raises(xonn.DataError, match="cannot be read"):
        xonn.compile("nothing.keras")
    with pytest.raises(xonn.DataError, match="expected a Keras model"):
        xonn.compile(7)


def test_samples_that_do_not_fit(binary: xonn.Compiled, digits: np.ndarray, tmp_path: Path) -> None:
    for wrong in (digits[:, :700], np.full((1, 784), np.nan), np.array(["x"])):
        with pytest.raises(xonn.DataError):
            binary.predict(wrong)
    with served(binary, tmp_path, clients="semi-honest") as server:
        with xonn.Client(server.address, digest=binary.digest) as client:
            with pytest.raises(xonn.DataError):
                client.predict(digits[:, :700])
            damaged = digits[:3].astype(float)
            damaged[1, 5] = np.nan
            # All are asked about, and only then is it told.
            with pytest.raises(xonn.DataError, match="sample 1"):
                client.predict(damaged)


def test_servers_that_are_not_there_or_another_one(binary: xonn.Compiled, tmp_path: Path) -> None:
    with pytest.raises(xonn.TransientError):
        xonn.Client("127.0.0.1:1")
    with served(binary, tmp_path) as server:
        with pytest.raises(xonn.ProtocolError):
            xonn.Client(server.address, digest="0" * 64)
        with pytest.raises(xonn.DataError, match="digest"):
            xonn.Client(server.address, digest="abc")
        client = xonn.Client(server.address)
        client.close()
        with pytest.raises(xonn.ProtocolError, match="over"):
            client.predict(np.zeros((1, 784), np.uint8))
    with pytest.raises(xonn.DataError, match="force=True"):
        binary.save(tmp_path / "m.xonn")


def test_threads_share_a_client(binary: xonn.Compiled, digits: np.ndarray, tmp_path: Path) -> None:
    with served(binary, tmp_path, clients="semi-honest") as server:
        with xonn.Client(server.address, digest=binary.digest) as client:
            found: list[object] = []

            def ask() -> None:
                try:
                    found.append(client.predict(digits[:50]))
                except xonn.ProtocolError as error:
                    found.append(error)

            threads = [threading.Thread(target=ask) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()
            answers = [answer for answer in found if isinstance(answer, np.ndarray)]
            assert answers and len(found) == 3
            assert all(np.array_equal(answer, binary.predict(digits[:50])) for answer in answers)


def test_ctrl_c_ends_a_long_call(binary: xonn.Compiled, digits: np.ndarray) -> None:
    many = np.tile(digits, (100, 1))
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for _ in range(100):
            binary.predict(many)
    assert time.monotonic() - start < 60
    timer.join()
