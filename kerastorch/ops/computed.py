"""Operations that only compute: Keras has no layer for them in files, so a graph holds them as Lambda layers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..base.graph import SymbolicTensor
from ..dtypes import any_dtype
from ..functions.arguments import argument_leaves, map_arguments
from ..layers.core.wrapped import Lambda

F = TypeVar("F", bound=Callable[..., Any])


def tensor(value: Any, dtype: Any = None) -> Tensor:
    """A tensor from what Keras takes for one: int32 for Python's integers, `floatx` for its floats."""
    if isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value):
        value = torch.stack([tensor(item) for item in value])
    wanted = None if dtype is None else any_dtype(dtype)
    if isinstance(value, Tensor):
        return value if wanted is None else value.to(wanted)
    given = getattr(value, "value", value)  # a variable
    if isinstance(given, Tensor):
        return given if wanted is None else given.to(wanted)
    plain = not isinstance(value, (np.ndarray, np.generic))
    array = np.asarray(value)
    found = torch.as_tensor(array.copy() if array.dtype.kind in "fc" and not array.flags.writeable else array)
    if wanted is None and plain:
        kinds = {"f": torch.get_default_dtype(), "i": torch.int32}
        wanted = kinds.get(array.dtype.kind)
    return (found if wanted is None else found.to(wanted)).to(torch.get_default_device())


def floats(value: Any, dtype: Any = None) -> Tensor:
    """A tensor of floats; integers become `floatx`."""
    found = tensor(value, dtype)
    wide = found.is_floating_point() or found.is_complex()
    return found if wide else found.to(torch.get_default_dtype())


def together(*values: Any, floating: bool = False) -> list[Tensor]:
    """Tensors of one dtype; a bare number follows the tensors."""
    found = [value if isinstance(value, (int, float)) else tensor(value) for value in values]
    dtypes = [item.dtype for item in found if isinstance(item, Tensor)]
    dtype = functools.reduce(torch.promote_types, dtypes) if dtypes else torch.int32
    real = any(isinstance(item, float) for item in found)
    if (floating or real) and not dtype.is_floating_point:
        dtype = torch.get_default_dtype()
    device = next((item.device for item in found if isinstance(item, Tensor)), None)
    return [
        item.to(dtype) if isinstance(item, Tensor) else torch.tensor(item, dtype=dtype, device=device) for item in found
    ]


def computed(function: F) -> F:
    """A public function that makes a Lambda layer where one of its arguments is symbolic."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, SymbolicTensor) for leaf in argument_leaves([list(args), kwargs])):
            bound = signature.bind(*args, **kwargs)
            return _in_graph(function, list(bound.args), bound.kwargs)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


class _Slot:
    """The place of a symbolic tensor among the arguments."""

    def __init__(self, index: int) -> None:
        self.index = index


def _in_graph(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    symbolic: list[SymbolicTensor] = []

    def place(value: Any) -> Any:
        if not isinstance(value, SymbolicTensor):
            return value
        symbolic.append(value)
        return _Slot(len(symbolic) - 1)

    template = map_arguments(place, [args, kwargs])

    def run(inputs: Any) -> Any:
        tensors = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        filled = map_arguments(lambda value: tensors[value.index] if isinstance(value, _Slot) else value, template)
        return function(*filled[0], **filled[1])

    return Lambda(run)(symbolic[0] if len(symbolic) == 1 else symbolic)
