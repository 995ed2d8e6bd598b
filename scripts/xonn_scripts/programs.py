"""Running xonn's programs and reading what they say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

# Garbling schemes as the programs name them, and as the pages do.
SCHEMES = {"half-gates": "half gates", "three-halves": "three halves"}


class ProgramError(Exception):
    """A program failed; the message is one sentence."""


def call(*command: object) -> str:
    """What a command prints on standard output."""
    words = [str(part) for part in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except OSError as error:
        raise ProgramError(f"{words[0]} cannot be started ({error}): run cargo build --release.") from error
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise ProgramError(f"{' '.join(words)}: {last}")
    return done.stdout


def costs_of(package: Path, programs: Path) -> dict[str, Any]:
    """What ``xonn-compile inspect`` says of a package."""
    return json.loads(call(programs / "xonn-compile", "inspect", package, "--format", "json"))


def and_gates(costs: dict[str, Any]) -> int:
    """AND gates of a prediction, the first layer garbled, from what ``inspect`` says."""
    ands = costs["total"]["and"]
    return ands["full"] + ands["half"]


def traffic(report: dict[str, Any]) -> int:
    """Bytes of a connection, both directions, from what ``infer --json`` says."""
    return report["sent_bytes"] + report["received_bytes"]


def address_in(line: str) -> str | None:
    """The address in a line that ``serve`` prints, if it is the line that says where it listens."""
    return line.split()[-1] if line.startswith("listening on ") else None
