"""States that a call gives: behind the input or by name, as tensors or as their shapes, and whether they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import ArgumentError
from ..weights import Shape
from . import _ragged
from ._shapes import is_shape
from ._weighted import repr_of

if TYPE_CHECKING:
    from ._base import Layer


def states_by_name(
    layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], num_constants: int = 0
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, those by name that Keras 2 passes in one list behind the input: states, then constants.

    Raises:
        ArgumentError: There are fewer tensors than constants, or one of both is given by name as well.
    """
    if not args or not isinstance(args[0], (list, tuple)) or isinstance(args[0], _ragged.PackedSequence) or not args[0]:
        return args, kwargs
    first, *behind = args[0]
    count = len(behind) - num_constants
    if count < 0:
        raise ArgumentError(
            f"{repr_of(layer)}: expected {num_constants} constants behind the input, got {len(behind)} tensors."
        )
    pairs = {"initial_state": behind[:count], "constants": behind[count:]}
    found = {key: values for key, values in pairs.items() if values}
    taken = layer._call_arguments
    if not taken.others and any(key not in taken.names for key in found):
        return args, kwargs  # a class whose own call takes the list as it is
    given = taken.bind(args, kwargs)
    for key in found:
        if given.get(key) is not None:
            raise ArgumentError(
                f"{repr_of(layer)}: {key} is given twice: behind the input and as an argument of its own."
            )
    return (first, *args[1:]), {**kwargs, **found}


def has_own_forward(layer: Layer) -> bool:
    """Whether the layer's class is a person's own, with a `forward` that may take states of another kind."""
    return type(layer).forward.__module__.partition(".")[0] != __name__.partition(".")[0]


def given_states(layer: Layer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The initial states of a call; None if there are none, or if a class's own `forward` says what they are."""
    if has_own_forward(layer):
        return None
    return layer._call_arguments.bind(args, kwargs).get("initial_state")


def parts_of(given: Any) -> list[Any]:
    """The items of a list or tuple of states; a state by itself, or its shape, is the only one."""
    several = isinstance(given, list) or (isinstance(given, tuple) and not is_shape(given))
    return list(given) if several else [given]


def shape_in(value: Any) -> Shape | None:
    """A shape that stands for a tensor, or a tensor's; None if it is neither."""
    if isinstance(value, tuple) and is_shape(value):
        return value
    return tuple(value.shape) if isinstance(value, Tensor) else None


def in_dtype(state: Tensor, dtype: torch.dtype) -> Tensor:
    """A state in the dtype of the computation; one of integers or bool, as a count is, keeps its own."""
    return state.to(dtype) if state.is_floating_point() else state


def fits(shape: Sequence[int | None], wanted: Shape) -> bool:
    """Whether tensors of such a shape can be of the wanted one; None in either stands for any size."""
    return len(shape) == len(wanted) and all(
        size is None or want is None or size == want for size, want in zip(shape, wanted, strict=True)
    )
