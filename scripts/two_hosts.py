#!/usr/bin/env python3
"""Runs private predictions between two hosts on this machine and writes down what they cost; two-hosts.sh calls it.

Each run is one entry of docs/results/two-hosts.json (growth.json with --growth, ahead.json with --ahead); a run made again
replaces its entry if it took less, so that the page can be measured in parts. two_hosts_report.py makes docs/results.md from both files.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import two_hosts_links as links
import two_hosts_report as report
from two_hosts_models import DEFAULT, GROWTH, Model, ModelError

ROOT = Path(__file__).resolve().parent.parent
SCHEMES = ("half-gates", "three-halves")
FIRST_LAYERS = ("gc", "oca", "auto")
# What identifies a run: an entry with the same values is replaced.
KEY = ("model", "link", "scheme", "first_layer")
# ANDs a second that are counted on when the number of predictions of a run is chosen; it decides nothing else.
EXPECTED_RATE = 40e6


class RunError(Exception):
    """A run failed; the message says which and why."""


def stop(process: subprocess.Popen) -> None:
    """Ends a process that this script started."""
    if process.poll() is None:
        process.terminate()
    process.wait()


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
    args: argparse.Namespace, both: links.Hosts, model: Model, scheme: str, first_layer: str, count: int, ahead: int = 0
) -> dict:
    """One connection with ``count`` predictions: the client's report, with what the server and the system tell."""
    before = processor_seconds()
    program = str(args.bin / "xonn-run")
    pass_on = ["--first-layer", first_layer]
    serve = [program, "serve", model.package, "--secret", model.secret, "--listen", f"{both.address}:0"]
    serve += ["--connections", "1", "--stats", "--timeout", "600", *pass_on]
    serve += ["--clients", "semi-honest", "--inferences", 1_000_000]
    serve += ["--pool", ahead] if ahead else []
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen([*both.server, *map(str, serve)], stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            said = (line.strip() for line in server.stdout)
            address = next((line.split()[-1] for line in said if line.startswith("listening on ")), None)
            if address is None:
                log.seek(0)
                raise RunError(f"{model.name}: the server did not start: {log.read().strip()}")
            ask = [program, "infer", "--server", address, "--package", model.package, "--limit", count, "--json"]
            ask += ["--scheme", scheme, "--timeout", "600", "--ahead", ahead, *pass_on, "--input", *model.inputs(count)]
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


def measure(
    args: argparse.Namespace, both: links.Hosts, link_name: str, model: Model, scheme: str, first_layer: str
) -> dict:
    """Two connections, with one prediction and with several; their difference is what each further one takes.

    Where there is no time for several, the second is left out and the single prediction's own time is taken.
    """
    load = os.getloadavg()[0]
    first = predict(args, both, model, scheme, first_layer, 1)
    count = predictions_for(args, links.LINKS[link_name], model)
    many = predict(args, both, model, scheme, first_layer, count) if count > 1 else first

    def traffic(run: dict) -> int:
        return run["sent_bytes"] + run["received_bytes"]

    entry = {
        "model": model.name,
        "link": link_name,
        "scheme": many["scheme"],
        "first_layer": name_of(many["first_layer"]),
        "ands": many["and"]["full"] + many["and"]["half"],
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
        "load_before": round(load, 2),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
    }
    if count > 1:
        entry["cpu_s"] = (many["cpu_s"] - first["cpu_s"]) / (count - 1)
        entry["prediction_bytes"] = (traffic(many) - traffic(first)) // (count - 1)
        entry["prediction_rounds"] = (many["round_trips"] - first["round_trips"]) // (count - 1)
    return entry


def measure_ahead(
    args: argparse.Namespace, both: links.Hosts, link_name: str, model: Model, scheme: str, first_layer: str
) -> dict:
    """A connection on which each circuit is sent ahead of its input: what comes before the input, and what after."""
    load = os.getloadavg()[0]
    count = predictions_for(args, links.LINKS[link_name], model)
    run = predict(args, both, model, scheme, first_layer, count, min(count, args.ahead))
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
        "offline_bytes": (offline["sent_bytes"] + offline["received_bytes"]) // count,
        "online_up_bytes": online["sent_bytes"] // count,
        "online_down_bytes": online["received_bytes"] // count,
        "online_rounds": online["round_trips"] // count,
        "prediction_s": online["inference_ms_median"] / 1e3,
        "client_peak_bytes": run["peak_memory_bytes"],
        "server_peak_bytes": run["server_peak_bytes"],
        "load_before": round(load, 2),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
    }


def commit() -> str:
    """The last revision that changed the programs measured, with a + if their files were changed since."""
    sources = ["circuits", "xonn-compile", "xonn-run", "Cargo.lock"]

    def git(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(["git", "-C", str(ROOT), *words, "--", *sources], capture_output=True, text=True)

    changed = git("diff", "--quiet", "HEAD").returncode != 0
    return (git("log", "-1", "--format=%h").stdout.strip() or "unknown") + "+" * changed


def machine() -> dict:
    """Where it was measured."""
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "vaes": " vaes" in Path("/proc/cpuinfo").read_text(),
        "avx512": " avx512f" in Path("/proc/cpuinfo").read_text(),
        "kernel": platform.release().split("-")[0],
    }


