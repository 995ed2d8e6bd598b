#!/usr/bin/env python3
"""Crowds, and worse, in front of `xonn-run serve`: who is answered, when, and what it costs the server.

    python scripts/load.py --package m.xonn --secret m.secret --input sample.png [--only crowd,silent] [--json]

Each scenario has a server of its own on this machine, and good clients beside those that are not. A table says how
many of the good ones had the right answer (that of `eval`), when the first, the middle and the last one had it, and the
server's peak memory and threads (of Linux). The exit code is 1 if one was not answered, or the server did not live on.
Needs Python 3.9 and nothing else.
"""

import argparse
import json
import os
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request


class Server:
    """`xonn-run serve` with metrics, until the end of a `with`."""

    def __init__(self, args, flags):
        command = [args.xonn_run, "serve", args.package, "--secret", args.secret, "--listen", "127.0.0.1:0"]
        command += ["--metrics", "127.0.0.1:0", *flags]
        self.log = open(os.path.join(args.folder, "serve.log"), "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.address = self.metrics_url = None
        for line in self.process.stdout:
            if line.startswith("metrics on "):
                self.metrics_url = line.split()[-1]
            if line.startswith("listening on "):
                self.address = line.split()[-1]
                break
        if self.address is None:
            raise SystemExit(f"the server does not listen, see {self.log.name}")
        self.threads = 0
        self.done = threading.Event()
        self.watch = threading.Thread(target=self.count_threads, daemon=True)
        self.watch.start()

    def status(self, field):
        """A number of /proc/PID/status, 0 where there is none."""
        try:
            with open(f"/proc/{self.process.pid}/status") as file:
                return next((int(line.split()[1]) for line in file if line.startswith(field + ":")), 0)
        except OSError:
            return 0

    def count_threads(self):
        while not self.done.wait(0.02):
            self.threads = max(self.threads, self.status("Threads"))

    def metric(self, name):
        with urllib.request.urlopen(self.metrics_url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name + " "))

    def wait_until(self, name, value, seconds=60):
        """Whether a metric comes to a value, or for a total beyond it."""
        begin = time.monotonic()
        while (found := self.metric(name)) != value and not (name.endswith("_total") and found > value):
            if time.monotonic() - begin > seconds:
                return False
            time.sleep(0.05)
        return True

    def connect(self):
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # What is read of it must be read while it lives.
        self.alive, self.peak = self.process.poll() is None, self.status("VmHWM") * 1024 / 1e6
        self.done.set()
        self.watch.join()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
        self.log.close()


def infer(args, server, *flags, inputs=1, **pipes):
    """Starts a client."""
    command = [args.xonn_run, "infer", "--server", server.address, "--package", args.package, *flags]
    if "--input" not in flags:
        command += ["--json", "--input", *[args.input] * inputs]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL} | pipes
    return subprocess.Popen(command, text=True, **pipes)


def ask(args, server, count, apart=0.0, **options):
    """`count` good clients at once, or `apart` seconds one after the other: when each had its answer, None if not."""
    begin, times = time.monotonic(), [None] * count

    def one(i, started, client):
        text = client.communicate()[0]
        took = time.monotonic() - started
        try:
            right = [row["prediction"] for row in json.loads(text)["predictions"]] == args.wanted
        except (ValueError, KeyError):
            right = False
        times[i] = took if client.returncode == 0 and right else None

    threads = []
    for i in range(count):
        started = time.monotonic() if apart else begin
        threads.append(threading.Thread(target=one, args=(i, started, infer(args, server, **options))))
        threads[-1].start()
        time.sleep(apart)
    for thread in threads:
        thread.join()
    return times


