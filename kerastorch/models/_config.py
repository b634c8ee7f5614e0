"""A model's graph as a config in Keras 3's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..layers._naming import snake_case
from ..layers._wrapper import serialize_layer
from ..layers.operation import Operation
from ._plan import Slot, map_template, slots_of

if TYPE_CHECKING:
    from ..layers._base import Layer
    from .model import Model

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


# Masks that calls must name, by the number of the step.
CallMasks = Mapping[int, MaskOf]
NO_MASKS: CallMasks = {}


def functional_config(model: Model, masks: CallMasks = NO_MASKS) -> dict[str, Any]:
    """Layers with their calls, inputs and outputs, as Keras 3 writes a Functional model.

    Args:
        model: The model.
        masks: Those that calls must name where no mask would arrive by itself; operations that compute them come behind
            the layers.
    """
    plan = model._require_plan()
    history: dict[int, list[Any]] = {}  # slot -> [layer name, call number, output number]
    calls: dict[int, list[dict[str, Any]]] = {index: [] for index in range(len(model.layers))}
    for slot, layer in model._inputs_by_slot().items():
        history[slot] = [layer.name, 0, 0]

    def reference(slot: Slot) -> dict[str, Any]:
        shape, dtype = plan.values[slot.index]
        config = {"shape": list(shape), "dtype": dtype, "keras_history": list(history[slot.index])}
        return {"class_name": "__keras_tensor__", "config": config}

    forms = [_form(layer) for layer in model.layers]  # type: ignore[arg-type]
    options = [form.pop("call_options", {}) for form in forms]
    computed = _Computed({layer.name for layer in model.layers})
    for index, step in enumerate(plan.steps):
        layer = model.layer_of(step)
        number = len(calls[step.layer])
        args = map_template(reference, step.args)
        kwargs = {**map_template(reference, step.kwargs), **options[step.layer]}
        if index in masks:
            kwargs["mask"] = computed.of(masks[index], reference(masks[index].source))
        if isinstance(layer, Operation) and layer.in_keras3:
            call = layer.keras3_call([reference(slot) for slot in slots_of(step.args)])
        else:
            call = {"args": list(args), "kwargs": kwargs}
        calls[step.layer].append(call)
        for output, slot in enumerate(step.outputs):
            history[slot.index] = [model.layers[step.layer].name, number, output]
    layers = [
        {**form, "name": layer.name, "inbound_nodes": calls[index]}
        for index, (form, layer) in enumerate(zip(forms, model.layers, strict=True))
    ]
    # Where a model ends, Keras counts the call that made a Functional model inside as its first.
    first = {
        layer.name: int(form["class_name"] == "Functional") for form, layer in zip(forms, model.layers, strict=True)
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
        "input_layers": ends(plan.inputs),
        "output_layers": ends(plan.outputs),
    }


class _Computed:
    """Operations behind the layers of a model that compute masks; one mask is computed once."""

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

    def _apply(
        self, function: str, maker: str, arguments: dict[str, Any], source: dict[str, Any], shape: list[Any]
    ) -> dict[str, Any]:
        name = base = f"{maker}_{snake_case(function)}"
        number = 0
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        layer = Operation(function, arguments, name=name)
        self.layers.append({**layer.keras3_layer(), "name": name, "inbound_nodes": [layer.keras3_call([source])]})
        config = {"shape": list(shape), "dtype": "bool", "keras_history": [name, 0, 0]}
        return {"class_name": "__keras_tensor__", "config": config}


def _form(layer: Layer) -> dict[str, Any]:
    return layer.keras3_layer() if isinstance(layer, Operation) and layer.in_keras3 else serialize_layer(layer)


def is_functional(layer: Any) -> bool:
    """Whether Keras makes a Functional model of it."""
    return getattr(layer, "_plan", None) is not None


def sequential_config(model: Model, layers: list[Layer]) -> dict[str, Any]:
    """The layers one after the other, as Keras 3 writes a Sequential model."""
    return {"name": model.name, "trainable": model.trainable, "layers": [serialize_layer(layer) for layer in layers]}
