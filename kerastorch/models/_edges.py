"""Values on the edges of a graph, each with its mask, and the call of a layer on them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..layers._base import Layer
from ..layers._graph import leaves


class Masked(NamedTuple):
    """A value on an edge of the graph, with its mask."""

    value: Any
    mask: Any


def call_masked(layer: Layer, args: Any, kwargs: Any, training: bool | None) -> list[Masked]:
    """Call a layer on values with masks as Keras does: hand it their mask if it takes one, find the outputs' masks."""
    first = args[0]
    inputs = _values(first)
    mask = map_masked(lambda edge: edge.mask, first)
    has_mask = any(leaf is not None for leaf in leaves(mask))
    options = {key: _values(value) for key, value in kwargs.items()}
    if layer._takes_mask and has_mask and "mask" not in options:
        options["mask"] = mask
    if layer._takes_training and training is not None:
        options.setdefault("training", training)
    rest = [_values(value) for value in args[1:]]
    if layer._carries_masks:
        result, masks = layer(inputs, *rest, with_masks=True, **options)
    else:
        result = layer(inputs, *rest, **options)
        masks = layer.compute_mask(inputs, mask if has_mask else None)
    values = leaves(result)
    flat_masks = leaves(masks) if isinstance(masks, (list, tuple, dict)) else [masks] * len(values)
    return [Masked(value, its_mask) for value, its_mask in zip(values, flat_masks, strict=True)]


def map_masked(function: Any, value: Any) -> Any:
    """`map_structure` with `Masked` edges as leaves."""
    if isinstance(value, Masked):
        return function(value)
    if isinstance(value, (list, tuple)):
        return type(value)(map_masked(function, item) for item in value)
    if isinstance(value, dict):
        return {key: map_masked(function, item) for key, item in value.items()}
    return value


def _values(value: Any) -> Any:
    return map_masked(lambda edge: edge.value, value)
