"""Moving averages and roots of lists of tensors: what the rules are made of."""

from __future__ import annotations

from torch import Tensor

from ..torch_private import foreach


def decay_to(averages: list[Tensor], values: list[Tensor], keep: float) -> None:
    """`average = keep * average + (1 - keep) * value`, in place."""
    foreach.lerp_(averages, values, 1 - keep)


def decay_to_squares(averages: list[Tensor], values: list[Tensor], keep: float) -> None:
    """`average = keep * average + (1 - keep) * value ** 2`, in place."""
    foreach.mul_(averages, keep)
    foreach.addcmul_(averages, values, values, 1 - keep)


def roots(values: list[Tensor], inside: float = 0.0, outside: float = 0.0) -> list[Tensor]:
    """`sqrt(value + inside) + outside`, in new tensors."""
    if inside:
        result = foreach.add(values, inside)
        foreach.sqrt_(result)
    else:
        result = foreach.sqrt(values)
    if outside:
        foreach.add_(result, outside)
    return result
