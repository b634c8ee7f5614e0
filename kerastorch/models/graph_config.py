"""A model's graph as a config in Keras 3's form."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..base.inner_layers import serialize_layer
from ..base.naming import snake_case
from ..dtypes import dtype_name
from ..layers.core.operation import Operation
from .graph import Graph, Slot, map_template, slots_of
from .walk import begin, graph_of, input_layers_by_slot, layer_of

if TYPE_CHECKING:
    from ..base.layer import Layer
    from ._protocol import AnyModel

GRAPH_KEYS = frozenset({"layers", "input_layers", "output_layers"})  # that the config of a graph has
DERIVED = "derived_from"
_FIRST = {"class_name": "__input__", "config": 0}  # the first tensor that an operation is called on


@dataclass(frozen=True)
class MaskOf:
    """The mask that a layer makes of its input: the places, or with `steps` the steps, that are not `value` alone.

    Attributes:
        layer: The layer's name.
        source: Its input.
        value: The value that is left out.
        steps: Whether a step counts if any of its features is another value.
    """

    layer: str
    source: Slot
    value: float
    steps: bool


@dataclass(frozen=True)
class Unmasked:
    """Arguments of a call whose masks must not be used: a function that returns the same value takes them off.

    Attributes:
        names: Of the arguments.
    """

    names: tuple[str, ...]


# What calls must say about masks, by the number of the step.
CallMasks = Mapping[int, "MaskOf | Unmasked"]
NO_MASKS: CallMasks = {}


def lists_layers(config: Mapping[str, Any]) -> bool:
    """Whether a config is that of a chain or a graph, and not the arguments of somebody's constructor."""
    listed = config.get("layers")
    return isinstance(listed, list) and all(isinstance(inner, dict) and "class_name" in inner for inner in listed)


def kind_of(item: Mapping[str, Any]) -> str:
    """Functional, Sequential, or the class of a layer in a config; of somebody's class what it derives from."""
    return item.get(DERIVED, item["class_name"])


def functional_config(model: AnyModel, masks: CallMasks = NO_MASKS, *, derived: bool = False) -> dict[str, Any]:
    """Layers with their calls, inputs and outputs, as Keras 3 writes a Functional model.

    Args:
        model: The model.
        masks: What calls must say about masks where these would arrive otherwise by themselves; operations that
            compute them or take them off come behind the layers.
        derived: Whether layers that are models of somebody's class get a key `DERIVED`, for `kind_of`.
    """
    graph = graph_of(model)
    history: dict[int, list[Any]] = {}  # slot -> [layer name, call number, output number]
    calls: dict[int, list[dict[str, Any]]] = {index: [] for index in range(len(model.layers))}
    for slot, layer in input_layers_by_slot(model).items():
        history[slot] = [layer.name, 0, 0]

    known = begin(model, _written)[1]

    def reference(slot: Slot) -> dict[str, Any]:
        if known[slot.index] is not None:
            return known[slot.index]
        shape, dtype = graph.values[slot.index]
        config = {"shape": list(shape), "dtype": dtype, "keras_history": list(history[slot.index])}
        return {"class_name": "__keras_tensor__", "config": config}

    forms = [_form(layer) for layer in model.layers]  # type: ignore[arg-type]
    options = [form.pop("call_options", {}) for form in forms]
    computed = _Computed({layer.name for layer in model.layers})
    for index, step in enumerate(graph.steps):
        layer = layer_of(model, step)
        number = len(calls[step.layer])
        args = map_template(reference, step.args)
        kwargs = {**map_template(reference, step.kwargs), **options[step.layer]}
        stated = masks.get(index)
        if isinstance(stated, MaskOf):
            kwargs["mask"] = computed.of(stated, reference(stated.source))
        elif isinstance(stated, Unmasked):
            args, kwargs = computed.without_masks(layer, stated, args, kwargs)
        if isinstance(layer, Operation) and layer._in_keras3:
            call = layer._keras3_call([reference(slot) for slot in slots_of(step.args)])
        else:
            call = {"args": list(args), "kwargs": kwargs}
        calls[step.layer].append(call)
        for output, slot in enumerate(step.outputs):
            history[slot.index] = [layer.name, number, output]
    layers = [
        {**form, "name": layer.name, "inbound_nodes": calls[index], **(_derived(form, layer) if derived else {})}
        for index, (form, layer) in enumerate(zip(forms, model.layers, strict=True))
    ]
    # Where a model ends, Keras counts the call that made a Functional model inside as its first.
    # So it does for what is written as one: a graph in the place of a layer that Keras 3 does not have.
    first = {
        layer.name: int(is_functional(layer) or "input_layers" in form["config"])
        for form, layer in zip(forms, model.layers, strict=True)
    }

    def end(slot: Slot) -> list[Any]:
        name, number, output = history[slot.index]
        return [name, number + first[name], output]

    def ends(template: Any) -> Any:
        return map_template(end, template)

    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": [*layers, *computed.layers],
        "input_layers": ends(graph.inputs),
        "output_layers": ends(graph.outputs),
    }


