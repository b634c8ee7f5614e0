"""A person's own cells in RNN: torch modules, kerastorch layers, nested states, constants, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _close import assert_close
from _made_cells import ALL, MASK, Attending, Own, Running, fill, random
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.errors import ArgumentError, ShapeError


class Called(nn.Module):
    """Keras's `call` in a torch module, and a bare state."""

    state_size = 5

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(-1, 1, 5))

    def call(self, x: Tensor, states: Any, training: bool = False) -> tuple[Tensor, Tensor]:
        state = states[0] * self.scale + x[:, :5].sum(1, keepdim=True) + (10.0 if training else 0.0)
        return state * 2, state


def by_hand(cell: Any, x: Tensor, states: Any) -> tuple[Tensor, Any]:
    outputs = []
    for step in x.unbind(1):
        y, states = cell(step, states)
        outputs.append(y)
    return torch.stack(outputs, 1), states


def test_a_torch_module_is_a_cell() -> None:
    cell = Own(5).double()
    rnn = layers.RNN(cell, **ALL)
    x = random(3, 6, 4)
    out, state = rnn(x)
    wanted, [final] = by_hand(cell, x, [torch.zeros(3, 5, dtype=torch.float64)])
    assert torch.equal(out, wanted)
    assert torch.equal(state, final)
    assert [array.shape for array in rnn.get_weights()] == [(4, 5), (5,), (5, 5)]  # as Keras's Dense has them
    assert rnn.compute_output_shape((None, None, 4)) == ((None, None, 5), (None, 5))
    out.sum().backward()
    assert cell.recurrent.weight.grad is not None
    assert set(rnn.state_dict()) == {"cell.input.weight", "cell.input.bias", "cell.recurrent.weight"}
    masked, last = rnn(x, mask=MASK)
    for row in range(3):
        kept = x[row : row + 1, MASK[row]]
        if kept.shape[1]:
            assert_close(masked[row, -1], rnn(kept)[0][0, -1])
    assert not masked[1].any()
    assert not last[1].any()


def test_a_module_with_call_gets_training_and_may_return_a_bare_state() -> None:
    cell = Called().double()
    rnn = layers.RNN(cell, return_state=True)
    x = random(3, 6, 5)
    out, state = rnn(x, training=False)
    wanted = torch.zeros(3, 5, dtype=torch.float64)
    for step in x.unbind(1):
        wanted = wanted * cell.scale + step.sum(1, keepdim=True)
    assert torch.equal(state, wanted)
    assert torch.equal(out, wanted * 2)
    assert not torch.equal(rnn.train()(x)[0], rnn.eval()(x)[0])
    assert torch.equal(rnn(x, training=True)[0], rnn.train()(x)[0])


def test_nested_states_with_several_axes_and_their_own_start() -> None:
    rnn = fill(layers.RNN(Running(), **ALL))
    x = random(3, 6, 4)
    out, outer, (mean, count) = rnn(x, mask=MASK)
    assert out.shape == (3, 6, 4, 4)
    assert count[:, 0].tolist() == [3.0, 0.0, 4.0]
    assert torch.equal(outer[1], torch.full((4, 4), 0.5, dtype=torch.float64))
    kept = x[:1, MASK[0]]
    assert_close(mean[0], (kept @ rnn.cell.mix).mean(1)[0])
    _, wanted = by_hand(rnn.cell, kept, rnn.get_initial_state(1))
    assert_close(outer[0], wanted[0][0])
    assert torch.equal(out[:, -1][0], outer[0] - 1)
    assert rnn.compute_output_shape((3, 6, 4)) == ((3, 6, 4, 4), (3, 4, 4), [(3, 4), (3, 1)])
    assert rnn.compute_mask(x, MASK) == [MASK, None, None, None]


def test_inputs_with_more_axes_go_to_the_cell_as_they_are() -> None:
    class Sum(nn.Module):
        state_size = 4

        def forward(self, x: Tensor, states: list[Tensor]) -> Any:
            state = states[0] + x.sum((1, 2))
            return state, state

    x = random(2, 3, 5, 6, 4)
    rnn = layers.RNN(Sum(), dtype="float64")
    assert_close(rnn(x), x.sum((1, 2, 3)))
    gated = layers.RNN(layers.LSTMCell(2))
    with pytest.raises(ShapeError, match=r"LSTMCell .* expected input of shape \(batch, features\) with 2 axes"):
        gated.build((None, 3, 5, 4))
    gated.build((None, 3, 4))  # the refused shape has left nothing behind
    with pytest.raises(ShapeError, match=r"expected input of shape \(batch, timesteps, features\), got \(2, 4\)"):
        layers.RNN(layers.LSTMCell(2))(torch.zeros(2, 4))


def test_cells_that_are_none_are_refused() -> None:
    class NoOutputSize(nn.Module):
        state_size = ((2, 3), 4)

    class BadSize(nn.Module):
        state_size = (2, "three")

    class Empty(nn.Module):
        state_size = ()

    for cell, match in [
        (layers.LSTM(3, name="l"), r"cell: LSTM 'l' runs over time by itself; give the cell, for example LSTMCell"),
        (nn.LSTMCell(3, 4), r"cell: expected a cell .*; 'LSTMCell' has no state_size"),
        (object(), r"cell: expected a cell .*; 'object' is no torch module"),
        (BadSize(), r"cell: BadSize: state_size: expected an integer, .* got \(2, 'three'\)"),
        (Empty(), r"cell: Empty: state_size: expected at least one state"),
        (NoOutputSize(), r"NoOutputSize: output_size: expected an integer .* a cell whose first state is nested"),
    ]:
        with pytest.raises(ArgumentError, match=match):
            layers.RNN(cell)


