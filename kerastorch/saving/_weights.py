"""The weights of a model as a file holds them: a tree of objects, or a list for each layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..base.layer import Layer
from ..base.naming import name_in_files
from ..base.variable import Variable, plain_value
from ..base.variables import listed_variables, own_variables
from ..dtypes import dtype_name
from ..errors import SaveError, quote
from ..files import Array, LegacyLayer, LegacyWeights, TreeObject, TreeWeights
from ..layers.core.operation import Operation
from ..matching import legacy_order, tree_places
from ..models import Model
from ._forms import Forms
from ._texts import refuse_counts


def tree_weights(model: Model, forms: Forms, copies: bool) -> TreeWeights:
    """Where Keras keeps each object of the model, with its name and its variables.

    Args:
        model: The model.
        forms: How its layers were written.
        copies: Whether a layer in several models is written in each: the config beside the weights makes several.
    """
    objects: dict[str, TreeObject] = {}
    places: dict[int, str] = {}
    stated = forms.dialect.states_names
    for path, module in tree_places(model, forms.placing(copies)):
        if isinstance(module, Operation):
            continue
        first = places.setdefault(id(module), path)
        if first != path and not copies:
            continue
        if first != path:
            inside = [known for known in objects if known == first or known.startswith(f"{first}/")]
            objects.update({path + known[len(first) :]: objects[known] for known in inside})
            continue
        name, cell = getattr(module, "name", None) if stated else None, cell_of(module)
        home = f"{path}/{cell[0]}" if cell else path
        variables = enumerate(listed_variables(module))
        arrays = tuple(weight(f"{home}/vars/{index}", variable, forms) for index, variable in variables)
        objects[path] = TreeObject((), name) if cell else TreeObject(arrays, name)
        if isinstance(module, Layer) and type(module).save_own_variables is not Layer.save_own_variables:
            objects[path] = _own_part(module, path, name, forms)
        if cell:
            objects[home] = TreeObject(arrays, cell[1] if stated else None)
    return TreeWeights(objects)


def _own_part(layer: Layer, path: str, name: str | None, forms: Forms) -> TreeObject:
    """What a layer of a person's own class wants to be kept of it, under the names that it gives."""
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    arrays = []
    for key, value in store.items():
        where = f"save_own_variables of {layer.name!r}"
        if not isinstance(key, str) or not key or "/" in key or "\\" in key or key in (".", ".."):
            raise SaveError(f"{where}: expected names without / for the arrays, got {quote(key)}.")
        value = plain_value(value)
        held = value if isinstance(value, Tensor) else np.asarray(value)
        if isinstance(held, np.ndarray) and held.dtype.kind not in "biuf":
            raise SaveError(f"{where}: {key}: expected numbers, got {quote(type(value).__name__)} of {held.dtype}.")
        tensor = held if isinstance(held, Tensor) else torch.from_numpy(np.array(held))
        arrays.append(forms.not_finite.watch(f"{layer.name}/{key}", _array(f"{path}/vars/{key}", tensor)))
    return TreeObject(tuple(arrays), name, tuple(store))


def legacy_weights(model: Model, forms: Forms, copies: bool) -> LegacyWeights:
    """The weights of each layer in Keras's order, trained ones first; `copies` as in `tree_weights`."""
    layers = [layer for layer in forms.listed(model) if isinstance(layer, Layer) and not isinstance(layer, Operation)]
    if forms.dialect.in_place:
        refuse_counts(model)
    own = tuple((variable.name, weight(variable.name, variable, forms)) for variable in own_variables(model))
    return LegacyWeights(tuple(LegacyLayer(layer.name, _of_layer(layer, forms, copies)) for layer in layers), own)


def _of_layer(layer: Layer, forms: Forms, copies: bool) -> tuple[tuple[str, Array], ...]:
    stored = []
    for owned in legacy_order(layer, forms.listed, forms.written, copies):
        cell = cell_of(owned.variable.module)
        parts = [layer.name, *owned.names, *(cell[1:] if cell else ()), owned.variable.name]
        name = "/".join(parts) + forms.dialect.weight_end
        stored.append((name, weight(name, owned.variable, forms)))
    return tuple(stored)


def watched(weights: LegacyWeights | TreeWeights, wrote: Callable[[int], None]) -> LegacyWeights | TreeWeights:
    """The same weights; `wrote` gets the number of values of each array when that is taken."""

    def watch(array: Array) -> Array:
        def read() -> np.ndarray:
            values = array.read()
            wrote(values.size)
            return values

        return Array(array.where, array.shape, array.dtype, read)

    def watch_all(stored: tuple[tuple[str, Array], ...]) -> tuple[tuple[str, Array], ...]:
        return tuple((name, watch(array)) for name, array in stored)

    if isinstance(weights, LegacyWeights):
        layers = tuple(LegacyLayer(layer.name, watch_all(layer.weights)) for layer in weights.layers)
        return LegacyWeights(layers, watch_all(weights.top_level))
    objects = weights.objects.items()
    return TreeWeights({path: replace(item, arrays=tuple(map(watch, item.arrays))) for path, item in objects})


def cell_of(module: nn.Module) -> tuple[str, str] | None:
    """The attribute and the name of the cell that has a recurrent layer's weights in Keras; None for all others."""
    if not isinstance(module, Layer) or not type(module).VARS_PATH:
        return None
    return type(module).VARS_PATH, name_in_files(f"{module._class_name}Cell")


def weight(where: str, variable: Variable, forms: Forms) -> Array:
    """A variable as an array of an archive, which notes NaN and infinity when it is written."""
    return forms.not_finite.watch(variable.path, _array(where, variable.value))


def _array(where: str, value: Tensor) -> Array:
    """A tensor as an array of an archive, copied out of torch only when it is written."""
    value = value.detach()

    def read() -> np.ndarray:
        dense = value.cpu().contiguous()
        return dense.view(torch.int16).numpy().view("uint16") if dense.dtype == torch.bfloat16 else dense.numpy()

    return Array(where, tuple(value.shape), dtype_name(value.dtype), read)
