"""AbstractRNNCell, and cells of one's own with the signatures of either Keras."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor

import kerastorch as kt
from kerastorch import Input, Model, layers
from kerastorch.errors import ArgumentError, KerasTorchError


class Minimal(layers.AbstractRNNCell):
    """The cell of Keras 2's documentation, which sets an attribute before `super().__init__`."""

    def __init__(self, units: int, sizes: Any = None, **base: Any) -> None:
        self.units = units
        super().__init__(**base)

    @property
    def state_size(self) -> Any:
        return self.units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")
        self.built = True

    def call(self, inputs: Tensor, states: Any) -> Any:
        output = inputs @ self.kernel + states[0] @ self.recurrent_kernel
        return output, output


class Wide(Minimal):
    """Two states and an output of its own size."""

    @property
    def state_size(self) -> Any:
        return [self.units, (2, 3)]

    @property
    def output_size(self) -> Any:
        return self.units + 1

    def call(self, inputs: Tensor, states: Any) -> Any:
        first, (two, three) = states
        new = inputs @ self.kernel + first @ self.recurrent_kernel
        return torch.cat([new, two[:, :1]], -1), [new, [two + 1, three + two.sum(-1, keepdim=True)]]


def test_it_runs_in_rnn_and_in_a_model() -> None:
    cell = Minimal(4)
    x = Input((None, 3))
    model = Model(x, layers.RNN(cell, return_sequences=True)(x))
    data = torch.randn(2, 5, 3)
    state, outputs = torch.zeros(2, 4), []
    for step in data.unbind(1):
        state = step @ cell.kernel + state @ cell.recurrent_kernel
        outputs.append(state)
    assert_close(model(data), torch.stack(outputs, 1))
    assert [array.shape for array in model.get_weights()] == [(3, 4), (4, 4)]


def test_sizes_and_start() -> None:
    cell = Wide(4)
    rnn = layers.RNN(cell, return_state=True)
    out, first, [two, three] = rnn(torch.zeros(2, 5, 3))
    assert (out.shape, first.shape) == ((2, 5), (2, 4))
    assert torch.equal(two, torch.full((2, 2), 5.0))
    assert torch.equal(three, torch.full((2, 3), 20.0))
    start = cell.get_initial_state(torch.zeros(6, 3, dtype=torch.float64))
    assert [start[0].shape, start[1][0].shape, start[1][1].shape] == [(6, 4), (6, 2), (6, 3)]
    assert start[0].dtype == torch.float64
    assert Minimal(4).get_initial_state(batch_size=2).shape == (2, 4)
    with pytest.raises(ArgumentError, match="give inputs or a batch_size"):
        cell.get_initial_state()


def start_of_keras2(self: Any, inputs: Any, batch_size: int, dtype: Any) -> Any:
    assert inputs is None
    return torch.full((batch_size, 4), 2.0, dtype=dtype)


def start_of_keras3(self: Any, batch_size: int | None = None) -> Any:
    assert batch_size is not None
    return [torch.full((batch_size, 4), 2.0)]


def start_of_any(self: Any, **given: Any) -> Any:
    assert set(given) == {"inputs", "batch_size", "dtype"}
    return torch.full((given["batch_size"], 4), 2.0)


@pytest.mark.parametrize("start", [start_of_keras2, start_of_keras3, start_of_any])
def test_the_start_may_have_either_signature(start: Any) -> None:
    class Started(Minimal):
        get_initial_state = start

    cell = Started(4)
    rnn = layers.RNN(cell)
    x = torch.randn(2, 1, 3)
    assert_close(rnn(x), x[:, 0] @ cell.kernel + torch.full((2, 4), 2.0) @ cell.recurrent_kernel)


def test_what_is_missing_is_told() -> None:
    class Empty(layers.AbstractRNNCell):
        pass

    with pytest.raises(KerasTorchError, match=r"Empty '.*' must define state_size"):
        layers.RNN(Empty())

    class Silent(layers.AbstractRNNCell):
        state_size = 4

    with pytest.raises(KerasTorchError, match=r"Silent '.*' must define call\(inputs, states\)"):
        layers.RNN(Silent())(torch.zeros(1, 2, 3))


def test_the_example_of_the_docstring() -> None:
    names = {**vars(layers), "torch": torch}
    test = doctest.DocTestParser().get_doctest(layers.AbstractRNNCell.__doc__ or "", names, "cell", None, None)
    assert test.examples
    assert not doctest.DocTestRunner().run(test).failed
    assert kt.layers.AbstractRNNCell is layers.AbstractRNNCell
