"""Where things are in the repository."""

from __future__ import annotations

import os
from pathlib import Path

REPO_ROOT = Path(__file__).resolve().parents[2]
MODELS = REPO_ROOT / "models"
DOCS = REPO_ROOT / "docs"
# Measured figures and their plots.
RESULTS = DOCS / "results"
# What is made again when it is gone; git ignores it.
TARGET = REPO_ROOT / "target"

if not (REPO_ROOT / "Cargo.toml").is_file():
    raise ImportError(
        f"{REPO_ROOT} is not xonn's repository: install the scripts from it by pip install -e scripts"
    )


def default_programs() -> Path:
    """The folder of the release programs, where cargo puts them."""
    return Path(os.environ.get("CARGO_TARGET_DIR") or TARGET) / "release"
