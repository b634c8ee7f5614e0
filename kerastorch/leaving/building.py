"""From a model to a graph of torch's own modules and functions: `fx.GraphModule`, which runs and can be printed."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx

from ..base.dtype_policy import computes_wide
from ..base.graph import symbolic_leaves
from ..base.layer import Layer
from ..layers import Normalization, Rescaling
from ..models import Model, Sequential
from ..models.graph import map_template, run_graph, slots_of
from ..models.walk import begin, layer_of
from ..structure import leaves, map_shapes, map_structure
from .blocks import fold_blocks
from .builder import MASKS, TRANSLATORS, Builder, GraphValue, Value, computes_apart, identifier, refusal
from .inference import leave_out_training
from .masks_once import compute_masks_once, move_steps_once
from .naming import reserved
from .stacks import merge_stacks

_GIVEN_BY_KERAS = re.compile(r"(?:sequential|model|functional)_?(\d*)")


def to_torch(model: Model, inference: bool = False) -> fx.GraphModule:
    """The model as an nn.Module of torch's own modules and the helpers of `kerastorch.leaving.helpers`.

    It computes what the model computes, trains as it does, and has copies of its weights, on its device and in its
    dtype. Its children are `nn.LSTM`, `nn.Linear`, ... by the names of the layers.

    Args:
        model: A built model.
        inference: Whether dropout and noise, which act while training only, are left out.

    Raises:
        UnsupportedError: A layer, or a use of it, has no translation; it is named.
        NotBuiltError: There are no weights yet.
    """
    return _graph_module(model, inference)[0]


def _graph_module(model: Model, inference: bool, inside: bool = False) -> tuple[fx.GraphModule, Any]:
    """The module, and the outputs as `Value`s of its graph."""
    if model._graph is None or hasattr(type(model), "call"):
        raise refusal(model, "it runs code of its own, and only layers in a graph are translated")
    if not model._built:
        raise model._not_built("weights to copy")
    builder = Builder(inference)
    builder.root.training = model.training
    given = symbolic_leaves(model.inputs)
    names = _input_names(model, len(given))
    values = [builder.input(name, tensor.shape) for name, tensor in zip(names, given, strict=True)]
    for value, tensor, looked_up in zip(values, given, _looked_up(model), strict=True):
        value.node.meta["dtype"] = torch.int64 if looked_up else tensor.dtype
    made = through(builder, model, values)
    results: Any = map_structure(lambda value: value.node, made)
    if builder.states:
        results = (results, *(state.node for state in builder.states.values()))
    builder.graph.output(results)
    compute_masks_once(builder.graph)
    move_steps_once(builder.root, builder.graph)
    if inference:
        leave_out_training(builder.root, builder.graph)
    merge_stacks(builder.root, builder.graph)
    name = class_name(model.name, inside)
    lists = fold_blocks(builder.root, builder.graph, name)
    module = fx.GraphModule(builder.root, builder.graph, class_name=name)
    for each in lists:  # fx makes plain modules of what holds others
        module.add_module(each, getattr(builder.root, each))
    return module, made


def class_name(name: str, inside: bool = False) -> str:
    """A model's name as that of a class: `text_tagger` -> `TextTagger`; names that Keras gave say nothing.

    Args:
        name: Of the model.
        inside: Whether it stands in another model.
    """
    if given := _GIVEN_BY_KERAS.fullmatch(name):
        return f"Submodel{given[1]}" if inside else "Model"
    words = re.split(r"[\W_]+", name, flags=re.ASCII)
    made = "".join(word[:1].upper() + word[1:] for word in words) or "Model"
    return f"Model{made}" if made[0].isdigit() or keyword.iskeyword(made) else made


def _input_names(model: Model, count: int) -> list[str]:
    if count == 1:
        return ["x"]
    names: list[str] = []
    for layer in model._input_layers:
        name, number = identifier(layer.name), 1
        while name in names:
            number += 1
            name = f"{identifier(layer.name)}_{number}"
        names.append(name)
    return [f"{name}_" if name in reserved() else name for name in names]


def _looked_up(model: Model) -> list[bool]:
    if isinstance(model, Sequential):
        return [bool(model._takes_ids)]
    return list(model._ids)


def through(builder: Builder, model: Model, values: Sequence[Value]) -> Any:
    """The values that leave a model, for those that enter it."""
    if isinstance(model, Sequential):
        result: Any = values[0]
        shape: Any = leaves_of_shape(model._in_shape)[0]
        for layer in model._layer_list:
            shape = layer._output_shape(shape)
            made = leaves(result)[0].node.meta.get("dtype", torch.float32)
            result = call_layer(builder, layer, (result,), {}, shape)
            for value in leaves(result):
                value.node.meta.setdefault("dtype", layer._output_dtypes(made)[0])
        return result
    graph, slots = begin(model, lambda tensor: builder.constant("constant", tensor))
    for slot, value in zip(slots_of(graph.inputs), values, strict=True):
        slots[slot.index] = value

    def call(step: Any, args: Any, kwargs: Any) -> list[Any]:
        shapes = [graph.values[slot.index][0] for slot in step.outputs]
        made = leaves(call_layer(builder, layer_of(model, step), args, kwargs, shapes))
        for slot, value in zip(step.outputs, made, strict=True):
            value.node.meta.setdefault("dtype", getattr(torch, graph.values[slot.index][1]))
        return made

    run_graph(graph, call, slots)
    return map_template(lambda slot: slots[slot.index], graph.outputs)


def leaves_of_shape(shapes: Any) -> list[Any]:
    found: list[Any] = []
    map_shapes(found.append, shapes)
    return found


def call_layer(builder: Builder, layer: Layer, args: Sequence[Any], kwargs: Mapping[str, Any], shapes: Any) -> Any:
    """Translate one call of a layer: its values, each with its mask."""
    kwargs, outside = dict(kwargs), builder.mode
    stated = kwargs.pop("training", None)
    builder.mode = outside if stated is None else bool(stated)
    try:
        if isinstance(layer, Model):
            result = _nested(builder, layer, args, kwargs)
        else:
            result = _translated(builder, layer, args, kwargs)
    finally:
        builder.mode = outside
    found = leaves(result)
    for value, shape in zip(found, leaves_of_shape(shapes), strict=True):
        if value.node.op != "placeholder":
            value.node.meta.setdefault("shape", tuple(shape))
            value.node.meta.setdefault("layer", layer.name)
    return result


def _nested(builder: Builder, model: Model, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A model inside is a module of its own class; where masks or states go through its walls its layers are called."""
    kwargs = dict(kwargs)
    masks = kwargs.pop("mask", None)
    if kwargs:
        raise refusal(model, f"a call with {', '.join(map(repr, kwargs))}")
    inputs = leaves(list(args))
    if masks is not None:
        given = [masks] if isinstance(masks, GraphValue) else leaves(masks)
        inputs = [builder.alias(value, mask) for value, mask in zip(inputs, given, strict=True)]
    if model.stateful or any(value.mask is not None for value in inputs):
        return through(builder, model, inputs)
    module, made = _graph_module(model, builder.inference, inside=True)
    if any(value.mask is not None for value in leaves(made)):
        return through(builder, model, inputs)
    several = isinstance(made, (list, tuple, dict))
    names = tuple(f"out_{index}" for index in range(len(made))) if isinstance(made, (list, tuple)) else None
    if several and (names is None or any(isinstance(part, (list, tuple, dict)) for part in made)):
        return through(builder, model, inputs)
    result = builder.module(model, model.name, lambda: module, *inputs, returns=names)
    return type(made)(result[index] for index in range(len(made))) if several else result


