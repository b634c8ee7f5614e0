"""A whole config -> `ModelSpec`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .. import deadline
from ..errors import CorruptFileError, MissingLayersError, UnsupportedFileError, quote
from ..spec import LayerSpec, Missing, ModelSpec, Offered, Rule, Writer, refs_of
from . import tables
from ._custom import offered_name
from ._given import given_spec
from ._graph import Graph, Operation, follow_masks, resolve, with_operation_layers, without_automatic_masks
from ._keras1 import in_keras2_spelling
from ._layers import Wrapped, implicit_input, layer_spec, name_of, refuse_reversed_states, showing_first_states
from ._lost_masks import lost_masks
from ._shared import WRAPPED, shared_layers
from ._survey import MAX_LAYERS, inner_name, is_model_config, names_of, refuse_deep, snake, survey, table_lacks
from ._values import boolean, mapping, sequence, shape
from ._writer import Context, detect_writer, newer_than_tested, profiles_of
from .calls import read_call, read_ends, with_constants
from .operations import is_operation


@dataclass(frozen=True)
class Reading:
    """A config in today's terms.

    Args:
        spec: The model; a `LayerSpec` where the whole of it is a class of the caller's own.
        writer: Which Keras wrote it.
        rules: What was changed or supplied.
        missing: Layers that nobody has; in `spec` they are given by "missing".
    """

    spec: ModelSpec | LayerSpec
    writer: Writer
    rules: tuple[Rule, ...]
    missing: tuple[Missing, ...]


def to_spec(
    config: Mapping[str, Any], keras_version: str | None = None, backend: str | None = None, *, own: bool = False
) -> tuple[ModelSpec, Writer, tuple[Rule, ...]]:
    """Convert the config of a model of any Keras 1.x, 2.x or 3.x to the current spelling and meaning.

    Args:
        config: The parsed `model_config` of an HDF5 file, `config.json` of a `.keras` file, or `to_json()` text.
        keras_version: As the file states it beside the config; None to take it from the config, or from its form.
        backend: Likewise.
        own: Whether it is the `get_config()` of our own model.

    Returns:
        The model, which Keras wrote it, and what was changed or supplied.

    Raises:
        UnsupportedFileError: The model needs something that kerastorch does not have.
        CorruptFileError: The config is not one that Keras writes.
    """
    reading = read_config(config, keras_version, backend, own=own)
    assert isinstance(reading.spec, ModelSpec)  # nothing is offered that could be the model
    return reading.spec, reading.writer, reading.rules


def read_config(
    config: Mapping[str, Any],
    keras_version: str | None = None,
    backend: str | None = None,
    offered: Offered | None = None,
    *,
    partly: bool = False,
    own: bool = False,
    most_layers: int = MAX_LAYERS,
) -> Reading:
    """`to_spec` for a model that may need what the caller gives.

    Args:
        config: As for `to_spec`.
        keras_version: Likewise.
        backend: Likewise.
        offered: What the caller gives.
        partly: Whether to read a model of which a layer is missing, too.
        own: As for `to_spec`.
        most_layers: As many may stand in it.

    Raises:
        MissingLayersError: A layer is neither in the table nor given, and `partly` is false.
        UnsupportedFileError: The model needs something else that kerastorch does not have.
        CorruptFileError: The config is not one that Keras writes.
        ArgumentError: `offered` names a layer that the model does not have.
    """
    mapping(config, "The config of the model")
    refuse_deep(config)
    writer = detect_writer(config, keras_version, backend, own)
    context = Context(writer, profiles_of(writer, config, own), own, offered=offered or Offered())
    if writer.era == "keras1" and (writer.version or "1").startswith("0"):
        raise UnsupportedFileError(
            f"The file was written by Keras {writer.version}; versions 1 to 3 are read. Save it with a later Keras."
        )
    _refuse_class(config, context.offered)
    if writer.era == "keras1":
        config, context.rules = in_keras2_spelling(config, context.offered.layers)
    missing = survey(context, config, most_layers)
    if missing and not partly:
        raise MissingLayersError(table_lacks(missing), missing)
    context.shared = shared_layers(config)
    name = name_of(config, "The model") or snake(config["class_name"])
    newer = newer_than_tested(writer)
    if newer is not None:
        context.rules.append(Rule(name, newer, warns=True))
    spec = _read(context, config, name)
    if isinstance(spec, LayerSpec):
        spec = replace(spec, input_shape=_built_for(config))
    if context.unknown_keys:
        raise UnsupportedFileError(
            f"The config holds arguments that their layers do not have in {writer}: {'; '.join(context.unknown_keys)}. "
            "Take them out if they mean nothing."
        )
    return Reading(spec, writer, tuple(context.rules), missing)


def _refuse_class(config: Mapping[str, Any], offered: Offered) -> None:
    """Refuse a model that is none of layers, unless the caller gives its class. What stands there may be no text."""
    name = config.get("class_name")
    if name in tuple(tables.MODELS) or offered_name(offered, config) is not None:
        return
    bare = name.rpartition(">")[2] if isinstance(name, str) else "Name"
    raise UnsupportedFileError(
        f"The model is of class {quote(name)}, expected Sequential or Functional. "
        "Code of a class of your own is not in the file: write the class as a kerastorch.Model and pass "
        f"custom_objects={{{quote(bare)}: ...}} (kerastorch.Model itself if it only bears another name), or save the "
        "layers as a Functional model."
    ).because("own code")


def _built_for(config: Mapping[str, Any]) -> Any:
    """The input shape that a model of one's own was built for, as Keras 3 notes it; None if it does not."""
    noted = config.get("build_config")
    return noted.get("input_shape") if isinstance(noted, dict) else None


