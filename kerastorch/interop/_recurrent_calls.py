"""nn.LSTM, nn.GRU, nn.RNN and their cells in the graph of a Keras model, with the states that go in and come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from .. import layers
from ..base.graph import SymbolicTensor
from ..errors import UnsupportedError, counted
from ..layers.core.operation import apply
from ..structure import leaves
from ..torch_private import has_hooks
from ._convert import HOOKS
from ._packed import Packed
from ._recurrent import cell, recurrent_layers
from ._settings import Settings
from ._value import Value

if TYPE_CHECKING:
    from ._protocol import Tracer

_SUMMED = "the two biases of torch are one in Keras, their sum, which takes half the step in training"


def recurrent_call(tracer: Tracer, module: nn.RNNBase, input: Any, hx: Any = None) -> Any:
    """A stack of layers; the result is nested as torch's: `output, (h, c)`, or `output, h`.

    A packed sequence has a mask, and so has the output.
    """
    packed = input if isinstance(input, Packed) else None
    input = packed.value if packed else input
    if not isinstance(input, Value):
        raise UnsupportedError("a call on a constant, with tensors that depend on the input")
    batch, time = (0, 1) if module.batch_first or packed else (1, 0)
    if input.rank != 3:
        raise UnsupportedError(
            f"an input of {counted(input.rank, 'axis', 'axes')}: it must have batch, time and features"
        )
    if input.batch != batch:
        raise UnsupportedError(
            f"batch_first={module.batch_first} takes the batch at axis {batch}, here it is at axis {input.batch}: "
            f"make the module batch_first={not module.batch_first}, transpose before, or say where the example has "
            "its batch with batch_axis"
        )
    path = tracer.take(module)
    wanted = tracer.states_used is None or path in tracer.states_used
    stack = _stack(tracer, module, path, wanted)
    tensor = input.arranged([time, 2])
    directions, kinds = 1 + module.bidirectional, 2 if isinstance(module, nn.LSTM) else 1
    given = None if hx is None else _initial(hx, module.num_layers * directions, kinds)
    finals: list[list[SymbolicTensor]] = [[] for _ in range(kinds)]
    for index, layer in enumerate(stack):
        if index and module.dropout:
            tensor = tracer.named(layers.Dropout(module.dropout), module, f"_dropout_{index}")(tensor)
        options: dict[str, Any] = {} if packed is None else {"mask": packed.mask}
        if given is not None:
            options["initial_state"] = [
                state[index * directions + direction] for direction in range(directions) for state in given
            ]
        results = layer(tensor, **options)
        if not wanted:
            tensor = results
            continue
        tensor, *states = results
        for place, state in enumerate(states):  # forward's h and c, then backward's
            finals[place % kinds].append(state)
    output: Any = Value((batch, time, 2), tensor, rows=input.rows)
    if packed is not None:
        output = packed.of(output)
    states = tuple(_final(tracer, path, parts, input) for parts in finals)
    return output, states if kinds == 2 else states[0]


def _stack(tracer: Tracer, module: nn.RNNBase, path: str, wanted: bool) -> list[layers.Layer]:
    if has_hooks(module):
        raise UnsupportedError(HOOKS)
    if path not in tracer.made:
        stack = recurrent_layers(module, Settings(tracer.sum_biases), wanted)
        for index, layer in enumerate(stack):
            tracer.named(layer, module, f"_{index}" if len(stack) > 1 else "")
        tracer.made[path] = stack
        if module.bias and not isinstance(module, nn.GRU):
            tracer.notes.append(f"{path or type(module).__name__}: {_SUMMED}")
    return tracer.made[path]


def _final(tracer: Tracer, path: str, parts: list[SymbolicTensor], input: Value) -> Value:
    """The final states of all layers and directions: torch stacks them at axis 0."""

    def used() -> list[SymbolicTensor]:
        tracer.states_seen.add(path)
        return parts

    return Value((1, 0, 2), lambda: apply("Stack", used(), axis=1), parts=used, rows=input.rows)


def _initial(hx: Any, count: int, kinds: int) -> list[list[SymbolicTensor]] | None:
    """For each kind of state (h, c) one `(B, U)` for each layer and direction; None for zeros."""
    given = list(hx) if isinstance(hx, (tuple, list)) else [hx]
    if len(given) != kinds or not all(isinstance(item, Value) for item in given):
        raise UnsupportedError(
            "its initial states do not depend on the batch: make them with x.size(0), or expand them to it"
        )
    if all(item.fill == 0 for item in given):
        return None
    for item in given:
        if item.rank != 3 or item.batch != 1:
            raise UnsupportedError(
                f"its initial states must be (layers * directions, batch, units), here the batch is at axis "
                f"{item.batch}: where they are arguments, say so with batch_axis={{'h': 1}}, by their names"
            )
    return [_parts(item, count) for item in given]


def _parts(value: Value, count: int) -> list[SymbolicTensor]:
    if value.parts is not None:
        return value.parts()
    tensor = value.arranged([0, 2])
    return [tensor[:, index] for index in range(count)]


# ---------------------------------------------------------------- cells


def cell_call(tracer: Tracer, module: Any, input: Value, hx: Any = None) -> Any:
    """One step. A loop of them in forward becomes a graph of as many steps as the example has."""
    if input.rank != 2 or input.batch != 0:
        raise UnsupportedError("a cell takes (batch, features)")
    if has_hooks(module):
        raise UnsupportedError(HOOKS)
    path = tracer.take(module)
    if path not in tracer.made:
        tracer.made[path] = tracer.named(cell(module, Settings(tracer.sum_biases)), module)
        if module.bias and not isinstance(module, nn.GRUCell):
            tracer.notes.append(f"{path or type(module).__name__}: {_SUMMED}")
    kinds = 2 if isinstance(module, nn.LSTMCell) else 1
    states = _cell_states(tracer, module, input, hx, kinds)
    _, made = tracer.made[path](input.tensor, states)
    values = [Value((0, 1), state, rows=input.rows) for state in leaves(made)]
    return tuple(values) if kinds == 2 else values[0]


def _cell_states(tracer: Tracer, module: Any, input: Value, hx: Any, kinds: int) -> list[SymbolicTensor]:
    if hx is None:
        column = apply("ZerosLike", input.tensor[:, :1], dtype=str(module.weight_hh.dtype).removeprefix("torch."))
        return [apply("Repeat", column, module.hidden_size, 1)] * kinds
    given = list(hx) if isinstance(hx, (tuple, list)) else [hx]
    if len(given) != kinds or not all(isinstance(item, Value) and item.batch == 0 for item in given):
        raise UnsupportedError("its states must be (batch, units), made with x.size(0) if they are constants")
    return [item.natural() for item in given]
