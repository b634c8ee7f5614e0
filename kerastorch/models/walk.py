"""Walks through the graph of a functional model, with the layers that its steps call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..base import constants
from ..base.weighted import repr_of
from ..errors import ShapeError, UnsupportedError, counted
from ..structure import leaves, map_shapes
from ._given import in_rank
from .graph import Graph, Step, map_template, run_graph, slots_of

if TYPE_CHECKING:
    from ..base.layer import Layer
    from ._protocol import AnyModel
    from .input import InputLayer


def graph_of(model: AnyModel) -> Graph:
    """The graph of a functional model.

    Raises:
        UnsupportedError: It is one of somebody's own making, or a Sequential.
    """
    if isinstance(model._graph, Graph):
        return model._graph
    raise UnsupportedError(f"{repr_of(model)} is a model of its own making (a subclass): it has no graph of layers.")


def layer_of(model: AnyModel, step: Step) -> Layer:
    """The layer that a step calls."""
    return model._layer_list[step.layer]  # type: ignore[return-value]


def input_layers_by_slot(model: AnyModel) -> dict[int, InputLayer]:
    """The layers that the inputs of a functional model come from, by the numbers of the slots."""
    return dict(zip([slot.index for slot in slots_of(graph_of(model).inputs)], model._input_layers, strict=True))


def begin(model: AnyModel, constant: Callable[[Tensor], Any]) -> tuple[Graph, list[Any]]:
    """The graph of a functional model, and values to run it on, of which those of the constants are there already."""
    graph = graph_of(model)
    values: list[Any] = [None] * graph.size
    for slot, tensor in zip(graph.constants, constants.held_by(model).values(), strict=True):
        values[slot.index] = constant(tensor)
    return graph, values


def symbols_of(model: AnyModel) -> tuple[Any, Any]:
    """New symbolic inputs of a functional model, and its outputs for them."""
    graph, values = begin(model, lambda tensor: tensor)
    for slot, layer in input_layers_by_slot(model).items():
        values[slot] = layer._symbol()
    inputs = map_template(lambda slot: values[slot.index], graph.inputs)
    run_graph(graph, lambda step, args, kwargs: leaves(layer_of(model, step)(*args, **kwargs)), values)
    return inputs, map_template(lambda slot: values[slot.index], graph.outputs)


def shapes_behind(model: AnyModel, shapes: Sequence[Any]) -> Any:
    """The shapes of the outputs of a functional model, for those of the inputs."""
    graph, values = begin(model, lambda tensor: tuple(tensor.shape))
    slots = slots_of(graph.inputs)
    if len(shapes) != len(slots):
        raise ShapeError(f"{repr_of(model)}: expected {counted(len(slots), 'input shape')}, got {len(shapes)}.")
    for slot, shape, layer in zip(slots, shapes, model._input_layers, strict=True):
        values[slot.index] = in_rank(tuple(shape), layer.batch_shape)

    def call(step: Step, args: Any, kwargs: Any) -> list[Any]:
        found: list[Any] = []
        map_shapes(found.append, layer_of(model, step)._shape_of_call(args, kwargs))
        return found

    run_graph(graph, call, values)
    return map_template(lambda slot: values[slot.index], graph.outputs)