# ---------------------------------------------------------------------------------------------- models


def _read_model(context: Context, item: Mapping[str, Any], name: str) -> ModelSpec:
    inner = item.get("config")
    if isinstance(inner, list):  # a Sequential of Keras 2.0 and 2.1
        inner = {"layers": inner}
    config = mapping(inner, f"The config of model {quote(name)}")
    unknown = sorted(set(config) - tables.MODEL_KEYS)
    if unknown:
        context.unknown_keys.append(f"{item['class_name']} {quote(name)}: {', '.join(map(quote, unknown))}")
    trained = _trainable(config, name)
    if item["class_name"] == "Sequential":
        return ModelSpec("Sequential", name, _sequential(context, config, name), trainable=trained)
    return _functional(context, config, name, trained)


def _trainable(config: Mapping[str, Any], name: str) -> bool:
    return boolean(config.get("trainable", True), f"Model {quote(name)}, trainable")


def _read(context: Context, item: Mapping[str, Any], name: str) -> LayerSpec | ModelSpec:
    deadline.check("the config of layer {} was read", name)
    shared = context.shared.get(id(item))
    spec = _read_one(context, item, name)
    return spec if shared is None else replace(spec, shared=shared)


def _read_one(context: Context, item: Mapping[str, Any], name: str) -> LayerSpec | ModelSpec:
    given = context.given.get(id(item))
    if given is not None:
        if given.source == "custom_objects" and is_model_config(item.get("config")):
            spec = _functional(context, item["config"], name, _trainable(item["config"], name))
            return replace(spec, given=given, class_name=item["class_name"])
        return given_spec(context, item, name, given, lambda part, outer: _read(context, part, inner_name(part, outer)))
    if item["class_name"] in tables.MODELS:
        return _read_model(context, item, name)
    config = mapping(item.get("config") or {}, f"The config of layer {quote(name)}")
    wrapped: dict[str, Wrapped | tuple[Wrapped, ...]] = {}
    for key in WRAPPED:
        inner = config.get(key)
        if isinstance(inner, list) and key == "cells":
            wrapped[key] = tuple(_read(context, part, inner_name(part, name)) for part in inner)
        elif inner is not None:
            part = mapping(inner, f"A layer in {quote(name)}")
            wrapped[key] = _read(context, part, inner_name(part, name))
    return layer_spec(context, item, name, wrapped)


