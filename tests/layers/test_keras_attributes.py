"""Attributes of layers that Keras code reads and sets: input_spec, dtypes, autocast; weights by assignment."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker
from torch import nn
from workers import attributes

import kerastorch
from kerastorch import backend, layers
from kerastorch.errors import ArgumentError, NotBuiltError, ShapeError


@pytest.mark.parametrize("name", attributes.CASES)
def test_the_same_lines_say_the_same(keras_worker: KerasWorker, name: str) -> None:
    ours, theirs = attributes.run(kerastorch, name), keras_worker.call("keras3", "attributes:run", name)
    for mine, its in zip(ours, theirs, strict=True):
        if name == "specs":  # some ranks are refused here that Keras finds out about in the call
            mine[2] = [b if a == "refused" else a for a, b in zip(mine[2], its[2], strict=True)]
        assert mine == its


def test_every_spec_was_seen_built() -> None:
    for name, _, answers in attributes.specs(kerastorch):
        assert any(answer != "refused" for answer in answers[1:]), name


WEIGHTS: list[tuple[str, dict[str, Any], tuple[int | None, ...]]] = [
    ("Dense", {"units": 2}, (None, 3)),
    ("Conv1D", {"filters": 2, "kernel_size": 3}, (None, 7, 3)),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 3}, (None, 7, 7, 3)),
    ("SeparableConv1D", {"filters": 2, "kernel_size": 3}, (None, 7, 3)),
    ("Embedding", {"input_dim": 5, "output_dim": 2}, (None, 4)),
    ("BatchNormalization", {}, (None, 3)),
    ("LayerNormalization", {}, (None, 3)),
    ("LSTMCell", {"units": 2}, (None, 3)),
    ("GRUCell", {"units": 2}, (None, 3)),
    ("PReLU", {}, (None, 3)),
]


@pytest.mark.parametrize(("name", "config", "shape"), WEIGHTS, ids=[row[0] for row in WEIGHTS])
def test_an_array_can_be_assigned_to_every_weight(name: str, config: dict[str, Any], shape: Any) -> None:
    layer = getattr(layers, name)(**config)
    with pytest.raises(NotBuiltError, match=f"{name} .* is not built"):
        setattr(layer, layer.WEIGHTS[0].name, np.ones(3))
    layer.build(shape)
    rng, before = np.random.default_rng(3), dict(layer.named_parameters())
    arrays = [rng.normal(size=variable.shape).astype("float32") for variable in layer.weights]
    for variable, array in zip(layer.weights, arrays, strict=True):
        setattr(layer, variable.name, array)
        with pytest.raises(ShapeError, match="expected an array of shape"):
            setattr(layer, variable.name, np.ones((9, 9)))
    for found, array in zip(layer.get_weights(), arrays, strict=True):
        assert (found == array).all()
    for variable, array in zip(layer.weights, arrays, strict=True):
        setattr(layer, variable.name, torch.from_numpy(array) * 2)
    assert all((found == 2 * array).all() for found, array in zip(layer.get_weights(), arrays, strict=True))
    assert {key: id(value) for key, value in before.items()} == {k: id(v) for k, v in layer.named_parameters()}


def test_what_is_no_array_stays_as_it_was() -> None:
    layer = layers.Dense(2)
    layer.build((None, 3))
    mine = nn.Parameter(torch.ones(2))
    layer.bias = mine
    assert layer.bias is mine
    plain = layers.Dense(2, use_bias=False)
    plain.build((None, 3))
    with pytest.raises(ArgumentError, match=r"Dense .* has no weight 'bias': its arguments leave it out"):
        plain.bias = np.ones(2)

    class Own(layers.Dense):
        def __init__(self) -> None:
            super().__init__(2)
            self.kernel = np.ones(3)  # its own

    assert (Own().kernel == np.ones(3)).all()


def test_a_policy_that_the_weights_do_not_have_is_refused() -> None:
    layer = layers.Dense(2, dtype="float32")
    layer.build((None, 3))
    with pytest.raises(ArgumentError, match=r"the weights are float32 already, not float64; .*layer.to\(torch.float64"):
        layer.dtype_policy = "float64"
    assert layer.compute_dtype == "float32"
    with pytest.raises(ArgumentError, match=r"DTypePolicy: expected one of .*, got 'int8'"):
        kerastorch.DTypePolicy("int8")
    with pytest.raises(ArgumentError, match="autocast: expected True or False, got 'no'"):
        layer.autocast = "no"  # type: ignore[assignment]


def test_masks_by_hand() -> None:
    x, mask = torch.ones(2, 3, 4), torch.tensor([[True, False, True], [True, True, False]])
    assert backend.get_keras_mask(x) is None
    backend.set_keras_mask(x, mask)
    assert backend.get_keras_mask(x) is mask
    pooled = layers.GlobalAveragePooling1D()
    x[0, 1], x[1, 2] = 5.0, 7.0
    assert torch.equal(pooled(x), torch.ones(2, 4))
    backend.set_keras_mask(x, None)
    assert backend.get_keras_mask(x) is None
    assert not torch.equal(pooled(x), torch.ones(2, 4))
    masked = layers.Embedding(3, 2, mask_zero=True)(torch.tensor([[1, 0]]))
    assert backend.get_keras_mask(masked).tolist() == [[True, False]]
    with pytest.raises(ArgumentError, match="set_keras_mask: expected a tensor, got 'SymbolicTensor'"):
        backend.set_keras_mask(kerastorch.Input((3,)), mask)


def test_a_variable_made_by_hand_is_torch_s_too() -> None:
    variable = kerastorch.Variable(np.ones(3, "float32"))
    torch.optim.SGD([variable], 0.5).zero_grad()
    (variable * 2).sum().backward()
    assert variable.grad.tolist() == [2.0] * 3

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mine = variable

    assert [name for name, _ in Plain().named_parameters()] == ["mine"]

    class Counting(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.count = kerastorch.Variable(0.0, trainable=False)

        def call(self, x: Any) -> Any:
            self.count.assign_add(1.0)
            return x

    layer = Counting()
    layer(torch.ones(2))
    other = copy.deepcopy(layer)
    other(torch.ones(2))
    assert (float(layer.count), float(other.count)) == (1.0, 2.0)
    assert {name: type(value) for name, value in other.named_buffers()} == {"count": torch.Tensor}
    assert [variable.path for variable in layer.weights] == [f"{layer.name}/count"]
    with pytest.raises(ArgumentError, match="an initializer needs a shape, got 'zeros' alone"):
        kerastorch.Variable("zeros")
    with pytest.raises(ArgumentError, match="name: expected a string without '/', got 'a/b'"):
        kerastorch.Variable(1.0, name="a/b")
    with pytest.raises(ShapeError, match="expected known sizes"):
        kerastorch.Variable("zeros", shape=(None, 2))


def test_a_built_in_layer_needs_a_shape() -> None:
    with pytest.raises(ShapeError, match=r"Dense .*: build: expected the shape of its input, .* got None"):
        layers.Dense(2).build(None)
    assert layers.Dense(2, dtype=np.float64).dtype == layers.Dense(2, dtype=np.dtype("float64")).dtype == torch.float64


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("Dense", {}),
        ("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 3)}),
        ("Conv1D", {"kernel_size": 2}),
        *[(name, {}) for name in ("SimpleRNN", "LSTM", "GRU")],
    ],
)
def test_an_activation_that_is_taken_away(name: str, config: dict[str, Any]) -> None:
    """`layer.activation = None`, by which a model loses its softmax, is no activation, as in Keras."""
    size: dict[str, Any] = {} if name == "EinsumDense" else {"filters" if name == "Conv1D" else "units": 3}
    functions = {} if name in ("Dense", "EinsumDense", "Conv1D", "SimpleRNN") else {"recurrent_activation": None}
    layer, x = getattr(layers, name)(**size, **config), torch.randn(2, 5, 4)
    bare = getattr(layers, name)(**size, **config, activation=None, **functions)
    layer.build((None, 5, 4))
    bare.build((None, 5, 4))
    bare.set_weights(layer.get_weights())
    before = layer(x)
    for attribute in ("activation", *functions):
        setattr(layer, attribute, None)
    assert torch.equal(layer(x), bare(x))
    assert layer.get_config()["activation"] == "linear"
    if name in ("SimpleRNN", "LSTM", "GRU"):
        assert not torch.equal(layer(x), before)


def test_an_activation_of_ones_own_layer_stays_none() -> None:
    class Own(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.activation = None

        def call(self, x: torch.Tensor) -> torch.Tensor:
            return x if self.activation is None else x + 1

    assert torch.equal(Own()(torch.ones(2)), torch.ones(2))


class Early(layers.Layer):
    """Makes its weights in the constructor, and has them under other names than theirs."""

    def __init__(self) -> None:
        super().__init__(name="early")
        self.scale = self.add_weight(shape=(2,), name="inner")
        self.count = self.add_weight(shape=(3,), name="seen", trainable=False)
        self.plain = self.add_weight(shape=(4,), name="plain")
        self.inner = layers.Dense(1)

    def call(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * self.scale


def test_weights_of_a_constructor_are_listed_once_before_and_after_the_layer_is_built() -> None:
    layer = Early()
    paths = ["early/inner", "early/plain", "early/seen"]
    assert [variable.path for variable in layer.variables] == paths
    assert len(layer.trainable_weights) == 2
    layer.scale.assign([1.0, 2.0])
    assert layer.weights[0].numpy().tolist() == [1.0, 2.0]
    layer(torch.ones(5, 3))
    found = [variable.path for variable in layer.variables]
    assert [path for path in found if path in paths] == paths
    assert len(found) == len(set(found)) == 5
    assert layer.count_params() == 9 + 4
