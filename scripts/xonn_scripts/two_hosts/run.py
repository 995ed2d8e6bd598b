"""One measurement: a server and a client on two hosts, and what both say of it."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import resource
import subprocess
import tempfile

from xonn_scripts.programs import address_in, traffic
from xonn_scripts.two_hosts import links
from xonn_scripts.two_hosts.models import Model
from xonn_scripts.two_hosts.store import Entry, commit

FIRST_LAYERS = ("gc", "oca", "shares", "auto")
# ANDs a second that are counted on when the number of predictions of a run is chosen; it decides nothing
# else.
EXPECTED_RATE = 40e6


class RunError(Exception):
    """A run failed; the message says which and why."""


def stop(process: subprocess.Popen[str]) -> None:
    """Ends a process that this script started."""
    if process.poll() is None:
        process.terminate()
    process.wait()
    if process.stdout:
        process.stdout.close()


def processor_seconds() -> float:
    """Time that processors spent on this script's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_memory(log: str) -> int:
    """Bytes in the server's line ``stats: peak memory 12.31 MB, ...``."""
    found = re.search(r"stats: peak memory ([\d.]+) (B|kB|MB|GB)", log)
    if not found:
        raise RunError(f"the server told no figures: {log.strip() or 'its log is empty'}")
    return round(float(found[1]) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[found[2]])


def predict(
    args: argparse.Namespace,
    both: links.Hosts,
    model: Model,
    scheme: str,
    first_layer: str,
    count: int,
    ahead: int = 0,
) -> Entry:
    """One connection with ``count`` predictions: the client's report, with what the server and the system
    tell.
    """
    before = processor_seconds()
    program = str(args.bin / "xonn-run")
    pass_on = ["--first-layer", first_layer]
    serve = [program, "serve", model.package, "--secret", model.secret, "--listen", f"{both.address}:0"]
    serve += ["--connections", "1", "--stats", "--timeout", "600", *pass_on]
    serve += ["--clients", "semi-honest", "--inferences", 1_000_000]
    serve += ["--pool", ahead] if ahead else []
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            [*both.server, *map(str, serve)], stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            address = next(filter(None, map(address_in, server.stdout)), None)
            if address is None:
                log.seek(0)
                raise RunError(f"{model.name}: the server did not start: {log.read().strip()}")
            ask = [
                program,
                "infer",
                "--server",
                address,
                "--package",
                model.package,
                "--limit",
                count,
                "--json",
            ]
            ask += [
                "--scheme",
                scheme,
                "--timeout",
                "600",
                "--ahead",
                ahead,
                *pass_on,
                "--input",
                *model.inputs(count),
            ]
            client = subprocess.run([*both.client, *map(str, ask)], capture_output=True, text=True)
            if client.returncode != 0:
                raise RunError(f"{model.name}: the client failed: {client.stderr.strip()}")
            server.wait(timeout=60)
            log.seek(0)
            told = {"server_peak_bytes": peak_memory(log.read()), "cpu_s": processor_seconds() - before}
            return json.loads(client.stdout) | told
        finally:
            stop(server)


def predictions_for(args: argparse.Namespace, link: links.Link, model: Model) -> int:
    """As many predictions as fit into ``--seconds``, at least 1 and at most 20, or ``--predictions``."""
    if args.predictions:
        return args.predictions
    on_the_wire = model.table_bytes * 8 / (link.mbit * 1e6) if link.mbit else 0.0
    each = max(on_the_wire, model.ands / EXPECTED_RATE) + link.rtt_ms / 1e3
    return max(1, min(20, int(args.seconds / each)))


def name_of(first_layer: str) -> str:
    """A protocol for first layers as the figures name it."""
    return "garbled" if first_layer == "gc" else first_layer


def entry_of(model: Model, link_name: str, first: Entry, many: Entry, count: int) -> Entry:
    """What a connection with one prediction and one with ``count`` say; their difference is each further one.

    With a ``count`` of 1 both are the same connection, and its prediction's own time is taken.
    """
    # Of stages by several protocols the client counts no gates, and none is not 0.
    gates = many["and"]
    entry = {
        "model": model.name,
        "link": link_name,
        "scheme": many["scheme"],
        "first_layer": name_of(many["first_layer"]),
        "ands": gates["full"] + gates["half"] if gates else None,
        "first_layer_table_bytes": model.first_layer_bytes,
        "connection_bytes": traffic(first),
        "connection_rounds": first["round_trips"],
        "first_s": first["total_ms"] / 1e3,
        "predictions": count,
        "prediction_s": many["inference_ms_median"] / 1e3,
        # Of both hosts together; unlike the time it does not depend on what else the machine does.
        "cpu_s": first["cpu_s"],
        "set_up_s": many["set_up_ms"] / 1e3,
        "client_peak_bytes": many["peak_memory_bytes"],
        "server_peak_bytes": many["server_peak_bytes"],
    }
    if count > 1:
        entry["cpu_s"] = (many["cpu_s"] - first["cpu_s"]) / (count - 1)
        entry["prediction_bytes"] = (traffic(many) - traffic(first)) // (count - 1)
        entry["prediction_rounds"] = (many["round_trips"] - first["round_trips"]) // (count - 1)
    return entry


def ahead_entry_of(model: Model, link_name: str, run: Entry, count: int) -> Entry:
    """What a connection on which each circuit is sent ahead says: what comes before the input, and what
    after.
    """
    offline, online = run["offline"], run["online"]
    return {
        "model": model.name,
        "link": link_name,
        "scheme": run["scheme"],
        "first_layer": name_of(run["first_layer"]),
        "predictions": count,
        "ahead": run["circuits_ahead"],
        "set_up_s": run["set_up_ms"] / 1e3,
        "circuit_s": offline["circuit_ms_median"] / 1e3,
        # With the connection's set-up, which is a part of each.
        "offline_bytes": traffic(offline) // count,
        "online_up_bytes": online["sent_bytes"] // count,
        "online_down_bytes": online["received_bytes"] // count,
        "online_rounds": online["round_trips"] // count,
        "prediction_s": online["inference_ms_median"] / 1e3,
        "client_peak_bytes": run["peak_memory_bytes"],
        "server_peak_bytes": run["server_peak_bytes"],
    }


def measure(
    args: argparse.Namespace, both: links.Hosts, link_name: str, model: Model, scheme: str, first_layer: str
) -> Entry:
    """A run as an entry of the figures: two connections, or with ``--ahead`` one."""
    load = os.getloadavg()[0]
    count = predictions_for(args, links.LINKS[link_name], model)
    if args.ahead:
        run = predict(args, both, model, scheme, first_layer, count, min(count, args.ahead))
        entry = ahead_entry_of(model, link_name, run, count)
    else:
        first = predict(args, both, model, scheme, first_layer, 1)
        many = predict(args, both, model, scheme, first_layer, count) if count > 1 else first
        entry = entry_of(model, link_name, first, many, count)
    today = datetime.date.today().isoformat()
    return entry | {"load_before": round(load, 2), "commit": commit(), "date": today}
