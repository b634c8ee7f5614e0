"""Inputs whose rows have steps of their own number: refused with the way to the same numbers, which is tested, too."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from _close import assert_close
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError

LENGTHS = torch.tensor([2, 5, 3])


def inputs() -> Tensor:
    return torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(1))


def packed() -> PackedSequence:
    return pack_padded_sequence(inputs(), LENGTHS, batch_first=True, enforce_sorted=False)


def functional() -> Model:
    i = Input((None, 4))
    return Model(i, layers.LSTM(3)(i))


class Subclass(Model):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = layers.LSTM(3)

    def call(self, x: Any) -> Any:
        return self.lstm(x)


class OwnLSTM(layers.LSTM):
    pass


OVER_TIME: dict[str, Callable[[], Any]] = {
    "LSTM": lambda: layers.LSTM(3),
    "relu GRU": lambda: layers.GRU(3, activation="relu"),
    "stateful": lambda: layers.SimpleRNN(3, stateful=True),
    "RNN": lambda: layers.RNN(layers.LSTMCell(3)),
    "Bidirectional": lambda: layers.Bidirectional(layers.GRU(3)),
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Dense(2)),
    "subclass of a layer": lambda: OwnLSTM(3),
    "subclass of Model": Subclass,
    "Sequential": lambda: Sequential([layers.LSTM(3)]),
}
ALL = OVER_TIME | {
    "Dense": lambda: layers.Dense(3),
    "Conv1D": lambda: layers.Conv1D(3, 2),
    "ReLU": layers.ReLU,
    "Sequential with its input": lambda: Sequential([Input((None, 4)), layers.LSTM(3)]),
    "Model": functional,
}


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_a_packed_sequence_is_refused_with_what_to_do(name: str, built: bool) -> None:
    layer = ALL[name]()
    if built:
        layer(inputs())
    message = r"expected a tensor, got a PackedSequence\. Pad it, and pass the valid steps as mask="
    with pytest.raises(ArgumentError, match=message):
        layer(packed())
    layer(inputs())  # and works on


def test_it_is_refused_wherever_it_is() -> None:
    query, model = inputs(), functional()
    for call in (
        lambda: layers.LSTM(3)(query, initial_state=packed()),
        lambda: layers.LSTM(3)(x=packed()),
        lambda: layers.MultiHeadAttention(2, 2)(query, packed()),
        lambda: model.predict(packed()),
        lambda: model(packed(), training=True),
    ):
        with pytest.raises(ArgumentError, match="got a PackedSequence"):
            call()


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_what_the_message_says_gives_the_numbers_of_the_packed_one(cls: Any) -> None:
    layer = cls(3, return_sequences=True, return_state=True)
    layer(inputs())
    theirs, state = layer.to_torch()(packed())
    theirs, lengths = pad_packed_sequence(theirs, batch_first=True)
    x, given = torch.nn.utils.rnn.pad_packed_sequence(packed(), batch_first=True)
    mask = torch.arange(x.shape[1]) < given[:, None]
    ours, *states = layer(x, mask=mask)
    assert torch.equal(lengths, LENGTHS)
    assert_close(ours * mask[..., None], theirs)
    for our, their in zip(states, state if isinstance(state, tuple) else (state,), strict=True):
        assert_close(our, their[0])


def nested(layout: torch.layout) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nested tensors are a prototype
        return torch.nested.nested_tensor([torch.randn(3, 4), torch.randn(2, 4)], layout=layout)


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("name", OVER_TIME)
def test_a_nested_tensor_is_refused_with_what_to_do(name: str, built: bool, layout: torch.layout) -> None:
    layer = OVER_TIME[name]()
    if built:
        layer(inputs())
    with pytest.raises(ArgumentError, match=r"expected a padded tensor, got a nested one\. Pad it, and pass .*mask="):
        layer(nested(layout))
    layer(inputs())


@pytest.mark.parametrize("name", OVER_TIME)
def test_a_sparse_tensor_is_refused_with_what_to_do(name: str) -> None:
    layer = OVER_TIME[name]()
    layer(inputs())
    with pytest.raises(
        ArgumentError, match=r"expected a dense tensor, got one of layout torch.sparse_coo; pass x.to_d"
    ):
        layer(inputs().to_sparse())


class Packing(layers.Layer):
    """A layer of one's own, around torch's."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 3, batch_first=True)
        self.built_for: Any = None

    def build(self, input_shape: Any) -> None:
        self.built_for = input_shape

    def forward(self, x: PackedSequence) -> PackedSequence:
        return self.lstm(x)[0]


def test_a_layer_of_ones_own_takes_a_packed_sequence() -> None:
    layer = Packing()
    for _ in range(2):
        out = layer(packed())
        assert isinstance(out, PackedSequence)
        assert torch.equal(out.data, layer.lstm(packed())[0].data)
    assert layer.built_for == (None, 5, 4)


class Pair(NamedTuple):
    first: Any
    second: Any


class Splitting(layers.Layer):
    def call(self, inputs: Pair) -> Pair:
        assert type(inputs) is Pair
        return Pair(inputs.first + inputs.second, inputs.first - inputs.second)

    def compute_output_shape(self, input_shape: Pair) -> Pair:
        assert type(input_shape) is Pair
        return input_shape


def test_a_named_tuple_stays_one() -> None:
    layer, x = Splitting(), inputs()
    out = layer(Pair(x, x[:, :1]))
    assert torch.equal(out.first, x + x[:, :1])
    assert torch.equal(layer(Pair(x.numpy(), x)).second, torch.zeros(3, 5, 4))
    a, b = Input((5, 4)), Input((5, 4))
    made = layer(Pair(a, b))
    assert type(made) is Pair
    model = Model([a, b], layers.Add()(list(made)))
    assert_close(model([x, x.flip(0)]), 2 * x)
