"""What stands in tables and pictures of a model: its layers in order, output shapes, counts, connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..base.layer import Layer
from ..base.variables import all_variables
from ..structure import map_shapes
from .graph import map_template, slots_of
from .model import Model
from .sequential import Sequential
from .walk import begin, graph_of, input_layers_by_slot, layer_of


def count(layer: Layer) -> tuple[int, int]:
    """Trainable and other values in the weights of a layer, as Keras counts them."""
    totals = [0, 0]
    for variable in all_variables(layer) if layer._built else ():
        for part in variable.parts():
            totals[0 if part.requires_grad else 1] += part.numel()
    return totals[0], totals[1]


def totals(model: Model) -> tuple[int, int]:
    """Trainable and other values in all weights of a model; of one that has no shapes yet, in those of its layers."""
    if model._built:
        return count(model)
    found = [count(layer) for layer in model.layers]
    return sum(trained for trained, _ in found), sum(fixed for _, fixed in found)


def rows(model: Model, expand_nested: bool = False, depth: int = 0) -> Iterator[tuple[int, Layer, Any, list[str]]]:
    """Depth, layer, output shape and the names of the layers before it, for each layer of a model, in order."""
    for layer, shape, before in _calls(model):
        yield depth, layer, shape, before
        if expand_nested and isinstance(layer, Model):
            yield from rows(layer, True, depth + 1)


def _calls(model: Model) -> Iterator[tuple[Layer, Any, list[str]]]:
    if isinstance(model, Sequential):
        shapes = model._shapes() if model._built else [own_shape(layer) for layer in model.layers]
        yield from zip(model.layers, shapes, ([] for _ in model.layers), strict=True)  # type: ignore[misc]
        return
    if model._graph is None:
        yield from ((layer, own_shape(layer), []) for layer in model.layers)
        return
    shapes, makers = shapes_by_slot(model)
    first: dict[int, tuple[Any, list[str]]] = {}
    for slot, layer in input_layers_by_slot(model).items():
        first[id(layer)] = (shapes[slot], [])
    for step in graph_of(model).steps:
        before = [makers[slot.index] for slot in slots_of((step.args, step.kwargs)) if slot.index in makers]
        outputs = [shapes[slot.index] for slot in step.outputs]
        shape = outputs[0] if len(outputs) == 1 else outputs
        known = first.setdefault(id(layer_of(model, step)), (shape, []))
        known[1].extend(name for name in before if name not in known[1])
    for layer in model.layers:
        yield layer, *first[id(layer)]  # type: ignore[misc]


def own_shape(layer: Layer) -> Any:
    """The output shape of a layer that a model of someone's own calls: as it was built; "?" where nobody says it."""
    stated = type(layer).compute_output_shape not in (Layer.compute_output_shape, Model.compute_output_shape)
    known = layer._graph is not None or stated
    return layer._out_shape if known and layer._built and layer._build_shape is not None else "?"


def shapes_by_slot(model: Model) -> tuple[list[Any], dict[int, str]]:
    """The shape in each slot of the plan, and the name of the layer that fills it, but for constants."""
    graph, shapes = begin(model, lambda tensor: tuple(tensor.shape))
    makers: dict[int, str] = {}
    for slot, layer in input_layers_by_slot(model).items():
        shapes[slot], makers[slot] = layer.batch_shape, layer.name
    for step in graph.steps:
        layer = layer_of(model, step)
        args, kwargs = map_template(lambda slot: shapes[slot.index], (step.args, step.kwargs))
        found: list[Any] = []
        map_shapes(found.append, layer._shape_of_call(args, kwargs))
        for slot, shape in zip(step.outputs, found, strict=True):
            shapes[slot.index], makers[slot.index] = shape, layer.name
    return shapes, makers
