"""Sequences of different lengths as one array, and Keras 2's pairs of words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..errors import ArgumentError, ShapeError, quote

_SIDES = ("pre", "post")


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: Literal["pre", "post"] = "pre",
    truncating: Literal["pre", "post"] = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of different lengths as one array, as `keras.utils.pad_sequences`.

    `Embedding(mask_zero=True)` or `Masking` tells the layers behind it which steps are padding.

    Args:
        sequences: A list of sequences, each a list or an array `(T, ...)`; the shapes behind T must be equal.
        maxlen: The number of steps; that of the longest sequence if None.
        dtype: Of the result; `object` for texts of different lengths.
        padding: Where steps are added: "pre" before a sequence, "post" behind it.
        truncating: Where steps are dropped from a sequence that is too long.
        value: What is added.

    Returns:
        `(B, maxlen, ...)`.

    Raises:
        ShapeError: The sequences do not fit each other.
        ArgumentError: An argument has a value that it cannot take.
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in _SIDES:
            raise ArgumentError(f"pad_sequences: {name}: expected 'pre' or 'post', got {quote(side)}.")
    if not hasattr(sequences, "__len__"):
        raise ArgumentError(f"pad_sequences: expected a list of sequences, got {quote(type(sequences).__name__)}.")
    for place, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__"):
            raise ArgumentError(f"pad_sequences: expected a list of sequences; number {place} is {quote(sequence)}.")
    kind = np.dtype(dtype)
    if isinstance(value, str) and kind.kind not in "OSU":
        raise ArgumentError(
            f"pad_sequences: value is the text {quote(value)} and dtype is {kind}; use dtype=object for texts."
        )
    if maxlen is None and not len(sequences):
        raise ArgumentError("pad_sequences: maxlen is needed where there are no sequences.")
    length = max(map(len, sequences)) if maxlen is None else maxlen
    rest = next((np.asarray(sequence).shape[1:] for sequence in sequences if len(sequence)), ())
    padded = np.full((len(sequences), length, *rest), value, dtype=dtype)
    for place, sequence in enumerate(sequences):
        # Keras writes sequence[-maxlen:], which is the whole sequence where maxlen is 0.
        kept = sequence[max(len(sequence) - length, 0) :] if truncating == "pre" else sequence[:length]
        if not len(kept):
            continue
        kept = np.asarray(kept, dtype=dtype)
        if kept.shape[1:] != rest:
            raise ShapeError(
                f"pad_sequences: expected steps of shape {rest} as in the first sequence, got {kept.shape[1:]} in "
                f"sequence {place}."
            )
        padded[place, slice(len(kept)) if padding == "post" else slice(length - len(kept), length)] = kept
    return padded


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """How often to keep the words of each rank, as Keras 2's `make_sampling_table`: word2vec's rule for frequent words.

    The frequency of rank r follows Zipf's law, `1 / (r (log r + 0.577) + 1/2 - 1/(12 r))`.

    Args:
        size: The number of ranks.
        sampling_factor: The frequency from which on words are left out at times.

    Returns:
        `(size,)`, probabilities.
    """
    ranks = np.arange(size)
    ranks[0] = 1
    rarity = ranks * (np.log(ranks) + 0.577) + 0.5 - 1.0 / (12.0 * ranks)
    return np.minimum(1.0, np.sqrt(sampling_factor * rarity))


def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs of neighbouring words and pairs by chance, as Keras 2's `skipgrams`; word 0 is left out.

    Args:
        sequence: Word numbers.
        vocabulary_size: The largest word number plus 1.
        window_size: How far apart neighbours may be.
        negative_samples: How many pairs by chance there are for each pair of neighbours.
        shuffle: Whether the pairs come in random order.
        categorical: Whether labels are vectors, `[0, 1]` for neighbours; else numbers, 1 for neighbours.
        sampling_table: What `make_sampling_table` returns.
        seed: Of the order; it seeds Python's `random`, as Keras does.

    Returns:
        The pairs, and a label for each.
    """
    near: list[list[int]] = []
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        window = range(max(0, place - window_size), min(len(sequence), place + window_size + 1))
        near += [[word, sequence[other]] for other in window if other != place and sequence[other]]
    count = int(len(near) * negative_samples) if negative_samples > 0 else 0
    words = [pair[0] for pair in near]
    if negative_samples > 0:
        random.shuffle(words)
    chance = [[words[place % len(words)], random.randint(1, int(vocabulary_size - 1))] for place in range(count)]
    yes, no = ([0, 1], [1, 0]) if categorical else (1, 0)
    pairs, labels = near + chance, [yes] * len(near) + [no] * count
    if shuffle:
        seed = random.randint(0, int(10e6)) if seed is None else seed
        for items in (pairs, labels):
            random.seed(seed)
            random.shuffle(items)
    return pairs, labels
