"""What `RNN` asks of a cell: the shapes of its states and of its output, its initial states, and one step.

A cell is a kerastorch layer or any torch module, built in or a person's own, with Keras's protocol: `state_size`,
`forward(x, states)` or `call(x, states)` that returns (output, new states), and if it likes `output_size` and
`get_initial_state`. States are flat inside (a tuple of tensors) and nested as `state_size` outside.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...base.inner_layers import OwnConfig, inner_layer
from ...base.layer import Layer
from ...errors import ArgumentError, ShapeError, quote
from ...kernels.types import States
from ...weights import Shape
from .gated_cell import GatedCell
from .sequence import SequenceLayer

StepFunction = Callable[[Tensor, States], tuple[Tensor, States]]

# ---------------------------------------------------------------- nested states


def flatten(structure: Any) -> list[Any]:
    """The leaves of nested lists and tuples, in order; a size of several axes (torch.Size) is one leaf."""
    if isinstance(structure, (list, tuple)) and not isinstance(structure, torch.Size):
        return [leaf for item in structure for leaf in flatten(item)]
    return [structure]


def pack(sizes: Any, flat: Iterator[Any]) -> Any:
    """The next items of `flat`, in lists nested as `sizes`."""
    if isinstance(sizes, (list, tuple)) and not isinstance(sizes, torch.Size):
        return [pack(item, flat) for item in sizes]
    return next(flat)


def state_list(cell: Any) -> list[Any]:
    """The cell's `state_size` as a list, also where there is a single state."""
    sizes = cell.state_size
    return list(sizes) if isinstance(sizes, (list, tuple)) and not isinstance(sizes, torch.Size) else [sizes]


# ---------------------------------------------------------------- what a cell says about itself


def name_of(cell: Any) -> str:
    """How messages name a cell: `LSTMCell 'lstm_cell_1'`, or the class of a plain module."""
    return f"{type(cell).__name__} {quote(cell.name)}" if isinstance(cell, Layer) else type(cell).__name__


def cell_of(argument: str, value: Any) -> Any:
    """Check a cell, or make it from `serialize_cell`'s dict.

    Raises:
        ArgumentError: It lacks what `RNN` needs.
    """
    if isinstance(value, OwnConfig):
        value = value.make()
    elif isinstance(value, Mapping):
        value = inner_layer(argument, value)
    if isinstance(value, SequenceLayer):
        raise ArgumentError(
            f"{argument}: {name_of(value)} runs over time by itself; give the cell, for example LSTMCell, "
            "or put the layers one after the other."
        )
    if not isinstance(value, nn.Module) or not hasattr(value, "state_size"):
        lacks = "has no state_size" if isinstance(value, nn.Module) else "is no torch module"
        raise ArgumentError(
            f"{argument}: expected a cell (LSTMCell, GRUCell, ..., or a module of your own with state_size and "
            f"forward(x, states) that returns (output, states)); {quote(type(value).__name__)} {lacks}."
        )
    for size in flatten(value.state_size):
        sizes = size if isinstance(size, torch.Size) else (size,)
        if not all(isinstance(item, int) and not isinstance(item, bool) and item > 0 for item in sizes):
            raise ArgumentError(
                f"{argument}: {name_of(value)}: state_size: expected an integer, or lists or tuples of them "
                f"(torch.Size for a state with several axes), got {quote(value.state_size)}."
            )
    if not flatten(value.state_size):
        raise ArgumentError(f"{argument}: {name_of(value)}: state_size: expected at least one state, got none.")
    return value


def state_shapes(cell: Any) -> list[Shape]:
    """The shape of each state, without the batch axis."""
    return [tuple(size) if isinstance(size, torch.Size) else (size,) for size in flatten(cell.state_size)]


def output_shape_of(cell: Any) -> Shape:
    """The shape of the output, without the batch axis: `output_size`, else the size of the first state as in Keras."""
    size = getattr(cell, "output_size", None)
    if size is None:
        size = state_list(cell)[0]
    if isinstance(size, torch.Size):
        return tuple(size)
    if not isinstance(size, int):
        raise ArgumentError(
            f"{name_of(cell)}: output_size: expected an integer (or a torch.Size), got {quote(size)}; "
            "a cell whose first state is nested must have one."
        )
    return (size,)


