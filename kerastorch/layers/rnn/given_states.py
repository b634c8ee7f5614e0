"""States that a call gives: behind the input or by name, as tensors or as their shapes, and whether they fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ... import torch_private
from ...base import ragged
from ...base.graph import SymbolicTensor
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError, UnsupportedError, counted, quote
from ...kernels.operators import wants_operator
from ...kernels.types import States
from ...structure import is_shape
from ...weights import Shape

if TYPE_CHECKING:
    from ...base.layer import Layer

TENSORS = (Tensor, SymbolicTensor)


def split_states(layer: Layer, x: Any, initial_state: Any) -> tuple[Any, Any]:
    """The input of a `forward` and the states to start with, which Keras 2 passes behind it, in one list."""
    if isinstance(x, ragged.PackedSequence):
        raise ragged.packed(layer)
    if isinstance(x, (list, tuple)):
        return x[0], list(x[1:]) or initial_state
    return x, initial_state


def states_by_name(
    layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], num_constants: int = 0
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, those by name that Keras 2 passes in one list behind the input: states, then constants.

    States in the second place are named, too: there Keras has them, and the mask behind them.

    Raises:
        ArgumentError: There are fewer tensors than constants, or one of both is given by name as well.
    """
    args, kwargs = _in_second_place(layer, args, kwargs)
    if not args or not isinstance(args[0], (list, tuple)) or isinstance(args[0], ragged.PackedSequence) or not args[0]:
        return args, kwargs
    first, *behind = args[0]
    count = len(behind) - num_constants
    if count < 0:
        raise ArgumentError(
            f"{repr_of(layer)}: expected {counted(num_constants, 'constant')} behind the input, got "
            f"{counted(len(behind), 'tensor')}."
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


def _in_second_place(
    layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """`layer(x, states, mask, training)` by names; a bool tensor in the second place is a mask, as in `forward`."""
    if len(args) < 2 or has_own_forward(layer):
        return args, kwargs
    mask = args[2] if len(args) > 2 else None
    if not (_are_states(args[1]) or (args[1] is None and isinstance(mask, TENSORS) and mask.dtype == torch.bool)):
        return args, kwargs
    found = dict(zip(("initial_state", "mask", "training"), args[1:], strict=False))
    if twice := sorted(key for key in found if kwargs.get(key) is not None):
        raise ArgumentError(f"{repr_of(layer)}: {', '.join(twice)}: given twice, by position and by name.")
    return (args[0], *args[4:]), {**kwargs, **found}


def _are_states(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and _are_states(value[0])
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f"
    return isinstance(value, TENSORS) and value.dtype.is_floating_point


def has_own_forward(layer: Layer) -> bool:
    """Whether the layer's class is a person's own, with a `forward` or `call` that may take states of another kind."""
    return type(layer)._own_code


def given_states(layer: Layer, args: Sequence[Any], kwargs: Mapping[str, Any], name: str = "initial_state") -> Any:
    """The states that a call gives; None if there are none, or if a class's own `forward` says what they are."""
    if has_own_forward(layer):
        return None
    return layer._call_arguments.bind(args, kwargs).get(name)


def parts_of(given: Any) -> list[Any]:
    """The items of a list or tuple of states; a state by itself, or its shape, is the only one."""
    several = isinstance(given, list) or (isinstance(given, tuple) and not (given and is_shape(given)))
    return list(given) if several else [given]


def flat_parts(given: Any) -> list[Any]:
    """`parts_of` at every depth: the leaves of states that are nested as a cell's."""
    parts = parts_of(given)
    alone = len(parts) == 1 and parts[0] is given
    return parts if alone else [leaf for part in parts for leaf in flat_parts(part)]


def check_count(layer: Layer, values: Sequence[Any], sizes: Sequence[Shape]) -> None:
    """Raise unless there is one value for each state."""
    if len(values) != len(sizes):
        wanted = " and ".join(_written("batch", size) for size in sizes)
        raise ShapeError(
            f"{repr_of(layer)}: expected {counted(len(sizes), 'state')} of shape {wanted}, got {len(values)}."
        )
    for index, (value, size) in enumerate(zip(values, sizes, strict=True)):
        if value is None or isinstance(value, (str, dict)):
            raise ArgumentError(
                f"{repr_of(layer)}: state {index}: expected a tensor of shape {_written('batch', size)}, got "
                f"{quote(value)}; give all states, zeros for those that start at zero, or none."
            )


def check_fit(layer: Layer, index: int, shape: Sequence[int | None], size: Shape, rows: int | None = None) -> None:
    """Raise unless a state of such a shape can be one of `rows` rows of this size."""
    if not fits(shape, (rows, *size)):
        wanted = _written("batch" if rows is None else rows, size)
        raise ShapeError(f"{repr_of(layer)}: state {index}: expected shape {wanted}, got {tuple(shape)}.")


def check_rows(layer: Layer, states: States) -> States:
    """The states, if all of them have as many rows."""
    rows = [len(state) for state in states]
    if len(set(rows)) > 1:
        raise ShapeError(f"{repr_of(layer)}: expected states of one batch size, got {rows} rows.")
    return states


def check_shapes(layer: Layer, values: Sequence[Any], sizes: Sequence[Shape], rows: int | None = None) -> None:
    """Raise if the states of a call in a graph, with shapes in the place of tensors, are too many or do not fit.

    A size that is not known fits any, and so does a number of rows where `rows` is None.
    """
    check_count(layer, values, sizes)
    for index, (value, size) in enumerate(zip(values, sizes, strict=True)):
        check_fit(layer, index, _shape_in(value), size, rows)


def _written(rows: Any, size: Shape) -> str:
    return str((rows, *size)).replace("'", "")


def _shape_in(value: Any) -> Shape:
    """A shape that stands for a tensor; the one that numbers in lists will have, or a tensor has."""
    return value if isinstance(value, tuple) and is_shape(value) else tuple(torch.as_tensor(value).shape)


def in_dtype(state: Tensor, dtype: torch.dtype) -> Tensor:
    """A state in the dtype of the computation; one of integers or bool, as a count is, keeps its own."""
    return state.to(dtype) if state.is_floating_point() else state


def fits(shape: Sequence[int | None], wanted: Shape) -> bool:
    """Whether tensors of such a shape can be of the wanted one; None in either stands for any size."""
    return len(shape) == len(wanted) and all(
        size is None or want is None or size == want for size, want in zip(shape, wanted, strict=True)
    )


def stay_in_place(layer: Any, old: Tensor, new: Tensor) -> bool:
    """Whether a kept state is written in place: a captured CUDA graph reads and writes the same memory at each replay.

    Not while gradients are recorded: a backward pass may need the state that the call began with; but for a layer with
    a captured graph, whose calls begin with copies (`begun_with`). Always in a program of `torch.export`, which sees a
    buffer that a module inside of the model is given anew, and forgets it.
    """
    if torch_private.is_exporting() and old.shape == new.shape and old.dtype == new.dtype:
        return True
    if wants_operator() or type(old) is not Tensor or (torch.is_grad_enabled() and not layer._captured):
        return False
    return old.shape == new.shape and old.dtype == new.dtype and old.device == new.device and not old.is_inference()


def begun_with(layer: Any, kept: Sequence[Tensor]) -> Sequence[Tensor]:
    """The kept states as a call begins with them: copies, if a graph has captured them and gradients are recorded."""
    if not layer._captured and not wants_operator() and captures(kept[0]):
        layer._captured = True
    return [state.clone() for state in kept] if layer._captured and torch.is_grad_enabled() else kept


def captures(tensor: Tensor) -> bool:
    """Whether a CUDA graph is being captured that the operations on a tensor go into."""
    return tensor.is_cuda and torch.cuda.is_current_stream_capturing()


_hands_out: ContextVar[bool] = ContextVar("hands out states", default=False)


@contextmanager
def handing_out_states() -> Iterator[None]:
    """Around a call whose caller takes the kept states of stateful layers, and brings them back for the next one."""
    token = _hands_out.set(True)
    try:
        yield
    finally:
        _hands_out.reset(token)


def refuse_in_onnx(layer: Layer) -> None:
    """Raise if a stateful layer is exported to ONNX and nobody takes its states."""
    if (torch_private.is_exporting_to_onnx() or torch_private.is_traced_to_onnx()) and not _hands_out.get():
        raise UnsupportedError(
            f"{repr_of(layer)} is stateful, and an ONNX model keeps nothing between two runs: "
            'model.export(path, format="onnx") makes the states inputs and outputs.'
        )
