"""Shapes and dtypes of what a function returns, found by running it on tensors without data."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import KerasTorchError, ShapeError, UnsupportedError
from ..structure import Shape, leaves, map_structure

# What every unknown size is taken for, in two runs: what differs between them is unknown in the result. Numbers with
# many divisors first, since a reshape divides; small ones if the product of several is too large.
_PAIRS = ((720_720, 1_441_440), (5_040, 10_080), (7, 11))
_FILLS = tuple(fill for pair in _PAIRS for fill in pair)
_MOST_VALUES = 64  # of a tensor whose values are followed: shapes have few
_MOST_TRIALS = 300
_MISFITS = (RuntimeError, ValueError, IndexError, TypeError, KerasTorchError)

# Of a tensor that follows from shapes alone: its values, one after the other, for each of `_FILLS`.
Values = tuple[tuple[Any, ...] | None, ...]


@dataclass(frozen=True)
class Outline:
    """What is known of a tensor before there is data."""

    shape: Shape
    dtype: torch.dtype
    values: Values | None = None


def infer(function: Callable[[list[Tensor]], Any], inputs: Sequence[Outline]) -> Any:
    """The outlines of what `function` returns, nested as it returns them.

    Raises:
        ShapeError: It cannot be computed on such tensors, whatever the unknown sizes are.
        UnsupportedError: The shape of the result depends on the values of a tensor.
    """
    error: Exception | None = None
    for first, second in itertools.islice(_trials(inputs), _MOST_TRIALS):
        try:
            results = function(_tensors(inputs, first)), function(_tensors(inputs, second))
        except UnsupportedError:
            raise
        except _MISFITS as caught:
            error = error or caught
            continue
        return _outlines(*results, _followed(function, inputs, results[0]))
    shapes = [outline.shape for outline in inputs]
    raise ShapeError(f"inputs of shape {', '.join(map(str, shapes))} do not fit: {str(error).splitlines()[0]}")


def _trials(inputs: Sequence[Outline]) -> Iterator[tuple[list[int], list[int]]]:
    """For each unknown size a number, twice; where the function refuses those, sizes that other axes have.

    Values that follow from shapes are known for the first kind of trial only.
    """
    unknown = sum(outline.shape.count(None) for outline in inputs)
    for first, second in _PAIRS:
        yield [first] * unknown + [first], [second] * unknown + [second]
    if any(outline.values is not None for outline in inputs):
        return
    known = sorted({size for outline in inputs for size in outline.shape if size is not None} | {1})
    for chosen in itertools.product([None, *known], repeat=unknown):
        one, other = ([fill if size is None else size for size in chosen] for fill in _PAIRS[1])
        yield [*one, 0], [*other, 0]


def _tensors(inputs: Sequence[Outline], sizes: list[int]) -> list[Tensor]:
    """Tensors for one trial; the last of `sizes` tells which values go with it."""
    left, fill = iter(sizes), sizes[-1]
    made = []
    for outline in inputs:
        shape = [next(left) if size is None else size for size in outline.shape]
        if outline.values is None:
            made.append(torch.empty(shape, dtype=outline.dtype, device="meta"))
            continue
        values = outline.values[_FILLS.index(fill)]
        if values is None:
            raise ShapeError("the sizes do not go with one another")
        made.append(torch.tensor(values, dtype=outline.dtype, device="cpu").reshape(shape))
    return made


def _followed(function: Callable[[list[Tensor]], Any], inputs: Sequence[Outline], result: Any) -> list[Any]:
    """For each of `_FILLS` the results, where they have values; None where they cannot be computed."""
    if all(tensor.is_meta or tensor.numel() > _MOST_VALUES for tensor in leaves(result)):
        return []
    unknown = sum(outline.shape.count(None) for outline in inputs)
    found: list[Any] = []
    for fill in _FILLS:
        try:
            found.append(leaves(function(_tensors(inputs, [fill] * (unknown + 1)))))
        except _MISFITS:
            found.append(None)
    return found


def _outlines(first: Any, second: Any, followed: list[Any]) -> Any:
    others = iter(leaves(second))
    number = itertools.count()

    def outline(one: Tensor) -> Outline:
        other, place = next(others), next(number)
        shape = tuple(a if a == b else None for a, b in zip(one.shape, other.shape, strict=True))
        if one.is_meta or None in shape or not followed:
            return Outline(shape, one.dtype)
        values = tuple(None if run is None else tuple(run[place].reshape(-1).tolist()) for run in followed)
        return Outline(shape, one.dtype, values)

    return map_structure(outline, first)