def _translated(builder: Builder, layer: Layer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    translator = next((TRANSLATORS[cls] for cls in (type(layer),) if cls in TRANSLATORS), None)
    if translator is None:
        raise refusal(layer, f"no module or function of torch is known for {type(layer).__name__}")
    given = dict(kwargs)
    masks = map_structure(lambda value: value.mask if isinstance(value, GraphValue) else None, args[0])
    arrives = any(mask is not None for mask in leaves(masks))
    taken = inspect.signature(translator).parameters
    if "mask" in given and given["mask"] is None:
        masks, arrives = map_structure(lambda _: None, args[0]), False
        del given["mask"]
    if layer._takes_mask and arrives:
        if "mask" not in taken:
            raise refusal(layer, "it uses a mask here, which its translation does not")
        given.setdefault("mask", masks)
    bound = layer._call_arguments.bind(args, kwargs)
    for name in layer._call_arguments.masked:
        its_mask = bound[name].mask if isinstance(bound.get(name), GraphValue) else None
        if its_mask is not None and f"{name}_mask" not in given:
            given[f"{name}_mask"] = its_mask
    unknown = [name for name in given if name not in taken]
    if unknown or len(args) > len(taken) - 2:
        raise refusal(layer, f"a call with {', '.join(map(repr, unknown)) or 'more arguments'} has no translation")
    args = map_structure(lambda leaf: _in_dtype(builder, layer, leaf), tuple(args))
    if computes_apart(layer):
        given = {name: map_structure(lambda leaf: builder.cast(layer, leaf), value) for name, value in given.items()}
    # First: behind the layer its input may be needed no longer.
    behind = _mask_behind(layer, args[0], masks if arrives else None)
    for mask in leaves(behind):
        if mask is not None:
            mask.node.meta.setdefault("label", "mask")
    builder.behind = behind
    result = map_structure(lambda made: _rounded(builder, layer, made), translator(builder, layer, *args, **given))
    behind = builder.behind
    values = leaves(result)
    flat = leaves(behind) if isinstance(behind, (list, tuple, dict)) else [behind] + [None] * (len(values) - 1)
    made = iter([builder.alias(value, mask) for value, mask in zip(values, flat, strict=True)])
    return map_structure(lambda _: next(made), result)


def _in_dtype(builder: Builder, layer: Layer, value: Any) -> Any:
    """A value in the dtype that a layer computes in, to which it casts floats if it has weights or states one."""
    return builder.cast(layer, value) if layer.variables or (layer._casts and not layer._takes_ids) else value


def _rounded(builder: Builder, layer: Layer, value: Any) -> Any:
    """A result as a mixed policy hands it on, of a layer that computes in float32 all the same."""
    if not isinstance(value, GraphValue) or layer._computes_in == layer.dtype or not _promotes(layer):
        return value
    made: Any = value.to(layer._computes_in)
    made.mask = value.mask
    return made


def _promotes(layer: Layer) -> bool:
    """Whether a translation gives float32: of a layer that computes in it, or that has constants in it."""
    if isinstance(layer, Rescaling):
        return isinstance(layer.scale, list) or isinstance(layer.offset, list)
    return computes_wide(layer) or isinstance(layer, Normalization)


def _mask_behind(layer: Layer, inputs: Any, masks: Any) -> Any:
    """The masks of the outputs; computed in the graph where they are new."""
    rule = MASKS.get(type(layer))
    if rule is not None:
        return rule(layer, inputs, masks)
    if masks is None and not layer._makes_mask:
        return None
    return layer._mask_behind(inputs, masks)
