"""Whether a layer trains is said by the call, else by the layer: the same at every door, in every layer and wrapper."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import kerastorch as kt
from kerastorch import layers
from kerastorch.base.layer import REGISTRY
from kerastorch.layers.rnn.gated_cell import GatedCell
from kerastorch.structure import leaves, map_shapes

SHAPE = (3, 4, 6)
EXAMPLES = [
    (cls, example)
    for cls in list(REGISTRY.values())
    for example in cls.EXAMPLES
    if not issubclass(cls, (GatedCell, layers.StackedRNNCells, layers.InputLayer))  # cells are called with states
]


class Around(layers.Layer):
    """A layer of one's own that hands on what the call says."""

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.inner = layers.TimeDistributed(layers.Dropout(0.5))

    def call(self, x: Tensor, training: Any = None) -> Tensor:
        return self.inner(x, training=training)


class OwnModel(kt.Model):
    """A model of one's own that leaves it to its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = [layers.Dropout(0.5), layers.GRU(6, return_sequences=True, dropout=0.5)]

    def call(self, x: Tensor) -> Tensor:
        return self.parts[1](self.parts[0](x))


def functional() -> kt.Model:
    x = kt.Input(SHAPE[1:])
    y = layers.TimeDistributed(layers.Dropout(0.5))(layers.LSTM(6, return_sequences=True, dropout=0.5)(x))
    return kt.Model(x, layers.Add()([layers.GaussianNoise(1.0)(x), y]))


DROPS = {"dropout": 0.5, "recurrent_dropout": 0.5}
WRAPPED: dict[str, Callable[[], Any]] = {
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Dropout(0.5)),
    "TimeDistributed of a model": lambda: layers.TimeDistributed(kt.Sequential([layers.Dropout(0.5)])),
    "TimeDistributed twice": lambda: layers.TimeDistributed(layers.TimeDistributed(layers.Dropout(0.5))),
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(3, dropout=0.5, return_sequences=True)),
    "Bidirectional of RNN": lambda: layers.Bidirectional(layers.RNN(layers.GRUCell(3, **DROPS))),
    "LSTM": lambda: layers.LSTM(3, **DROPS),
    "GRU": lambda: layers.GRU(3, implementation=1, **DROPS),
    "SimpleRNN": lambda: layers.SimpleRNN(3, **DROPS),
    "RNN": lambda: layers.RNN(layers.LSTMCell(3, **DROPS)),
    "RNN of a stack": lambda: layers.RNN([layers.GRUCell(3, dropout=0.5), layers.SimpleRNNCell(3, **DROPS)]),
    "Sequential": lambda: kt.Sequential([layers.Dropout(0.5), layers.BatchNormalization(), layers.GRU(3, **DROPS)]),
    "functional": functional,
    "an own layer": Around,
    "an own model": OwnModel,
}


def equal(one: Any, other: Any) -> bool:
    pairs = zip(leaves(one), leaves(other), strict=True)
    return all(not isinstance(a, Tensor) or torch.equal(a, b) for a, b in pairs)


def doors(layer: Any, call: Callable[..., Any], takes: bool) -> dict[str, Any]:
    """What comes out for each mode of the layer and each word of the call; every time of a copy, with one seed."""

    def run(mode: bool, **said: Any) -> Any:
        torch.manual_seed(3)
        return call(copy.deepcopy(layer).train(mode), **said)

    found = {f"{mode}": run(mode) for mode in (True, False)}
    for mode in (True, False) if takes else ():
        found |= {f"{mode}, {said}": run(mode, training=said) for said in (True, False, None)}
    return found


def judge(found: dict[str, Any]) -> None:
    trains, infers = found["True"], found["False"]
    assert {key for key, out in found.items() if equal(out, trains)} >= {
        key for key in found if key in ("True", "True, True", "True, None", "False, True")
    }
    assert {key for key, out in found.items() if equal(out, infers)} >= {
        key for key in found if key in ("False", "False, False", "False, None", "True, False")
    }


@pytest.mark.parametrize("name", WRAPPED)
def test_what_holds_other_layers(name: str) -> None:
    layer = WRAPPED[name]()
    x = torch.randn(2, *SHAPE, 3) if name == "TimeDistributed twice" else torch.randn(*SHAPE)
    torch.manual_seed(3)
    layer(x)
    found = doors(layer, lambda it, **said: it(x, **said), True)
    judge(found)
    assert not equal(found["True"], found["False"])


@pytest.mark.parametrize("part", range(4))
def test_every_layer(part: int) -> None:
    for cls, example in EXAMPLES[part::4]:
        judge(doors_of(cls, example))


def doors_of(cls: Any, example: Any) -> dict[str, Any]:
    layer = cls.from_config(example.config)
    words = "input_dim" in example.config
    inputs = map_shapes(
        lambda shape: torch.randint(0, 3, shape) if words else torch.randn(shape),
        map_shapes(lambda shape: tuple(2 if size is None else size for size in shape), example.input_shape),
    )
    given = inputs if layer._call_arguments.tensors else [inputs]
    torch.manual_seed(3)
    layer(*given)
    return doors(layer, lambda it, **said: it(*given, **said), layer._takes_training)
