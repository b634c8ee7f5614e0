"""Indices as vectors: which of them are there, or how often."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...base import check
from ...errors import ArgumentError, UnsupportedError, quote
from ...weights import Shape

MODES = ("int", "one_hot", "multi_hot", "count")
# The index of what is left out, in no vector.
DROPPED = torch.iinfo(torch.int64).max


def output_mode(what: str, mode: Any, sparse: Any, modes: tuple[str, ...] = MODES) -> str:
    """How indices come out, by Keras's names, also the old ones.

    Args:
        what: For messages: the class.
        mode: `output_mode` as it is given.
        sparse: Likewise; True is refused.
        modes: Those that the layer has.

    Raises:
        ArgumentError: The mode is none of them.
        UnsupportedError: Outputs would be sparse.
    """
    found = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(mode, mode) if isinstance(mode, str) else mode
    if found not in modes:
        raise ArgumentError(f"output_mode: expected one of {modes}, got {quote(mode)}.")
    if check.boolean("sparse", sparse):
        if found == "int":
            raise ArgumentError(f"{what}: sparse=True belongs to vectors, got output_mode 'int'.")
        raise UnsupportedError(f"{what}: sparse=True is not supported: outputs are dense tensors.")
    return found


def encoded(indices: Tensor, mode: str, depth: int, weights: Tensor | None = None) -> Tensor:
    """Indices as vectors of int64, or of the dtype of their weights; an index that is none of the vector is in none.

    Args:
        indices: `(B, ...)`, or `()`, which is one sample.
        mode: "one_hot": `(B, ..., depth)`, without a last axis of 1; others: `(B, ..., depth)`, in which the second
            axis (of `(T,)` the only one) is counted.
        depth: The size of a vector.
        weights: What each index counts, in the shape of the indices, with "count".
    """
    if mode == "one_hot" and indices.ndim > 1 and indices.shape[-1] == 1:
        indices = indices.squeeze(-1)
    vectors = indices.reshape(1) if indices.ndim == 0 else indices
    made = (vectors.unsqueeze(-1) == torch.arange(depth, device=indices.device)).long()
    if mode == "one_hot":
        return made
    axis = 1 if vectors.ndim > 1 else 0  # also where there are more axes, as in Keras
    if mode == "multi_hot":
        return made.amax(axis) if made.shape[axis] else made.sum(axis)
    return (made if weights is None else made * weights.reshape(vectors.shape).unsqueeze(-1)).sum(axis)


def encoded_shape(shape: Shape, mode: str, depth: int | None) -> Shape:
    """The shape of what `encoded` makes of indices of a shape; with "int" that of the indices."""
    shape = tuple(shape)
    if mode == "int":
        return shape
    if mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape or (1,)), depth)
    return (*shape[:1], *shape[2:], depth) if len(shape) > 1 else (depth,)