def _sequential(context: Context, config: Mapping[str, Any], name: str) -> tuple[LayerSpec | ModelSpec, ...]:
    items = sequence(config.get("layers"), f"The layers of model {quote(name)}")
    layers = [_read(context, item, layer) for item, layer in zip(items, names_of(items, name), strict=True)]
    for layer in layers[1:]:
        if isinstance(layer, LayerSpec) and layer.class_name == "InputLayer":
            raise CorruptFileError(f"Model {quote(name)}: the input layer {quote(layer.name)} is not the first layer.")
    if not layers:
        return ()
    first = layers[0]
    if isinstance(first, LayerSpec) and first.class_name == "InputLayer":
        return tuple(layers)
    found = _input_of(first) if isinstance(first, ModelSpec) else implicit_input(context, items[0], first)
    if found is None and config.get("build_input_shape") is not None:
        size = shape(config["build_input_shape"], f"Model {quote(name)}, build_input_shape")
        found = LayerSpec(
            "InputLayer", f"{name}_input", {"batch_shape": size, "dtype": "float32"}, era=context.writer.era
        )
    return (found, *layers) if found is not None else tuple(layers)


def _input_of(model: ModelSpec) -> LayerSpec | None:
    """The input layer of a Sequential whose first layer is a model: that of the model, if it has one."""
    name, inner = model.name, model
    while True:
        if inner.kind == "Functional":
            refs = refs_of(inner.inputs)
            found = next(layer for layer in inner.layers if layer.name == refs[0].layer) if len(refs) == 1 else None
        else:
            found = inner.layers[0] if inner.layers else None
        if isinstance(found, ModelSpec):
            inner = found
            continue
        if not isinstance(found, LayerSpec) or found.class_name != "InputLayer":
            return None
        return LayerSpec("InputLayer", f"{name}_input", found.config, era=found.era)


def _functional(context: Context, config: Mapping[str, Any], name: str, trainable: bool) -> ModelSpec:
    where = f"Model {quote(name)}"
    items = sequence(config.get("layers"), f"The layers of model {quote(name)}")
    graph: Graph = {}
    for item, layer in zip(items, names_of(items, name), strict=True):
        graph[layer] = _member(context, item, layer)
    inputs = read_ends(config.get("input_layers"), f"{where}, input_layers")
    outputs = read_ends(config.get("output_layers"), f"{where}, output_layers")
    graph, inputs, outputs = resolve(graph, inputs, outputs, where, context.old)
    masks = follow_masks(graph, where)
    graph = lost_masks(context, graph, outputs, masks, where)
    graph, automatic = without_automatic_masks(graph, masks)
    for layer in automatic:
        context.rule(layer, "its mask, which Keras 3 wrote into the graph, comes along the edge")
    graph, outputs = with_operation_layers(graph, outputs, where, context.writer.era)
    if len({ref.layer for ref in refs_of(inputs)}) < len(refs_of(inputs)):
        raise CorruptFileError(f"{where}: input_layers names a layer twice.")
    stated = {ref.layer for ref in refs_of(inputs)}
    sources = {
        name for name, layer in graph.items() if isinstance(layer, LayerSpec) and layer.class_name == "InputLayer"
    }
    for layer in sorted(stated - sources):
        raise CorruptFileError(f"{where}: {quote(layer)} stands in input_layers and is no InputLayer.")
    for layer in graph.values():
        is_input = layer.name in sources
        if is_input and layer.name not in stated:
            raise CorruptFileError(f"{where}: the InputLayer {quote(layer.name)} does not stand in input_layers.")
        if is_input == bool(layer.calls):
            raise CorruptFileError(f"{where}: layer {quote(layer.name)} is {'called' if is_input else 'never called'}.")
    layers = tuple(layer for layer in graph.values() if not isinstance(layer, Operation))
    return ModelSpec("Functional", name, layers, inputs, outputs, trainable)


def _member(context: Context, item: Mapping[str, Any], name: str) -> LayerSpec | ModelSpec | Operation:
    nodes = sequence(item.get("inbound_nodes"), f"Layer {quote(name)}, inbound_nodes")
    class_name = item["class_name"]
    if id(item) not in context.given and is_operation(item):
        calls = tuple(read_call(context, class_name, name, node, None) for node in nodes)
        return Operation(class_name, name, mapping(item.get("config") or {}, f"The config of {quote(name)}"), calls)
    layer = _read(context, item, name)
    calls = tuple(read_call(context, class_name, name, node, layer) for node in nodes)
    calls = with_constants(layer, calls)
    refuse_reversed_states(context, layer, calls)
    layer = showing_first_states(context, layer, calls)
    fields = {**layer.__dict__, "calls": calls}
    return ModelSpec(**fields) if isinstance(layer, ModelSpec) else LayerSpec(**fields)
