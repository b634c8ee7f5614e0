"""From a `ModelSpec` to a model: layers from the closed table, calls in the order of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .. import deadline
from ..base import check
from ..base.graph import SymbolicTensor
from ..base.layer import REGISTRY, Layer
from ..base.shape_inference import infer_output_shape
from ..dtypes import any_dtype
from ..errors import ArgumentError, ShapeError, UnsupportedError, placed, quote
from ..layers.core.operation import Operation
from ..layers.core.wrapped import Lambda
from ..spec import Call, Constant, GivenObject, LayerSpec, ModelSpec, TensorRef, map_refs
from ..structure import leaves, map_shapes
from ._fitting import fitted
from ._order import NodeKey, in_order
from ._texts import without_texts
from .input import InputLayer
from .model import Model
from .provided import NOTHING, Provided, provided
from .sequential import Sequential


@dataclass(frozen=True)
class Making:
    """What one model is made of beside its spec: what the caller gives, and the layers that stand in several places."""

    given: Provided = NOTHING
    shared: dict[int, Layer] = field(default_factory=dict)  # the number in a spec -> the one layer


_OF_TENSORS = frozenset({"initial_state", "states", "constants"})  # arguments of calls, beside masks
# What layers of files before Keras 3 did differently and no argument of Keras's says.
_OF_OLD: dict[str, dict[str, Any]] = {
    "keras1": {"keras2_masks": True},
    "keras2": {"keras2_masks": True},
    "tf.keras": {
        "keras2_masks": True,
        "keras2_dtypes": True,
        "fused": True,
        "many_batch_axes": True,
        "robust_masking": False,
        "least_norm": 1e-6,
    },
}


def build_model(spec: ModelSpec | LayerSpec, given: Provided = NOTHING) -> Model:
    """Make the model that a spec describes; on the device that is the default one (`meta` makes no values).

    Args:
        spec: The model; a `LayerSpec` where it is a class of the caller's own.
        given: What the caller gives for layers, classes and functions of it.

    Raises:
        UnsupportedError: A layer class, an argument or a call is not known.
        ArgumentError: The graph has a cycle or refers to what is not there.
    """
    making = Making(given)
    return _own_model(spec, making) if isinstance(spec, LayerSpec) else _model(spec, making)


def model_from_config(cls: type[Model], config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> Model:
    """See `Model.from_config`."""
    from ..compat import read_config  # on use: the tables of all Keras versions

    given = provided(custom_objects, None)
    whole = {"class_name": cls._class_name, "config": dict(config)}
    return build_model(read_config(whole, offered=given.offered(), own=True).spec, given)


def _model(spec: ModelSpec, making: Making) -> Model:
    spec = without_texts(spec, making.given.takes_text)
    model = _sequential(spec, making) if spec.kind == "Sequential" else _functional(spec, making)
    if not spec.trainable:
        model.trainable = False
    return model


def make_layer(spec: LayerSpec | ModelSpec, making: Making | None = None, bare: bool = False) -> Any:
    """Make one layer; layers and models inside its config first. One that is shared is made once.

    Args:
        spec: The layer.
        making: What the model is made of, beside the spec.
        bare: Whether a torch module may stay what it is: it is a cell.
    """
    making = Making() if making is None else making
    if spec.shared is None:
        return _make(spec, making, bare)
    if spec.shared not in making.shared:
        making.shared[spec.shared] = _make(spec, making, bare)
    return making.shared[spec.shared]


def _make(spec: LayerSpec | ModelSpec, making: Making, bare: bool) -> Any:
    deadline.check("layer {} was made", spec.name)
    if isinstance(spec, ModelSpec):
        return _model(spec, making)
    if spec.given is not None:
        return _given_layer(spec, making, bare)
    cls = REGISTRY.get(spec.class_name)
    if cls is None:
        raise UnsupportedError(f"layer {quote(spec.name)}: there is no layer class {quote(spec.class_name)}.")
    config = {key: _inner(value, making, key) for key, value in spec.config.items()}
    _as_of_old(spec, config, cls)
    try:
        layer = cls.from_config({**config, "name": spec.name})
    except (ArgumentError, UnsupportedError, ShapeError) as error:
        raise placed(error, f"layer {quote(spec.name)} ({spec.class_name})") from error
    if not spec.trainable:
        layer.trainable = False
    return layer


def _as_of_old(spec: LayerSpec, config: dict[str, Any], cls: Any) -> None:
    """Add what the Keras that wrote a layer did and no argument of Keras's says."""
    for key, value in _OF_OLD.get(spec.era, {}).items():
        renormalised = key == "fused" and config.get("renorm", False)  # for which TensorFlow has no fused kernel
        if key in cls._config_keys() and not renormalised:
            config.setdefault(key, value)