def _written(tensor: Tensor) -> dict[str, Any]:
    """A constant as Keras 3 writes it."""
    return {"class_name": "__tensor__", "config": {"value": tensor.tolist(), "dtype": dtype_name(tensor.dtype)}}


class _Computed:
    """Operations behind the layers of a model that compute masks or take them off; one mask is computed once."""

    def __init__(self, names: set[str]) -> None:
        self.layers: list[dict[str, Any]] = []
        self._names = names
        self._made: dict[MaskOf, dict[str, Any]] = {}

    def of(self, mask: MaskOf, source: dict[str, Any]) -> dict[str, Any]:
        """The tensor of a mask; `source` is that of the layer's input."""
        if mask not in self._made:
            shape = source["config"]["shape"]
            made = self._apply("NotEqual", mask.layer, {"x1": _FIRST, "x2": mask.value}, source, shape)
            if mask.steps:
                made = self._apply("Any", mask.layer, {"x": _FIRST, "axis": -1}, made, shape[:-1])
            self._made[mask] = made
        return self._made[mask]

    def without_masks(
        self, layer: Layer, unmasked: Unmasked, args: Any, kwargs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call, copied where they have a mask."""
        given = layer._call_arguments.bind(args, kwargs)
        order = [*layer._call_arguments.names[: len(args)], *kwargs]
        for name in unmasked.names:
            source = given[name]["config"]
            label, shape, dtype = f"{layer.name}_{name}", source["shape"], source["dtype"]
            given[name] = self._apply("Copy", label, {"x": _FIRST}, given[name], shape, dtype)
        stated = {f"{name}_mask" for name in layer._call_arguments.masked}
        return [given[name] for name in order[: len(args)]], {
            name: given[name] for name in order[len(args) :] if given[name] is not None or name not in stated
        }

    def _apply(
        self,
        function: str,
        maker: str,
        arguments: dict[str, Any],
        source: dict[str, Any],
        shape: list[Any],
        dtype: str = "bool",
    ) -> dict[str, Any]:
        name = base = f"{maker}_{snake_case(function)}"
        number = 0
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        layer = Operation(function, arguments, name=name)
        self.layers.append({**layer._keras3_layer(), "name": name, "inbound_nodes": [layer._keras3_call([source])]})
        config = {"shape": list(shape), "dtype": dtype, "keras_history": [name, 0, 0]}
        return {"class_name": "__keras_tensor__", "config": config}


def _form(layer: Layer) -> dict[str, Any]:
    return layer._keras3_layer() if isinstance(layer, Operation) and layer._in_keras3 else serialize_layer(layer)


def takes_graph(cls: type[AnyModel]) -> bool:
    """Whether a class is made of inputs and outputs, as `Model` is, and not by a constructor of its own."""
    taken = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return [item.name for item in taken[:2]] == ["inputs", "outputs"] or any(
        item.kind is inspect.Parameter.VAR_POSITIONAL for item in taken
    )


def _derived(form: Mapping[str, Any], layer: Any) -> dict[str, str]:
    kind = "Functional" if is_functional(layer) else "Sequential" if hasattr(layer, "pop") else None
    return {DERIVED: kind} if kind and form["class_name"] != kind else {}


def is_functional(layer: Any) -> bool:
    """Whether Keras makes a Functional model of it."""
    return isinstance(getattr(layer, "_graph", None), Graph)


def sequential_config(model: AnyModel, layers: list[Layer]) -> dict[str, Any]:
    """The layers one after the other, as Keras 3 writes a Sequential model."""
    return {"name": model.name, "trainable": model.trainable, "layers": [serialize_layer(layer) for layer in layers]}
