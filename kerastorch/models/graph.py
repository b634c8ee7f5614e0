"""The graph of a model: which layer is called on what, in order, with a slot for each value.

A graph is a value. It holds no symbolic tensors, no layers and no weights, only numbers and the constants among the
arguments, so that a model that has one can be copied and pickled, and its layers exchanged. What needs the layers too
takes the model. A model of somebody's own making has no graph: `model.graph is None`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..base import constants
from ..base.weighted import repr_of
from ..errors import ShapeError, UnsupportedError
from ..structure import leaves, map_shapes, map_structure
from ..weights import Shape
from ._given import in_rank

if TYPE_CHECKING:
    from ..base.layer import Layer
    from ._protocol import AnyModel
    from .input import InputLayer


@dataclass(frozen=True)
class Slot:
    """A place for one value of the graph."""

    index: int


@dataclass(frozen=True)
class Step:
    """One call: `layers[layer](*args, **kwargs)` with slots in the place of tensors."""

    layer: int
    args: Any
    kwargs: Any
    outputs: tuple[Slot, ...]
    last_use: tuple[int, ...]  # slots that no later step reads


@dataclass(frozen=True)
class Graph:
    """The calls of a functional model.

    Attributes:
        steps: The calls, each after those that it needs.
        inputs: Nested slots.
        outputs: Nested slots.
        values: The shape and the dtype of the value in each slot.
        constants: Slots whose values are known before the model is called.
        input_layers: The numbers of the layers that the inputs come from.
        ids: For each input, whether a layer looks it up in a table.
    """

    steps: tuple[Step, ...]
    inputs: Any
    outputs: Any
    values: tuple[tuple[Shape, str], ...]
    constants: tuple[Slot, ...] = ()
    input_layers: tuple[int, ...] = ()
    ids: tuple[bool, ...] = ()

    @property
    def size(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Chain:
    """The graph of a Sequential, which needs no slots: each layer is called on what the one before it makes."""

    inputs: None = None


CHAIN = Chain()


def map_template(function: Callable[[Any], Any], template: Any) -> Any:
    """Replace each slot in nested lists, tuples and dicts; constants stay."""
    return map_structure(lambda leaf: function(leaf) if isinstance(leaf, Slot) else leaf, template)


def slots_of(template: Any) -> list[Slot]:
    found: list[Slot] = []
    map_template(found.append, template)
    return found


def run_graph(graph: Graph, call: Callable[[Step, Any, Any], Any], values: list[Any]) -> None:
    """Run the steps in order. `call(step, args, kwargs)` computes one; `values` holds the inputs, then the outputs."""
    for step in graph.steps:
        args = map_template(lambda slot: values[slot.index], step.args)
        kwargs = map_template(lambda slot: values[slot.index], step.kwargs)
        results = call(step, args, kwargs)
        for slot, value in zip(step.outputs, results, strict=True):
            values[slot.index] = value
        for index in step.last_use:
            values[index] = None


# ---------------------------------------------------------------------------- with the layers of a model


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
        raise ShapeError(f"{repr_of(model)}: expected {len(slots)} input shape(s), got {len(shapes)}.")
    for slot, shape, layer in zip(slots, shapes, model._input_layers, strict=True):
        values[slot.index] = in_rank(tuple(shape), layer.batch_shape)

    def call(step: Step, args: Any, kwargs: Any) -> list[Any]:
        found: list[Any] = []
        map_shapes(found.append, layer_of(model, step)._shape_of_call(args, kwargs))
        return found

    run_graph(graph, call, values)
    return map_template(lambda slot: values[slot.index], graph.outputs)
