"""What code asks of a tensor without its numbers: sizes that may be unknown, and the rest as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ._value import Value, product

_SIZES = {"shape", "size", "__len__", "numel", "nelement"}
METADATA = {"dim", "ndim", "ndimension", "dtype", "type", "device", "get_device", "layout", "requires_grad", "is_leaf"}
METADATA |= {"is_cuda", "is_cpu", "is_mps", "is_xpu", "is_meta", "is_floating_point", "is_complex", "is_signed"}
METADATA |= {"is_contiguous", "is_sparse", "is_nested", "is_quantized", "is_inference", "stride", "element_size"}
METADATA |= {"grad", "grad_fn", "__repr__", "__str__", "__format__", "__hash__", *_SIZES}


def known(name: str, func: Callable[..., Any], value: Value, args: Any, kwargs: Any) -> Any:
    """The answer of a tensor that is `value`."""
    if name not in _SIZES:
        return func(*args, **kwargs)
    if name in ("numel", "nelement"):
        return product(value.shape())
    if name == "__len__":
        return value.size(0)
    dim = args[1] if len(args) > 1 and name == "size" else kwargs.get("dim")
    return torch.Size(value.shape()) if dim is None else value.size(dim)
