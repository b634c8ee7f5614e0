"""Copies of models: `clone_model`."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from _taken_apart import chain, seq2seq
from torch import Tensor

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError, ShapeError


def test_clone_has_the_same_architecture_and_weights_of_its_own() -> None:
    shared = layers.GRU(4, name="shared")
    a, b = Input((5, 3), name="a"), Input((5, 3), name="b")
    inner = Sequential([Input((4,)), layers.Dense(2, name="deep")], name="inner")
    inner.layers[0].trainable = False
    model = Model({"a": a, "b": b}, [inner(shared(a)), layers.Add()([shared(a), shared(b)])])
    for clone in (kt.clone_model(model), kt.models.clone_model(copy.deepcopy(model))):
        assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
        assert not {id(p) for p in clone.parameters()} & {id(p) for p in model.parameters()}
        assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
        clone.set_weights(model.get_weights())
        x = {"a": torch.randn(2, 5, 3), "b": torch.randn(2, 5, 3)}
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(clone(x), model(x), strict=True))
        assert len(clone.trainable_weights) == 3


def test_clone_functions() -> None:
    inner = Sequential([Input((5,)), layers.Dense(4, name="deep")], name="inner")
    x = Input((6, 3))
    model = Model(x, layers.Dense(2, name="out")(inner(layers.LSTM(5, name="lstm")(x))))

    def bidirectional(layer: layers.Layer) -> layers.Layer:
        if isinstance(layer, layers.LSTM):
            return layers.Bidirectional(layers.LSTM(5), merge_mode="sum", name="both")
        return layer

    clone = kt.clone_model(model, clone_function=bidirectional)
    assert [layer.name for layer in clone.layers][1:] == ["both", "inner", "out"]
    assert clone.layers[2] is inner
    assert kt.clone_model(model, clone_function=bidirectional, recursive=True).layers[2] is not inner

    def dropped(layer: layers.Layer, *args: Any, **kwargs: Any) -> Any:
        out = layer(*args, **kwargs)
        return layers.Dropout(0.5, name="drop")(out) if layer.name == "lstm" else out

    clone = kt.clone_model(model, clone_function=lambda layer: layer, call_function=dropped)
    assert [layer.name for layer in clone.layers][1:] == ["lstm", "drop", "inner", "out"]
    assert clone.layers[1] is model.layers[1]
    short = kt.clone_model(model, Input((2, 3)))
    assert short.input_shape == (None, 2, 3)
    behind = kt.clone_model(model, layers.Masking()(Input((6, 3), name="new")))
    assert behind.output_shape == (None, 2)
    frozen = kt.clone_model(chain())
    frozen.trainable = False
    assert not kt.clone_model(frozen).trainable_weights
    unbuilt = kt.clone_model(Sequential([layers.LSTM(4), layers.Dense(2)]))
    assert unbuilt(torch.zeros(1, 5, 3)).shape == (1, 2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: kt.clone_model(layers.Dense(2)), ArgumentError, "expected a kerastorch model, got 'Dense'"),  # type: ignore[arg-type]
        (lambda: kt.clone_model(chain(), call_function=print), ArgumentError, "is a Sequential, call_function is for"),
        (lambda: kt.clone_model(seq2seq(), [Input((1, 3))]), ArgumentError, "nested as the inputs of Model 'seq2seq'"),
        (lambda: kt.clone_model(chain(), torch.zeros(1)), ArgumentError, "input_tensors must be symbolic tensors"),
        (
            lambda: kt.clone_model(chain(), layers.Masking()(Input((6, 3)))),
            ArgumentError,
            "input_tensors: expected an Input, got the output of Masking",
        ),
        (
            lambda: kt.clone_model(chain(), clone_function=lambda layer: None),  # type: ignore[arg-type, return-value]
            ArgumentError,
            "clone_function must return a layer in the place of LSTM 'one', got 'NoneType'",
        ),
        (
            lambda: kt.clone_model(seq2seq(), call_function=lambda layer, *a, **k: a[0]),
            ArgumentError,
            r"LSTM 'encoder': expected 3 symbolic outputs",
        ),
        (
            lambda: kt.clone_model(seq2seq(), clone_function=lambda layer: layer, input_tensors=[Input((4, 9))] * 2),
            ShapeError,
            r"LSTM 'encoder': expected 3 features, got 9",
        ),
    ],
)
def test_clone_errors(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


class Two(Model):
    """A class of somebody's own."""

    def __init__(self, units: int = 2, **base: Any) -> None:
        super().__init__(**base)
        self.first, self.last = layers.Dense(units), layers.Dense(2)

    def call(self, x: Tensor) -> Tensor:
        return self.last(self.first(x))


def test_a_model_of_ones_own_class_is_cloned() -> None:
    x = torch.ones(2, 3)
    model = Two(5)
    model(x)
    around = Model(outer := Input((3,)), Two(4)(outer))
    for original in (model, around):
        clone = kt.clone_model(original)
        clone.set_weights(original.get_weights())
        assert torch.equal(clone(x), original(x))
        assert not {id(weight) for weight in clone.parameters()} & {id(weight) for weight in original.parameters()}
    assert not kt.clone_model(Two(7)).built
    assert kt.clone_model(Two(7)).first.units == 7  # type: ignore[attr-defined]
    with pytest.raises(ArgumentError, match="has no graph, so it is made again whole"):
        kt.clone_model(model, clone_function=lambda layer: layer)


def test_a_clone_is_compiled_as_the_model_is() -> None:
    model = Sequential([Input((3,)), layers.Dense(2)])
    assert not kt.clone_model(model).compiled
    model.compile(kt.optimizers.Adam(0.25), "mae", metrics=["mse"])
    clone = kt.clone_model(model)
    assert clone.compiled
    assert clone.optimizer is not model.optimizer
    assert float(clone.optimizer.learning_rate) == 0.25
    assert clone.get_compile_config() == model.get_compile_config()
    model.compile(torch.optim.SGD(model.parameters(), 0.1), "mae")
    assert not kt.clone_model(model).compiled
