"""What a module is called on: the example of `from_torch`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from torch import Tensor, nn

from ..errors import ArgumentError
from ..structure import like


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
    """Nested lists, tuples (named ones too), dicts and dataclasses with other leaves; a dataclass becomes a dict."""
    if isinstance(value, (list, tuple)):
        return like(value, [replaced(item, function) for item in value])
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, dict):
        return {key: replaced(item, function) for key, item in value.items()}
    return function(value)


def leaves(value: Any) -> Iterator[Any]:
    """What stands in nested lists, tuples, dicts and slices."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, slice):
        yield from (value.start, value.stop, value.step)
    else:
        yield value


def has_tensors(value: Any) -> bool:
    """Whether an example holds tensors, and not a shape."""
    found: list[bool] = []
    replaced(value, lambda leaf: found.append(isinstance(leaf, Tensor)))
    return any(found)


class _Place:
    """Where a tensor stands among the arguments: the same tensor may stand in several places."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.name = self.argument = ""


def read_example(module: nn.Module, example: Any, batch_axis: Any, dynamic_axes: Any) -> Example:
    """The example with names from the module's forward."""
    args, kwargs = ((), dict(example)) if isinstance(example, dict) else (_as_args(example), {})
    places: list[_Place] = []

    def place(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        places.append(_Place(leaf))
        return places[-1]

    marked_args, marked_kwargs = replaced((args, kwargs), place)
    try:
        bound = inspect.signature(module.forward).bind(*marked_args, **marked_kwargs)
    except TypeError as error:
        raise ArgumentError(
            f"from_torch: the example does not fit {type(module).__name__}.forward: {error}."
        ) from error
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        spread = {f"{name}_{i}": v for i, v in enumerate(value)} if kind is kind.VAR_POSITIONAL else {name: value}
        for key, item in (value if kind is kind.VAR_KEYWORD else spread).items():
            inner: list[_Place] = []
            replaced(item, lambda leaf, inner=inner: inner.append(leaf) if isinstance(leaf, _Place) else None)
            for index, leaf in enumerate(inner):
                leaf.name, leaf.argument = (key if len(inner) == 1 else f"{key}_{index}"), key
    for option, value in (("batch_axis", batch_axis), ("dynamic_axes", dynamic_axes)):
        _check_names(option, value, places)
    given = []
    for item in places:
        tensor, name = item.tensor, item.name
        stated = {} if batch_axis == 0 else batch_axis  # the default
        batch = _of(stated, item, _batch_of(tensor, places[0].tensor))
        if not isinstance(batch, int) or not -tensor.ndim <= batch < tensor.ndim:
            raise ArgumentError(
                f"from_torch: batch_axis: expected an axis of {name}, which has the shape {tuple(tensor.shape)}, "
                f"got {batch!r}."
            )
        unknown = () if dynamic_axes is None else tuple(_of(dynamic_axes, item, ()))
        if any(axis not in range(tensor.ndim) or axis == batch % tensor.ndim for axis in unknown):
            raise ArgumentError(
                f"from_torch: dynamic_axes: expected axes of {name} without the batch axis, got {unknown}."
            )
        given.append(Given(tensor, name, batch % tensor.ndim, unknown))
    return Example(args, kwargs, tuple(given), isinstance(example, dict))


def _batch_of(tensor: Tensor, first: Tensor) -> int:
    """The batch axis of a tensor of which nobody says it: states (layers, B, U) have it behind, if the sizes tell."""
    rows = first.shape[0] if first.ndim else 0
    return int(tensor.ndim == 3 and tensor.shape[0] != rows == tensor.shape[1])


def _as_args(example: Any) -> tuple[Any, ...]:
    return tuple(example) if isinstance(example, (tuple, list)) else (example,)


def _check_names(option: str, value: Any, places: Sequence[_Place]) -> None:
    if not isinstance(value, Mapping):
        return
    names = list(dict.fromkeys(name for item in places for name in (item.name, item.argument)))
    if wrong := [name for name in value if name not in names]:
        raise ArgumentError(
            f"from_torch: {option}: expected names among {', '.join(map(repr, names))}, got "
            f"{', '.join(map(repr, wrong))}."
        )


def _of(value: Any, item: _Place, default: Any) -> Any:
    """What holds for one input: by its name, by that of its argument, or for all."""
    return value.get(item.name, value.get(item.argument, default)) if isinstance(value, Mapping) else value
