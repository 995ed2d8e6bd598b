"""Two hosts on one machine: network namespaces and the link between them, made and removed again.

The rate is limited by ``tc tbf`` on both ends.  A delay is made by ``netem`` where the kernel has it, else by
``relay``.  Needs root, ``ip`` and ``tc``.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """A full-duplex link: ``mbit`` a second each way, ``rtt_ms`` there and back beyond what the machine
    takes.
    """

    title: str
    mbit: int | None = None
    rtt_ms: float = 0.0
    mtu: int = 1500

    def burst(self) -> int:
        """Bytes that may leave at once: 1 ms of the rate, and at least one packet of the largest size."""
        return max(self.mbit * 125, 1 << 16)


RELAY = (sys.executable, "-m", "xonn_scripts.two_hosts.relay")
PROBE = (sys.executable, "-m", "xonn_scripts.two_hosts.probe")

LINKS = {
    "loopback": Link("loopback"),
    # Jumbo packets: with 1500 bytes each the machine's packets a second would be the limit, not the link.
    "lan": Link("LAN: 10 Gbit/s, 0.2 ms", 10_000, 0.2, 65_000),
    "10gbit": Link("10 Gbit/s, no delay added", 10_000),
    "1gbit": Link("1 Gbit/s, no delay added", 1_000),
    "wan": Link("WAN: 100 Mbit/s, 40 ms", 100, 40.0),
}


@dataclass(frozen=True)
class Hosts:
    """How to run a command on either host, and what the link between them is made of."""

    server: list[str]
    client: list[str]
    address: str
    made_of: str
    relay: int | None = None


class LinkError(Exception):
    """A link cannot be made; the message is one sentence for the user."""


def tool(*command: str) -> None:
    """Runs ``ip`` or ``tc``; what it says goes into the error."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise LinkError(f"{command[0]} is not installed (package iproute2).") from error
    if done.returncode != 0:
        raise LinkError(f"{' '.join(command)}: {done.stderr.strip()} (namespaces need root).")


def has_netem(namespace: str) -> bool:
    """Whether this kernel can delay packets by itself."""
    probe = [
        "ip",
        "netns",
        "exec",
        namespace,
        "tc",
        "qdisc",
        "add",
        "dev",
        "lo",
        "root",
        "netem",
        "delay",
        "1ms",
    ]
    if subprocess.run(probe, capture_output=True).returncode != 0:
        return False
    tool("ip", "netns", "exec", namespace, "tc", "qdisc", "del", "dev", "lo", "root")
    return True


@contextlib.contextmanager
def relay(devices: tuple[str, str], link: Link) -> Iterator[subprocess.Popen]:
    """The relay as a process, from when its devices are there; ended with the block."""
    command = [*RELAY, *devices, "--delay-ms", str(link.rtt_ms / 2), "--mtu", str(link.mtu)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline().strip() != "ready":
            raise LinkError("the relay did not start: is there a /dev/net/tun, and is this root?")
        yield process
    finally:
        process.terminate()
        process.wait()


def limit(inside: list[str], device: str, link: Link, netem: bool) -> None:
    """Rate and, with netem, delay of what leaves a host."""
    attach = ["root"]
    if netem:
        delay = f"{link.rtt_ms / 2}ms"
        netem_words = ["handle", "1:", "netem", "delay", delay, "limit", "100000"]
        tool(*inside, "tc", "qdisc", "add", "dev", device, "root", *netem_words)
        attach = ["parent", "1:1", "handle", "10:"]
    rate = ["tbf", "rate", f"{link.mbit}mbit", "burst", str(link.burst()), "latency", "50ms"]
    tool(*inside, "tc", "qdisc", "add", "dev", device, *attach, *rate)


@contextlib.contextmanager
def hosts(link: Link) -> Iterator[Hosts]:
    """Makes the namespaces and the link; removes both at the end of the block, however it ends."""
    if link.mbit is None:
        yield Hosts([], [], "127.0.0.1", "the loopback interface")
        return
    names = [f"xonn-{host}-{os.getpid()}" for host in ("server", "client")]
    devices = (f"xs{os.getpid()}", f"xc{os.getpid()}")
    inside = [["ip", "netns", "exec", name] for name in names]
    with contextlib.ExitStack() as stack:
        for name in names:
            tool("ip", "netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
        netem = link.rtt_ms > 0 and has_netem(names[0])
        process = None
        if link.rtt_ms > 0 and not netem:
            process = stack.enter_context(relay(devices, link))
            made_of = "TUN devices, tbf, relay.py"
        else:
            tool("ip", "link", "add", devices[0], "type", "veth", "peer", "name", devices[1])
            made_of = "a veth pair, tbf" + (", netem" if netem else "")
        for i, (name, device) in enumerate(zip(names, devices)):
            tool("ip", "link", "set", device, "netns", name, "mtu", str(link.mtu))
            tool(*inside[i], "ip", "addr", "add", f"10.77.0.{i + 1}/30", "dev", device)
            tool(*inside[i], "ip", "link", "set", device, "up")
            limit(inside[i], device, link, netem)
        yield Hosts(inside[0], inside[1], "10.77.0.1", made_of, process and process.pid)


def probe(both: Hosts) -> dict[str, float]:
    """What the link does: median round trip of a byte in ms, and Mbit/s from server to client over one TCP
    stream.
    """
    server = subprocess.Popen(
        [*both.server, *PROBE, "serve", both.address], stdout=subprocess.PIPE, text=True
    )
    try:
        port = server.stdout.readline().strip()
        ask = [*both.client, *PROBE, "ask", both.address, port]
        asked = subprocess.run(ask, stdout=subprocess.PIPE, text=True, check=True)
    finally:
        server.terminate()
        server.wait()
    return json.loads(asked.stdout)
