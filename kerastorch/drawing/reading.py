"""From a model to what a picture of it shows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..base.layer import Layer
from ..base.variables import all_variables
from ..dtypes import dtype_name
from ..layers.core.operation import Operation
from ..layers.core.wrapper import Wrapper
from ..layers.rnn.bidirectional import Bidirectional
from ..layers.rnn.sequence import SequenceLayer
from ..layers.rnn.time_distributed import TimeDistributed
from ..models.graph import Slot, Step, slots_of
from ..models.input import InputLayer
from ..models.mask_flow import follow_masks
from ..models.model import Model
from ..models.sequential import Sequential
from ..models.summary_rows import own_shape, shapes_by_slot
from ..models.walk import graph_of, input_layers_by_slot, layer_of
from ..structure import map_shapes
from .diagram import Box, Diagram, Edge, EdgeKind, Family, Group, Row, wrapped

_NO_GRAPH = "This model has no graph: its own code calls the layers. They stand in the order in which it has them."


@dataclass(frozen=True)
class Shown:
    """What a picture shows; see `plot_model`."""

    shapes: bool = True
    dtype: bool = False
    names: bool = True
    activations: bool = False
    trainable: bool = False
    nested: bool = True
    masks: bool = True


class _End(NamedTuple):
    """What makes a tensor: the output of a call in a model."""

    box: Box
    model: Model
    step: int | None
    layer: Layer
    index: int


@dataclass
class _Calls:
    """What is known of the calls of a layer in a model, as lists with an entry for each."""

    inputs: list[list[Any]] = field(default_factory=list)
    outputs: list[list[Any]] = field(default_factory=list)
    dtypes: list[list[str]] = field(default_factory=list)
    is_output: bool = False


class _Opened(NamedTuple):
    """A model whose layers are drawn, with what stands for each: by `id` of the layer."""

    model: Model
    group: Group
    items: dict[int, Box | _Opened]


def read(model: Model, wanted: Shown) -> Diagram:
    """The picture of a built model.

    Raises:
        NotBuiltError: The model has no shapes yet.
    """
    if not model._built:
        raise model._not_built("shapes")
    return _Reader(wanted).read(model)


class _Reader:
    def __init__(self, wanted: Shown) -> None:
        self._wanted = wanted
        self._boxes = self._groups = 0
        self._edges: dict[Edge, None] = {}
        self._leaving: dict[tuple[int, int | None, int, int], bool] = {}  # whether a mask leaves an output
        self._events: dict[tuple[int, int], set[str]] = {}  # what happens to masks at a layer of a model
        self._entered: set[str] = set()  # the boxes of inputs of models inside that a mask comes into

    def read(self, model: Model) -> Diagram:
        if model._graph is None:
            return self._without_graph(model)
        if self._wanted.masks:
            self._follow(model)
        opened = self._open(model)
        self._connect(opened)
        return Diagram(opened.group, tuple(self._edges))

    def _without_graph(self, model: Model) -> Diagram:
        """A model of somebody's own making: one box as in Keras, or with what it has inside."""
        group = Group("g0", model.name, model._kind)
        if not self._wanted.nested or not model.layers:
            group.items.append(self._box(model, _Calls(outputs=[[own_shape(model)]])))
            return Diagram(group, ())
        inside = Group("g1", self._name(model), model._kind)
        inside.items.extend(self._box(layer, _Calls(outputs=[[own_shape(layer)]])) for layer in model.layers)
        group.items.append(inside)
        keys = [box.key for box in inside.boxes()]
        order = [Edge(above, below, "order") for above, below in itertools.pairwise(keys)]
        return Diagram(group, tuple(order), _NO_GRAPH)

    def _follow(self, model: Model) -> None:
        for visit in follow_masks(model):
            for index, mask in enumerate(visit.leaving):
                key = (id(visit.model), visit.step, id(visit.layer), index)
                self._leaving[key] = self._leaving.get(key, False) or mask is not None
            if visit.what is not None:
                self._events.setdefault((id(visit.model), id(visit.layer)), set()).add(visit.what)

    # ------------------------------------------------------------------ boxes

    def _open(self, model: Model) -> _Opened:
        group = Group(f"g{self._groups}", self._name(model), model._kind)
        self._groups += 1
        opened = _Opened(model, group, {})
        calls = _calls_of(model)
        for layer in model.layers:
            item: Box | _Opened
            if self._wanted.nested and isinstance(layer, Model) and layer._graph is not None and len(layer.layers):
                item = self._open(layer)
                group.items.append(item.group)
            else:
                item = self._box(layer, calls[id(layer)], self._events.get((id(model), id(layer)), set()))
                group.items.append(item)
            opened.items[id(layer)] = item
        return opened

    def _name(self, layer: Layer) -> str | None:
        return layer.name if self._wanted.names else None

    def _box(self, layer: Layer, calls: _Calls, events: set[str] | None = None) -> Box:
        key = f"n{self._boxes}"
        self._boxes += 1
        rows = [Row(label, text) for label, text in self._rows(layer, calls, events or set())]
        return Box(key, self._name(layer), _kind(layer), _family(layer), tuple(rows))

    def _rows(self, layer: Layer, calls: _Calls, events: set[str]) -> Iterator[tuple[str, str]]:
        if self._wanted.shapes:
            if not isinstance(layer, InputLayer):
                yield from _lines("in", calls.inputs)
            yield from _lines("out", calls.outputs)
        if self._wanted.dtype:
            yield from _lines("dtype", calls.dtypes)
        if self._wanted.activations and (found := _activation(layer)):
            yield "activation", found
        if self._wanted.trainable and (variables := list(all_variables(layer)) if layer._built else []):
            trained = any(part.requires_grad for variable in variables for part in variable.parts())
            yield "weights", "trained" if trained else "frozen"
        wording = {"made": "made here", "used": "used here", "lost": "ends here"}
        if events:
            yield "mask", ", ".join(text for what, text in wording.items() if what in events)
        if len(calls.outputs) > 1:
            yield "called", f"{len(calls.outputs)} times"
        if calls.is_output:
            yield "", "an output of the model"

    # ------------------------------------------------------------------ edges

    def _connect(self, opened: _Opened) -> None:
        """The edges in a model, and then those in the models inside it."""
        model = opened.model
        if isinstance(model, Sequential):
            layers = list(model.layers)
            for before, after in itertools.pairwise(layers):
                start = self._end_of(opened, before, None, 0)
                self._edge(start, self._target(opened.items[id(after)], 0), "data")
        else:
            for number, step in enumerate(graph_of(model).steps):
                self._connect_call(opened, number, step)
        for item in opened.items.values():
            if not isinstance(item, Box):
                self._connect(item)

    def _connect_call(self, opened: _Opened, number: int, step: Step) -> None:
        layer = layer_of(opened.model, step)
        item = opened.items[id(layer)]
        makers = _makers(opened.model)
        count = 0
        for role, slot in _arguments(layer, step):
            start = self._made_by(opened, slot.index, makers)
            if start is not None:  # constants have no box
                self._edge(start, self._target(item, count if role == "data" else 0), role)
            count += role == "data"

    def _edge(self, start: _End, target: Box, role: EdgeKind) -> None:
        kind = role
        if role == "data" and _is_state(start.layer, start.index):
            kind = "state"
        elif role == "data" and self._has_mask(start):
            kind = "masked"
            if target.family == "input":
                self._entered.add(target.key)
        self._edges.setdefault(Edge(start.box.key, target.key, kind, start.index if kind == "state" else 0))

    def _has_mask(self, end: _End) -> bool:
        if isinstance(end.layer, InputLayer):
            return end.box.key in self._entered
        return self._leaving.get((id(end.model), end.step, id(end.layer), end.index), False)

    def _made_by(self, opened: _Opened, slot: int, makers: dict[int, tuple[int | None, Layer, int]]) -> _End | None:
        if slot not in makers:
            return None
        step, layer, index = makers[slot]
        return self._end_of(opened, layer, step, index)

    def _end_of(self, opened: _Opened, layer: Layer, step: int | None, index: int) -> _End:
        """What makes an output of a call; in a model that is opened, the layer inside."""
        item = opened.items[id(layer)]
        if isinstance(item, Box):
            return _End(item, opened.model, step, layer, index)
        inner = item.model
        if isinstance(inner, Sequential):
            return self._end_of(item, inner.layers[-1], None, index)
        slot = slots_of(graph_of(inner).outputs)[index]
        end = self._made_by(item, slot.index, _makers(inner))
        assert end is not None  # the output of a graph is no constant
        return end

    def _target(self, item: Box | _Opened, index: int) -> Box:
        """The box that the tensor at a place among a call's inputs goes into."""
        while not isinstance(item, Box):
            model = item.model
            layer = model.layers[0] if isinstance(model, Sequential) else model._input_layers[index]
            item = item.items[id(layer)]
        return item


