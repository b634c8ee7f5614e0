"""Quantiles of data that come in batches: each batch is kept as a few numbers and how many values each stands for.

A summary is `(2, K)`, float32: rising values, and their weights. It is what `keras.layers.Discretization` keeps, so
that the boundaries are the same numbers.
"""

from __future__ import annotations

import numpy as np


def summary_of(values: np.ndarray, epsilon: float) -> np.ndarray:
    """A batch as about 1 / epsilon of its values, in equal steps of their order."""
    ordered = np.sort(np.asarray(values, "float32").reshape(-1))
    step = max(len(ordered) * epsilon, 1)
    kept = ordered[int(step - 1) :: int(step)]
    return np.stack([kept, np.full_like(kept, step)])


def merged(one: np.ndarray, other: np.ndarray, epsilon: float) -> np.ndarray:
    """One summary of two."""
    both = np.concatenate([one, other], axis=1)
    return _compressed(both[:, np.argsort(both[0])], epsilon)


def boundaries_of(summary: np.ndarray, bins: int) -> list[float]:
    """The numbers between ranges of equal weight; fewer where there are fewer values than ranges."""
    return _compressed(summary, 1.0 / bins)[0, :-1].tolist()


def _compressed(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """A summary of 1 / epsilon values, between which the data are taken to lie evenly."""
    values, weights = summary
    if len(values) * epsilon < 1:
        return summary
    sums = weights.cumsum()
    parts = epsilon + np.arange(0.0, 1.0, epsilon)
    ends = np.interp(parts, sums / sums[-1], sums)
    return np.stack([np.interp(parts, sums / sums[-1], values), np.diff(ends, prepend=0)]).astype("float32")
