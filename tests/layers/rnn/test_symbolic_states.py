"""States of a call that are missing, too many or of the wrong size: seen when the graph is made, and on data."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kerastorch import Input, Model, layers
from kerastorch.errors import ArgumentError, ShapeError, counted

B, T, F, U = 3, 4, 5, 2
CELLS: dict[str, Any] = {
    "LSTMCell": (lambda: layers.LSTMCell(U), [(U,), (U,)]),
    "GRUCell": (lambda: layers.GRUCell(U), [(U,)]),
    "SimpleRNNCell": (lambda: layers.SimpleRNNCell(U), [(U,)]),
    "StackedRNNCells": (lambda: layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(U)]), [(3,), (3,), (U,)]),
}
IMAGES = [(3, 4, 2)] * 2
LAYERS: dict[str, Any] = {
    "LSTM": (lambda: layers.LSTM(U), (T, F), [(U,)] * 2),
    "GRU": (lambda: layers.GRU(U), (T, F), [(U,)]),
    "SimpleRNN": (lambda: layers.SimpleRNN(U), (T, F), [(U,)]),
    "CuDNNLSTM": (lambda: layers.CuDNNLSTM(U), (T, F), [(U,)] * 2),
    "CuDNNGRU": (lambda: layers.CuDNNGRU(U), (T, F), [(U,)]),
    "RNN": (lambda: layers.RNN(layers.LSTMCell(U)), (T, F), [(U,)] * 2),
    "RNN of several": (lambda: layers.RNN([layers.GRUCell(3), layers.GRUCell(U)]), (T, F), [(3,), (U,)]),
    "Bidirectional": (lambda: layers.Bidirectional(layers.LSTM(U)), (T, F), [(U,)] * 4),
    "ConvLSTM1D": (lambda: layers.ConvLSTM1D(2, 3, padding="same"), (T, 4, F), [(4, 2)] * 2),
    "ConvLSTM2D": (lambda: layers.ConvLSTM2D(2, 3, padding="same"), (T, 3, 4, F), IMAGES),
    "ConvLSTM3D": (lambda: layers.ConvLSTM3D(2, 3, padding="same"), (T, 3, 4, 2, F), [(3, 4, 2, 2)] * 2),
}


def symbols(sizes: list[tuple[int, ...]]) -> list[Any]:
    return [Input(size) for size in sizes]


def zeros(sizes: list[tuple[int, ...]]) -> list[Any]:
    return [torch.zeros(B, *size) for size in sizes]


@pytest.mark.parametrize("missing", [None, "zeros"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_state_that_is_none_raises_in_a_graph_and_on_data(name: str, missing: Any) -> None:
    make, shape, sizes = LAYERS[name]
    per_layer = len(sizes) // 2 if name == "Bidirectional" else len(sizes)
    message = (
        rf"state {per_layer - 1}: expected a tensor of shape \(batch, .*\), got {missing and repr(missing)}; give all"
    )
    with pytest.raises(ArgumentError, match=message):
        make()(Input(shape), initial_state=[*symbols(sizes)[:-1], missing])
    with pytest.raises(ArgumentError, match=message):
        make()(torch.zeros(B, *shape), initial_state=[*zeros(sizes)[:-1], missing])


@pytest.mark.parametrize("name", CELLS)
def test_states_of_a_cell_that_do_not_fit_raise_in_a_graph_and_on_data(name: str) -> None:
    make, sizes = CELLS[name]
    last = len(sizes) - 1
    wrong: list[tuple[list[Any], type[Exception], str]] = [
        (sizes[:-1], ShapeError, rf"expected {counted(last + 1, 'state')} of shape .batch, .*, got {last}"),
        ([*sizes, (U,)], ShapeError, rf"expected {counted(last + 1, 'state')} of shape .batch, .*, got {last + 2}"),
        ([*sizes[:-1], (7,)], ShapeError, r"expected shape .*, 2., got .*, 7."),
        ([*sizes[:-1], (T, U)], ShapeError, r"expected shape .*, 2., got .*, 4, 2."),
    ]
    for found, error, message in wrong:
        for fill, x in ((symbols, Input((F,))), (zeros, torch.zeros(B, F))):
            for states in (fill(found), tuple(fill(found))):
                layer = make()
                with pytest.raises(error, match=message):
                    layer(x, states)
                with pytest.raises(error, match=message):
                    layer(x, states=states)
                assert not layer._nodes
    for fill, x in ((symbols, Input((F,))), (zeros, torch.zeros(B, F))):
        with pytest.raises(ArgumentError, match=rf"state {last}: expected a tensor of shape \(batch, 2\), got None"):
            make()(x, [*fill(sizes[:-1]), None])


@pytest.mark.parametrize("name", CELLS)
def test_states_of_a_cell_that_fit_make_a_graph(name: str) -> None:
    make, sizes = CELLS[name]
    cell, x, states = make(), Input((F,)), symbols(sizes)
    given: Any = [states[:2], states[2:]] if name == "StackedRNNCells" else states
    out, new = cell(x, given)
    model = Model([x, *states], [out, new])
    rng = torch.Generator().manual_seed(1)
    data = [torch.randn(B, *size, generator=rng) for size in [(F,), *sizes]]
    found, its = model(data)
    wanted, wanted_states = cell(data[0], [data[1:3], data[3:]] if name == "StackedRNNCells" else data[1:])
    assert torch.equal(found, wanted)
    for mine, theirs in zip(flat(its), flat(wanted_states), strict=True):
        assert torch.equal(mine, theirs)


def flat(value: Any) -> list[Any]:
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, (list, tuple)) else [value]


def test_a_state_of_a_single_cell_by_itself() -> None:
    cell = layers.GRUCell(U)
    with pytest.raises(ShapeError, match=r"state 0: expected shape .batch, 2., got .None, 3."):
        cell(Input((F,)), Input((3,)))
    cell(Input((F,)), Input((U,)))
    with pytest.raises(ShapeError, match=r"LSTMCell .*: expected 2 states of shape .*, got 1"):
        layers.LSTMCell(U)(Input((F,)), Input((U,)))


def test_constant_states_in_lists_of_numbers() -> None:
    layer, h = layers.GRU(U), [[0.25] * U] * B
    layer(Input((T, F)), initial_state=[h])
    with pytest.raises(ShapeError, match=r"state 0: expected shape .batch, 2., got .3, 3."):
        layers.GRU(U)(Input((T, F)), initial_state=[[[0.5] * 3] * B])
