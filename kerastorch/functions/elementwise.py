"""Functions of each value by itself: arithmetic, comparison, logic, activations, casts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .. import activations, clipping
from ..activations.records import RECORDS
from ..arrays import is_text_array, with_texts
from ..errors import UnsupportedError
from .kit import Kit


def _binary(function: Callable[[Tensor, Tensor], Tensor], floating: bool = False) -> Callable[..., Tensor]:
    def compute(kit: Kit, x1: Any, x2: Any) -> Tensor:
        return function(*kit.joined(x1, x2, floating=floating))

    return compute


def _arithmetic(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Of booleans Keras makes integers before it computes with them."""

    def compute(kit: Kit, x1: Any, x2: Any) -> Tensor:
        first, second = kit.joined(x1, x2)
        if first.dtype == torch.bool:
            first, second = first.int(), second.int()
        return function(first, second)

    return compute


def _logical(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def compute(kit: Kit, x1: Any, x2: Any) -> Tensor:
        return function(*(x.bool() for x in kit.joined(x1, x2)))

    return compute


def _bitwise(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda kit, x, y: function(*kit.joined(x, y))


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda kit, x: function(kit.tensor(x))


def _floating(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda kit, x, **arguments: function(kit.floating(kit.tensor(x)), **arguments)


def _divide_no_nan(x1: Tensor, x2: Tensor) -> Tensor:
    # The inner where keeps the gradient finite.
    return torch.where(x2 == 0, torch.zeros_like(x1), x1 / torch.where(x2 == 0, torch.ones_like(x2), x2))


def _cbrt(x: Tensor) -> Tensor:
    return x.sign() * x.abs().pow(1.0 / 3.0)


def clip(kit: Kit, x: Any, x_min: Any, x_max: Any) -> Tensor:
    x = kit.tensor(x)
    x = x.int() if x.dtype == torch.bool else x
    low, high = (value if value is None else kit.tensor(value).to(x) for value in (x_min, x_max))
    return clipping.clip(x, low, high)


def where(kit: Kit, condition: Any, x1: Any, x2: Any) -> Tensor:
    if x1 is None or x2 is None:
        raise UnsupportedError("Where without values finds places: how many there are depends on the data.")
    x1, x2 = kit.joined(x1, x2)
    return torch.where(kit.tensor(condition).bool().to(x1.device), x1, x2)


def select(kit: Kit, condlist: Any, choicelist: Any, default: Any) -> Tensor:
    *choices, chosen = kit.joined(*choicelist, 0 if default is None else default)
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        chosen = torch.where(kit.tensor(condition).bool(), choice, chosen)
    return chosen


def cast(kit: Kit, x: Any, dtype: Any) -> Tensor:
    return kit.tensor(x).to(kit.dtype(dtype))


def saturate_cast(kit: Kit, x: Any, dtype: Any) -> Tensor:
    x, wanted = kit.tensor(x), kit.dtype(dtype)
    if wanted == torch.bool:
        return x.to(wanted)
    info = torch.finfo(wanted) if wanted.is_floating_point else torch.iinfo(wanted)
    if x.is_floating_point() and not wanted.is_floating_point:
        # The largest integer may not be a float: what is not below it becomes it.
        largest = torch.full((), int(info.max), dtype=wanted, device=x.device)
        return torch.where(x >= float(info.max), largest, x.clamp(min=float(info.min)).to(wanted))
    if x.is_floating_point():
        return x.double().clamp(info.min, info.max).to(wanted)
    return x.long().clamp(max(int(info.min), -(2**63)), min(int(info.max), 2**63 - 1)).to(wanted)


def convert(kit: Kit, x: Any, dtype: Any, sparse: Any = None, ragged: Any = None) -> Tensor:
    if sparse or ragged:
        raise UnsupportedError("sparse and ragged tensors are not supported; make the tensor dense.")
    texts: Any = with_texts(x)
    if is_text_array(texts) and dtype in (None, "string"):
        return texts  # torch has no tensors of text: layers that take it take arrays
    return kit.tensor(x) if dtype is None else cast(kit, x, dtype)


def round_to(kit: Kit, x: Any, decimals: int) -> Tensor:
    x = kit.tensor(x)
    if not x.is_floating_point() and decimals >= 0:
        return x
    values = kit.floating(x)
    if decimals == 0:
        return values.round()
    factor = math.pow(10, decimals)
    return ((values * factor).round() / factor).to(x.dtype)


def isclose(kit: Kit, x1: Any, x2: Any, rtol: Any, atol: Any, equal_nan: bool) -> Tensor:
    x1, x2 = kit.joined(x1, x2)
    if not x1.is_floating_point():
        return x1 == x2
    close = (x1 - x2).abs() <= (1e-8 if atol is None else atol) + (1e-5 if rtol is None else rtol) * x2.abs()
    return close | (x1.isnan() & x2.isnan()) if equal_nan else close


def nan_to_num(kit: Kit, x: Any, nan: Any, posinf: Any, neginf: Any) -> Tensor:
    x = kit.tensor(x)
    return torch.nan_to_num(x, nan, posinf, neginf) if x.is_floating_point() else x


def _absolute(x: Tensor) -> Tensor:
    return x if x.dtype == torch.bool else x.abs()


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "Add": _binary(lambda a, b: a | b if a.dtype == torch.bool else a + b),
    "Subtract": _arithmetic(torch.sub),
    "Multiply": _binary(lambda a, b: a & b if a.dtype == torch.bool else a * b),
    "Divide": _binary(torch.true_divide, floating=True),
    "TrueDivide": _binary(torch.true_divide, floating=True),
    "DivideNoNan": _binary(_divide_no_nan, floating=True),
    "FloorDivide": _arithmetic(lambda a, b: torch.div(a, b, rounding_mode="floor")),
    "Mod": _arithmetic(torch.remainder),
    "Fmod": _arithmetic(torch.fmod),
    "Power": _arithmetic(torch.pow),
    "Maximum": _binary(torch.maximum),
    "Minimum": _binary(torch.minimum),
    "Arctan2": _binary(torch.atan2, floating=True),
    "Hypot": _binary(torch.hypot, floating=True),
    "Logaddexp": _binary(torch.logaddexp, floating=True),
    "Equal": _binary(torch.eq),
    "NotEqual": _binary(torch.ne),
    "Greater": _binary(torch.gt),
    "GreaterEqual": _binary(torch.ge),
    "Less": _binary(torch.lt),
    "LessEqual": _binary(torch.le),
    "LogicalAnd": _logical(torch.logical_and),
    "LogicalOr": _logical(torch.logical_or),
    "LogicalXor": _logical(torch.logical_xor),
    "LogicalNot": _unary(torch.logical_not),
    "BitwiseAnd": _bitwise(torch.bitwise_and),
    "BitwiseOr": _bitwise(torch.bitwise_or),
    "BitwiseXor": _bitwise(torch.bitwise_xor),
    **dict.fromkeys(("BitwiseNot", "BitwiseInvert"), _unary(torch.bitwise_not)),
    **dict.fromkeys(("Absolute", "Abs"), _unary(_absolute)),
    "Fabs": _floating(torch.abs),
    "Negative": _unary(torch.neg),
    "Square": _unary(lambda x: x.int() if x.dtype == torch.bool else x * x),
    "Sign": _unary(torch.sign),
    "Ceil": _floating(torch.ceil),
    "Floor": _floating(torch.floor),
    "Trunc": _unary(lambda x: x.trunc() if x.is_floating_point() else x),
    "Round": round_to,
    **dict.fromkeys(("Conj", "Conjugate", "Real"), _unary(lambda x: x)),
    "Copy": _unary(torch.clone),
    "Reciprocal": _floating(torch.reciprocal),
    "Sqrt": _floating(torch.sqrt),
    "Rsqrt": _floating(torch.rsqrt),
    "Cbrt": _floating(_cbrt),
    "Exp": _floating(torch.exp),
    "Exp2": _floating(torch.exp2),
    "Expm1": _floating(torch.expm1),
    "Log": _floating(torch.log),
    "Log10": _floating(torch.log10),
    "Log1p": _floating(torch.log1p),
    "Log2": _floating(torch.log2),
    "Sin": _floating(torch.sin),
    "Cos": _floating(torch.cos),
    "Tan": _floating(torch.tan),
    "Sinh": _floating(torch.sinh),
    "Cosh": _floating(torch.cosh),
    "Arcsin": _floating(torch.asin),
    "Arccos": _floating(torch.acos),
    "Arctan": _floating(torch.atan),
    "Arcsinh": _floating(torch.asinh),
    "Arccosh": _floating(torch.acosh),
    "Arctanh": _floating(torch.atanh),
    "Deg2rad": _floating(torch.deg2rad),
    "Rad2deg": _floating(torch.rad2deg),
    "Erf": _floating(torch.erf),
    "Isfinite": _unary(torch.isfinite),
    "Isinf": _unary(torch.isinf),
    "Isnan": _unary(torch.isnan),
    "Isclose": isclose,
    "NanToNum": nan_to_num,
    "Clip": clip,
    "Where": where,
    "Select": select,
    "Cast": cast,
    "SaturateCast": saturate_cast,
    "Array": convert,
    "ConvertToTensor": convert,
    "StopGradient": lambda kit, variable: kit.tensor(variable).detach(),
    **{record.operation: _floating(record.function) for record in RECORDS if record.operation},
    "ReLU": _floating(activations.relu),
}