def store(path: Path, entry: dict) -> None:
    """Puts an entry into its file, in place of an older one of the same run.

    Of one revision's entries the one that took least is kept: other work on the machine only ever adds time.
    """
    found = json.loads(path.read_text()) if path.exists() else {"links": {}, "runs": []}
    key = [entry[name] for name in KEY]
    same = [run for run in found["runs"] if [run[name] for name in KEY] == key and run["commit"] == entry["commit"]]
    best = min([*same, entry], key=lambda run: run["prediction_s"])
    best["of_runs"] = 1 + sum(run.get("of_runs", 1) for run in same)
    found["runs"] = [run for run in found["runs"] if [run[name] for name in KEY] != key] + [best]
    found["machine"] = machine()
    write(path, found)


def store_link(path: Path, name: str, both: links.Hosts, seen: dict) -> None:
    """Notes what a link was made of and what the probe saw of it."""
    found = json.loads(path.read_text()) if path.exists() else {"links": {}, "runs": []}
    found["links"][name] = {"made_of": both.made_of} | seen
    write(path, found)


def write(path: Path, found: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


def chosen(text: str, known: dict | tuple, what: str) -> list[str]:
    """The names in a list separated by commas, all of them known."""
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise RunError(f"unknown {what} {unknown[0]!r}, expected some of {', '.join(known)}")
    return names


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="two-hosts.sh", description=__doc__.splitlines()[0])
    add = parser.add_argument
    shapes = f"shapes, @S scales their hidden layers; default {','.join(DEFAULT)}, for --growth a longer list"
    add("--models", metavar="NAME[@S],...", help=shapes)
    add("--links", default=",".join(links.LINKS), metavar="NAME,...", help=f"of {', '.join(links.LINKS)}")
    add("--schemes", default=",".join(SCHEMES), metavar="NAME,...", help="garbling schemes")
    add("--first-layer", metavar="HOW,...", help="gc, oca or auto, for serve and infer; default gc,oca, for --growth gc")
    add("--ahead", type=int, metavar="N", help="measure with circuits sent ahead of the inputs, at most N at a time")
    add("--growth", action="store_true", help="time and memory from 10^5 to 10^9 ANDs, over loopback")
    add("--report", action="store_true", help="measure nothing, write the page and the plot again")
    add("--seconds", type=float, default=10.0, help="time aimed at for each run (default 10)")
    add("--predictions", type=int, help="predictions of each run, instead of --seconds")
    add("--bin", type=Path, default=ROOT / "target/release", help="folder of the programs")
    add("--shapes", type=Path, default=ROOT / "target/shapes", help="folder of models with random weights")
    add("--out", type=Path, default=ROOT / "docs", help="folder of results.md")
    return parser.parse_args()


def main() -> None:
    args = parse()
    # Ended by a signal, the script still removes its namespaces and ends its processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("two-hosts: ended by a signal"))
    results = args.out / "results"
    path = results / ("growth.json" if args.growth else "ahead.json" if args.ahead else "two-hosts.json")
    try:
        schemes = chosen(args.schemes, SCHEMES, "scheme")
        names = ["loopback"] if args.growth else chosen(args.links, links.LINKS, "link")
        first_layers = chosen(args.first_layer or ("gc" if args.growth else "gc,oca"), FIRST_LAYERS, "first layer")
        usual = GROWTH if args.growth else DEFAULT
        wanted = [name for name in args.models.split(",") if name] if args.models else usual
        models = [] if args.report else [Model.at_hand(name, args.shapes, args.bin) for name in wanted]
        for name in [] if args.report else names:
            with links.hosts(links.LINKS[name]) as both:
                store_link(path, name, both, links.probe(both))
                for model, scheme, first_layer in itertools.product(models, schemes, first_layers):
                    run = measure_ahead if args.ahead else measure
                    entry = run(args, both, name, model, scheme, first_layer)
                    store(path, entry)
                    size = entry.get("connection_bytes") or entry["online_up_bytes"] + entry["online_down_bytes"]
                    peak = max(entry["client_peak_bytes"], entry["server_peak_bytes"])
                    print(
                        f"{name:9} {model.name:16} {scheme:13} {first_layer:5} {entry['prediction_s'] * 1e3:10.1f} ms"
                        f" {size / 1e6:9.3f} MB, {peak / 1e6:6.1f} MB of memory",
                        flush=True,
                    )
        report.write(args.out)
    except (RunError, ModelError, links.LinkError, subprocess.SubprocessError) as error:
        sys.exit(f"two-hosts: {error}")


if __name__ == "__main__":
    main()
