"""What layers need whose places share no weights."""

from __future__ import annotations

from torch import Tensor


def windows_of(x: Tensor, kernel: list[int], stride: list[int], channels_first: bool = False) -> Tensor:
    """The windows of x `(B, ..., C)`, `(B, places, values)`; the values of each with the channels last, or first."""
    for axis in range(len(kernel)):
        x = x.unfold(axis + 1, kernel[axis], stride[axis])
    rank = len(kernel)
    x = x if channels_first else x.movedim(1 + rank, -1)
    return x.flatten(1, rank).flatten(2)


def scattered(values: Tensor, where: Tensor) -> Tensor:
    """A matrix with these values where `where` is True, row by row, and zeros elsewhere."""
    return values.new_zeros(where.shape).masked_scatter(where, values)
