"""What a module is called on: the example of `from_torch`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..errors import ArgumentError


@dataclass(frozen=True)
class Given:
    """One tensor of the example.

    Attributes:
        tensor: The tensor.
        name: Of the model's input.
        batch: Its batch axis.
        unknown: Its axes whose size the model shall not know.
    """

    tensor: Tensor
    name: str
    batch: int
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True)
class Example:
    """How a module is called: what stands in the places of tensors, and the tensors."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    given: tuple[Given, ...]
    named: bool  # the model takes a dict

    def filled(self, tensors: Sequence[Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with these tensors."""
        left = iter(tensors)
        args, kwargs = replaced((self.args, self.kwargs), lambda leaf: next(left) if isinstance(leaf, Tensor) else leaf)
        return args, kwargs


def replaced(value: Any, function: Callable[[Any], Any]) -> Any:
    """Nested lists, tuples and dicts with other leaves."""
    if isinstance(value, (list, tuple)):
        return type(value)(replaced(item, function) for item in value)
    if isinstance(value, dict):
        return {key: replaced(item, function) for key, item in value.items()}
    return function(value)


def has_tensors(value: Any) -> bool:
    """Whether an example holds tensors, and not a shape."""
    found: list[bool] = []
    replaced(value, lambda leaf: found.append(isinstance(leaf, Tensor)))
    return any(found)


def read_example(module: nn.Module, example: Any, batch_axis: Any, dynamic_axes: Any) -> Example:
    """The example with names from the module's forward."""
    args, kwargs = ((), dict(example)) if isinstance(example, dict) else (_as_args(example), {})
    try:
        bound = inspect.signature(module.forward).bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentError(
            f"from_torch: the example does not fit {type(module).__name__}.forward: {error}."
        ) from error
    names = []
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        spread = {f"{name}_{i}": v for i, v in enumerate(value)} if kind is kind.VAR_POSITIONAL else {name: value}
        for key, item in (value if kind is kind.VAR_KEYWORD else spread).items():
            inner: list[Any] = []
            replaced(item, lambda leaf, inner=inner: inner.append(leaf) if isinstance(leaf, Tensor) else None)
            names += [(leaf, key if len(inner) == 1 else f"{key}_{i}") for i, leaf in enumerate(inner)]
    tensors: list[Tensor] = []
    replaced((args, kwargs), lambda leaf: tensors.append(leaf) if isinstance(leaf, Tensor) else None)
    by_id = {id(leaf): name for leaf, name in names}
    given = []
    for place, tensor in enumerate(tensors):
        name = by_id[id(tensor)]
        batch = _of(batch_axis, name, place)
        if not isinstance(batch, int) or not -tensor.ndim <= batch < tensor.ndim:
            raise ArgumentError(
                f"from_torch: batch_axis: expected an axis of {name}, which has the shape {tuple(tensor.shape)}, "
                f"got {batch!r}."
            )
        unknown = () if dynamic_axes is None else tuple(_of(dynamic_axes, name, place, ()))
        if any(axis not in range(tensor.ndim) or axis == batch % tensor.ndim for axis in unknown):
            raise ArgumentError(
                f"from_torch: dynamic_axes: expected axes of {name} without the batch axis, got {unknown}."
            )
        given.append(Given(tensor, name, batch % tensor.ndim, unknown))
    return Example(args, kwargs, tuple(given), isinstance(example, dict))


def _as_args(example: Any) -> tuple[Any, ...]:
    return tuple(example) if isinstance(example, (tuple, list)) else (example,)


def _of(value: Any, name: str, place: int, default: Any = 0) -> Any:
    """What holds for one input: by its name, or for all."""
    return value.get(name, default) if isinstance(value, Mapping) else value
