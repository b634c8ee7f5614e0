"""States of one's own cells keep their dtype; states and switches are taken by Keras's names and values."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from kerastorch import layers

LARGE = 2**25 + 1  # float32 has no such number
X = torch.linspace(-1, 1, 24, dtype=torch.float32).reshape(3, 4, 2)
MASK = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]], dtype=torch.bool)


class Counting(layers.Layer):
    """Sums what comes in, counts the steps in int64 and remembers in bool whether there was one."""

    state_size = (2, 1, 1)
    output_size = 2

    def call(self, x: Tensor, states: Any) -> Any:
        total, count, seen = states
        assert (count.dtype, seen.dtype) == (torch.int64, torch.bool)
        return total + x, [total + x, count + 1, seen | True]

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        count = torch.full((batch_size, 1), LARGE)
        return [torch.zeros(batch_size, 2), count, torch.zeros(batch_size, 1, dtype=torch.bool)]


def expect(layer: Any, found: Any, count: Tensor) -> None:
    assert found[1].dtype == layer.dtype
    assert torch.equal(found[2], count)
    assert found[3].dtype == torch.bool
    assert found[3].all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("stacked", [False, True])
def test_an_integer_state_stays_one(dtype: Any, stacked: bool) -> None:
    cell: Any = layers.StackedRNNCells([Counting(dtype=dtype)]) if stacked else Counting(dtype=dtype)
    layer = layers.RNN(cell, return_state=True, stateful=True, dtype=dtype)
    steps = MASK.sum(1, keepdim=True)

    def run(**options: Any) -> list[Any]:
        output, *states = layer(X.to(layer.dtype), mask=MASK, **options)
        flat = [leaf for state in states for leaf in (state if isinstance(state, (list, tuple)) else [state])]
        return [output, *flat]

    expect(layer, run(), LARGE + steps)
    expect(layer, run(), LARGE + 2 * steps)  # it goes on with what it kept
    given = [torch.ones(3, 2), torch.full((3, 1), 7 * LARGE), torch.zeros(3, 1, dtype=torch.bool)]
    expect(layer, run(initial_state=given), 7 * LARGE + steps)
    layer.reset_states(states=given)
    expect(layer, run(), 7 * LARGE + steps)
    layer.reset_states()
    expect(layer, run(), steps)


def test_integers_given_to_a_layer_of_floats_become_floats() -> None:
    layer = layers.GRU(2)
    ones = torch.ones(3, 2)
    assert torch.equal(layer(X, initial_state=ones.long()), layer(X, initial_state=ones))


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.LSTM(2, stateful=True),
        lambda: layers.RNN(layers.LSTMCell(2), stateful=True),
        lambda: layers.Bidirectional(layers.SimpleRNN(2, stateful=True)),
    ],
)
def test_states_are_set_by_keyword(make: Any) -> None:
    layer = make()
    layer(X)
    states = [torch.full((3, 2), 0.25), torch.full((3, 2), 0.5)]
    layer.reset_states(states=states)
    assert all(torch.equal(mine, its) for mine, its in zip(layer.states, states, strict=True))
    layer.reset_states()
    assert not any(state.any() for state in layer.states)


@pytest.mark.parametrize(
    "make", [lambda: layers.MultiHeadAttention(2, 3), lambda: layers.GroupQueryAttention(3, 2, 1)], ids=["mha", "gqa"]
)
def test_zero_and_one_where_a_call_means_a_switch(make: Any) -> None:
    layer = make().eval()
    plain = layer(X, X)
    assert torch.equal(layer(X, X, use_causal_mask=0), plain)
    assert torch.equal(layer(X, X, use_causal_mask=1), layer(X, X, use_causal_mask=True))
    assert not torch.equal(layer(X, X, use_causal_mask=1), plain)


def test_zero_and_one_for_attention() -> None:
    layer = layers.Attention()
    assert torch.equal(layer([X, X], use_causal_mask=0), layer([X, X]))
    assert torch.equal(layer([X, X], use_causal_mask=1), layer([X, X], use_causal_mask=True))