def _makers(model: Model) -> dict[int, tuple[int | None, Layer, int]]:
    """For each slot of a plan, but for constants: the number of the call that fills it, its layer, which output."""
    found: dict[int, tuple[int | None, Layer, int]] = {
        slot: (None, layer, 0) for slot, layer in input_layers_by_slot(model).items()
    }
    for number, step in enumerate(graph_of(model).steps):
        for index, slot in enumerate(step.outputs):
            found[slot.index] = (number, layer_of(model, step), index)
    return found


def _arguments(layer: Layer, step: Step) -> Iterator[tuple[EdgeKind, Slot]]:
    """The tensors that go into a call, and what each one is."""
    names = layer._call_arguments.names  # a model may take any number of inputs, which have none
    named = {**dict(zip(names[1:], step.args[1:], strict=False)), **step.kwargs} if names else step.kwargs
    recurrent = isinstance(layer, (SequenceLayer, Bidirectional))
    for number, slot in enumerate(slots_of(step.args[:1] if names else step.args)):
        yield ("state" if recurrent and number else "data"), slot
    for name, value in named.items():
        kind: EdgeKind = "state" if name == "initial_state" else "mask" if name.endswith("mask") else "data"
        for slot in slots_of(value):
            yield kind, slot


def _is_state(layer: Layer, index: int) -> bool:
    """Whether an output of a layer is a state that it returns behind its outputs."""
    if not isinstance(layer, (SequenceLayer, Bidirectional)) or not layer.return_state:
        return False
    both = isinstance(layer, Bidirectional) and layer.merge_mode is None
    return index >= (2 if both else 1)


