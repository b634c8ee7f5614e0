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


def inverse_roots(values: list[Tensor], inside: float) -> list[Tensor]:
    """`1 / sqrt(value + inside)`, in new tensors: on a CPU torch computes it in two thirds of the time of a root."""
    result = foreach.add(values, inside)
    foreach.rsqrt_(result)
    return result


def roots(values: list[Tensor], inside: float = 0.0, outside: float = 0.0, by: float = 1.0) -> list[Tensor]:
    """`sqrt(value / by + inside) + outside`, in new tensors; `by` or `inside`, not both."""
    if by == 1 and not inside:
        result = foreach.sqrt(values)
    else:
        result = foreach.add(values, inside) if inside else foreach.div(values, by)
        foreach.sqrt_(result)
    if outside:
        foreach.add_(result, outside)
    return result
