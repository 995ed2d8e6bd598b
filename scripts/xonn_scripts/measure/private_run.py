"""Private predictions by two processes on this machine: what they send, how long it takes, the answers."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xonn_scripts.programs import SCHEMES, ProgramError, address_in, call, traffic
from xonn_scripts.two_hosts.links import Hosts

FIRST_LAYERS = ("gc", "oca")
# Both hosts on this machine, without a link between them.
LOOPBACK = Hosts([], [], "127.0.0.1", "the loopback interface")


def build_options(h5: Path) -> list[str]:
    """How a model of ``models/`` is compiled: what its ``training.json`` says, if it says something."""
    record = h5.with_name("training.json")
    return json.loads(record.read_text()).get("build_options", []) if record.is_file() else []


def build(h5: Path, programs: Path, folder: Path, options: Sequence[str] = ()) -> tuple[Path, Path]:
    """Compile a model; the package and the secret, both in `folder`.

    Samples to calibrate on say themselves how the input is read, in place of the model's own options.
    """
    package = folder / f"{h5.parent.name}_{h5.stem}.xonn"
    own = [] if "--calibrate" in options else build_options(h5)
    call(programs / "xonn-compile", "build", h5, *own, *options, "--force", "-o", package)
    return package, package.with_suffix(".secret")


def peak_of(pid: int) -> int:
    """The most memory that a process ever had in use, in bytes; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


class Peak(threading.Thread):
    """Looks at a process's memory while it is there.

    The system's own figure at the end (``ru_maxrss``) counts what this script had in use when it started the
    program, data sets and all.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.bytes, self.is_over = pid, 0, threading.Event()
        self.start()

    def run(self) -> None:
        """Until the process has ended."""
        while not self.is_over.wait(0.02):
            self.bytes = max(self.bytes, peak_of(self.pid))


def ended(server: subprocess.Popen[str], seconds: float, peak: Peak) -> int:
    """Waits for a server; its peak of memory in bytes."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        process, status, used = os.wait4(server.pid, os.WNOHANG)
        if process:
            peak.is_over.set()
            server.returncode = os.waitstatus_to_exitcode(status)
            return peak.bytes or used.ru_maxrss * 1024
        time.sleep(0.01)
    raise ProgramError(f"the server did not end within {seconds:.0f} s of its connection.")


def processor_seconds() -> float:
    """What programs that this script started and that have ended took of processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def infer(
    package: Path,
    secret: Path,
    inputs: Path,
    programs: Path,
    scheme: str,
    first_layer: str,
    count: int,
    both: Hosts = LOOPBACK,
    ahead: int = 0,
) -> dict[str, Any]:
    """Serve and ask, `ahead` of the predictions prepared before; the client's report, with ``answers``, its
    predictions, the server's peak of memory, and the processor seconds of both.
    """
    before = processor_seconds()
    # Both protocols are measured, by as many predictions as it takes.
    arguments = [secret, "--listen", f"{both.address}:0", "--connections", "1"]
    arguments += ["--clients", "semi-honest", "--inferences", 1_000_000]
    arguments += ["--pool", ahead] if ahead else []
    serve = [*both.server, programs / "xonn-run", "serve", package, "--secret", *arguments]
    server = subprocess.Popen(
        [str(part) for part in serve],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    peak = Peak(server.pid)
    try:
        assert server.stdout is not None
        address = next(filter(None, map(address_in, server.stdout)), None)
        if address is None:
            raise ProgramError(f"the server of {package} ended before it listened.")
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "answers.npy"
            report = json.loads(
                call(
                    *(*both.client, programs / "xonn-run", "infer", "--server", address),
                    *("--input", inputs, "--limit", count, "--output", output, "--json"),
                    *("--scheme", scheme, "--first-layer", first_layer, "--timeout", 300),
                    *(("--ahead", ahead) if ahead else ()),
                )
            )
            report["answers"] = np.load(output)
        report["server_peak_bytes"] = ended(server, 60, peak)
        report["cpu_s"] = processor_seconds() - before
    finally:
        peak.is_over.set()
        if server.poll() is None:
            server.kill()
            server.wait()
    return report


def bytes_of_one(package: Path, secret: Path, inputs: Path, programs: Path) -> dict[str, int]:
    """Bytes of one prediction on a connection of its own, both directions, set-up included.

    Keys are ``<first layer>_<scheme>``, such as ``oca_half-gates``.
    """
    sizes = {}
    for first_layer in FIRST_LAYERS:
        for scheme in SCHEMES:
            report = infer(package, secret, inputs, programs, scheme, first_layer, 1)
            sizes[f"{first_layer}_{scheme}"] = traffic(report)
    return sizes


def answered(
    package: Path, secret: Path, inputs: Path, programs: Path, count: int, scheme: str, first_layer: str
) -> tuple[dict[str, Any], np.ndarray]:
    """`count` private predictions on one connection, as of `infer`, and those in the clear."""
    report = infer(package, secret, inputs, programs, scheme, first_layer, count)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "clear.npy"
        call(
            *(programs / "xonn-run", "eval", package, "--secret", secret),
            *("--input", inputs, "--limit", count, "--output", output),
        )
        return report, np.load(output)


def figures(report: dict[str, Any], clear: np.ndarray, scheme: str) -> dict[str, Any]:
    """How many predictions agree, bytes of one each way on this one connection, the median time in ms."""
    return {
        "scheme": scheme,
        "first_layer": report["first_layer"],
        "samples": len(clear),
        "equal_to_eval": int(np.sum((clear == report["answers"]).reshape(len(clear), -1).all(axis=1))),
        "received_bytes_each": round(report["received_bytes"] / len(clear)),
        "sent_bytes_each": round(report["sent_bytes"] / len(clear)),
        "inference_ms_median": round(report["inference_ms_median"], 1),
        "peak_memory_bytes": report["peak_memory_bytes"],
        "server_peak_bytes": report["server_peak_bytes"],
        "cpu_s": report["cpu_s"],
        "round_trips": report["round_trips"],
    }
