"""Values on the edges of a graph, each with its mask, and the call of a layer on them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..base.layer import Layer
from ..structure import leaves, like, map_dict, map_structure


class Masked(NamedTuple):
    """A value on an edge of the graph, with its mask."""

    value: Any
    mask: Any


def call_masked(layer: Layer, args: Any, kwargs: Any, training: bool | None) -> Any:
    """Call a layer on values with masks as Keras does: hand it the masks that it takes, find the outputs' masks.

    Returns:
        The outputs as the layer nests them, each with its mask.
    """
    inputs = _values(args[0])
    options = {key: _values(value) for key, value in kwargs.items()}
    rest = [_values(value) for value in args[1:]]
    mask = _mask_of(args[0])
    if layer._takes_mask:
        if options.get("mask") is False:  # neither used nor handed on
            mask = options["mask"] = None
        if mask is not None:
            options.setdefault("mask", mask)
        mask = mask if options.get("mask") is None else options["mask"]  # the output follows the one that is used
    given = layer._call_arguments.bind(args, kwargs)
    for name in layer._call_arguments.masked:
        its_mask = _mask_of(given.get(name))
        if its_mask is not None and f"{name}_mask" not in given:
            options[f"{name}_mask"] = its_mask
    if layer._takes_training and training is not None:
        options.setdefault("training", training)
    if layer._carries_masks:
        result, masks = layer(inputs, *rest, with_masks=True, **options)
    else:
        result = layer(inputs, *rest, **options)
        masks = layer.compute_mask(inputs, mask)
    values = leaves(result)
    # One mask is that of the first output, however many there are.
    flat_masks = leaves(masks) if isinstance(masks, (list, tuple, dict)) else [masks] + [None] * (len(values) - 1)
    edges = iter([Masked(value, its_mask) for value, its_mask in zip(values, flat_masks, strict=True)])
    return map_structure(lambda _: next(edges), result)


def edges_of(nested: Any) -> list[Masked]:
    """The edges in nested outputs, in order."""
    found: list[Masked] = []
    map_masked(found.append, nested)
    return found


def _mask_of(value: Any) -> Any:
    """The masks of edges, nested as they are; None if there is none at all."""
    mask = map_masked(lambda edge: edge.mask, value)
    return mask if any(leaf is not None for leaf in leaves(mask)) else None


def map_masked(function: Any, value: Any) -> Any:
    """`map_structure` with `Masked` edges as leaves."""
    if isinstance(value, Masked):
        return function(value)
    if isinstance(value, (list, tuple)):
        return like(value, (map_masked(function, item) for item in value))
    if isinstance(value, dict):
        return map_dict(lambda item: map_masked(function, item), value)
    return value


def _values(value: Any) -> Any:
    return map_masked(lambda edge: edge.value, value)
