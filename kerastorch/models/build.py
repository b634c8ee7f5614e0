"""From a `ModelSpec` to a model: layers from the closed table, calls in the order of the graph."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError, ShapeError, UnsupportedError, quote
from ..layers._base import REGISTRY, Layer
from ..layers._graph import leaves
from ..spec import Call, LayerSpec, ModelSpec, TensorRef
from .input import InputLayer
from .model import Model
from .sequential import Sequential

Shared = dict[int, Layer]  # the number in a spec -> the one layer

# What layers of files before Keras 3 did differently and no argument of Keras's says.
_OF_OLD: dict[str, dict[str, Any]] = {
    "keras1": {"keras2_masks": True},
    "keras2": {"keras2_masks": True},
    "tf.keras": {
        "keras2_masks": True,
        "fused": True,
        "many_batch_axes": True,
        "robust_masking": False,
        "least_norm": 1e-6,
    },
}


def build_model(spec: ModelSpec, shared: Shared | None = None) -> Model:
    """Make the model that a spec describes; on the device that is the default one (`meta` makes no values).

    Args:
        spec: The model.
        shared: Layers that are made already and stand in several places.

    Raises:
        UnsupportedError: A layer class, an argument or a call is not known.
        ArgumentError: The graph has a cycle or refers to what is not there.
    """
    shared = {} if shared is None else shared
    model = _sequential(spec, shared) if spec.kind == "Sequential" else _functional(spec, shared)
    if not spec.trainable:
        model.trainable = False
    return model


def make_layer(spec: LayerSpec | ModelSpec, shared: Shared) -> Layer:
    """Make one layer; layers and models inside its config first. One that is shared is made once."""
    if spec.shared is None:
        return _make(spec, shared)
    if spec.shared not in shared:
        shared[spec.shared] = _make(spec, shared)
    return shared[spec.shared]


def _make(spec: LayerSpec | ModelSpec, shared: Shared) -> Layer:
    if isinstance(spec, ModelSpec):
        return build_model(spec, shared)
    cls = REGISTRY.get(spec.class_name)
    if cls is None:
        raise UnsupportedError(f"layer {quote(spec.name)}: there is no layer class {quote(spec.class_name)}.")
    config = {key: _inner(value, shared) for key, value in spec.config.items()}
    for key, value in _OF_OLD.get(spec.era, {}).items():
        if key in cls.config_keys():
            config.setdefault(key, value)
    try:
        layer = cls.from_config({**config, "name": spec.name})
    except (ArgumentError, UnsupportedError, ShapeError) as error:
        raise type(error)(f"layer {quote(spec.name)} ({spec.class_name}): {error}") from error
    if not spec.trainable:
        layer.trainable = False
    return layer


def _inner(value: Any, shared: Shared) -> Any:
    if isinstance(value, (LayerSpec, ModelSpec)):
        return make_layer(value, shared)
    specs = isinstance(value, tuple) and any(isinstance(item, (LayerSpec, ModelSpec)) for item in value)
    return [_inner(item, shared) for item in value] if specs else value


def _sequential(spec: ModelSpec, shared: Shared) -> Sequential:
    return Sequential([make_layer(layer, shared) for layer in spec.layers], name=spec.name)


def _functional(spec: ModelSpec, shared: Shared) -> Model:
    layers = {layer.name: make_layer(layer, shared) for layer in spec.layers}
    made: dict[tuple[str, int], list[Any]] = {}
    for name, layer in layers.items():
        if isinstance(layer, InputLayer):
            made[name, 0] = [layer.symbol()]
    _run_calls({layer.name: layer.calls for layer in spec.layers}, layers, made)

    def tensor(ref: Any) -> Any:
        return _resolve(ref, made)

    return Model(
        _map_refs(tensor, spec.inputs), _map_refs(tensor, spec.outputs), layers=list(layers.values()), name=spec.name
    )


def _run_calls(
    calls: Mapping[str, tuple[Call, ...]], layers: Mapping[str, Layer], made: dict[tuple[str, int], list[Any]]
) -> None:
    """Run every call once all it needs is there; linear in the number of edges."""
    waiting: dict[tuple[str, int], int] = {}
    dependents: dict[tuple[str, int], list[tuple[str, int]]] = {}
    ready: deque[tuple[str, int]] = deque()
    for name, its_calls in calls.items():
        if isinstance(layers[name], InputLayer):
            continue
        for index, call in enumerate(its_calls):
            key = (name, index)
            needed = {(ref.layer, ref.node) for ref in _refs((call.args, call.kwargs))} - made.keys()
            for source in needed:
                if source[0] not in calls or not 0 <= source[1] < len(calls[source[0]]):
                    raise ArgumentError(
                        f"layer {quote(name)} takes its input from call {source[1]} of {quote(source[0])}: "
                        "there is none."
                    )
                dependents.setdefault(source, []).append(key)
            waiting[key] = len(needed)
            if not needed:
                ready.append(key)
    while ready:
        key = ready.popleft()
        name, index = key
        made[key] = leaves(_call(layers[name], calls[name][index], made))
        del waiting[key]
        for dependent in dependents.get(key, ()):
            waiting[dependent] -= 1
            if not waiting[dependent]:
                ready.append(dependent)
    if waiting:
        raise ArgumentError(
            f"the graph has a cycle through layer(s) {', '.join(quote(name) for name, _ in list(waiting)[:5])}."
        )


def _call(layer: Layer, call: Call, made: Mapping[tuple[str, int], list[Any]]) -> Any:
    args = _map_refs(lambda ref: _resolve(ref, made), call.args)
    accepted = inspect.signature(layer.forward).parameters
    kwargs = {
        key: _map_refs(lambda ref: _resolve(ref, made), value)
        for key, value in call.kwargs.items()
        if value is not None or (key.endswith("mask") and key in accepted)  # mask=None: the call shall use none
    }
    unknown = [key for key in kwargs if key not in accepted]
    if unknown:
        raise UnsupportedError(
            f"layer {quote(layer.name)} is called with {', '.join(map(quote, unknown))}, which it does not take."
        )
    try:
        return layer(*args, **kwargs)
    except (ArgumentError, ShapeError) as error:
        raise type(error)(f"in the call of layer {quote(layer.name)}: {error}") from error


def _resolve(ref: TensorRef, made: Mapping[tuple[str, int], list[Any]]) -> Any:
    outputs = made.get((ref.layer, ref.node))
    if outputs is None or not 0 <= ref.tensor < len(outputs):
        raise ArgumentError(
            f"the graph refers to output {ref.tensor} of call {ref.node} of layer {quote(ref.layer)}: there is none."
        )
    return outputs[ref.tensor]


def _map_refs(function: Any, value: Any) -> Any:
    if isinstance(value, TensorRef):
        return function(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_map_refs(function, item) for item in value)
    if isinstance(value, Mapping):
        return {key: _map_refs(function, item) for key, item in value.items()}
    return value


def _refs(value: Any) -> list[TensorRef]:
    found: list[TensorRef] = []
    _map_refs(found.append, value)
    return found
