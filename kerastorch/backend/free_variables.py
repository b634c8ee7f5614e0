"""`keras.Variable`: a variable that somebody makes by hand, and may keep in a layer."""

from __future__ import annotations

from typing import Any

import torch

from .. import initializers, ops
from ..base import check
from ..base.variable import Variable as LayerVariable
from ..base.variable import plain_value
from ..base.weight_tensors import WeightBuffer, WeightParameter
from ..dtypes import any_dtype
from ..errors import ArgumentError, ShapeError, quote
from ..weights import owned

__all__ = ["Variable"]


class _Variables(type):
    """`isinstance(x, Variable)`: of what layers list in `weights` too, whatever holds it."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, (LayerVariable, WeightParameter, WeightBuffer))


class Variable(metaclass=_Variables):
    """A variable outside of layers, as `keras.Variable`: a torch tensor with `assign`, `value`, `numpy`, ...

    In an attribute of a layer it is one of its weights, under the attribute's name; in a plain `nn.Module` a parameter,
    if it is trainable. `torch.optim` takes it.

    Args:
        initializer: The value: an array, a tensor or a number; or an initializer, or its name, with `shape`.
        shape: Its sizes, for an initializer.
        dtype: That of the value if None; `floatx()` for an initializer.
        trainable: Whether it is trained; integers never are.
        autocast: Without effect: it keeps its dtype.
        aggregation: Of copies on several devices, without effect.
        synchronization: Likewise.
        name: Its name outside of layers.

    Example:
        >>> counter = Variable(0, trainable=False)
        >>> int(counter.assign_add(1))
        1
    """

    def __new__(
        cls,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str | None = "auto",
        name: str | None = None,
    ) -> Any:
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ArgumentError(f"Variable: name: expected a string without '/', got {quote(name)}.")
        if isinstance(initializer, str) or (callable(initializer) and not isinstance(initializer, torch.Tensor)):
            if shape is None:
                raise ArgumentError(f"Variable: an initializer needs a shape, got {quote(initializer)} alone.")
            sizes = check.shape("shape", (shape,) if isinstance(shape, int) else shape)
            if None in sizes:
                raise ShapeError(f"Variable: shape: expected known sizes, got {sizes}.")
            make: Any = initializers.get(initializer)
            value = make(sizes, dtype=any_dtype(dtype))
        else:
            value = ops.convert_to_tensor(plain_value(initializer), dtype=dtype)
        value = owned(value.detach().clone())
        made: Any = WeightParameter(value, trainable and value.is_floating_point()) if trainable else None
        made = WeightBuffer.of(value) if made is None else made
        made._alone = name or "variable"
        return made
