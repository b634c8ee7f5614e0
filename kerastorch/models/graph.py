"""The graph of a model: which layer is called on what, in order, with a slot for each value.

A graph is a value. It holds no symbolic tensors, no layers and no weights, only numbers and the constants among the
arguments, so that a model that has one can be copied and pickled, and its layers exchanged. What needs the layers too
takes the model. A model of somebody's own making has no graph.

A model keeps it as `_graph`: an attribute `graph` is for torch's exporters that of a script.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..structure import map_structure
from ..weights import Shape


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
