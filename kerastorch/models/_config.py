"""A model's graph as a config in Keras 3's form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..layers._wrapper import serialize_layer
from ..layers.operation import Operation
from ._plan import Slot, map_template, slots_of

if TYPE_CHECKING:
    from ..layers._base import Layer
    from .model import Model


def functional_config(model: Model) -> dict[str, Any]:
    """Layers with their calls, inputs and outputs, as Keras 3 writes a Functional model."""
    plan = model._require_plan()
    history: dict[int, list[Any]] = {}  # slot -> [layer name, call number, output number]
    calls: dict[int, list[dict[str, Any]]] = {index: [] for index in range(len(model.layers))}
    for slot, layer in model._inputs_by_slot().items():
        history[slot] = [layer.name, 0, 0]

    def reference(slot: Slot) -> dict[str, Any]:
        return {"class_name": "__keras_tensor__", "config": {"keras_history": list(history[slot.index])}}

    for step in plan.steps:
        layer = model.layer_of(step)
        number = len(calls[step.layer])
        args, kwargs = map_template(reference, step.args), map_template(reference, step.kwargs)
        if isinstance(layer, Operation) and layer.in_keras3:
            call = layer.keras3_call([reference(slot) for slot in slots_of(step.args)])
        else:
            call = {"args": list(args), "kwargs": kwargs}
        calls[step.layer].append(call)
        for output, slot in enumerate(step.outputs):
            history[slot.index] = [model.layers[step.layer].name, number, output]
    layers = [
        {**_form(layer), "name": layer.name, "inbound_nodes": calls[index]}  # type: ignore[arg-type]
        for index, layer in enumerate(model.layers)
    ]

    def ends(template: Any) -> Any:
        return map_template(lambda slot: list(history[slot.index]), template)

    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": ends(plan.inputs),
        "output_layers": ends(plan.outputs),
    }


def _form(layer: Layer) -> dict[str, Any]:
    return layer.keras3_layer() if isinstance(layer, Operation) and layer.in_keras3 else serialize_layer(layer)


def sequential_config(model: Model, layers: list[Layer]) -> dict[str, Any]:
    """The layers one after the other, as Keras 3 writes a Sequential model."""
    return {"name": model.name, "trainable": model.trainable, "layers": [serialize_layer(layer) for layer in layers]}