def _calls_of(model: Model) -> dict[int, _Calls]:
    """The calls of each layer, by its `id`."""
    found = {id(layer): _Calls() for layer in model.layers}
    if isinstance(model, Sequential):
        shape, dtypes = model._in_shape, [model.dtype if model._input is None else model._input.input_dtype]
        for layer in model.layers:
            calls = found[id(layer)]
            calls.inputs.append(_flat(shape))
            shape = layer.compute_output_shape(shape)
            dtypes = layer._output_dtypes(dtypes[0])
            calls.outputs.append(_flat(shape))
            calls.dtypes.append([dtype_name(dtype) for dtype in dtypes])
        return found
    graph = graph_of(model)
    shapes, _ = shapes_by_slot(model)
    for slot, layer in input_layers_by_slot(model).items():
        calls = found[id(layer)]
        calls.outputs.append([shapes[slot]])
        calls.dtypes.append([graph.values[slot][1]])
    read: set[int] = set()
    for step in graph.steps:
        calls = found[id(layer_of(model, step))]
        into = [slot.index for slot in slots_of((step.args, step.kwargs))]
        read.update(into)
        calls.inputs.append([shapes[slot] for slot in into])
        calls.outputs.append([shapes[slot.index] for slot in step.outputs])
        calls.dtypes.append([graph.values[slot.index][1] for slot in step.outputs])
    makers, ends = _makers(model), slots_of(graph.outputs)
    for slot in ends:  # those at the end of the picture can be seen
        if slot.index in makers and slot.index in read:
            found[id(makers[slot.index][1])].is_output = True
    return found


def _flat(shapes: Any) -> list[Any]:
    found: list[Any] = []
    map_shapes(found.append, shapes)
    return found


def _lines(label: str, calls: Sequence[Sequence[Any]]) -> Iterator[tuple[str, str]]:
    """Shapes or dtypes of the calls of a layer, in lines; several calls with the same ones count once."""
    for values in dict.fromkeys(tuple(map(str, call)) for call in calls):
        for line in wrapped(_counted(values)):
            yield label, line
            label = ""


def _counted(values: Sequence[str]) -> list[str]:
    """Texts, with how often each stands there in a row."""
    found: list[list[Any]] = []
    for value in values:
        if found and found[-1][0] == value:
            found[-1][1] += 1
        else:
            found.append([value, 1])
    return [value if count == 1 else f"{count} × {value}" for value, count in found]


def _kind(layer: Layer) -> str:
    """The class; of a wrapper with the one inside."""
    if isinstance(layer, Bidirectional):
        return f"{layer._kind}({layer.forward_layer._kind})"
    if isinstance(layer, (Wrapper, TimeDistributed)):
        return f"{layer._kind}({layer.layer._kind})"
    return layer._kind


def _family(layer: Layer) -> Family:
    if isinstance(layer, InputLayer):
        return "input"
    if isinstance(layer, (SequenceLayer, Bidirectional)):
        return "recurrent"
    if isinstance(layer, Model):
        return "model"
    return "operation" if isinstance(layer, Operation) else "other"


def _activation(layer: Layer) -> str:
    """The functions of a layer, by their names; of both directions those of the first, as they mostly agree."""
    inner: Any = layer.forward_layer if isinstance(layer, Bidirectional) else layer
    if isinstance(layer, (Wrapper, TimeDistributed)):
        inner = layer.layer
    named = {name: getattr(inner, name, None) for name in ("activation", "recurrent_activation")}
    texts = {name: _function(value) for name, value in named.items() if value is not None}
    if "recurrent_activation" in texts:
        return f"{texts.get('activation', 'linear')}, recurrent {texts['recurrent_activation']}"
    return texts.get("activation", "")


def _function(value: Any) -> str:
    return str(getattr(value, "__name__", type(value).__name__))
