"""LSTMCell, GRUCell, SimpleRNNCell and StackedRNNCells: one step, dropout masks, states, torch's own cells."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor, nn

from kerastorch import Input, Model, layers
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError, counted
from kerastorch.layers.rnn.gated_cell import GatedCell

PAIRS = [
    (layers.LSTMCell, layers.LSTM, {}),
    (layers.GRUCell, layers.GRU, {}),
    (layers.GRUCell, layers.GRU, {"reset_after": False}),
    (layers.SimpleRNNCell, layers.SimpleRNN, {}),
]
EVERY = [layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell]


def fill(layer: Any, shape: tuple[int | None, ...]) -> Any:
    """Build in float64 with random distinct weights."""
    layer.build(shape)
    layer.double()
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.5, array.shape) for array in layer.get_weights()])
    return layer


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def states_of(cell: Any, batch: int = 3) -> list[Tensor]:
    return [random(batch, cell.units, seed=5 + index) for index in range(cell.STATES)]


@pytest.mark.parametrize(("cell_class", "layer_class", "config"), PAIRS)
@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "elu"}], ids=str)
def test_a_step_is_a_step_of_the_layer(cell_class: Any, layer_class: Any, config: Any, options: Any) -> None:
    cell = fill(cell_class(5, **config, **options), (None, 4))
    layer = fill(layer_class(5, return_state=True, **config, **options), (None, 1, 4))
    x, states = random(3, 4), states_of(cell)
    y, new = cell(x, states)
    wanted, *finals = layer(x[:, None], initial_state=states)
    for ours, theirs in zip([y, *new], [wanted, *finals], strict=True):
        assert_close(ours, theirs)  # float64, another order of sums
    assert cell.count_params() == layer.count_params()
    assert y is new[0]


@pytest.mark.parametrize("bias", [True, False])
def test_torch_cells_load_our_state_dict(bias: bool) -> None:
    for ours, torch_class in (
        (layers.LSTMCell, nn.LSTMCell),
        (layers.GRUCell, nn.GRUCell),
        (layers.SimpleRNNCell, nn.RNNCell),
    ):
        cell = fill(ours(5, use_bias=bias), (None, 4))
        theirs = torch_class(4, 5, bias=bias, dtype=torch.float64)
        theirs.load_state_dict(cell.state_dict())
        x, states = random(3, 4), states_of(cell)
        found = theirs(x, tuple(states) if len(states) == 2 else states[0])
        _, new = cell(x, states)
        for mine, his in zip(new, found if isinstance(found, tuple) else [found], strict=True):
            assert_close(mine, his)


@pytest.mark.parametrize("cell_class", EVERY)
def test_gradients_reach_every_weight_and_the_states(cell_class: Any) -> None:
    cell = fill(cell_class(5), (None, 4))
    x, states = random(3, 4).requires_grad_(), [state.requires_grad_() for state in states_of(cell)]

    def run(x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        y, new = cell(x, list(states))
        return (y * 1.5, *new)

    assert torch.autograd.gradcheck(run, (x, *states))
    sum((out * random(*out.shape, seed=9)).sum() for out in run(x, *states)).backward()
    assert all(np.abs(gradient).max() > 0 for gradient in cell.get_gradients())
    assert all(float(state.grad.abs().max()) > 0 for state in states)


@pytest.mark.parametrize("cell_class", EVERY)
def test_states_in_and_out(cell_class: Any) -> None:
    cell = fill(cell_class(5), (None, 4))
    x = random(3, 4)
    zeros = cell.get_initial_state(batch_size=3)
    assert [tuple(state.shape) for state in zeros] == [(3, 5)] * cell.STATES
    assert all(state.dtype == torch.float64 and not state.any() for state in zeros)
    assert torch.equal(cell(x)[0], cell(x, zeros)[0])
    assert cell.state_size == ([5, 5] if cell.STATES == 2 else 5)
    assert cell.output_size == 5
    assert cell.get_initial_state(inputs=x.float())[0].dtype == torch.float32
    assert isinstance(cell(x, tuple(zeros))[1], list)
    if cell.STATES == 1:
        y, state = cell(x, zeros[0])  # Keras returns a bare state for a bare state
        assert state is y
    assert torch.equal(cell(x, [state.numpy() for state in zeros])[0], cell(x)[0])


@pytest.mark.parametrize("cell_class", EVERY)
def test_wrong_inputs_and_states_are_refused(cell_class: Any) -> None:
    cell = fill(cell_class(5, name="mine"), (None, 4))
    with pytest.raises(ShapeError, match=r"Cell 'mine': expected 4 features, got 3 \(input of shape \(3, 3\)\)\."):
        cell(random(3, 3))
    with pytest.raises(ShapeError, match=r"Cell 'mine': expected input of shape \(batch, features\) with 2 axes"):
        cell(random(3, 6, 4))
    wrong = [random(3, 4)] * cell.STATES
    with pytest.raises(ShapeError, match=r"state 0: expected shape \(3, 5\), got \(3, 4\)"):
        cell(random(3, 4), wrong)
    with pytest.raises(ShapeError, match=rf"expected {counted(cell.STATES, 'state')}"):
        cell(random(3, 4), states_of(cell) * 2)
    with pytest.raises(ArgumentError, match=r"the input is torch\.float32, the weights are torch\.float64"):
        cell(random(3, 4).float())
    with pytest.raises(UnsupportedError, match="activity_regularizer is not supported on a cell"):
        cell_class(5, activity_regularizer="l2")
    with pytest.raises(ArgumentError, match=r"dropout: expected a fraction between 0 and 1, got 1\.5"):
        cell_class(5, dropout=1.5)


@pytest.mark.parametrize("cell_class", EVERY)
def test_dropout_masks_are_kept_until_they_are_reset(cell_class: Any) -> None:
    cell: GatedCell = fill(cell_class(50, dropout=0.5, recurrent_dropout=0.25), (None, 40))
    x, states = random(30, 40), states_of(cell, 30)
    assert torch.equal(cell(x, states, training=False)[0], cell.eval()(x, states)[0])
    first = cell(x, states, training=True)[0]
    assert torch.equal(cell(x, states, training=True)[0], first)
    mask, recurrent = cell.get_dropout_mask(x), cell.get_recurrent_dropout_mask(states[0])
    assert mask is not None
    assert recurrent is not None
    assert mask.shape == (cell.CELL.count, 30, 40)
    assert recurrent.shape == (cell.CELL.count, 30, 50)
    assert mask.unique().tolist() == [0.0, 2.0]
    # The share of zeros among all draws: 6 standard deviations.
    assert abs(float((recurrent == 0).double().mean()) - 0.25) < 6 * (0.25 * 0.75 / recurrent.numel()) ** 0.5
    cell.reset_dropout_mask()
    second = cell(x, states, training=True)[0]
    assert not torch.equal(second, first)
    cell.reset_recurrent_dropout_mask()
    assert not torch.equal(cell(x, states, training=True)[0], second)
    other = cell(random(2, 40), training=True)[0]  # a mask of another batch does not fit and is drawn anew
    assert other.shape == (2, 50)
    assert copy.deepcopy(cell)(x, states, training=False)[0].shape == (30, 50)
    assert cell_class(5)._mask(None, x, 0.0) is None
    assert cell_class(5, dropout=0.5).get_dropout_mask(x).shape == (1, 30, 40)


def test_the_masks_meet_the_gates_that_keras_means() -> None:
    cell = fill(layers.GRUCell(2, dropout=0.5, implementation=1, activation="linear"), (None, 3))
    x = random(1, 3)
    cell._dropout_mask = random(3, 1, 3, seed=2)  # of the gates z r h, Keras's order
    kernel, _, bias = cell.get_weights()
    from_z, from_r, from_h = (
        (x * mask).numpy() @ part for mask, part in zip(cell._dropout_mask, np.split(kernel, 3, axis=1), strict=True)
    )
    z = 1 / (1 + np.exp(-from_z - bias.sum(0)[:2]))
    r = 1 / (1 + np.exp(-from_r - bias.sum(0)[2:4]))
    candidate = from_h + bias[0, 4:] + r * bias[1, 4:]
    assert_close(cell(x, training=True)[0].detach().numpy(), (1 - z) * candidate)


def test_rates_of_one_do_as_in_keras() -> None:
    x = random(3, 4)
    gated = fill(layers.LSTMCell(5, dropout=1.0), (None, 4))
    assert torch.equal(gated(x, training=True)[0], gated(x, training=False)[0])
    plain = fill(layers.SimpleRNNCell(5, dropout=1.0), (None, 4))
    assert torch.equal(plain(x, training=True)[0], plain(x * 0, training=False)[0])


def test_a_cell_is_a_layer_of_a_model() -> None:
    x, h, c = Input((4,)), Input((5,)), Input((5,))
    y, (new_h, new_c) = layers.LSTMCell(5)(x, [h, c])
    model = Model([x, h, c], [layers.Dense(2)(y), new_h, new_c])
    assert [out.shape for out in model.outputs] == [(None, 2), (None, 5), (None, 5)]
    fill(model, ((None, 4), (None, 5), (None, 5)))
    again = Model.from_config(model.get_config()).double()
    again.set_weights(model.get_weights())
    arrays = random(3, 4), random(3, 5, seed=2), random(3, 5, seed=3)
    for ours, theirs in zip(model(*arrays), again(*arrays), strict=True):
        assert torch.equal(ours, theirs)


# ---------------------------------------------------------------- stacks


def stack() -> Any:
    cells = [layers.LSTMCell(5), layers.GRUCell(4), layers.StackedRNNCells([layers.SimpleRNNCell(3)])]
    return fill(layers.StackedRNNCells(cells), (None, 2))


def test_a_stack_runs_its_cells_one_after_the_other() -> None:
    cells = stack()
    assert cells.state_size == [[5, 5], 4, [3]]
    assert cells.output_size == 3
    assert cells.compute_output_shape((None, 2)) == ((None, 3), [[(None, 5)] * 2, (None, 4), [(None, 3)]])
    x = random(3, 2)
    states = [[random(3, 5, seed=3), random(3, 5, seed=4)], random(3, 4, seed=5), [random(3, 3, seed=6)]]
    y, ((h, c), g, [s]) = cells(x, states)
    first, second, third = cells.cells
    a, [wanted_h, wanted_c] = first(x, states[0])
    b, wanted_g = second(a, states[1])
    wanted, [wanted_s] = third.cells[0](b, states[2])
    pairs = [(y, wanted), (h, wanted_h), (c, wanted_c), (g, wanted_g), (s, wanted_s)]
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)
    flat = [*states[0], states[1], *states[2]]
    assert torch.equal(cells(x, flat)[0], y)
    zeros = cells.get_initial_state(batch_size=3)
    assert torch.equal(cells(x, zeros)[0], cells(x)[0])
    assert not torch.equal(cells(x)[0], y)


def test_a_stack_refuses_what_it_cannot_do() -> None:
    with pytest.raises(UnsupportedError, match=r"reverse_state_order=True is not supported; .* in the cells' order"):
        layers.StackedRNNCells([layers.LSTMCell(2)], reverse_state_order=True)
    assert layers.StackedRNNCells([layers.LSTMCell(2)], reverse_state_order=False).state_size == [[2, 2]]
    with pytest.raises(ArgumentError, match=r"cells: expected a list of cells, got \[\]"):
        layers.StackedRNNCells([])
    with pytest.raises(ArgumentError, match=r"cells\[1\]: expected a cell .*; 'Dense' has no state_size"):
        layers.StackedRNNCells([layers.LSTMCell(2), layers.Dense(2, name="d")])
    with pytest.raises(ShapeError, match=r"expected 4 states of shape .*, got 2"):
        stack()(random(3, 2), [random(3, 5)] * 2)


def test_weights_of_a_stack_stand_where_keras_keeps_them() -> None:
    cells = layers.StackedRNNCells([layers.LSTMCell(1), layers.GRUCell(1), layers.LSTMCell(1)])
    assert [name for name, _ in cells._keras_children()] == ["cells/lstm_cell", "cells/gru_cell", "cells/lstm_cell_1"]
    frozen = layers.StackedRNNCells([layers.LSTMCell(1)], trainable=False)
    frozen.build((None, 2))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
