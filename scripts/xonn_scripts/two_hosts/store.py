"""The files of figures: ``two-hosts.json``, ``growth.json`` and ``ahead.json`` of docs/results."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from xonn_scripts.paths import REPO_ROOT

# What identifies a run: an entry with the same values is replaced.
KEY = ("model", "link", "scheme", "first_layer")
# What the programs are built from.
SOURCES = ("circuits", "program", "crypto", "protocols", "xonn-compile", "xonn-run", "Cargo.lock")

Entry = dict[str, Any]


def load(path: Path) -> dict[str, Any]:
    """Figures measured before; none yet is no error."""
    return json.loads(path.read_text()) if path.exists() else {"links": {}, "runs": [], "machine": None}


def commit() -> str:
    """The last revision that changed the programs measured, with a + if their files were changed since."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["git", "-C", str(REPO_ROOT), *words, "--", *SOURCES]
        return subprocess.run(command, capture_output=True, text=True)

    changed = git("diff", "--quiet", "HEAD").returncode != 0
    return (git("log", "-1", "--format=%h").stdout.strip() or "unknown") + "+" * changed


def machine() -> dict[str, Any]:
    """Where it was measured."""
    about = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", about)
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "vaes": " vaes" in about,
        "avx512": " avx512f" in about,
        "kernel": platform.release().split("-")[0],
    }


def merged(runs: list[Entry], entry: Entry) -> list[Entry]:
    """The runs with an entry in the place of an older one of the same run.

    Of one revision's entries the one that took least is kept: other work on the machine only ever adds time.
    """
    key = [entry[name] for name in KEY]
    older = [run for run in runs if [run[name] for name in KEY] == key]
    same = [run for run in older if run["commit"] == entry["commit"]]
    best = dict(min([*same, entry], key=lambda run: run["prediction_s"]))
    best["of_runs"] = 1 + sum(run.get("of_runs", 1) for run in same)
    return [run for run in runs if run not in older] + [best]


def store(path: Path, entry: Entry) -> None:
    """Put an entry into its file."""
    found = load(path)
    found["runs"] = merged(found["runs"], entry)
    found["machine"] = machine()
    write(path, found)


def store_link(path: Path, name: str, made_of: str, seen: dict[str, float]) -> None:
    """Note what a link was made of and what the probe saw of it."""
    found = load(path)
    found["links"][name] = {"made_of": made_of} | seen
    write(path, found)


def write(path: Path, found: dict[str, Any]) -> None:
    """Write a file of figures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
