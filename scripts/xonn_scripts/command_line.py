"""Command lines of the modules that are commands."""

from __future__ import annotations

import argparse


def parser_of(module: str, doc: str | None) -> argparse.ArgumentParser:
    """A parser that is called as the module is, and says of it what its docstring says."""
    return argparse.ArgumentParser(
        prog=f"python -m xonn_scripts.{module}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
