"""Private prediction with Keras networks between two hosts.

A company compiles its model and serves it; a hospital asks and learns the answer, and neither learns anything
else of the other's numbers::

    import xonn
    c = xonn.compile(model, calibrate=x_train[:500])   # a live Keras 3 model, or the path of a file
    c.save("m.xonn")                                   # the public package, and m.secret beside it
    with xonn.serve("m.xonn", "m.secret", clients="semi-honest") as s, \\
            xonn.Client(s.address, digest=c.digest) as k:
        k.predict(x_test[:10])                         # an array of classes
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from xonn import _native
from xonn._native import Compiled, CompileError, DataError, Error, ProtocolError, TransientError

__all__ = [
    "Client",
    "CompileError",
    "Compiled",
    "DataError",
    "Error",
    "ProtocolError",
    "Server",
    "TransientError",
    "compile",
    "serve",
]

CompileError.problems = ()


def _numbers(x: Any) -> np.ndarray:
    """Bytes stay bytes, other whole numbers become int64, all else float64; in row-major order."""
    x = np.asarray(x)
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    try:
        return np.ascontiguousarray(x, np.int64 if x.dtype.kind in "iub" else np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"an array of {x.dtype}, expected numbers") from error


def compile(model: Any, *, calibrate: Any = None, **options: Any) -> Compiled:
    """Compile a live Keras 3 model, or the file of one (`.keras`, `.h5`).

    calibrate: samples ``[n, ...]`` as the model was trained on, some hundred; networks with ReLU and the like
    need them.  agreement: the share of them, 0 to 1, that must keep the class of the float network.
    activation_bits, weight_bits: bits of hidden numbers (12).  reveal: "class", "labels" or "scores".
    input_bits, input_scale, input_standardised, proven, allow_error: as the command `xonn-compile build`.
    """
    if isinstance(model, (str, os.PathLike)):
        path = Path(model)
        try:
            name, content = str(path), path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    elif hasattr(model, "save"):
        name = f"{getattr(model, 'name', 'model')}.keras"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.keras"
            model.save(file)
            content = file.read_bytes()
    else:
        raise DataError(f"{type(model).__name__}, expected a Keras model or the path of one")
    calibrate = None if calibrate is None else _numbers(calibrate)
    return _CompiledModel(_native.compile(name, content, calibrate=calibrate, **options))


class _CompiledModel:
    """What `compile` returns: a `Compiled` that takes any array."""

    def __init__(self, native: Compiled) -> None:
        self._native = native

    def predict(self, x: Any) -> np.ndarray:
        """Predictions in the clear of samples ``[n, ...]`` or one: classes ``[n]``, or ``[n, units]``."""
        return self._native.predict(_numbers(x))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)

    def __repr__(self) -> str:
        return repr(self._native)

    def _repr_html_(self) -> str:
        return self._native._repr_html_()


class Server:
    """A running server; leaving its ``with`` block ends it."""

    def __init__(self, native: _native.Server) -> None:
        self._native = native

    @property
    def address(self) -> str:
        """Where it listens, ``host:port``."""
        return self._native.address

    def stop(self) -> None:
        """End it; clients that are served stay until they are done."""
        self._native.stop()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(
    package: str | os.PathLike[str],
    secret: str | os.PathLike[str],
    *,
    listen: str = "127.0.0.1:0",
    clients: str = "hostile",
    inferences: int | None = 1000,
    tls: tuple[str, str] | None = None,
    pool: int = 0,
    at_once: int = 16,
    rtt_ms: float = 5.0,
    mbps: float = 100.0,
) -> Server:
    """Serve a package on threads of its own.

    clients: "hostile" protects the model from any client; "semi-honest" is far cheaper, and a client that
    cheats can learn weights.  inferences: what a client is granted in an hour over all its connections, None
    for as many as it wants; each tells a little of the weights.  tls: the files of a certificate and its key.  pool: predictions that a client
    may have prepared ahead of its inputs.  rtt_ms, mbps: the link that protocols are chosen for.
    """
    options = {"clients": clients, "inferences": inferences, "tls": tls, "pool": pool, "at_once": at_once}
    native = _native.serve(package, secret, listen_on=listen, rtt_ms=rtt_ms, mbps=mbps, **options)
    return Server(native)


class Client:
    """A connection to a server; leaving its ``with`` block says goodbye.

    digest: of the package that must be served; without one it is the server's word which model this is.
    tls_ca: the certificate that the server's is signed by, or its own.  ahead: predictions that are prepared
    before their inputs are there, if the server allows it.
    """

    def __init__(
        self,
        server: str,
        *,
        digest: str | None = None,
        tls_ca: str | os.PathLike[str] | None = None,
        ahead: int = 0,
    ) -> None:
        self._native = _native.Client(server, digest=digest, tls_ca=tls_ca, ahead=ahead)

    @property
    def digest(self) -> str:
        """Of the package that is served."""
        return self._native.digest

    @property
    def traffic(self) -> tuple[int, int, int]:
        """Bytes sent and received so far, and round trips."""
        return self._native.traffic()

    def predict(self, x: Any) -> np.ndarray:
        """Private predictions of samples ``[n, ...]`` or one: classes ``[n]``, or ``[n, units]``.

        All samples are asked about before an error is raised, so that the server does not see which failed.
        """
        return self._native.predict(_numbers(x))

    def close(self) -> None:
        """Say goodbye."""
        self._native.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
