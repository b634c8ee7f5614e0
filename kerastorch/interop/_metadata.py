"""What code asks of a tensor without its numbers: sizes that may be unknown, and the rest as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ._size import product
from ._value import Value

_SIZES = {"shape", "size", "__len__", "numel", "nelement"}
METADATA = {"dim", "ndim", "ndimension", "dtype", "type", "device", "get_device", "layout", "requires_grad", "is_leaf"}
METADATA |= {"is_cuda", "is_cpu", "is_mps", "is_xpu", "is_meta", "is_floating_point", "is_complex", "is_signed"}
METADATA |= {"is_contiguous", "is_sparse", "is_nested", "is_quantized", "is_inference", "stride", "element_size"}
METADATA |= {"grad", "grad_fn", "__repr__", "__str__", "__format__", "__hash__", *_SIZES}

# The functions that know of sizes that are not the same for every input; to others these are plain numbers.
SIZED = {
    "reshape", "view", "view_as", "reshape_as", "unflatten", "expand", "expand_as", "repeat", "tile",
    "broadcast_to", "select", "narrow", "__getitem__", "__setitem__", "zeros", "empty", "ones", "new_zeros",
    "new_empty", "new_ones", "full", "new_full", "arange", "eye", "add", "sub", "subtract", "rsub", "mul", "multiply",
    "div", "divide", "true_divide", "floor_divide", "remainder", "pow", "maximum", "minimum", "eq", "ne", "lt", "le",
    "gt", "ge", "__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__",
    "__rtruediv__", "__rdiv__", "__floordiv__", "__mod__", "__pow__", "__rpow__", "__eq__", "__ne__", "__lt__",
    "__le__", "__gt__", "__ge__", "where", "__iadd__", "__isub__", "__imul__", "__itruediv__", "__idiv__",
}  # fmt: skip


def known(name: str, func: Callable[..., Any], value: Value, args: Any, kwargs: Any) -> Any:
    """The answer of a tensor that is `value`."""
    if name not in _SIZES:
        return func(*args, **kwargs)
    if name in ("numel", "nelement"):
        return product(value.shape())
    if name == "__len__":
        return value.size(0)
    sizes: Any = value.shape()
    dim = args[1] if len(args) > 1 and name == "size" else kwargs.get("dim")
    return torch.Size(sizes) if dim is None else value.size(dim)
