"""Figures that tests make up, in the form that the programs and the files of figures have."""

from __future__ import annotations

from typing import Any

from xonn_scripts.programs import SCHEMES


def report(count: int, scheme: str = "half-gates") -> dict[str, Any]:
    """What ``infer --json`` says of ``count`` predictions, with what the measurement adds."""
    return {
        "scheme": scheme,
        "first_layer": "gc",
        "and": {"full": 1000, "half": 24},
        "sent_bytes": 1_000 + 10 * count,
        "received_bytes": 50_000 + 40_000 * count,
        "round_trips": 2 + count,
        "set_up_ms": 30.0,
        "total_ms": 40.0 + 5 * count,
        "inference_ms_median": 5.0,
        "peak_memory_bytes": 12_000_000,
        "server_peak_bytes": 15_000_000,
        "cpu_s": 0.25 + 0.125 * count,
    }


def run(
    model: str, scheme: str, ands: int, first_layer: str = "garbled", link: str = "loopback"
) -> dict[str, Any]:
    """An entry of a file of figures."""
    share = 1.0 if scheme == "half-gates" else 0.75
    return {
        "model": model,
        "link": link,
        "scheme": scheme,
        "first_layer": first_layer,
        "ands": ands,
        "first_layer_table_bytes": 8 * ands,
        "connection_bytes": round(share * 32 * ands),
        "connection_rounds": 2,
        "prediction_bytes": round(share * 31 * ands),
        "prediction_rounds": 1,
        "first_s": 0.5,
        "predictions": 3,
        "prediction_s": ands / 5e7,
        "cpu_s": ands / 3e7,
        "set_up_s": 0.1,
        "client_peak_bytes": 12_000_000,
        "server_peak_bytes": 20_000_000,
        "load_before": 2.5,
        "commit": "abcdef0",
        "date": "2026-01-02",
    }


def growth_runs(other: str) -> list[dict[str, Any]]:
    """A network by width, and one beside it, by both schemes."""
    sizes = {"bc1_same@0.25": 7_000_000, "bc1_same": 70_000_000, other: 200_000}
    return [run(model, scheme, ands) for model, ands in sizes.items() for scheme in SCHEMES]
