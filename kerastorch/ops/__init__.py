"""Keras 3's operations as functions, under Keras's names: `ops.mean(x, axis=1)`, `ops.not_equal(words, 0)`, ...

On symbolic tensors they make layers of a graph (`layers.Operation`); on torch tensors and arrays they compute.
`dir(ops)` lists them. `x + y`, `x[:, -1]` and the like need none of these.

Those of `operations.OPERATIONS` stand in files of Keras and of kerastorch. The others, in the modules here, only
compute: in a graph they become `Lambda` layers, which no file holds. Begin with `_computed.py`, then `making.py`
(tensors from sizes, parts), `numbers.py` (elementwise, segments), `statistics.py`, `algebra.py` (matrices, spectra,
losses), `control.py` (loops), `decoding.py` (CTC); `elsewhere.py` says what is left out, and what to use.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.graph import SymbolicTensor
from ..base.naming import snake_case
from ..functions import FUNCTIONS, Kit
from ..functions.arguments import argument_leaves, map_arguments
from ..layers.core.operation import apply
from ..namespaces import Namespace
from ..operations import OPERATIONS, REQUIRED, bind
from . import algebra, control, decoding, making, numbers, statistics
from .elsewhere import ELSEWHERE

# Where a function of Keras takes its arguments in another order than its class, whose call comes first.
_ORDERS: dict[str, tuple[str, ...]] = {
    "Average": ("x", "axis", "weights"),
    "Full": ("shape", "fill_value", "dtype"),
    "Pad": ("x", "pad_width", "mode", "constant_values"),
}
_NAMES = {snake_case(name): name for name, sign in OPERATIONS.items() if sign.module.startswith("keras.src.ops.")}


def shape(x: Any) -> tuple[int | None, ...]:
    """The sizes of x, None where one is not known: `keras.ops.shape`."""
    return tuple(x.shape)


def einsum(subscripts: str, *operands: Any) -> Any:
    """Products and sums by letters, `einsum("btf,fu->btu", x, kernel)`: `keras.ops.einsum`."""
    return _use("Einsum", {"operands": list(operands), "subscripts": subscripts})


def _use(function: str, arguments: dict[str, Any]) -> Any:
    """Record the operation where a tensor is symbolic, else compute it."""
    given = argument_leaves(arguments)
    if any(isinstance(leaf, SymbolicTensor) for leaf in given):
        return apply(function, **arguments)
    tensors = [leaf for leaf in given if isinstance(leaf, Tensor)]
    device = next((leaf.device for leaf in tensors if leaf.device.type != "cpu"), None)
    device = device or (tensors[0].device if tensors else torch.get_default_device())

    def tensor(leaf: Any) -> Any:
        return torch.as_tensor(leaf, device=device) if isinstance(leaf, np.ndarray) else leaf

    kit = Kit(torch.get_default_dtype(), device)
    return FUNCTIONS[function](kit, **map_arguments(tensor, bind(function, kwargs=arguments)))


@functools.cache
def _make(name: str) -> Callable[..., Any]:
    function = _NAMES[name]
    sign = OPERATIONS[function]
    defaults = {**dict.fromkeys(sign.optional), **sign.config}
    signature = inspect.Signature(
        [
            inspect.Parameter(
                key,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=inspect.Parameter.empty if defaults.get(key, REQUIRED) is REQUIRED else defaults[key],
            )
            for key in _ORDERS.get(function, sign.names)
        ]
    )

    def made(*args: Any, **kwargs: Any) -> Any:
        return _use(function, dict(signature.bind(*args, **kwargs).arguments))

    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"`keras.ops.{name}`: symbolic on symbolic tensors, computed on others."
    made.__signature__ = signature  # type: ignore[attr-defined]
    return made


def get(name: str) -> Any:
    """The function with a name of `dir(ops)`."""
    # Not kept in this module, where `any` or `sum` would hide Python's own.
    return _make(name) if name in _NAMES else _COMPUTED[name]


_COMPUTED = {
    name: function
    for module in (algebra, control, decoding, making, numbers, statistics)
    for name, function in vars(module).items()
    if callable(function) and getattr(function, "__module__", "") == module.__name__ and not name.startswith("_")
}
_FUNCTIONS = {*_NAMES, *_COMPUTED, "shape", "einsum"}
_namespace = Namespace(
    __name__,
    globals(),
    own=_FUNCTIONS - {"shape", "einsum"},
    make=get,
    absent=ELSEWHERE,
    hidden={name for name in globals() if not name.startswith("_")} - _FUNCTIONS,
)


def __getattr__(name: str) -> Any:
    return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
