"""Measures the link between two hosts, so that figures can be read beside what the link really did.

python -m xonn_scripts.two_hosts.probe serve 10.77.0.1          prints its port
python -m xonn_scripts.two_hosts.probe ask 10.77.0.1 PORT       prints {"rtt_ms": ..., "mbit": ...}
"""

from __future__ import annotations

import json
import socket
import statistics
import time

from xonn_scripts.command_line import parser_of

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
    """The command."""
    parser = parser_of("two_hosts.probe", __doc__)
    sides = parser.add_subparsers(required=True, metavar="serve | ask")
    server, client = sides.add_parser("serve"), sides.add_parser("ask")
    for side in (server, client):
        side.add_argument("address")
    client.add_argument("port", type=int)
    args = parser.parse_args()
    if "port" in args:
        print(json.dumps(ask(args.address, args.port)))
    else:
        serve(args.address)


if __name__ == "__main__":
    main()
