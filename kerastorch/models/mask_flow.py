"""Where masks go in a model: which layers make one, which use it, and where one gets lost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch

from ..base.layer import Layer
from ..layers.core.operation import Operation
from ..structure import leaves, map_shapes
from ._edges import Masked, map_masked
from .graph import Step, map_template, run_graph, slots_of
from .model import Model
from .sequential import Sequential
from .walk import begin, graph_of, layer_of

# Steps, where nobody knows how many: enough for a layer that needs some, and in parts of many sizes.
_SOME = 240
_MOST = 1 << 60  # numbers that a tensor without any may have


class MaskEvent(NamedTuple):
    """What happens to a mask at a layer. `lost`: the layer neither uses the mask nor hands it on."""

    layer: str
    class_name: str
    what: Literal["made", "used", "lost"]


@dataclass(frozen=True, eq=False)
class Visit:
    """One call of a layer, with the masks that arrive and leave: one object is one mask, wherever it stands.

    Attributes:
        model: The model that the layer is called in.
        step: The number of the call in its plan; None in a `Sequential`.
        layer: The layer.
        arguments: The call's arguments by name, with `Masked` values.
        arriving: The masks on the inputs, None where there is none.
        leaving: The masks on the outputs.
        what: What happens to a mask, if anything.
    """

    model: Model
    step: int | None
    layer: Layer
    arguments: dict[str, Any]
    arriving: tuple[torch.Tensor | None, ...]
    leaving: tuple[torch.Tensor | None, ...]
    what: Literal["made", "used", "lost"] | None


@dataclass(frozen=True)
class _Walk:
    """What is noted on the way.

    Attributes:
        visits: Every call, in order.
        without: The output shapes of models, by what they are called on, that no mask goes into and none is made in:
            called once more they need not be entered. Models of models of models, each called twice, would take twice
            as long for each level.
    """

    visits: list[Visit] = field(default_factory=list)
    without: dict[Any, list[Any]] = field(default_factory=dict)


def mask_events(model: Model) -> list[MaskEvent]:
    """Follow the masks through a built model, without running it: on shapes alone, on the meta device."""
    return [
        MaskEvent(visit.layer.name, visit.layer._kind, visit.what)
        for visit in follow_masks(model)
        if visit.what is not None
    ]


def follow_masks(model: Model) -> list[Visit]:
    """Every call of a layer in a built model, in the order of the graph; models inside are entered."""
    walk = _Walk()
    shapes: list[Any] = []
    map_shapes(shapes.append, model._in_shape)
    _through(model, [Masked(_meta(shape), None) for shape in shapes], walk)
    return walk.visits


def _meta(shape: Any) -> torch.Tensor:
    """A tensor without numbers, for masks to be made of; it knows which of its sizes are none that the model has."""
    sizes = [(_SOME if axis else 2) if size is None else size for axis, size in enumerate(shape)]
    if math.prod(sizes) >= _MOST:
        sizes = [min(size, _SOME) for size in sizes]
    tensor = torch.empty(sizes, device="meta")
    tensor.stated = tuple(shape)  # type: ignore[attr-defined]
    return tensor


def _through(model: Model, inputs: list[Masked], walk: _Walk) -> list[Masked]:
    """The edges that leave a model, for the edges that enter it."""
    called = (id(model), *(edge.value.stated for edge in inputs))
    masked = any(edge.mask is not None for edge in inputs)
    if not masked and called in walk.without:
        return [Masked(_meta(shape), None) for shape in walk.without[called]]
    before = len(walk.visits)
    edges = _entered(model, inputs, walk)
    if not masked and all(visit.what is None for visit in walk.visits[before:]):
        walk.without[called] = [edge.value.stated for edge in edges]
    return edges


def _entered(model: Model, inputs: list[Masked], walk: _Walk) -> list[Masked]:
    if isinstance(model, Sequential):
        edges = inputs
        for layer in model.layers:
            edges = _at(model, None, layer, (edges[0] if len(edges) == 1 else edges,), {}, walk)  # type: ignore[arg-type]
        return edges
    graph, values = begin(model, lambda tensor: Masked(_meta(tensor.shape), None))
    for slot, edge in zip(slots_of(graph.inputs), inputs, strict=True):
        values[slot.index] = edge
    numbers = {id(step): number for number, step in enumerate(graph.steps)}

    def call(step: Step, args: Any, kwargs: Any) -> list[Masked]:
        return _at(model, numbers[id(step)], layer_of(model, step), args, kwargs, walk)

    run_graph(graph, call, values)
    return leaves_of(map_template(lambda slot: values[slot.index], graph.outputs))


def leaves_of(value: Any) -> list[Masked]:
    """The edges in nested lists, tuples and dicts, in order."""
    found: list[Masked] = []
    map_masked(found.append, value)
    return found


def _at(model: Model, step: int | None, layer: Layer, args: Any, kwargs: Any, walk: _Walk) -> list[Masked]:
    """The edges that leave a layer; the call is added to the visits."""
    first, named = args[0], kwargs.get("mask")
    handed = map_masked(lambda edge: edge.mask, first)
    if "mask" in kwargs:  # the call says which mask it uses
        shown = named.value if isinstance(named, Masked) else None
        first = map_masked(lambda edge: Masked(edge.value, shown), first)
        if named is not None:  # else it uses none, and its output has the one that its input has
            handed = map_masked(lambda edge: edge.mask, first)
    if isinstance(layer, Model) and layer._graph is not None:
        return _through(layer, leaves_of(first), walk)
    inputs = map_masked(lambda edge: edge.value, first)
    masks = map_masked(lambda edge: edge.mask, first)
    arrives = any(mask is not None for mask in leaves(masks))
    hands = any(mask is not None for mask in leaves(handed))
    leaving = layer._mask_behind(inputs, handed if hands else None)
    given = layer._call_arguments.bind(args, kwargs)
    free = [name for name in layer._call_arguments.masked if f"{name}_mask" not in given]
    masked = [edge.mask for name in free for edge in leaves_of(given.get(name)) if edge.mask is not None]
    if isinstance(layer, Operation) and step is not None:  # its shapes may depend on values
        graph = graph_of(model)
        outputs = [_meta(graph.values[slot.index][0]) for slot in graph.steps[step].outputs]
    else:
        outputs = []
        # Of an unknown number of steps, not of two: a layer may need more.
        shapes = map_masked(lambda edge: edge.value.stated, (args, kwargs))
        map_shapes(lambda shape: outputs.append(_meta(shape)), layer._shape_of_call(*shapes))
    found = leaves(leaving) if isinstance(leaving, (list, tuple, dict)) else [leaving] + [None] * (len(outputs) - 1)
    leaves_one = any(mask is not None for mask in found)
    what: Literal["made", "used", "lost"] | None = None
    if (arrives and layer._takes_mask) or masked:
        what = "used"
    elif arrives and not leaves_one:
        what = "lost"
    elif leaves_one and not hands:
        what = "made"
    arriving = (*leaves(masks), *masked)
    walk.visits.append(Visit(model, step, layer, given, arriving, tuple(found), what))
    return [Masked(value, mask) for value, mask in zip(outputs, found, strict=True)]