def test_cells_that_return_something_else_are_refused() -> None:
    class Wrong(nn.Module):
        state_size = 4

        def __init__(self, result: Any) -> None:
            super().__init__()
            self.result = result

        def forward(self, x: Tensor, states: Any) -> Any:
            return self.result(x, states)

    for result, error, match in [
        (lambda x, s: x, ArgumentError, r"Wrong: expected \(output, states\) from one step, got 'Tensor'"),
        (lambda x, s: (x, s, s), ArgumentError, r"expected \(output, states\) from one step, got 'tuple of 3'"),
        (lambda x, s: (x, [s[0], s[0]]), ShapeError, r"expected new states of shapes \[\(2, 4\)\], got \["),
        (lambda x, s: (x, [None]), ShapeError, r"got \['NoneType'\]"),
        (
            lambda x, s: (x[:, :1], s),
            ShapeError,
            r"Wrong: expected outputs of size \(4,\) .* got \(1,\); give the cell",
        ),
    ]:
        with pytest.raises(error, match=match):
            layers.RNN(Wrong(result))(torch.zeros(2, 3, 4))

    class WrongStart(Wrong):
        def get_initial_state(self, batch_size: int) -> Tensor:
            return torch.zeros(batch_size, 5)

    with pytest.raises(
        ShapeError, match=r"WrongStart: get_initial_state: expected shapes \[\(2, 4\)\], got \[\(2, 5\)"
    ):
        layers.RNN(WrongStart(lambda x, s: (x, s)))(torch.zeros(2, 3, 4))


# ---------------------------------------------------------------- constants


def test_constants_by_keyword_and_behind_the_input() -> None:
    x, scale, shift, state = random(3, 6, 4), random(3, 4, seed=2), random(4, seed=3), random(3, 4, seed=4)
    rnn = layers.RNN(Attending(), num_constants=2, dtype="float64")
    wanted = state
    for step in x.unbind(1):
        wanted = torch.tanh(step * scale + 0.5 * wanted + shift)
    assert torch.equal(rnn(x, initial_state=[state], constants=[scale, shift]), wanted)
    assert torch.equal(rnn([x, state, scale, shift]), wanted)
    assert torch.equal(rnn([x, scale, shift]), rnn(x, constants=(scale, shift)))
    assert torch.equal(
        layers.RNN(Attending(), dtype="float64")(x, constants=[scale.numpy(), shift.numpy()]), rnn([x, scale, shift])
    )
    stacked = layers.RNN([Attending(), layers.GRUCell(2)], dtype="float64")
    fill(stacked)
    first = layers.RNN(Attending(), return_sequences=True, dtype="float64")(x, constants=[scale, shift])
    second = layers.RNN(stacked.cell.cells[1])
    assert torch.equal(stacked(x, constants=[scale, shift]), second(first))


def test_constants_that_nobody_takes_are_refused() -> None:
    x = torch.zeros(2, 3, 4)
    with pytest.raises(ArgumentError, match=r"RNN 'r': LSTMCell 'c' takes no constants; give its step an argument"):
        layers.RNN(layers.LSTMCell(2, name="c"), name="r")(x, constants=[x[:, 0]])
    with pytest.raises(ArgumentError, match="StackedRNNCells 's' takes no constants"):
        layers.RNN(layers.StackedRNNCells([layers.LSTMCell(2)], name="s"))(x, constants=x[:, 0])
    with pytest.raises(ArgumentError, match="expected 2 constants behind the input, got 1 tensor"):
        layers.RNN(Attending(), num_constants=2)([x, x[:, 0]])
    with pytest.raises(ArgumentError, match="constants is given twice"):
        layers.RNN(Attending(), num_constants=2)([x, x[:, 0], x[:, 0]], constants=[x[:, 0]] * 2)


def test_weights_of_a_torch_module_stand_in_the_cell(tmp_path: Path) -> None:
    class Gain(nn.Module):
        state_size = 4

        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.zeros(4))
            self.inner = nn.Linear(4, 4, bias=False)

        def forward(self, x: Tensor, states: list[Tensor]) -> Any:
            return self.inner(x * self.gain), states

    values = np.linspace(1, 2, 4, dtype="float32")
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("layers/rnn/vars")
        file["layers/rnn/cell/vars/0"] = values
        file["layers/rnn/cell/inner/vars/0"] = np.outer(values, values**2)
    model = Sequential([Input((3, 4)), layers.RNN(Gain())])
    kt.load_weights(model, path)
    np.testing.assert_array_equal(model.layers[-1].cell.gain.detach().numpy(), values)
    kernel = model.layers[-1].cell.inner.weight.detach().numpy().T  # an nn.Linear is a Dense with the kernel turned
    np.testing.assert_array_equal(kernel, np.outer(values, values**2))
    with h5py.File(path, "a") as file:
        del file["layers/rnn/cell/vars/0"]
    with pytest.raises(kt.KerasTorchError, match=r"missing in the file: layers/rnn/cell: gain"):
        kt.load_weights(model, path)
