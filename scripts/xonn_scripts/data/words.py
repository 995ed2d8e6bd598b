"""Texts: Penn Treebank as Mikolov prepared it, 10,000 words."""

from __future__ import annotations

import gzip
from collections import Counter
from typing import NamedTuple

import numpy as np

from xonn_scripts.data.folder import DataError, data_dir

# What stands for the end of a line.
END = "<eos>"


class Text(NamedTuple):
    """The words in the order of their numbers, and the three texts as numbers of words, int32."""

    words: list[str]
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def read_words(part: str) -> list[str]:
    """One of the three texts, ``ptb.PART.txt`` as it is or gzipped, word by word."""
    folder = data_dir() / "ptb"
    plain, packed = folder / f"ptb.{part}.txt", folder / f"ptb.{part}.txt.gz"
    try:
        raw = gzip.decompress(packed.read_bytes()) if packed.is_file() else plain.read_bytes()
        text = raw.decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(
            f"the text {plain} cannot be read ({error}): put ptb.train.txt, ptb.valid.txt and ptb.test.txt "
            "(or .txt.gz) into a folder called ptb, and set XONN_DATA to the folder that contains it."
        ) from error
    return text.replace("\n", f" {END} ").split()


def load_ptb() -> Text:
    """All three texts.  Words are numbered by how often the training text has them, then by alphabet."""
    parts = {part: read_words(part) for part in ("train", "valid", "test")}
    counted = Counter(parts["train"])
    words = sorted(counted, key=lambda word: (-counted[word], word))
    number = {word: i for i, word in enumerate(words)}
    for part, text in parts.items():
        unknown = next((word for word in text if word not in number), None)
        if unknown is not None:
            raise DataError(f"ptb.{part}.txt has the word {unknown!r}, which ptb.train.txt has not.")
    return Text(words, *(np.array([number[word] for word in parts[part]], np.int32) for part in parts))
