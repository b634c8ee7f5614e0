"""A whole config -> `ModelSpec`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import CorruptFileError, UnsupportedFileError, quote
from ..spec import LayerSpec, ModelSpec, Rule, Writer
from . import _tables as tables
from . import forms
from ._calls import read_call, read_ends, refs_of, with_constants
from ._graph import Graph, Operation, follow_masks, resolve, with_operation_layers, without_automatic_masks
from ._keras1 import in_keras2_spelling
from ._layers import Wrapped, implicit_input, layer_spec, name_of, refuse_reversed_states
from ._lost_masks import lost_masks
from ._shared import WRAPPED, parts, shared_layers
from ._values import MAX_NESTING, boolean, is_own, mapping, sequence, shape, text
from ._writer import Context, detect_writer, profiles_of
from .operations import is_operation

MAX_LAYERS = 100_000
MAX_DEPTH = 500  # of lists and objects in one another: enough for MAX_NESTING models, and few enough to print


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
    mapping(config, "The config of the model")
    _refuse_deep(config)
    writer = detect_writer(config, keras_version, backend)
    context = Context(writer, profiles_of(writer, config), own)
    if writer.era == "keras1" and (writer.version or "1").startswith("0"):
        raise UnsupportedFileError(
            f"The file was written by Keras {writer.version}; versions 1 to 3 are read. Save it with a later Keras."
        )
    if writer.era == "keras1":
        config, context.rules = in_keras2_spelling(config)
    _survey(config)
    context.shared = shared_layers(config)
    spec = _read_model(context, config, name_of(config, "The model") or _snake(config["class_name"]))
    if context.unknown_keys:
        raise UnsupportedFileError(
            f"The config holds arguments that their layers do not have in {writer}: {'; '.join(context.unknown_keys)}. "
            "Take them out if they mean nothing."
        )
    return spec, writer, tuple(context.rules)


def _snake(class_name: str) -> str:
    """The name that Keras makes from a class name."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", class_name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


# ---------------------------------------------------------------------------------------------- before anything is read


def _refuse_deep(config: Mapping[str, Any]) -> None:
    stack: list[tuple[Any, int]] = [(config, 1)]
    while stack:
        value, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise UnsupportedFileError(f"The config is nested more than {MAX_DEPTH} deep.")
        inner = value.values() if isinstance(value, dict) else value
        stack.extend((item, depth + 1) for item in inner if isinstance(item, (dict, list)))


def _survey(config: Mapping[str, Any]) -> None:
    """Count layers and nesting, and list every class that is not in the table. Iterative: nothing is known yet."""
    unknown: list[str] = []
    has_lambda = False
    count = 0
    stack: list[tuple[Any, int, bool]] = [(config, 0, False)]  # the last: whether it stands in a graph
    if config.get("class_name") not in tuple(tables.MODELS):  # what stands there may not even be text
        raise UnsupportedFileError(
            f"The model is of class {quote(config.get('class_name'))}, expected Sequential or Functional. "
            "Code of a class of your own is not in the file: write the class in PyTorch, or save the layers as a "
            "Functional model."
        )
    while stack:
        item, depth, in_graph = stack.pop()
        mapping(item, "A layer")
        class_name = text(item.get("class_name"), "The class of a layer")
        count += 1
        if depth > MAX_NESTING:
            raise UnsupportedFileError(f"Models and wrappers are nested more than {MAX_NESTING} deep.")
        if count > MAX_LAYERS:
            raise UnsupportedFileError(f"The model has more than {MAX_LAYERS} layers.")
        inner = item.get("config")
        if class_name in tables.MODELS and is_own(item):
            layers = inner.get("layers") if isinstance(inner, dict) else inner
            listed = reversed(sequence(layers, f"The layers of a {class_name}"))
            stack.extend((layer, depth + 1, class_name != "Sequential") for layer in listed)
            continue
        if in_graph and is_operation(item):  # refused later, where its arguments are known
            continue
        if class_name not in forms.LAYERS or not is_own(item):
            has_lambda |= class_name == "Lambda"
            left_out = f" ({tables.LEFT_OUT[class_name]})" if class_name in tables.LEFT_OUT else ""
            note = left_out if is_own(item) else " (a class of one's own)"
            unknown.append(f"{quote(class_name)}{note} {quote(name_of(item, 'A layer') or '')}")
        elif isinstance(inner, dict):
            stack.extend((part, depth + 1, False) for part in reversed(parts(inner)))
    if unknown:
        shown = ", ".join(unknown[:20]) + (f" and {len(unknown) - 20} more" if len(unknown) > 20 else "")
        code = "Code in files (Lambda) is never run: rebuild that layer in PyTorch. " if has_lambda else ""
        raise UnsupportedFileError(
            f"kerastorch does not have: {shown}. {code}Replace what is missing by other layers in Keras and save "
            "again, or build the model in PyTorch and load its weights."
        )


