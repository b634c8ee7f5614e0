"""What cells make of one step by themselves, and RNN of what it is given as a cell: outcomes, see `_outcomes.py`.

Numbers are whole and the dtype is float64, so that every result is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from _outcomes import plain
from _outcomes_layers import GATED, LINEAR, B, Cell, F, T, U, numbers, shown, told
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.layers.rnn.cell_protocol import flatten
from kerastorch.structure import leaves

NAMED = {**GATED, "name": "c"}


class Plain(nn.Module):
    """A module of torch as a cell: one state, no word of its output."""

    def __init__(self, size: Any = U) -> None:
        super().__init__()
        self.state_size = size

    def forward(self, x: Tensor, states: Any) -> Any:
        new = states[0] + x if isinstance(states, (list, tuple)) else states + x
        return 2 * new, [new]


class Sized(Plain):
    """One that says how large its output is, and where it starts."""

    output_size = 1

    def get_initial_state(self, batch_size: Any = None, **more: Any) -> Any:
        return [torch.full((batch_size, U), 3.0, dtype=torch.float64)]

    def forward(self, x: Tensor, states: Any) -> Any:
        new = states[0] + x
        return new.sum(-1, keepdim=True), [new]


class OfConstants(layers.Layer):
    """A cell that takes constants and training."""

    state_size = U

    def call(self, x: Tensor, states: Any, constants: Any = None, training: bool = False) -> Any:
        new = states[0] + x + sum(constants or []) + 100 * training
        return new, [new]


class Deep(layers.Layer):
    """A cell whose states are nested, and of several axes."""

    state_size = (U, (torch.Size([2, 1]), 1))
    output_size = torch.Size([2, 1])

    def call(self, x: Tensor, states: Any) -> Any:
        a, (b, c) = states
        return b + a.sum(), [a + x, [b + 1, c + b.sum()]]


MAKERS: dict[str, Callable[[], Any]] = {
    "LSTMCell": lambda: layers.LSTMCell(U, **NAMED),
    "GRUCell": lambda: layers.GRUCell(U, **NAMED),
    "GRUCell reset before": lambda: layers.GRUCell(U, reset_after=False, use_bias=False, **NAMED),
    "SimpleRNNCell": lambda: layers.SimpleRNNCell(U, **{**LINEAR, "name": "c"}),
    "own": lambda: Cell(dtype="float64", name="c"),
    "constants": lambda: OfConstants(dtype="float64", name="c"),
    "deep": lambda: Deep(dtype="float64", name="c"),
    "torch": Plain,
    "torch, sized": Sized,
    "stack": lambda: layers.StackedRNNCells(
        [layers.LSTMCell(U, **NAMED), layers.GRUCell(3, **{**NAMED, "name": "d"}), Cell(dtype="float64", name="e")],
        name="s",
        dtype="float64",
    ),
    "stack of constants": lambda: layers.StackedRNNCells(
        [OfConstants(dtype="float64", name="c"), Cell(dtype="float64", name="e")], name="s", dtype="float64"
    ),
    "stack in a stack": lambda: layers.StackedRNNCells(
        [
            layers.StackedRNNCells([layers.LSTMCell(U, **NAMED), Plain()], name="i", dtype="float64"),
            layers.SimpleRNNCell(1, **{**LINEAR, "name": "z"}),
        ],
        name="s",
        dtype="float64",
        trainable=False,
    ),
}


def ready(make: Callable[[], Any]) -> Any:
    cell = make()
    if isinstance(cell, layers.Layer):
        cell.build((B, F))
        cell.set_weights([numbers(*array.shape, at=at).numpy() for at, array in enumerate(cell.get_weights())])
    return cell.eval()


def states_of(cell: Any, rows: int = B) -> list[Tensor]:
    sizes = [tuple(size) if isinstance(size, torch.Size) else (size,) for size in flatten(cell.state_size)]
    return [numbers(rows, *size, at=20 + at) for at, size in enumerate(sizes)]


def nested(cell: Any, flat: list[Tensor]) -> Any:
    left = iter(flat)

    def one(size: Any) -> Any:
        many = isinstance(size, (list, tuple)) and not isinstance(size, torch.Size)
        return [one(each) for each in size] if many else next(left)

    sizes = cell.state_size
    return one(sizes if isinstance(sizes, (list, tuple)) and not isinstance(sizes, torch.Size) else [sizes])


USES: dict[str, Callable[[Any, Tensor], Any]] = {
    "nested states": lambda cell, x: cell(x, nested(cell, states_of(cell))),
    "flat states": lambda cell, x: cell(x, states_of(cell)),
    "a tuple of states": lambda cell, x: cell(x, tuple(states_of(cell))),
    "one state": lambda cell, x: cell(x, states_of(cell)[0]),
    "no states": lambda cell, x: cell(x),
    "none": lambda cell, x: cell(x, None),
    "states by name": lambda cell, x: cell(x, states=states_of(cell)),
    "training": lambda cell, x: cell(x, states_of(cell), training=True),
    "in training": lambda cell, x: cell.train()(x, states_of(cell)),
    "constants": lambda cell, x: cell(x, states_of(cell), constants=[numbers(B, U, at=3)]),
    "a state less": lambda cell, x: cell(x, states_of(cell)[:-1]),
    "a state more": lambda cell, x: cell(x, [*states_of(cell), x]),
    "another batch": lambda cell, x: cell(x, states_of(cell, B + 1)),
    "another size": lambda cell, x: cell(x, [each[..., :1] for each in states_of(cell)]),
    "another rank": lambda cell, x: cell(x, [each[None] for each in states_of(cell)]),
    "another input": lambda cell, x: cell(torch.cat([x, x], -1), states_of(cell)),
    "an input of steps": lambda cell, x: cell(numbers(B, T, F, at=1), states_of(cell)),
    "single precision": lambda cell, x: cell(x.float(), [each.float() for each in states_of(cell)]),
    "state_size": lambda cell, x: plain(cell.state_size),
    "output_size": lambda cell, x: plain(cell.output_size),
    "initial state": lambda cell, x: cell.get_initial_state(3),
    "initial state of one row": lambda cell, x: cell.get_initial_state(),
    "initial state of inputs": lambda cell, x: cell.get_initial_state(inputs=x.float()),
    "initial state of a dtype": lambda cell, x: cell.get_initial_state(batch_size=2, dtype=torch.float32),
    "output shape": lambda cell, x: plain(cell.compute_output_shape((None, F))),
    "output shape of another size": lambda cell, x: plain(cell.compute_output_shape((None, 7))),
    "config": lambda cell, x: cell.get_config(),
    "weights": lambda cell, x: [[each.path, list(each.shape), each.trainable] for each in cell.weights],
    "state dict": lambda cell, x: [[name, list(each.shape)] for name, each in cell.state_dict().items()],
    "children": lambda cell, x: [name for name, _ in cell._keras_children()],
    "symbolic": lambda cell, x: [
        each.shape
        for each in leaves(
            cell(kt.Input(batch_shape=(B, F)), [kt.Input(batch_shape=tuple(each.shape)) for each in states_of(cell)])
        )
    ],
    "symbolic of another size": lambda cell, x: [
        each.shape
        for each in leaves(cell(kt.Input(batch_shape=(B, F)), [kt.Input(batch_shape=(B, 9)) for _ in states_of(cell)]))
    ],
}
WRONG: dict[str, Any] = {
    **{repr(value): value for value in (None, 3, "LSTMCell", [], [None])},
    "a layer": layers.LSTM,
    "a Dense": layers.Dense,
    "a Linear": nn.Linear,
    "a size of text": lambda *_, **__: Plain("x"),
    "a size of nothing": lambda *_, **__: Plain([]),
    "a size of 0": lambda *_, **__: Plain(0),
    "a size of -1": lambda *_, **__: Plain([2, -1]),
    "a size of 2.0": lambda *_, **__: Plain(2.0),
    "a size of True": lambda *_, **__: Plain(True),
    "a size of None": lambda *_, **__: Plain(None),
}


@cache
def in_cells() -> dict[str, Callable[[], Any]]:
    return {key: told(lambda case=case: plain(case())) for key, case in _cases()}


def _cases() -> Iterator[tuple[str, Callable[[], Any]]]:
    for name, make in MAKERS.items():
        for label, use in USES.items():
            if name.startswith("torch") and label.startswith("symbolic"):
                continue  # operations of torch, with counted names and torch's words
            yield f"{name}: {label}", lambda make=make, use=use: shown(use(ready(make), numbers(B, F, at=11)))
        for label, options in (("", {}), ("everything", {"return_sequences": True, "return_state": True})):

            def over_time(make: Any = make, options: Any = options) -> Any:
                layer = layers.RNN(ready(make), dtype="float64", name="l", **options)
                found = layer(numbers(B, T, F, at=2), initial_state=states_of(layer.cell))
                alone = layer(numbers(B, T, F, at=2), mask=torch.tensor([[1, 0, 1], [0, 1, 0]], dtype=torch.bool))
                return [shown(found), shown(alone), plain(layer.compute_output_shape((None, T, F)))]

            yield f"{name} over time {label}", over_time
    yield from autocast()
    for name, value in WRONG.items():
        for around in ("RNN", "StackedRNNCells"):

            def refused(value: Any = value, around: str = around) -> Any:
                cell = value(2) if value in (layers.LSTM, layers.Dense) else value(2, 2) if callable(value) else value
                if isinstance(cell, layers.Layer):
                    cell.name = "it"
                return type(getattr(layers, around)(cell if around == "RNN" else [cell], name="l")).__name__

            yield f"{around} of {name}", refused


def autocast() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Recurrent layers under torch's autocast: of which dtypes and shapes everything is, and whether it runs."""
    kinds: dict[str, Callable[..., Any]] = {
        "LSTM": layers.LSTM,
        "GRU": layers.GRU,
        "GRU reset before": lambda *units, **options: layers.GRU(*units, reset_after=False, **options),
        "SimpleRNN": layers.SimpleRNN,
        "Bidirectional": lambda units, **options: layers.Bidirectional(
            layers.LSTM(units, **{**options, "name": "i"}), merge_mode="sum", name="l"
        ),
    }
    ways: tuple[dict[str, Any], ...] = (
        {},
        {"activation": "relu"},
        {"recurrent_dropout": 0.5},
        {"use_bias": False, "activation": "relu6"},
    )
    for (name, make), options in ((each, way) for each in kinds.items() for way in ways):
        for given in (torch.float32, torch.bfloat16):
            for masked in (False, True):

                def run(make: Any = make, options: Any = options, given: Any = given, masked: bool = masked) -> Any:
                    layer = make(U, return_state=True, name="l", **options)
                    x = numbers(B, T, F, at=1).to(given).requires_grad_()
                    mask = torch.tensor([[1, 0, 1], [0, 1, 0]], dtype=torch.bool) if masked else None
                    with torch.autocast("cpu", torch.bfloat16):
                        found = [leaves(layer(x, mask=mask, training=training)) for training in (False, True)]
                    torch.stack([each.float().sum() for each in found[0]]).sum().backward()
                    every = [
                        *found[0],
                        *found[1],
                        x.grad,
                        *(each.grad for each in layer.parameters() if each.grad is not None),
                    ]
                    return [[str(each.dtype), list(each.shape)] for each in every]

                yield f"autocast: {name} {options} on {given}, {'masked' if masked else 'whole'}", run
