"""Words that are counted in data, of which a vocabulary is made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


class Counted:
    """How often each word came, and in how many rows: with "tf_idf" each row is one document."""

    def __init__(self) -> None:
        self._words: Counter[Any] = Counter()
        self._documents: Counter[Any] = Counter()
        self._rows = 0

    def __bool__(self) -> bool:
        return bool(self._words)

    def add(self, row: Sequence[Any]) -> None:
        """Count the words of a row."""
        self._words.update(row)
        self._documents.update(set(row))
        self._rows += 1

    def most_frequent(self, most: int | None, left_out: Iterable[Any]) -> list[Any]:
        """The words, the most frequent first, of equally frequent ones the last in order.

        Args:
            most: How many at most; None: all.
            left_out: Words that are none of a vocabulary.
        """
        for word in left_out:
            self._words.pop(word, None)
        return sorted(self._words, key=lambda word: (self._words[word], word), reverse=True)[:most]

    def inverse_frequencies(self, words: Sequence[Any]) -> np.ndarray:
        """What each word counts: the less, the more rows have it; float32, as Keras has it."""
        counts = [math.log(1 + self._rows / (1 + self._documents[word])) for word in words]
        return np.asarray(counts, "float32")
