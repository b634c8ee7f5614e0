"""Which of the functions make tensors of some shape from tensors of others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from ..errors import ArgumentError
from .functions import (
    Recipe,
    absolute_difference,
    concat,
    expand_dims,
    identity,
    l2_normalize,
    last_step,
    matmul,
    max_over,
    mean_over,
    multiply,
    one_hot,
    permute,
    pick,
    reverse,
    softmax,
    squeeze,
    stack,
    sum_over,
)

Shape = tuple[Any, ...]  # of int | None
_CLASSES = 1 << 20  # at most, where `one_hot` is tried: it makes a number for each


def fitting(inputs: Sequence[Shape], output: Shape) -> list[Recipe]:
    """The recipes that make a tensor of this shape from inputs of these: none of them is known to be what you need.

    Args:
        inputs: The shape of each input, with the batch axis; None where a size is not known.
        output: Likewise; a leading `...` stands for axes that are not known.
    """
    return [recipe for recipe in _candidates(inputs, output) if _fits(recipe, inputs, output)]


def _candidates(inputs: Sequence[Shape], output: Shape) -> Iterator[Recipe]:
    rank = len(inputs[0])
    if len(inputs) > 1:
        yield from (concat(axis) for axis in range(1, rank))
        yield from (stack(axis) for axis in range(1, rank + 1))
        yield from (multiply(), matmul(), absolute_difference())
        yield from (pick(index) for index in range(len(inputs)))
        return
    if rank > 1:
        yield last_step()
    reductions: tuple[Callable[..., Recipe], ...] = (sum_over, mean_over, max_over)
    yield from (make(axis) for axis in range(1, rank) for make in reductions)
    yield from (expand_dims(axis) for axis in range(1, rank + 1))
    yield from (squeeze(axis) for axis in range(1, rank) if inputs[0][axis] == 1)
    if output and isinstance(output[-1], int) and output[-1] <= _CLASSES:
        yield one_hot(output[-1])
    yield from (permute((0, *order)) for order in list(itertools.permutations(range(1, rank)))[1:] if rank == 3)
    yield from (identity(), softmax(), l2_normalize(), *((reverse(),) if rank > 2 else ()))


def _fits(recipe: Recipe, inputs: Sequence[Shape], output: Shape) -> bool:
    """Tried on tensors without a row: they take no memory, and tensors on torch's meta device take sympy to import."""
    found = []
    for unknown in (7, 11):
        shapes = [[0, *(unknown if size is None else size for size in shape[1:])] for shape in inputs]
        try:
            tensors = [torch.empty(shape) for shape in shapes]
            made = recipe(tensors if len(tensors) > 1 else tensors[0])
        except (RuntimeError, IndexError, ArgumentError):
            return False
        found.append(tuple(made.shape))
    if not found[0] or found[0][0] != 0:
        return False
    sizes = [size if size == other else None for size, other in zip(*found, strict=True)]
    sizes[0] = inputs[0][0]
    wanted = list(output)
    if wanted and wanted[0] is ...:
        wanted = wanted[1:]
        sizes = sizes[len(sizes) - len(wanted) :] if len(sizes) > len(wanted) else []
    if len(sizes) != len(wanted):
        return False
    return all(other is None or size == other for size, other in zip(sizes, wanted, strict=True))