def _given_layer(spec: LayerSpec, making: Making, bare: bool) -> Any:
    config = spec.config
    if spec.given is not None and spec.given.source in ("custom_objects", "function"):
        config = {key: _inner(value, making, key) for key, value in config.items()}
        if spec.given.based_on:
            _as_of_old(spec, config, REGISTRY[spec.given.based_on])
    try:
        return making.given.layer_for(spec, config, bare)
    except (ArgumentError, UnsupportedError, ShapeError) as error:
        raise placed(error, f"layer {quote(spec.name)} ({spec.class_name})") from error


def _own_model(spec: LayerSpec, making: Making) -> Model:
    """A model that is no graph: a class of the caller's own, built for the input shape that the file notes."""
    model = make_layer(spec, making)
    if not isinstance(model, Model):
        raise ArgumentError(
            f"the model is of class {quote(spec.class_name)}: expected a kerastorch.Model for it, got "
            f"{quote(type(model).__name__)}; derive the class from kerastorch.Model."
        )
    shape = spec.input_shape
    if not model._built and shape is not None:
        try:
            _ = map_shapes(lambda sizes: check.shape("build_config", sizes), shape)
        except (ArgumentError, TypeError) as error:
            raise ArgumentError(f"build_config: {quote(shape)} is no input shape.") from error
        infer_output_shape(model, map_shapes(tuple, shape))
    return model


def _inner(value: Any, making: Making, key: str) -> Any:
    """What stands in a config: layers and models, and what the caller gives, are made; the rest stays."""
    if value is None or isinstance(value, (str, int, float)):  # nearly all
        return value
    if isinstance(value, (LayerSpec, ModelSpec)):
        return make_layer(value, making, bare=key in ("cell", "cells"))
    if isinstance(value, GivenObject):
        if value.config is None:
            return making.given.object_for(value, None)
        inner = {name: _inner(item, making, name) for name, item in value.config.items()}
        return making.given.object_for(value, inner)
    if isinstance(value, (list, tuple)) and any(map(_holds_spec, value)):
        return [_inner(item, making, key) for item in value]
    if isinstance(value, Mapping) and any(map(_holds_spec, value.values())):
        return {name: _inner(item, making, name) for name, item in value.items()}
    return value


def _holds_spec(value: Any) -> bool:
    """Whether something that is made first stands in a value, at any depth."""
    if isinstance(value, (LayerSpec, ModelSpec, GivenObject)):
        return True
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return any(map(_holds_spec, inner))


def _sequential(spec: ModelSpec, making: Making) -> Sequential:
    return Sequential([make_layer(layer, making) for layer in spec.layers], name=spec.name)


def _functional(spec: ModelSpec, making: Making) -> Model:
    layers = {layer.name: make_layer(layer, making) for layer in spec.layers}
    made: dict[NodeKey, list[Any]] = {}
    for name, layer in layers.items():
        if isinstance(layer, InputLayer):
            made[name, 0] = [layer._symbol()]
    calls = {layer.name: layer.calls for layer in spec.layers if not isinstance(layers[layer.name], InputLayer)}
    given = {layer.name for layer in spec.layers if isinstance(layer, LayerSpec) and layer.given is not None}
    for name, index in in_order(calls, set(made)):
        made[name, index] = leaves(_call(layers[name], calls[name][index], made, name in given))

    def tensor(ref: Any) -> Any:
        return _resolve(ref, made)

    inputs, outputs = map_refs(tensor, spec.inputs), map_refs(tensor, spec.outputs)
    options: dict[str, Any] = {"layers": list(layers.values()), "name": spec.name}
    return (
        Model(inputs, outputs, **options)
        if spec.given is None
        else making.given.model_for(spec, inputs, outputs, options)
    )


