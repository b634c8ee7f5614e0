"""From calls of layers on symbolic tensors to a `Graph`: an order, and a slot for each value."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from torch import Tensor

from ..base.graph import Node, SymbolicTensor, symbolic_leaves
from ..base.layer import Layer
from ..base.weighted import repr_of
from ..dtypes import dtype_name
from ..errors import ArgumentError, plural
from ..structure import leaves, map_structure
from ..weights import Shape
from .graph import Graph, Slot, Step, slots_of
from .input import InputLayer


def trace(outputs: Any, stop: Container[int] = ()) -> list[Node]:
    """The nodes that `outputs` depend on, each after the ones it needs. Iterative: graphs may be thousands deep.

    Args:
        outputs: Nested symbolic tensors.
        stop: `id`s of tensors that are given: what makes them is not needed.
    """
    order: list[Node] = []
    seen: set[int] = set()
    stack = [(tensor.node, False) for tensor in reversed(symbolic_leaves(outputs)) if id(tensor) not in stop]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            needed = (tensor for tensor in reversed(node.inputs()) if id(tensor) not in stop)
            stack.extend((tensor.node, False) for tensor in needed if id(tensor.node) not in seen)
    return order


def with_placeholders(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """The same graph with an `Input` of its own in the place of each input that a layer makes, as in Keras.

    What lies behind such an input is called once more, on the `Input`; layers and weights stay the same.
    """
    given = symbolic_leaves(inputs)
    if all(isinstance(tensor.node.layer, InputLayer) for tensor in given):
        return inputs, outputs
    swapped = {id(tensor): tensor for tensor in given}
    for tensor in given:
        if not isinstance(tensor.node.layer, InputLayer):
            number = f"_{tensor.index}" if len(tensor.node.outputs) > 1 else ""
            name = f"{tensor.node.layer.name}_output{number}"
            swapped[id(tensor)] = InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)._symbol()

    def swap(value: Any) -> Any:
        return map_structure(lambda leaf: swapped.get(id(leaf), leaf), value)

    for node in trace(outputs, swapped):
        if any(swapped.get(id(tensor), tensor) is not tensor for tensor in node.inputs()):
            made = leaves(node.layer(*swap(node.args), **swap(node.kwargs)))
            for old, new in zip(node.outputs, made, strict=True):
                swapped.setdefault(id(old), new)
    return swap(inputs), swap(outputs)


def keras_layer_order(nodes: Sequence[Node], outputs: Any) -> list[Layer]:
    """The layers as Keras lists them: by their distance from the outputs, far ones first, then by first encounter."""
    depth: dict[int, int] = {}
    layer_depth: dict[int, int] = {}
    for node in reversed(nodes):  # outputs first
        own = max(depth.get(id(node), 0), layer_depth.get(id(node.layer), 0))
        depth[id(node)] = layer_depth[id(node.layer)] = own
        for tensor in node.inputs():
            depth[id(tensor.node)] = max(depth.get(id(tensor.node), 0), own + 1)
    encounter: dict[int, int] = {}
    layers: dict[int, Layer] = {}
    stack = [tensor.node for tensor in reversed(symbolic_leaves(outputs))]
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        encounter.setdefault(id(node.layer), len(encounter))
        layers[id(node.layer)] = node.layer
        stack.extend(tensor.node for tensor in reversed(node.inputs()))
    return sorted(layers.values(), key=lambda layer: (-layer_depth[id(layer)], encounter[id(layer)]))


def _unreached(layers: Sequence[Layer], nodes: Sequence[Node], listed: Container[int]) -> list[Node]:
    """The calls of layers that no output hangs on, of those that a file lists: tf.keras keeps and runs them, too."""
    seen, found = {id(node) for node in nodes}, list[Node]()
    used = {id(node.layer) for node in nodes}
    for layer in layers:
        calls = [] if id(layer) in used or isinstance(layer, InputLayer) else layer._nodes
        for node in trace([list(call.outputs) for call in calls]):
            loose = isinstance(node.layer, InputLayer) and id(node) not in listed
            if id(node) not in seen and not loose:
                seen.add(id(node))
                found.append(node)
    return found


def make_graph(
    inputs: Any, outputs: Any, layers: Sequence[Layer] | None = None
) -> tuple[Graph, list[Layer], list[Tensor]]:
    """Flatten the graph between `inputs` and `outputs`.

    Args:
        inputs: Nested symbolic tensors that come from `Input` (see `with_placeholders`).
        outputs: Nested symbolic tensors.
        layers: The layers in the order in which a file lists them; Keras's order if None.

    Returns:
        The graph, the layers, and the tensors that calls in the graph have among their arguments: the constants.

    Raises:
        ArgumentError: An input is no symbolic tensor, is given twice, or an output depends on an
            `Input` that is not listed.
    """
    for kind, value in (("inputs", inputs), ("outputs", outputs)):
        wrong = [leaf for leaf in leaves(value) if not isinstance(leaf, SymbolicTensor)]
        if wrong or not leaves(value):
            raise ArgumentError(
                f"Model({kind}=...): expected symbolic tensors, as Input and layers called on them return; "
                f"got {wrong[:1] or value!r}."
            )
    given = symbolic_leaves(inputs)
    if len({id(tensor) for tensor in given}) != len(given):
        raise ArgumentError("Model(inputs=...): the same input is given twice.")
    nodes = trace(outputs)
    listed = {id(tensor.node) for tensor in given}
    loose = [node.layer.name for node in nodes if isinstance(node.layer, InputLayer) and id(node) not in listed]
    if loose:
        them, are = plural(len(loose), "it", "them"), plural(len(loose), "that is", "that are")
        raise ArgumentError(
            f"Model: the outputs depend on {plural(len(loose), 'input')} {loose} {are} not in inputs=...; add {them}, "
            "or give the tensors in between as inputs. (Layers inside a nested model hang on that model's own inputs: "
            "what the nested model makes out here is its get_output_at(1).)"
        )
    reached = {id(node) for node in nodes}
    nodes = [tensor.node for tensor in given if id(tensor.node) not in reached] + nodes
    if layers is not None:
        nodes += _unreached(layers, nodes, listed)
    if layers is None:
        unused = [tensor.node.layer for tensor in given if id(tensor.node) not in reached]
        layers = [*unused, *keras_layer_order(nodes, outputs)]
    slots: dict[tuple[int, int], Slot] = {}
    values: list[tuple[Shape, str]] = []
    for node in nodes:
        for tensor in node.outputs:
            slots[id(node), tensor.index] = Slot(len(slots))
            values.append((tensor.shape, dtype_name(tensor.dtype)))

    constants: dict[int, tuple[Slot, Tensor]] = {}

    def place(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            if id(leaf) not in constants:
                constants[id(leaf)] = Slot(len(values)), leaf
                values.append((tuple(leaf.shape), dtype_name(leaf.dtype)))
            return constants[id(leaf)][0]
        return slots[id(leaf.node), leaf.index] if isinstance(leaf, SymbolicTensor) else leaf

    def template(value: Any) -> Any:
        return map_structure(place, value)

    position = {id(layer): index for index, layer in enumerate(layers)}
    kept = {slot.index for slot in slots_of(template(outputs))}
    steps: list[Step] = []
    for node in reversed(nodes):
        if isinstance(node.layer, InputLayer):
            continue
        args, kwargs = template(node.args), template(node.kwargs)
        read = {slot.index for slot in slots_of((args, kwargs))}
        made = tuple(slots[id(node), tensor.index] for tensor in node.outputs)
        steps.append(Step(position[id(node.layer)], args, kwargs, made, tuple(sorted(read - kept))))
        kept |= read
    steps.reverse()
    _check_names(layers)
    ends = template(inputs), template(outputs)
    known = tuple(slot for slot, _ in constants.values())
    places = tuple(position[id(tensor.node.layer)] for tensor in given)
    looking = {slot for step in steps if layers[step.layer]._takes_ids for slot in slots_of(step.args)}
    ids = tuple(slot in looking for slot in slots_of(ends[0]))
    graph = Graph(tuple(steps), *ends, tuple(values), known, places, ids)
    return graph, list(layers), [tensor for _, tensor in constants.values()]


def _check_names(layers: Sequence[Layer]) -> None:
    seen: dict[str, Layer] = {}
    for layer in layers:
        if layer.name in seen:
            raise ArgumentError(
                f"Model: two layers have the name {layer.name!r} ({repr_of(seen[layer.name])} and {repr_of(layer)}); "
                "names must differ."
            )
        seen[layer.name] = layer
