#!/usr/bin/env python3
"""Measures the link between two hosts, so that figures can be read beside what the link really did.

    python scripts/two_hosts_probe.py serve 10.77.0.1          prints its port
    python scripts/two_hosts_probe.py ask 10.77.0.1 PORT       prints {"rtt_ms": ..., "mbit": ...}
"""

from __future__ import annotations

import json
import socket
import statistics
import sys
import time

ECHOES = 21
SECONDS = 1.0


def serve(address: str) -> None:
    """Echoes ``ECHOES`` single bytes to one client, then sends it as much as it takes."""
    with socket.create_server((address, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        peer = listener.accept()[0]
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(ECHOES):
        peer.sendall(peer.recv(1))
    block = bytes(1 << 18)
    try:
        while True:
            peer.sendall(block)
    except OSError:  # The client has seen enough.
        pass


def ask(address: str, port: int) -> dict[str, float]:
    """The median round trip, and the rate in the second after TCP has found it."""
    peer = socket.create_connection((address, port), timeout=30)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times = []
    for _ in range(ECHOES):
        begin = time.perf_counter()
        peer.sendall(b"x")
        peer.recv(1)
        times.append(time.perf_counter() - begin)
    block = bytearray(1 << 18)
    warm = time.perf_counter() + SECONDS
    while time.perf_counter() < warm:
        peer.recv_into(block)
    begin, received = time.perf_counter(), 0
    while time.perf_counter() < begin + SECONDS:
        received += peer.recv_into(block)
    rate = received * 8 / (time.perf_counter() - begin) / 1e6
    return {"rtt_ms": round(statistics.median(times) * 1e3, 3), "mbit": round(rate, 1)}


def main() -> None:
    if sys.argv[1:2] == ["serve"] and len(sys.argv) == 3:
        serve(sys.argv[2])
    elif sys.argv[1:2] == ["ask"] and len(sys.argv) == 4:
        print(json.dumps(ask(sys.argv[2], int(sys.argv[3]))))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