def hello(args):
    """What a client says first, as one says it to somebody who only listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fake = argparse.Namespace(address="127.0.0.1:%d" % listener.getsockname()[1])
        client = infer(args, fake)
        with listener.accept()[0] as stream:
            said = b""
            while len(said) < 5 or len(said) < 5 + int.from_bytes(said[1:5], "little"):
                said += stream.recv(4096)
        client.kill()
        client.communicate()
        return said


def crowd(args):
    """200 clients at once, of one address, for 16 places"""
    with Server(args, ["--max-connections", "16", "--inferences", "1000000"]) as server:
        return ask(args, server, args.crowd), server, True


def silent(args):
    """1,000 connections that say nothing; a client now and then"""
    with Server(args, []) as server:
        held = []

        def more():
            while len(held) < args.silent:
                held.append(server.connect())

        thread = threading.Thread(target=more)
        thread.start()
        times = ask(args, server, 5, 0.2)
        thread.join()
        times += ask(args, server, 5, 0.2)
        for stream in held:
            stream.close()
        return times, server, max(time or 99 for time in times) < 1


def slow(args):
    """8 clients that stop in the middle and 8 that never read, at 16 places; 16 clients that wait"""
    flags = ["--max-connections", "16", "--timeout", "2", "--inferences", "1000000"]
    with Server(args, flags) as server:
        stopped = [infer(args, server, inputs=500) for _ in range(8)]
        said = hello(args)
        server.wait_until("xonn_inferences_total", 40)
        never = [server.connect() for _ in range(8)]
        for stream in never:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stream.sendall(said)
        server.wait_until("xonn_places_taken", 16)
        for client in stopped:
            client.send_signal(signal.SIGSTOP)
        times = ask(args, server, 16)
        for client in stopped:
            client.kill()
            client.communicate()
        for stream in never:
            stream.close()
        return times, server, server.wait_until("xonn_open_connections", 0)


def garbage(args):
    """400 connections with random bytes, beside 10 clients"""
    with Server(args, []) as server:

        def throw(seed):
            rng = random.Random(seed)
            for _ in range(args.garbage // 4):
                try:
                    with server.connect() as stream:
                        stream.sendall(rng.randbytes(rng.randrange(1, 20000)))
                        stream.recv(100)
                except OSError:
                    pass  # reset in the middle, as it may be

        throwing = [threading.Thread(target=throw, args=(seed,)) for seed in range(4)]
        for thread in throwing:
            thread.start()
        times = ask(args, server, 10, 0.1)
        for thread in throwing:
            thread.join()
        return times, server, server.wait_until("xonn_open_connections", 0)


def kills(args):
    """60 clients that are killed (-9) in the middle, beside 20 that are not"""
    flags = ["--max-connections", "16", "--inferences", "1000000"]
    with Server(args, flags) as server:
        rng = random.Random(1)

        def doomed():
            for _ in range(args.kills // 6):
                client = infer(args, server, inputs=500)
                time.sleep(rng.uniform(0.02, 0.5))
                client.kill()
                client.communicate()

        dooming = [threading.Thread(target=doomed) for _ in range(6)]
        for thread in dooming:
            thread.start()
        times = ask(args, server, 20, 0.1)
        for thread in dooming:
            thread.join()
        return times, server, server.wait_until("xonn_open_connections", 0)


def idle(args):
    """16 clients that hold all places and ask nothing; 4 that ask, --recall-after 2"""
    flags = ["--max-connections", "16", "--pool", "8", "--recall-after", "2"]
    with Server(args, flags) as server:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        holding = [infer(args, server, "--ahead", "8", "--input", "-", **pipes) for _ in range(16)]
        # Each says so when its circuits are there.
        ready = all(client.stderr.readline().startswith("ready") for client in holding)
        times = ask(args, server, 4)
        for client in holding:
            client.kill()
            client.communicate()
        return times, server, ready


SCENARIOS = {f.__name__: f for f in (crowd, silent, slow, garbage, kills, idle)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xonn-run", default="target/release/xonn-run")
    parser.add_argument("--package", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--input", required=True, help="a file with one sample")
    parser.add_argument("--folder", default=".", help="where serve.log goes")
    parser.add_argument("--only", help="scenarios, with commas: " + ", ".join(SCENARIOS))
    parser.add_argument("--json", action="store_true")
    for name, number in [("crowd", 200), ("silent", 1000), ("garbage", 400), ("kills", 60)]:
        parser.add_argument(f"--{name}", type=int, default=number, help=f"how many, {number}")
    args = parser.parse_args()
    # Each silent connection is a handle here.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    command = [args.xonn_run, "eval", args.package, "--secret", args.secret, "--json", "--input", args.input]
    clear = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    args.wanted = [row["prediction"] for row in clear["predictions"]]

    rows, good = [], True
    for name in args.only.split(",") if args.only else SCENARIOS:
        run = SCENARIOS[name]
        times, server, fine = run(args)
        answered = sorted(time for time in times if time is not None)
        ok = fine and server.alive and len(answered) == len(times)
        good &= ok
        seconds = [answered[0], statistics.median(answered), answered[-1]] if answered else [0.0] * 3
        rows.append({
            "scenario": name, "what": run.__doc__, "clients": len(times), "answered": len(answered),
            "first_s": seconds[0], "median_s": seconds[1], "last_s": seconds[2],
            "server_peak_mb": server.peak, "server_threads": server.threads, "ok": ok,
        })
        row = rows[-1]
        if not args.json:
            if len(rows) == 1:
                print(f"{'':8} {'answered':>9} {'first':>7} {'median':>7} {'last':>7} {'memory':>8} threads")
            print(f"{name:8} {len(answered):4}/{len(times):<4} " + " ".join(f"{s:5.2f} s" for s in seconds)
                  + f" {row['server_peak_mb']:5.1f} MB {row['server_threads']:7}  {'' if ok else 'NOT ALL RIGHT'}",
                  flush=True)
    if args.json:
        print(json.dumps(rows, indent=1))
    sys.exit(not good)


if __name__ == "__main__":
    main()
