"""Attributes that a layer does not have yet: for Python and torch they are not there, for people there is a reason."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from typing import Any

import pytest
import torch
from _close import assert_close
from test_all_layers import data, each_example, make, run
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.base.layer import Example, Layer
from kerastorch.errors import ArgumentError, NotBuiltError, ShapeError, UnsupportedError


class Own(Layer):
    """A layer that does not run on tensors without data, so that its output shape is not known."""

    def call(self, x: Tensor) -> Tensor:
        return x if float(x.sum()) > 0 else x[:0]


class OwnModel(Model):
    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.LSTM(3)

    def call(self, x: Tensor) -> Tensor:
        return self.inner(x)


class OwnCell(nn.Module):
    state_size = 3

    def forward(self, x: Tensor, states: Any) -> Any:
        return x + states[0], [x]


def called(thing: Any, *shape: int) -> Any:
    thing(torch.ones(shape))
    return thing


def own_stateful() -> Any:
    return called(layers.LSTM(3, stateful=True, return_state=True), 2, 4, 3)


MADE = {
    "own layer": Own,
    "own layer, called": lambda: called(Own(), 2, 3),
    "own model": OwnModel,
    "own model, called": lambda: called(OwnModel(), 2, 4, 3),
    "own cell": lambda: layers.RNN(OwnCell()),
    "own cell, called": lambda: called(layers.RNN(OwnCell()), 2, 4, 3),
    "empty": Sequential,
    "sequential": lambda: Sequential([layers.LSTM(3), layers.Dense(2)]),
    "sequential, called": lambda: called(Sequential([layers.LSTM(3), layers.Dense(2)]), 2, 4, 3),
    "sequential with an input": lambda: Sequential([Input((4, 3)), layers.LSTM(3)]),
    "in a model": lambda: Sequential([Input((4, 3)), layers.LSTM(3)]).layers[0],
    "functional": lambda: (lambda x: Model(x, layers.Bidirectional(layers.GRU(2))(x)))(Input((None, 3))),
    "a copy": lambda: copy.deepcopy(Sequential([Input((4, 3)), layers.LSTM(3)])),
    "stateful": lambda: layers.LSTM(3, stateful=True),
    "stateful, called": own_stateful,
    "a module of torch": lambda: kt.from_torch(nn.GRU(3, 2, batch_first=True)),
    "a nested model": lambda: Sequential([Input((4, 3)), Sequential([layers.LSTM(3)])]),
    "a wrapped layer": lambda: layers.TimeDistributed(layers.Bidirectional(layers.LSTM(2))),
}


def read_all(thing: Any) -> None:
    """Read every attribute as tools do that know nothing of it: each is there, or it is not."""
    for name in dir(thing):
        hasattr(thing, name)
    inspect.getmembers(thing)


@each_example
@pytest.mark.parametrize("state", ["new", "built", "called"])
def test_every_attribute_of_a_layer_is_there_or_not(cls: type[Layer], example: Example, state: str) -> None:
    layer = make(cls, example, build=state == "built")
    if state == "called":
        run(layer, data(example))
    read_all(layer)


@pytest.mark.parametrize("make", MADE.values(), ids=list(MADE))
def test_every_attribute_of_a_model_is_there_or_not(make: Any) -> None:
    thing = make()
    read_all(thing)
    for copied in (copy.copy(thing), copy.deepcopy(thing)):
        read_all(copied)


@pytest.mark.parametrize("make", MADE.values(), ids=list(MADE))
def test_what_can_be_pickled_has_the_same_attributes_afterwards(make: Any) -> None:
    thing = make()
    stream = io.BytesIO()
    torch.save(thing, stream)
    stream.seek(0)
    for copied in (pickle.loads(pickle.dumps(thing)), torch.load(stream, weights_only=False)):
        read_all(copied)
        assert set(dir(copied)) - {"_called_on"} == set(dir(thing)) - {"_called_on"}


@pytest.mark.parametrize("name", ["input", "output", "input_shape", "output_shape", "kernel", "recurrent_kernel"])
def test_the_reason_is_told(name: str) -> None:
    layer = layers.LSTM(3, name="mine")
    assert not hasattr(layer, name)
    wrapped = nn.Sequential(nn.Identity(), layer)
    with pytest.raises(NotBuiltError, match=r"^LSTM 'mine' (is not built|has never been called)") as caught:
        getattr(wrapped[1], name)
    assert isinstance(caught.value, AttributeError)
    with pytest.raises(AttributeError, match="'LSTM' object has no attribute 'something'"):
        _ = layer.something


@pytest.mark.parametrize("name", ["input", "output", "inputs", "outputs", "input_names", "output_names"])
def test_a_model_without_a_graph_says_so(name: str) -> None:
    model = called(OwnModel(), 2, 4, 3)
    assert not hasattr(model, name)
    with pytest.raises(UnsupportedError, match="is a model of its own making") as caught:
        getattr(model, name)
    assert isinstance(caught.value, AttributeError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value)
    assert again.args == caught.value.args


def test_an_output_shape_that_is_not_known_is_not_there() -> None:
    layer = called(Own(), 2, 3)
    assert not hasattr(layer, "output_shape")
    with pytest.raises(ArgumentError, match="Define compute_output_shape") as caught:
        _ = layer.output_shape
    assert isinstance(caught.value, AttributeError)


def test_errors_of_calls_are_no_attribute_errors() -> None:
    with pytest.raises(ShapeError) as caught:
        layers.LSTM(3)(torch.zeros(2, 3))
    assert not isinstance(caught.value, AttributeError)


def test_a_property_of_a_persons_own_may_fail_as_in_python() -> None:
    class Mine(layers.Dense):
        @property
        def twice(self) -> int:
            return 2 * self.missing  # type: ignore[operator]

    layer = Mine(2)
    assert not hasattr(layer, "twice")
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = layer.twice


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("wrap", [lambda layer: layer, nn.Sequential], ids=["alone", "in a module"])
def test_scripting_is_refused_with_what_to_use(wrap: Any) -> None:
    with pytest.raises(
        UnsupportedError, match=r"cannot compile kerastorch's LSTM.*Use torch.compile or torch.export; torch.jit.trace"
    ):
        torch.jit.script(wrap(called(layers.LSTM(3), 2, 4, 3)))


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # of the checks of shapes, which a trace leaves out
@pytest.mark.parametrize("grad", [True, False], ids=["with gradients", "without"])
@pytest.mark.parametrize(
    "cls",
    [layers.LSTM, layers.GRU, layers.SimpleRNN, lambda units: layers.Bidirectional(layers.LSTM(units))],
    ids=["LSTM", "GRU", "SimpleRNN", "Bidirectional"],
)
def test_a_fused_layer_is_traced_and_trains(cls: Any, grad: bool) -> None:
    layer = cls(4)
    x = torch.randn(2, 5, 3, requires_grad=True)
    expected = layer(x)
    (wanted,) = torch.autograd.grad(expected.square().sum(), x)
    with torch.set_grad_enabled(grad):
        traced: Any = torch.jit.trace(layer, x.detach())
    found = traced(x)
    (gradient,) = torch.autograd.grad(found.square().sum(), x)
    # Other kernels of torch may run in a trace: each side rounds by the floor of the tests in interop/.
    for mine, theirs in ((found, expected), (gradient, wanted)):
        assert_close(mine, theirs)