# ---------------------------------------------------------------------------------------------- models


def _read_model(context: Context, item: Mapping[str, Any], name: str) -> ModelSpec:
    inner = item.get("config")
    if isinstance(inner, list):  # a Sequential of Keras 2.0 and 2.1
        inner = {"layers": inner}
    config = mapping(inner, f"The config of model {quote(name)}")
    unknown = sorted(set(config) - tables.MODEL_KEYS)
    if unknown:
        context.unknown_keys.append(f"{item['class_name']} {quote(name)}: {', '.join(map(quote, unknown))}")
    trainable = boolean(config.get("trainable", True), f"Model {quote(name)}, trainable")
    if item["class_name"] == "Sequential":
        return ModelSpec("Sequential", name, _sequential(context, config, name), trainable=trainable)
    return _functional(context, config, name, trainable)


def _read(context: Context, item: Mapping[str, Any], name: str) -> LayerSpec | ModelSpec:
    shared = context.shared.get(id(item))
    spec = _read_one(context, item, name)
    return spec if shared is None else replace(spec, shared=shared)


def _read_one(context: Context, item: Mapping[str, Any], name: str) -> LayerSpec | ModelSpec:
    if item["class_name"] in tables.MODELS:
        return _read_model(context, item, name)
    config = mapping(item.get("config") or {}, f"The config of layer {quote(name)}")
    wrapped: dict[str, Wrapped | tuple[Wrapped, ...]] = {}
    for key in WRAPPED:
        inner = config.get(key)
        if isinstance(inner, list) and key == "cells":
            wrapped[key] = tuple(_read(context, part, _inner_name(part, name)) for part in inner)
        elif inner is not None:
            part = mapping(inner, f"A layer in {quote(name)}")
            wrapped[key] = _read(context, part, _inner_name(part, name))
    return layer_spec(context, item, name, wrapped)


def _inner_name(item: Mapping[str, Any], outer: str) -> str:
    return name_of(item, f"A layer in {quote(outer)}") or _snake(item["class_name"])


def _names(items: list[Any], model: str) -> list[str]:
    """The names of the layers, those that are missing made as Keras makes them; each may stand once."""
    stated = [name_of(item, f"A layer of {quote(model)}") for item in items]
    taken = {name for name in stated if name is not None}
    counts: dict[str, int] = {}
    names = []
    for item, name in zip(items, stated, strict=True):
        base = _snake(item["class_name"])
        while name is None:
            made = f"{base}_{counts[base]}" if base in counts else base
            counts[base] = counts.get(base, 0) + 1
            name = None if made in taken else made
        names.append(name)
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise CorruptFileError(
            f"Model {quote(model)} has more than one layer of the name {', '.join(map(quote, twice[:5]))}."
        )
    return names


def _sequential(context: Context, config: Mapping[str, Any], name: str) -> tuple[LayerSpec | ModelSpec, ...]:
    items = sequence(config.get("layers"), f"The layers of model {quote(name)}")
    layers = [_read(context, item, layer) for item, layer in zip(items, _names(items, name), strict=True)]
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
    for item, layer in zip(items, _names(items, name), strict=True):
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
    operation = is_operation(item)
    calls = tuple(read_call(context, class_name, name, node, class_name in tables.MODELS, operation) for node in nodes)
    if operation:
        return Operation(class_name, name, mapping(item.get("config") or {}, f"The config of {quote(name)}"), calls)
    layer = _read(context, item, name)
    calls = with_constants(layer, calls)
    refuse_reversed_states(context, layer, calls)
    fields = {**layer.__dict__, "calls": calls}
    return ModelSpec(**fields) if isinstance(layer, ModelSpec) else LayerSpec(**fields)
