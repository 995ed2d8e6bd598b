"""Where the data sets are.

Nothing is downloaded: the files are looked for in ``$XONN_DATA`` or, when that is not set, in the folder
``datasets`` at the top of the repository, which git ignores.  No data set is part of the repository.
"""

from __future__ import annotations

import os
from pathlib import Path

from xonn_scripts.paths import REPO_ROOT

DEFAULT_DATA_DIR = REPO_ROOT / "datasets"


class DataError(Exception):
    """A data set is missing or damaged; the message is one sentence for the user."""


def data_dir() -> Path:
    """The folder that holds one sub-folder per data set."""
    return Path(os.environ.get("XONN_DATA") or DEFAULT_DATA_DIR)
