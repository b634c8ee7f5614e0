"""`layer.cell`: the cell that Keras has inside a recurrent layer, with the layer's own weights."""

from __future__ import annotations

from typing import Any

from ...base.naming import snake_case
from ...base.protocol import AnyLayer
from ...base.registry import REGISTRY
from ...base.variables import own_variables, unbuilt_parameter, weights_on


def cell_in(layer: AnyLayer) -> Any:
    """The cell of an LSTM, GRU or SimpleRNN: a cell with the very parameters of the layer; it is no module of it.

    What is changed in the weights is changed in the layer. Its other attributes are the layer's at the first access.
    """
    cell = layer._inner_cell
    if cell is None:
        base = next(base for base in type(layer).__mro__ if REGISTRY.get(getattr(base, "_class_name", "")) is base)
        cls: Any = REGISTRY[f"{base._class_name}Cell"]  # type: ignore[attr-defined]
        given = {key: getattr(layer, key) for key in cls.CONFIG if key not in cls.BASE_CONFIG}
        cell = cls(**given, name=snake_case(cls._class_name), trainable=layer._trainable, dtype=layer._dtype)
        layer.__dict__["_inner_cell"] = cell
    if layer._built:
        if not cell._built:
            with weights_on("meta"):
                cell._parameters["unbuilt"] = unbuilt_parameter(cell.name, layer.dtype)
                cell.build((layer._in_shape[0], layer._in_shape[-1]))
        for own, inner in ((layer._parameters, cell._parameters), (layer._buffers, cell._buffers)):
            inner.update({name.removesuffix("_l0"): tensor for name, tensor in own.items() if name.endswith("_l0")})
        there = own_variables(layer)
        named = {variable.name: variable for variable in there}
        cell._variable_objects.update({(var.name, var.params): named[var.name] for var in declared(cell)})
    cell._parent_path, cell.training = layer._path, layer.training
    return cell


def declared(layer: AnyLayer) -> list[Any]:
    """The weights that a layer of its arguments has."""
    return [var for var in type(layer).WEIGHTS if var.when(layer)]


class CellOfImages:
    """The cell of a ConvLSTM, for which Keras has no public class: the layer's arguments and weights, to look at."""

    def __init__(self, layer: AnyLayer) -> None:
        self._layer = layer

    def __getattr__(self, name: str) -> Any:
        cls = type(self._layer)
        if name in cls._weight_names or name in cls.CONFIG or name in ("weights", "trainable_weights", "variables"):
            return self._layer._weight_by_name(name) if name in cls._weight_names else getattr(self._layer, name)
        raise AttributeError(f"the cell of {cls.__name__} has no attribute {name!r}")
