"""Layers with several inputs: sums, products, concatenations, Dot."""

from __future__ import annotations

import functools
import operator
import string
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from ... import layers
from ..builder import Builder, Value, makes_mask, translates

_REDUCE: dict[type, Callable[[Any, Any], Any]] = {
    layers.Add: operator.add,
    layers.Subtract: operator.sub,
    layers.Multiply: operator.mul,
    layers.Average: operator.add,
    layers.Maximum: torch.maximum,
    layers.Minimum: torch.minimum,
}
_MERGES = (*_REDUCE, layers.Concatenate, layers.Dot)


def _expanded(inputs: list[Any]) -> list[Any]:
    """Inputs with fewer axes get some behind the batch axis."""
    rank = max(x.rank for x in inputs)
    made = []
    for x in inputs:
        own = x.rank
        for _ in range(rank - own):
            x = x.unsqueeze(1)
        made.append(x)
    return made


@translates(layers.Add, layers.Subtract, layers.Average)
def _elementwise(t: Builder, layer: Any, inputs: list[Value]) -> Value:
    merged = functools.reduce(_REDUCE[type(layer)], _expanded(inputs))
    return merged / len(inputs) if isinstance(layer, layers.Average) else merged


@translates(layers.Multiply)
def _multiply(t: Builder, layer: Any, inputs: list[Value], mask: Any = None) -> Value:
    used = _masks_of(layer, inputs, mask)
    factors = [x if own is None else torch.where(own, x, 1.0) for x, own in zip(_expanded(inputs), used, strict=True)]
    output = functools.reduce(operator.mul, factors)
    masks = [own for own in used if own is not None]
    return output if len(masks) < len(used) else torch.where(functools.reduce(operator.or_, masks), output, 0.0)


@translates(layers.Maximum, layers.Minimum)
def _extremum(t: Builder, layer: Any, inputs: list[Value], mask: Any = None) -> Value:
    choose = _REDUCE[type(layer)]
    used = _masks_of(layer, inputs, mask)
    output, first = _expanded(inputs)[0], used[0]
    for x, own in zip(_expanded(inputs)[1:], used[1:], strict=True):
        right = x if own is None else torch.where(own, x, output)
        left = output if first is None else torch.where(first, output, right)
        first = None if own is None or first is None else first | own
        output = choose(left, right)
    return output


def _masks_of(layer: Any, inputs: list[Value], mask: Any) -> list[Any]:
    """The mask of each input that counts, as deep as the result."""
    masks = [None] * len(inputs) if mask is None or layer.keras2_masks else list(mask)
    rank = max(x.rank for x in inputs)
    return [None if own is None or x.rank < rank else _deep(own, rank) for x, own in zip(inputs, masks, strict=True)]


def _deep(mask: Any, rank: int) -> Any:
    """A mask `(B, T)` for values of this many axes."""
    for _ in range(rank - 2):
        mask = mask.unsqueeze(-1)
    return mask


@translates(layers.Concatenate)
def _concatenate(t: Builder, layer: Any, inputs: list[Value]) -> Value:
    return torch.cat(inputs, dim=layer.axis)  # type: ignore[return-value]


@translates(layers.Dot)
def _dot(t: Builder, layer: Any, inputs: list[Value]) -> Value:
    left, right = inputs
    first, second = layer._axes([left.shape_known, right.shape_known])
    ranks = left.rank, right.rank
    if layer.normalize:
        left = t.call(F.normalize, left, dim=first, eps=1e-7)
        right = t.call(F.normalize, right, dim=second, eps=1e-7)
    letters = iter(string.ascii_lowercase)
    one = [next(letters) for _ in range(ranks[0])]
    two = [next(letters) for _ in range(ranks[1])]
    two[0], two[second] = one[0], one[first]
    kept = [letter for letter in one if letter != one[first]] + [x for x in two if x not in (one[0], one[first])]
    result: Any = torch.einsum(f"{''.join(one)},{''.join(two)}->{''.join(kept)}", left, right)
    return result if len(kept) > 1 else result.unsqueeze(-1)


@makes_mask(*_MERGES)
def _merged_mask(layer: Any, inputs: Any, masks: Any) -> Any:
    if masks is None or all(mask is None for mask in masks):
        return None
    if isinstance(layer, layers.Concatenate):
        # Not torch.ones: its sizes would be those of the trace.
        masks = [
            torch.ones_like(x[..., 0], dtype=torch.bool) if mask is None else mask
            for x, mask in zip(inputs, masks, strict=True)
        ]
        axis = layer.axis % inputs[0].rank
        if axis < inputs[0].rank - 1:
            return torch.cat(masks, dim=axis)
        return functools.reduce(operator.and_ if layer.keras2_masks else operator.or_, masks)
    return layer._merge_masks(inputs, masks)
