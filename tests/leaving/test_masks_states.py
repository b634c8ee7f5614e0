"""Masks and states of recurrent layers in plain torch: outputs, gradients, what a script of them computes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from _close import apart
from torch import Tensor

from kerastorch import Input, Model, layers
from kerastorch.leaving import to_torch
from kerastorch.structure import leaves

from ._cases import from_text, randomize
from .test_to_torch import by_value, differences, run

# Padding at the end and at the start, gaps, a row without any step, one without any gap.
MASK = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]).bool()
_GENERATOR = torch.Generator().manual_seed(3)
STEPS = torch.randn(5, 5, 3, generator=_GENERATOR) * MASK[..., None]
STATES = [torch.randn(5, 4, generator=_GENERATOR) for _ in range(4)]


def masked(*made: Any) -> Model:
    """Layers on each other behind a mask."""
    x = Input(batch_shape=(5, 5, 3))
    y: Any = layers.Masking()(x)
    for layer in made:
        y = layer(y)
    return Model(x, y)


def from_states(layer: Any, count: int) -> Model:
    """A layer behind a mask that begins with given states."""
    x, states = Input(batch_shape=(5, 5, 3)), [Input(batch_shape=(5, 4)) for _ in range(count)]
    return Model([x, *states], layer(layers.Masking()(x), initial_state=states))


def twice(layer: Any, initial: int = 0) -> Model:
    """A layer that keeps its states, called twice: the second call goes on from the first one's end."""
    x, states = Input(batch_shape=(5, 5, 3)), [Input(batch_shape=(5, 4)) for _ in range(initial)]
    first = layer(layers.Masking()(x), **({"initial_state": states} if states else {}))
    return Model([x, *states] if states else x, [first, layer(x * 0.5)])


KEPT = {"return_sequences": True, "stateful": True}
STACK = {"units": 4, "return_sequences": True}
CASES: dict[str, tuple[Callable[[], Model], int]] = {
    "lstm": (lambda: masked(layers.LSTM(4)), 0),
    "gru, all outputs": (lambda: masked(layers.GRU(4, return_sequences=True)), 0),
    "zeros": (lambda: masked(layers.GRU(4, return_sequences=True, zero_output_for_mask=True)), 0),
    "last of zeros": (lambda: masked(layers.SimpleRNN(4, zero_output_for_mask=True)), 0),
    "backwards": (lambda: masked(layers.LSTM(4, go_backwards=True)), 0),
    "stack": (lambda: masked(layers.LSTM(**STACK), layers.Dropout(0.5), layers.LSTM(**STACK), layers.GRU(4)), 0),
    "pairs": (lambda: masked(*(layers.Bidirectional(layers.LSTM(**STACK)) for _ in range(2))), 0),
    "pair, last": (lambda: masked(layers.Bidirectional(layers.GRU(4), merge_mode="sum")), 0),
    "states": (lambda: masked(layers.LSTM(4, return_state=True)), 0),
    "states of a gru": (lambda: masked(layers.GRU(4, return_state=True, return_sequences=True)), 0),
    "given states": (lambda: from_states(layers.LSTM(4, return_state=True), 2), 2),
    "given state": (lambda: from_states(layers.GRU(4, return_state=True), 1), 1),
    "given states of a loop": (lambda: from_states(layers.LSTM(4, activation="relu", return_state=True), 2), 2),
    "given to both": (lambda: from_states(layers.Bidirectional(layers.LSTM(4, return_state=True)), 4), 4),
    "kept": (lambda: masked(layers.LSTM(4, **KEPT), layers.GRU(4, **KEPT)), 0),
    "kept by both": (lambda: masked(layers.Bidirectional(layers.GRU(4, **KEPT))), 0),
    "kept, given": (lambda: from_states(layers.LSTM(4, **KEPT), 2), 2),
    "kept by a loop, given": (lambda: from_states(layers.SimpleRNN(4, activation="elu", **KEPT), 1), 1),
    "kept by cells, given": (
        lambda: from_states(layers.RNN([layers.GRUCell(4), layers.LSTMCell(4)], **KEPT), 3),
        3,
    ),
    "kept twice": (lambda: twice(layers.LSTM(4, **KEPT)), 0),
    "kept twice, given": (lambda: twice(layers.GRU(4, **KEPT), 1), 1),
    "first state": (lambda: from_states(layers.GRU(4, return_sequences=True, first_state_shows=True), 1), 1),
    "first state of cells": (
        lambda: from_states(
            layers.RNN([layers.GRUCell(4), layers.LSTMCell(4)], return_sequences=True, first_state_shows=True), 3
        ),
        3,
    ),
    "first state, kept": (lambda: masked(layers.LSTM(4, first_state_shows=True, **KEPT)), 0),
    "dropped gates": (lambda: masked(layers.LSTM(4, recurrent_dropout=0.5, return_state=True)), 0),
    "dropped gates of both": (lambda: masked(layers.Bidirectional(layers.GRU(4, recurrent_dropout=0.5))), 0),
}
UNSCRIPTED = ("dropped",)


@pytest.mark.parametrize("name", CASES)
def test_masks_and_states(name: str) -> None:
    make, count = CASES[name]
    model = make().eval()
    randomize(model)
    inputs = [STEPS, *STATES[:count]]
    live = to_torch(model)
    outputs, gradients = run(model, inputs)
    model.reset_states() if model.stateful else None
    for module in (live, from_text(live)):
        made, its_gradients = run(module, inputs, len(outputs))
        assert [gap for mine, theirs in zip(made, outputs, strict=True) if (gap := apart(mine, theirs))] == []
        assert differences(by_value(module, its_gradients), by_value(model, gradients)) == []
    scripted: Any = live if name.startswith(UNSCRIPTED) else _script(live)
    states: list[Any] = []
    for _ in range(2):  # states go in and come out
        expected = leaves(model(inputs if count else STEPS))
        found = scripted(*inputs, *states)
        states = list(found[1:]) if model.stateful and "state" in _arguments(live) else []
        gaps = [apart(mine, theirs) for mine, theirs in zip(_flat(found), expected, strict=False)]
        assert [gap for gap in gaps if gap] == []


def test_dropped_gates_skip_steps_while_training() -> None:
    """A row is as without its skipped steps, and the state behind it too, whether or not masks came before."""
    x, y = Input((5, 3)), Input((3, 3))
    layer = layers.LSTM(4, recurrent_dropout=0.5, return_state=True)
    model = Model([x, y], [*layer(y), *layer(layers.Masking()(x))])
    module = to_torch(model).train()
    torch.manual_seed(2)
    rows = STEPS.clone()
    rows[:, :3], rows[:, 3:] = torch.randn(5, 3, 3), 0
    seen = []
    for given in (rows, rows[:, :3].contiguous()):
        torch.manual_seed(5)
        seen.append(module(given, rows[:, :3].contiguous())[3:])
    for mine, theirs in zip(*seen, strict=True):
        assert apart(mine, theirs) is None


def _arguments(module: Any) -> str:
    return " ".join(str(node.target) for node in module.graph.nodes if node.op == "placeholder")


def _flat(values: Any) -> list[Tensor]:
    return [values] if isinstance(values, Tensor) else [leaf for part in values for leaf in _flat(part)]


def _script(module: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about its own TorchScript
        return torch.jit.script(module)