def _call(layer: Layer, call: Call, made: Mapping[NodeKey, list[Any]], given: bool) -> Any:
    deadline.check("layer {} was called", layer.name)

    def place(leaf: Any) -> Any:
        return _tensor(leaf) if isinstance(leaf, Constant) else _resolve(leaf, made)

    args = map_refs(place, call.args, (TensorRef, Constant))
    accepted = layer._call_arguments
    kwargs = {
        key: map_refs(place, value, (TensorRef, Constant))
        for key, value in call.kwargs.items()
        if value is not None or (key.endswith("mask") and key in accepted.names)  # mask=None: the call shall use none
    }
    # The layers of kerastorch that files name as a person's own are ours, too.
    if not (given and layer._own_code) and not isinstance(layer, Lambda):
        if not isinstance(layer, Operation):
            _check_tensors(layer, args, kwargs)
        _check_symbols(layer, args, kwargs)
    if given:
        args, kwargs = fitted(layer, args, kwargs, call.first)
    unknown = [key for key in kwargs if key not in accepted.names and not accepted.others]
    if unknown:
        raise UnsupportedError(
            f"layer {quote(layer.name)} is called with {', '.join(map(quote, unknown))}, which it does not take."
        )
    try:
        return layer(*args, **kwargs)
    except (ArgumentError, ShapeError) as error:
        raise placed(error, f"in the call of layer {quote(layer.name)}") from error


def _check_tensors(layer: Layer, args: Any, kwargs: Mapping[str, Any]) -> None:
    """Raise where a call of a file states something else than the tensors that belong there: no run could follow it."""
    stated = [("its input", args[0])] if args else []
    # Whether attention is causal is no tensor, and `mask=False` says that the output has none: see `Call`.
    stated += [
        (name, value)
        for name, value in kwargs.items()
        if name in _OF_TENSORS or (name.endswith("mask") and name != "use_causal_mask" and value is not False)
    ]
    for name, value in stated:
        wrong = [item for item in leaves(value) if item is not None and not isinstance(item, (SymbolicTensor, Tensor))]
        nothing = value == {} or name == "its input"
        if wrong or (nothing and not any(item is not None for item in leaves(value))):
            shown = quote(wrong[0] if wrong else value)
            raise ArgumentError(f"layer {quote(layer.name)} is called with {shown} as {name}: expected a tensor.")


def _check_symbols(layer: Layer, args: Any, kwargs: Mapping[str, Any]) -> None:
    """Raise where a call of a file states nothing but constants: it would be computed here and now, however large what
    comes out, and is no call of the graph. Keras has no such call either.
    """
    if not any(isinstance(item, SymbolicTensor) for item in (*leaves(args), *leaves(kwargs))):
        raise ArgumentError(
            f"layer {quote(layer.name)} is called with constants alone: expected a tensor of the model among them."
        )


def _tensor(constant: Constant) -> Tensor:
    """On the CPU even while a model is made on the meta device: no file of weights holds the values."""
    return torch.tensor(constant.value, dtype=any_dtype(constant.dtype), device="cpu")


def _resolve(ref: TensorRef, made: Mapping[NodeKey, list[Any]]) -> Any:
    outputs = made.get((ref.layer, ref.node))
    if outputs is None or not 0 <= ref.tensor < len(outputs):
        raise ArgumentError(
            f"the graph refers to output {ref.tensor} of call {ref.node} of layer {quote(ref.layer)}: there is none."
        )
    return outputs[ref.tensor]
