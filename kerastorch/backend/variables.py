"""Values that change, and functions of graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import ops, random
from ..base.graph import SymbolicTensor
from ..dtypes import any_dtype
from ..errors import ArgumentError, counted, quote
from ..models import Input, Model
from ..ops.computed import tensor

__all__ = [
    "batch_get_value", "batch_set_value", "constant", "count_params", "eval", "function", "get_value", "gradients",
    "moving_average_update", "placeholder", "random_normal_variable", "random_uniform_variable", "set_value", "update",
    "update_add", "update_sub", "variable",
]  # fmt: skip


def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> nn.Parameter:
    """A torch parameter with a value; in a layer `add_weight` is the way.

    Args:
        value: An array, a tensor or a number.
        dtype: `floatx()` if None.
        name: Kept, without effect.
        constraint: None: a weight of a layer can have one.
    """
    if constraint is not None:
        raise ArgumentError("variable: constraint: only weights of layers have constraints; use add_weight.")
    found = tensor(value).to(any_dtype(dtype)).clone()
    return nn.Parameter(found, requires_grad=found.is_floating_point())


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor with a value, repeated to a shape if one is given."""
    found = tensor(value).to(any_dtype(dtype))
    return found if shape is None else found.expand(tuple(shape)).clone() if found.ndim == 0 else found.reshape(shape)


def placeholder(
    shape: Any = None, ndim: int | None = None, dtype: Any = None, sparse: bool = False, name: str | None = None
) -> SymbolicTensor:
    """An input of a graph: `Input(batch_shape=shape)`."""
    if sparse or (shape is None and ndim is None):
        raise ArgumentError("placeholder: give a shape, or ndim; sparse=True is not supported.")
    sizes = (None,) * int(ndim or 0) if shape is None else tuple(shape)
    return Input(batch_shape=sizes, dtype=dtype, name=name)


def _held(x: Any) -> Any:
    """What holds the value of a variable: a parameter, or a weight of a layer with Keras's methods."""
    return x if isinstance(x, Tensor) or hasattr(x, "assign") else None


def get_value(x: Any) -> Any:
    """The value as an array."""
    return ops.convert_to_numpy(x) if isinstance(x, Tensor) else x.numpy() if hasattr(x, "numpy") else x


eval = get_value


def batch_get_value(tensors: Sequence[Any]) -> list[Any]:
    """The values as arrays."""
    return [get_value(item) for item in tensors]


def set_value(x: Any, value: Any) -> None:
    """Give a variable another value of its shape."""
    update(x, np.asarray(value))


def batch_set_value(tuples: Sequence[tuple[Any, Any]]) -> None:
    """`set_value` for pairs."""
    for variable, value in tuples:
        set_value(variable, value)


def update(x: Any, new_x: Any) -> Any:
    """Give a variable another value; the variable."""
    held = _held(x)
    if held is None:
        raise ArgumentError(f"update: expected a variable, got {quote(type(x).__name__)}.")
    value = tensor(new_x).detach()
    if tuple(value.shape) != tuple(held.shape):
        raise ArgumentError(f"update: expected a value of shape {tuple(held.shape)}, got {tuple(value.shape)}.")
    if hasattr(held, "assign"):
        held.assign(value)
    else:
        with torch.no_grad():
            held.copy_(value)
    return x


def update_add(x: Any, increment: Any) -> Any:
    """Add to a variable; the variable."""
    return update(x, tensor(x).detach() + tensor(increment).detach())


def update_sub(x: Any, decrement: Any) -> Any:
    """Subtract from a variable; the variable."""
    return update(x, tensor(x).detach() - tensor(decrement).detach())


def moving_average_update(x: Any, value: Any, momentum: float) -> Any:
    """Move a variable towards a value, `momentum` of the old one kept; the variable."""
    old = tensor(x).detach()
    return update(x, old - (old - tensor(value).detach().to(old.dtype)) * (1 - momentum))


def count_params(x: Any) -> int:
    """How many values a variable has."""
    return int(np.prod(tuple(x.shape)))


def random_normal_variable(
    shape: Any, mean: float, scale: float, dtype: Any = None, name: str | None = None, seed: Any = None
) -> nn.Parameter:
    """A variable with normally distributed numbers."""
    return variable(random.normal(shape, mean, scale, dtype, seed), dtype)


def random_uniform_variable(
    shape: Any, low: float, high: float, dtype: Any = None, name: str | None = None, seed: Any = None
) -> nn.Parameter:
    """A variable with numbers from low up to high."""
    return variable(random.uniform(shape, low, high, dtype, seed), dtype)


def gradients(loss: Any, variables: Any) -> list[Tensor | None]:
    """How a loss changes with variables, by torch's autograd; None where it does not hang on one.

    Args:
        loss: A tensor of one value that was computed from them.
        variables: Tensors that need a gradient, in a list or one alone.
    """
    if isinstance(loss, SymbolicTensor):
        raise ArgumentError("gradients: a graph has no values; call the model, and differentiate what it returns.")
    several = variables if isinstance(variables, (list, tuple)) else [variables]
    return list(torch.autograd.grad(tensor(loss).sum(), several, allow_unused=True, retain_graph=True))


def function(
    inputs: Any, outputs: Any, updates: Any = None, name: str | None = None
) -> Callable[[Sequence[Any]], list[np.ndarray]]:
    """A function from the arrays of some tensors of a graph to those of others: `K.function([model.input], [x])`.

    Args:
        inputs: Symbolic tensors; `learning_phase()` among them takes 0 or 1 in the calls.
        outputs: Symbolic tensors.
        updates: None: assign in the loop that calls.
        name: Kept, without effect.

    Returns:
        Takes a list of arrays, one for each input, and returns a list of arrays, one for each output; one array for
        outputs that are no list.
    """
    if updates:
        raise ArgumentError("function: updates are not supported; assign in the loop that calls.")
    given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    several = isinstance(outputs, (list, tuple))
    places = [place for place, item in enumerate(given) if isinstance(item, SymbolicTensor)]
    phases = [place for place, item in enumerate(given) if not isinstance(item, SymbolicTensor)]
    if len(phases) > 1 or any(given[place] not in (0, 1) for place in phases):
        raise ArgumentError(f"function: expected symbolic tensors and at most one learning phase, got {quote(given)}.")
    model = Model([given[place] for place in places], list(outputs) if several else [outputs])

    def call(arrays: Any) -> Any:
        data = list(arrays) if isinstance(arrays, (list, tuple)) else [arrays]
        if len(data) != len(given):
            raise ArgumentError(f"function: expected {counted(len(given), 'array')}, got {len(data)}.")
        with torch.no_grad():
            training = bool(data[phases[0]]) if phases else False
            found = model([tensor(data[place]) for place in places], training=training)
        found = found if isinstance(found, (list, tuple)) else [found]
        made = [ops.convert_to_numpy(item) for item in found]
        return made if several else made[0]

    return call
