"""Operations between layers: what of torch computes each of them, dtypes by Keras's rules."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ... import activations
from ...activations.records import RECORDS
from ...dtypes import any_dtype
from ...functions.arguments import Place, map_arguments
from ...layers.core.operation import Held, Operation
from .. import helpers
from ..builder import Builder, GraphValue, refusal, translates
from .activations import activate, function_of_record
from .arrangements import ARRANGED
from .picking import PICKED
from .reducing import REDUCED

# Of two values; the second column: whether integers become floats.
_TWO: dict[str, tuple[Callable[[Any, Any], Any], bool]] = {
    "Add": (operator.add, False),
    "Subtract": (operator.sub, False),
    "Multiply": (operator.mul, False),
    "Divide": (operator.truediv, True),
    "TrueDivide": (operator.truediv, True),
    "Power": (operator.pow, False),
    "Matmul": (operator.matmul, False),
    "Greater": (operator.gt, False),
    "GreaterEqual": (operator.ge, False),
    "Less": (operator.lt, False),
    "LessEqual": (operator.le, False),
    "Equal": (operator.eq, False),
    "NotEqual": (operator.ne, False),
    "Mod": (operator.mod, False),
    "BitwiseAnd": (operator.and_, False),
    "BitwiseOr": (operator.or_, False),
    "BitwiseXor": (operator.xor, False),
}
# Of two tensors: a number becomes one.
_TENSORS: dict[str, tuple[Callable[[Any, Any], Any], bool]] = {
    "Maximum": (torch.maximum, False),
    "Minimum": (torch.minimum, False),
    "Fmod": (torch.fmod, False),
    "FloorDivide": (functools.partial(torch.div, rounding_mode="floor"), False),
    "Arctan2": (torch.atan2, True),
    "Hypot": (torch.hypot, True),
    "Logaddexp": (torch.logaddexp, True),
    "DivideNoNan": (helpers.divide_or_zero, True),
}
_LOGICAL = {"LogicalAnd": operator.and_, "LogicalOr": operator.or_, "LogicalXor": operator.xor}
# Of floats; integers become floats.
_FLOATS: dict[str, Callable[..., Any]] = {
    name: getattr(torch, name.lower())
    for name in [
        "Exp",
        "Log",
        "Log1p",
        "Expm1",
        "Exp2",
        "Log10",
        "Log2",
        "Sqrt",
        "Rsqrt",
        "Sin",
        "Cos",
        "Tan",
        "Sinh",
        "Cosh",
        "Erf",
        "Ceil",
        "Floor",
        "Reciprocal",
        "Deg2rad",
        "Rad2deg",
    ]
}
_FLOATS |= {f"Arc{name}": getattr(torch, f"a{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}
_FLOATS["Fabs"] = torch.abs
# Of any values.
_ANY: dict[str, Callable[..., Any]] = {
    "Absolute": torch.abs,
    "Abs": torch.abs,
    "Negative": operator.neg,
    "Square": torch.square,
    "Sign": torch.sign,
    "Isfinite": torch.isfinite,
    "Isinf": torch.isinf,
    "Isnan": torch.isnan,
    "LogicalNot": torch.logical_not,
    "BitwiseNot": operator.invert,
    "BitwiseInvert": operator.invert,
}
_SAME = ("Conj", "Conjugate", "Real", "Copy")
# Activations, most without settings.
_ACTIVATIONS = {record.operation: record for record in RECORDS if record.operation}


class Numbers:
    """The values of one operation: their dtypes, and numbers and arrays beside them."""

    def __init__(self, t: Builder, layer: Any) -> None:
        self.t = t
        self.layer = layer

    def refused(self, why: str) -> Exception:
        return refusal(self.layer, f"the operation {self.layer.function} {why}")

    def dtype_of(self, value: Any) -> torch.dtype:
        return value.node.meta.get("dtype", torch.float32)

    def dtype(self, name: Any) -> torch.dtype:
        return any_dtype(name)

    def cast(self, value: Any, dtype: torch.dtype) -> Any:
        if self.dtype_of(value) == dtype:
            return value
        made = value.to(dtype)
        made.node.meta.update(dtype=dtype, shape=value.shape_known)
        return made

    def floating(self, value: Any) -> Any:
        return value if self.dtype_of(value).is_floating_point else self.cast(value, self.layer.dtype)

    def joined(self, *values: Any, floating: bool = False, tensors: bool = False) -> list[Any]:
        """Values of one dtype; a number stays one, unless tensors are wanted."""
        held = [value for value in values if isinstance(value, GraphValue)]
        numbers = [value for value in values if not isinstance(value, GraphValue)]
        if not all(isinstance(number, (bool, int, float)) for number in numbers):
            raise self.refused("has no translation for these arguments")
        dtype = self.dtype_of(held[0]) if held else torch.bool
        for value in held[1:]:
            dtype = torch.promote_types(dtype, self.dtype_of(value))
        for number in numbers:
            if not isinstance(number, bool) and dtype == torch.bool:
                dtype = torch.int32
            if isinstance(number, float) and not dtype.is_floating_point:
                dtype = self.layer.dtype
        if floating and not dtype.is_floating_point:
            dtype = self.layer.dtype
        made = []
        for value in values:
            if isinstance(value, GraphValue):
                made.append(self.cast(value, dtype))
            elif tensors:
                number = self.t.constant(f"{self.layer.name}_value", torch.tensor(value, dtype=dtype))
                number.node.meta.update(dtype=dtype, shape=())
                made.append(number)
            else:
                made.append(value)
        return made


@translates(Operation)
def _operation(t: Builder, layer: Any, x: Any) -> Any:
    inputs = list(x) if isinstance(x, (list, tuple)) else [x]
    given = _filled(t, layer, inputs)
    numbers = Numbers(t, layer)
    name = layer.function
    made = _computed(numbers, name, given)
    together = {**ARRANGED, **PICKED, **REDUCED}
    if made is None and name in together:
        made = together[name](numbers, **given)
    if made is None:
        raise refusal(layer, f"the operation {name} has no translation")
    return made


def _computed(numbers: Numbers, name: str, given: dict[str, Any]) -> Any:
    """What computes each value by itself."""
    t, layer = numbers.t, numbers.layer
    if name in _TWO or name in _TENSORS:
        function, floating = (_TWO | _TENSORS)[name]
        first, second = numbers.joined(given.get("x1", given.get("x")), given.get("x2", given.get("y")),
                                       floating=floating, tensors=name in _TENSORS)  # fmt: skip
        one = first if isinstance(first, GraphValue) else second
        if numbers.dtype_of(one) == torch.bool:
            booleans = {"Add": operator.or_, "Multiply": operator.and_}
            if name in ("Matmul", "Subtract", "FloorDivide", "Mod", "Fmod", "Power"):
                raise numbers.refused("on booleans has no translation")
            function = booleans.get(name, function)
        return function(first, second)
    if name in _LOGICAL:
        return _LOGICAL[name](*(numbers.cast(value, torch.bool) for value in (given["x1"], given["x2"])))
    if name in _SAME:
        return given["x"]
    if name in _ANY:
        x = given["x"]
        if numbers.dtype_of(x) == torch.bool and name in ("Absolute", "Abs"):
            return x
        return _ANY[name](numbers.cast(x, torch.int32) if name == "Square" and numbers.dtype_of(x) == torch.bool else x)
    if name in _FLOATS:
        return _FLOATS[name](numbers.floating(given["x"]))
    if name == "Gelu":
        x = numbers.floating(given["x"])
        return t.call(F.gelu, x, **({"approximate": "tanh"} if given["approximate"] else {}))
    if name in _ACTIVATIONS and isinstance(given.get("axis", 0), int):
        record = _ACTIVATIONS[name]
        function, options = function_of_record(record)
        options |= {own: given[key] for key, own in record.settings.items()}
        return t.call(function, numbers.floating(given["x"]), **options)
    if name == "ReLU":
        function = activations.ReLU(given["max_value"], given["negative_slope"], given["threshold"])
        return activate(t, layer, function, numbers.floating(given["x"]))
    if name in ("Cast", "ConvertToTensor", "Array"):
        return given["x"] if given["dtype"] is None else numbers.cast(given["x"], numbers.dtype(given["dtype"]))
    return None


def _filled(t: Builder, layer: Any, inputs: list[Any]) -> dict[str, Any]:
    """The arguments with values in their places; arrays become buffers."""

    def fill(value: Any) -> Any:
        if isinstance(value, Held):
            held = t.parameter(layer, value.name)
            tensor: Tensor = getattr(layer, value.name)
            held.node.meta.update(dtype=tensor.dtype, shape=tuple(tensor.shape))
            return held
        return inputs[value.index] if isinstance(value, Place) else value

    return {name: map_arguments(fill, value) for name, value in layer._template.items()}
