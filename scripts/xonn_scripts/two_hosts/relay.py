"""A link's delay on a kernel without netem: two TUN devices, and a process that carries packets between them.

    python -m xonn_scripts.two_hosts.relay xonn0 xonn1 --delay-ms 20 --mtu 1500

Each packet that one device is given comes out of the other ``--delay-ms`` later.  Packets, not streams, are
carried, so the hosts' own TCP sees the delay: handshakes, slow start and windows are those of a real link.
The rate is not limited here but by ``tc`` on the devices, which also bounds what is under way to rate times
delay.  The devices go when the process ends.  "ready" on standard output says that both are there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import time
from collections import deque
from pathlib import Path

from xonn_scripts.command_line import parser_of

# linux/if_tun.h: the request that names a TUN device, and its flags (IP packets, no header of its own before
# them).
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
# Packets taken from a device before the other one gets its turn.
BATCH = 64


def open_tun(name: str) -> int:
    """A new TUN device; reads and writes of the descriptor are whole packets and never block."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def put(fd: int, packet: bytes) -> None:
    """Hands a packet to a device; it is lost, as on any link, if the device cannot take it."""
    try:
        os.write(fd, packet)
    except OSError:
        pass


def carry(first: int, second: int, delay: float, size: int) -> None:
    """Carries packets of up to ``size`` bytes both ways, each ``delay`` seconds late, until the process is
    ended.
    """
    other = {first: second, second: first}
    waiting: dict[int, deque[tuple[float, bytes]]] = {first: deque(), second: deque()}
    while True:
        due = [queue[0][0] for queue in waiting.values() if queue]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        for fd in select.select([first, second], [], [], timeout)[0]:
            for _ in range(BATCH):
                try:
                    packet = os.read(fd, size)
                except OSError:  # Nothing left, or the device is not up yet.
                    break
                waiting[other[fd]].append((time.monotonic() + delay, packet))
        now = time.monotonic()
        for fd, queue in waiting.items():
            while queue and queue[0][0] <= now:
                put(fd, queue.popleft()[1])


def main() -> None:
    """The command."""
    parser = parser_of("two_hosts.relay", __doc__)
    parser.add_argument(
        "devices", nargs=2, metavar="NAME", help="names of the devices made, at most 15 letters"
    )
    parser.add_argument(
        "--delay-ms", type=float, required=True, help="of each direction: half the round trip"
    )
    parser.add_argument("--mtu", type=int, default=1500)
    args = parser.parse_args()
    # 1 ns: the default of 50 us would be half of a local network's delay.
    Path("/proc/self/timerslack_ns").write_text("1")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # A link does not wait for a processor. Without the right to this it is only less exact.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    first, second = map(open_tun, args.devices)
    print("ready", flush=True)
    carry(first, second, args.delay_ms / 1e3, args.mtu)


if __name__ == "__main__":
    main()
