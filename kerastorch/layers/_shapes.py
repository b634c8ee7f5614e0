"""Nested shapes: walking them, and finding the output shape of a layer that does not say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ._graph import leaves, map_dict, shapes_of
from ._penalties import unseen

if TYPE_CHECKING:
    from ._base import Layer


def _is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(size is None or isinstance(size, int) for size in value)


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Apply `function` to each shape of nested lists, tuples and dicts of shapes."""
    if _is_shape(shapes):
        return function(tuple(shapes))
    if isinstance(shapes, dict):
        return map_dict(lambda item: map_shapes(function, item), shapes)
    return type(shapes)(map_shapes(function, item) for item in shapes)


def infer_output_shape(layer: Layer, input_shape: Any) -> Any:
    """Run the layer on meta tensors; sizes that follow an unknown input size come out as None."""
    if not layer.built:
        layer.build(input_shape)

    def run(unknown: int) -> Any:
        filled = map_shapes(
            lambda shape: torch.empty(
                [unknown if size is None else size for size in shape], device="meta", dtype=layer.dtype
            ),
            input_shape,
        )
        state = {name: tensor.to("meta") for name, tensor in [*layer.named_parameters(), *layer.named_buffers()]}
        was_training = layer.training
        try:
            layer.eval()
            with unseen():
                args = tuple(filled) if layer._call_arguments.tensors else (filled,)
                return shapes_of(torch.func.functional_call(layer, state, args))
        finally:
            layer.train(was_training)

    first, second = run(7), run(11)
    flat = iter(leaves(second))
    return _none_where_different(first, flat)


def _none_where_different(first: Any, second: Any) -> Any:
    if isinstance(first, int):
        return first if first == next(second) else None
    return type(first)(_none_where_different(item, second) for item in first)
