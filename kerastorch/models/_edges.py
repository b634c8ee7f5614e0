"""Values on the edges of a graph, each with its mask, and the call of a layer on them."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from ..base.attached_masks import hang, mask_on
from ..base.layer import Layer
from ..structure import leaves, like, map_dict, map_structure


class Masked(NamedTuple):
    """A value on an edge of the graph, with its mask."""

    value: Any
    mask: Any

    def hung(self) -> Any:
        """The value with the mask hanging on it, as it leaves the graph."""
        return self.value if self.mask is None else hang(self.value, self.mask)


def call_masked(layer: Layer, args: Any, kwargs: Any, training: bool | None) -> Any:
    """Call a layer on values with masks as Keras does: hand it the masks that it takes, find the outputs' masks.

    Returns:
        The outputs as the layer nests them, each with its mask.
    """
    if len(args) == 1 and not kwargs and _is_bare(args[0]) and layer._graph is None and not layer._own_code:
        # The way of most layers in most models, of which a training takes thousands a second.
        value = args[0].value
        trains = {"training": training} if training is not None and layer._takes_training else {}
        return _with_masks(layer._call_past_masks(value, **trains), layer._mask_behind(value, None))
    inputs = _values(args[0])
    options = {key: _values(value) for key, value in kwargs.items()}
    rest = [_values(value) for value in args[1:]]
    mask = _mask_of(args[0])
    named = "mask" in options
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
    if layer._graph is not None:
        if options.get("mask") is None:  # what hangs on the values is not asked: the edges know
            edges = list(args) if rest else args[0]
            options["mask"] = not named and map_masked(lambda edge: False if edge.mask is None else edge.mask, edges)
        result, masks = layer._call_past_masks(inputs, *rest, with_masks=True, **options)
    elif layer._own_code:
        result, masks = _call_own(layer, (inputs, *rest), options, (args, kwargs), mask)
    else:
        result = layer._call_past_masks(inputs, *rest, **options)
        masks = layer._mask_behind(inputs, mask)
    return _with_masks(result, masks)


def _is_bare(edge: Any) -> bool:
    """Whether an edge is one tensor without a mask."""
    return type(edge) is Masked and edge.mask is None and type(edge.value) is Tensor


def _with_masks(result: Any, masks: Any) -> Any:
    """The outputs of a layer as edges."""
    if type(result) is Tensor and (masks is None or type(masks) is Tensor):
        return Masked(result, masks)
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


def _call_own(layer: Layer, args: Any, options: dict[str, Any], edges: Any, mask: Any) -> tuple[Any, list[Any]]:
    """Call a layer that runs somebody's own code, in which layers may be called by hand: masks hang on the tensors.

    Returns:
        The outputs as the layer nests them, and the mask of each.
    """
    uses_none = layer._takes_mask and "mask" in options and options["mask"] is None
    map_masked(lambda edge: hang(edge.value, None if uses_none else edge.mask), edges)
    result = layer(*args, **options)
    masks = [mask_on(value) for value in leaves(result)]
    if uses_none and mask is not None and None in masks:  # the call uses none; its output has that of its input
        found = leaves(layer._mask_behind(args[0], mask))
        masks = [own if own is not None else its for own, its in zip(masks, found + [None] * len(masks), strict=False)]
    return result, masks


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
