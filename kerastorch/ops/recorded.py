"""Operations that stand in files: in a graph each is a layer of its own, `layers.Operation`; elsewhere it computes."""

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
from ..base.variable import Variable
from ..functions import FUNCTIONS, Kit
from ..functions.arguments import argument_leaves, map_arguments
from ..layers.core.operation import apply
from ..operations import OPERATIONS, REQUIRED, bind

# Where a function of Keras takes its arguments in another order than its class, whose call comes first.
_ORDERS: dict[str, tuple[str, ...]] = {
    "Average": ("x", "axis", "weights"),
    "Full": ("shape", "fill_value", "dtype"),
    "Pad": ("x", "pad_width", "mode", "constant_values"),
}
NAMES = {snake_case(name): name for name, sign in OPERATIONS.items() if sign.module.startswith("keras.src.ops.")}


def use(function: str, arguments: dict[str, Any]) -> Any:
    """Record the operation where a tensor is symbolic, else compute it."""
    given = argument_leaves(arguments)
    if any(isinstance(leaf, Variable) for leaf in given):
        arguments = map_arguments(lambda leaf: leaf.value if isinstance(leaf, Variable) else leaf, arguments)
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
def recorded(name: str) -> Callable[..., Any]:
    """The function of an operation, by its name in `keras.ops`."""
    function = NAMES[name]
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
        return use(function, dict(signature.bind(*args, **kwargs).arguments))

    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"`keras.ops.{name}`: symbolic on symbolic tensors, computed on others."
    made.__signature__ = signature  # type: ignore[attr-defined]
    return made
