"""Operations between layers, as far as a function of torch computes the same on floats."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch

from ... import activations
from ...functions.arguments import Place, map_arguments
from ...layers.core.operation import Held, Operation
from ..builder import Builder, Value, refusal, translates
from .activations import activate

_INFIX: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Subtract": operator.sub,
    "Multiply": operator.mul,
    "Divide": operator.truediv,
    "TrueDivide": operator.truediv,
    "Power": operator.pow,
    "Matmul": operator.matmul,
    "Greater": operator.gt,
    "GreaterEqual": operator.ge,
    "Less": operator.lt,
    "LessEqual": operator.le,
    "Equal": operator.eq,
    "NotEqual": operator.ne,
}
_METHODS = {
    "Negative": operator.neg,
    "Absolute": torch.abs,
    "Abs": torch.abs,
    "Exp": torch.exp,
    "Log": torch.log,
    "Log1p": torch.log1p,
    "Expm1": torch.expm1,
    "Sqrt": torch.sqrt,
    "Rsqrt": torch.rsqrt,
    "Square": torch.square,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "Relu": torch.relu,
    "Erf": torch.erf,
}
_ACTIVATIONS = {
    "Relu6": activations.relu6,
    "HardSigmoid": activations.hard_sigmoid,
    "Silu": activations.silu,
    "Softplus": activations.softplus,
    "Softsign": activations.softsign,
    "Selu": activations.selu,
    "LogSigmoid": activations.log_sigmoid,
}
_REDUCING = {"Mean": "mean", "Sum": "sum", "Max": "amax", "Min": "amin", "Amax": "amax", "Amin": "amin"}


@translates(Operation)
def _operation(t: Builder, layer: Any, x: Any) -> Any:
    inputs = list(x) if isinstance(x, (list, tuple)) else [x]
    if not all(value.node.meta.get("dtype", torch.float32).is_floating_point for value in inputs):
        raise refusal(layer, "an operation on integers has no translation")
    given = _filled(t, layer, inputs)
    name = layer.function
    two: Any = (given.get("x1"), given.get("x2"))
    if name in _INFIX:
        return _INFIX[name](*two)
    if name in ("Maximum", "Minimum") and all(isinstance(part, type(inputs[0])) for part in two):
        return (torch.maximum if name == "Maximum" else torch.minimum)(*two)
    if name in _METHODS:
        return _METHODS[name](given["x"])
    if name in _ACTIVATIONS:
        return activate(t, layer, _ACTIVATIONS[name], given["x"])
    if name in _REDUCING and given.get("initial") is None:
        return _reduced(given["x"], _REDUCING[name], given["axis"], given["keepdims"])
    made = _moved(t, name, given)
    if made is None:
        raise refusal(layer, f"the operation {name} has no translation")
    return made


def _filled(t: Builder, layer: Any, inputs: list[Any]) -> dict[str, Any]:
    """The arguments with values in their places; arrays become buffers."""

    def fill(value: Any) -> Any:
        if isinstance(value, Held):
            return t.parameter(layer, value.name)
        return inputs[value.index] if isinstance(value, Place) else value

    return {name: map_arguments(fill, value) for name, value in layer._template.items()}


def _reduced(x: Value, method: str, axis: Any, keepdims: bool) -> Value:
    axes = tuple(range(x.rank)) if axis is None else tuple(axis) if isinstance(axis, (list, tuple)) else axis
    return getattr(x, method)(axes, **({"keepdim": True} if keepdims else {}))


def _moved(t: Builder, name: str, given: Any) -> Any:
    """Operations that move values and compute none."""
    x: Any = given.get("x")
    if name == "GetItem":
        key: Any = tuple(given["key"]) if isinstance(given["key"], list) else given["key"]
        return x[key[0] if isinstance(key, tuple) and len(key) == 1 else key] if _is_plain(key) else None
    if name == "Softmax" and isinstance(given["axis"], int):
        return torch.softmax(x, dim=given["axis"])
    if name == "ExpandDims" and isinstance(given["axis"], int):
        return x.unsqueeze(given["axis"])
    if name == "Squeeze" and isinstance(given["axis"], int):
        return x.squeeze(given["axis"])
    if name == "Concatenate" and given["axis"] is not None:
        return torch.cat(given["xs"], dim=given["axis"])
    if name == "Stack":
        return torch.stack(given["x"], dim=given["axis"])
    if name == "Transpose" and given["axes"] is not None:
        return x.permute(*given["axes"])
    if name == "Swapaxes":
        return x.transpose(given["axis1"], given["axis2"])
    if name == "Clip" and all(isinstance(given[key], (int, float)) for key in ("x_min", "x_max")):
        return t.call(torch.clamp, x, given["x_min"], given["x_max"])
    if name == "Flip" and isinstance(given["axis"], int):
        return x.flip(given["axis"])
    return None


def _is_plain(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    bounds = [end for part in parts if isinstance(part, slice) for end in (part.start, part.stop, part.step)]
    others = [part for part in parts if not isinstance(part, slice)]
    forwards = all(part.step is None or part.step > 0 for part in parts if isinstance(part, slice))
    return forwards and all(end is None or isinstance(end, int) for end in (*bounds, *others) if end is not Ellipsis)