def initial_states(cell: Any, batch: int, device: torch.device, dtype: torch.dtype) -> States:
    """The states that the cell starts with: what its `get_initial_state` gives, else zeros."""
    shapes = state_shapes(cell)
    make = getattr(cell, "get_initial_state", None)
    if make is None or isinstance(cell, GatedCell):
        return tuple(torch.zeros(batch, *shape, dtype=dtype, device=device) for shape in shapes)
    accepted = inspect.signature(make).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
    given = {"inputs": None, "batch_size": batch, "dtype": dtype}  # Keras 3 has batch_size only, Keras 2 all three
    states = flatten(make(**{key: value for key, value in given.items() if takes_all or key in accepted}))
    found = [tuple(state.shape) for state in states]
    wanted = [(batch, *shape) for shape in shapes]
    if found != wanted:
        raise ShapeError(f"{name_of(cell)}: get_initial_state: expected shapes {wanted}, got {found}.")
    return tuple(state.to(device, dtype if state.is_floating_point() else state.dtype) for state in states)


# ---------------------------------------------------------------- one step


def _function(cell: Any) -> Callable[..., Any]:
    """What the user wrote: `forward`, or `call`."""
    if isinstance(cell, Layer):
        return getattr(cell, "call", cell.forward)
    return cell.call if type(cell).forward is nn.Module.forward and hasattr(cell, "call") else cell.forward


def takes(cell: Any, argument: str) -> bool:
    """Whether one step of the cell has an argument of this name."""
    return argument in inspect.signature(_function(cell)).parameters


def step_function(cell: Any, training: bool, constants: States) -> StepFunction:
    """One call of the cell, from flat states to flat states; the cell must take the constants.

    Raises:
        ArgumentError: The cell returns something else than (output, states).
    """
    options: dict[str, Any] = {"training": training} if takes(cell, "training") else {}
    if constants:
        options["constants"] = list(constants)
    function = _function(cell)
    # Through __call__ where there is a forward, so that hooks act.
    run = function if not isinstance(cell, Layer) and function.__name__ == "call" else cell
    sizes = state_list(cell)

    def step(x: Tensor, states: States) -> tuple[Tensor, States]:
        result = run(x, pack(sizes, iter(states)), **options)
        if not isinstance(result, (list, tuple)) or len(result) != 2 or not isinstance(result[0], Tensor):
            raise ArgumentError(
                f"{name_of(cell)}: expected (output, states) from one step, got {quote(_kind(result))}."
            )
        new = tuple(flatten(result[1]))
        found = [tuple(state.shape) if isinstance(state, Tensor) else type(state).__name__ for state in new]
        wanted = [tuple(state.shape) for state in states]
        if found != wanted:
            raise ShapeError(f"{name_of(cell)}: expected new states of shapes {wanted}, got {found}.")
        return result[0], new

    return step


def _kind(result: Any) -> str:
    name = type(result).__name__
    return f"{name} of {len(result)}" if isinstance(result, (list, tuple)) else name


def run_steps(step: StepFunction, x: Tensor, states: States, mask: Tensor | None) -> tuple[Tensor, States]:
    """Run `step` over the steps of `x` `(B, T, ...)`; a masked step repeats the output and keeps the states."""
    outputs: list[Tensor] = []
    for index, item in enumerate(x.unbind(1)):
        output, new = step(item, states)
        if mask is not None:
            use = mask[:, index]
            previous = outputs[-1] if outputs else torch.zeros_like(output)
            output = _where(use, output, previous)
            new = tuple(_where(use, value, old) for value, old in zip(new, states, strict=True))
        states = new
        outputs.append(output)
    return torch.stack(outputs, dim=1), states


def _where(use: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(use.reshape(-1, *[1] * (new.ndim - 1)), new, old)


def cells_of(argument: str, values: Any) -> Sequence[Any]:
    """Check a list of cells."""
    if not isinstance(values, (list, tuple, nn.ModuleList)) or not len(values):
        raise ArgumentError(f"{argument}: expected a list of cells, got {quote(values)}.")
    return [cell_of(f"{argument}[{index}]", value) for index, value in enumerate(values)]
