"""Dense, Embedding, normalization and activations to torch modules and back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close, assert_each_close
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import activations, layers
from kerastorch.base.to_torch import ACTIVATIONS
from kerastorch.errors import UnsupportedError

from ._side_by_side import (
    DTYPES,
    assert_same,
    assert_same_gradients,
    built,
    gradients,
    results,
)

OTHERS = {
    "dense": (lambda: layers.Dense(4), (2, 3)),
    "dense over steps": (lambda: layers.Dense(4, use_bias=False), (2, 7, 3)),
    "dense with activation": (lambda: layers.Dense(4, activation="leaky_relu"), (2, 7, 3)),
    "dense with softmax": (lambda: layers.Dense(4, activation="softmax"), (2, 7, 3)),
    "dense with a module": (lambda: layers.Dense(4, activation=nn.ELU(0.3)), (2, 3)),
    "batch norm of 2 axes": (lambda: layers.BatchNormalization(), (6, 3)),
    "batch norm of 3 axes": (lambda: layers.BatchNormalization(axis=1, momentum=0.7), (6, 3, 4)),
    "batch norm of 4 axes": (lambda: layers.BatchNormalization(axis=-3, epsilon=1e-4), (6, 3, 4, 5)),
    "batch norm of 5 axes": (lambda: layers.BatchNormalization(axis=1), (3, 3, 2, 3, 2)),
    "batch norm without gamma": (lambda: layers.BatchNormalization(scale=False), (6, 3)),
    "batch norm without beta": (lambda: layers.BatchNormalization(center=False), (6, 3)),
    "batch norm without both": (lambda: layers.BatchNormalization(center=False, scale=False), (6, 3)),
    "layer norm": (lambda: layers.LayerNormalization(), (2, 7, 3)),
    "layer norm of two axes": (lambda: layers.LayerNormalization(axis=[1, 2], epsilon=1e-5), (2, 7, 3)),
    "layer norm without gamma": (lambda: layers.LayerNormalization(scale=False), (2, 7, 3)),
    "layer norm without beta": (lambda: layers.LayerNormalization(center=False), (2, 7, 3)),
    "layer norm without both": (lambda: layers.LayerNormalization(center=False, scale=False), (2, 7, 3)),
    "flatten": (lambda: layers.Flatten(), (2, 7, 3)),
    "activation": (lambda: layers.Activation("gelu"), (2, 7, 3)),
    "dropout": (lambda: layers.Dropout(1.0), (2, 7, 3)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OTHERS)
def test_other_layers_both_ways(name: str, dtype: torch.dtype, training: bool) -> None:
    make, shape = OTHERS[name]
    layer = built(make(), shape, dtype).train(training)
    module = layer.to_torch()
    assert type(module).__module__.startswith("torch.nn.")
    back = kt.from_torch(module)
    assert layer.training == module.training == back.training == training
    x = torch.randn(shape, dtype=dtype)
    expected = results(layer, x)
    assert_same(results(module, x), expected)
    assert_same(results(back, x), expected)
    ours = list(gradients(layer).values())
    # A layer without gamma or beta gets frozen ones or zeros.
    assert_same(list(gradients(module).values()), ours)
    assert_same(list(gradients(back).values()), ours)


def test_embedding_both_ways() -> None:
    layer = built(layers.Embedding(9, 4, mask_zero=True), (None, None))
    module = layer.to_torch()
    assert type(module) is nn.Embedding
    assert module.padding_idx is None  # Keras trains row 0 as the others
    back = kt.from_torch(module)
    x = torch.tensor([[0, 3, 8], [3, 0, 1]])
    expected = results(layer, x)
    assert_same(results(module, x), expected)
    assert_same(results(back, x), expected)
    assert gradients(layer)["weight"][0].count_nonzero() == 4
    assert_same_gradients(layer, module)
    assert_same_gradients(layer, back)


def moved_variance(module: nn.Module, x: Tensor) -> Tensor:
    module.train()(x)
    variance = module.running_var
    assert isinstance(variance, Tensor)
    return variance


@pytest.mark.parametrize("way", ["to_torch", "from_torch"])
def test_batch_norm_statistics_differ_as_documented(way: str) -> None:
    layer: Any = built(layers.BatchNormalization(momentum=0.7), (None, 3), torch.float64)
    module = layer.to_torch()
    layer = layer if way == "to_torch" else kt.from_torch(module)
    assert_close([module.momentum, layer.momentum], [0.3, 0.7])
    old, x = layer.running_var.clone(), torch.randn(6, 3, dtype=torch.float64)
    biased = x.var(0, correction=0)
    assert_close(moved_variance(layer, x), 0.7 * old + 0.3 * biased)
    assert_close(moved_variance(module, x), 0.7 * old + 0.3 * biased * 6 / 5)
    assert_close(layer.running_mean, module.running_mean)


def test_fused_batch_norm_has_torchs_statistics() -> None:
    layer: Any = built(layers.BatchNormalization(axis=1, fused=True, epsilon=1e-6), (None, 3, 4, 5))
    module: Any = layer.to_torch()
    assert module.eps == 1.001e-5  # of TensorFlow's kernel
    x = torch.randn(2, 3, 4, 5) * 1e-3
    assert_same(results(module, x), results(layer, x))
    assert_close(module.running_var, layer.running_var)


@pytest.mark.parametrize("row", ACTIVATIONS, ids=lambda row: row[1].__name__)
def test_activations_both_ways(row: Any) -> None:
    function, module_class, settings = row
    x = 4 * torch.randn(40, 6, dtype=torch.float64)
    x[0] = torch.tensor([-25.0, 25.0, 30.0, 50.0, -50.0, 0.1])
    layer = kt.from_torch(module_class(**settings))
    assert isinstance(layer, layers.Activation)
    assert layer.activation is function
    module = layer.to_torch()
    assert type(module) is module_class
    expected = results(module_class(**settings), x)
    # torch's Softplus() is linear from 20 on, and the gradient of Hardsigmoid has a factor in float32.
    rounded = module_class in (nn.Softplus, nn.Hardsigmoid)
    for found in (results(layer, x), results(module, x)):
        for one, other in zip(found, expected, strict=True):
            assert_each_close(one.float() if rounded else one, other)


def test_every_activation_is_in_the_table_or_refused() -> None:
    table = {function for function, _, _ in ACTIVATIONS}
    x = torch.zeros(2, 4)
    functions = {entry.__name__ for entry in activations.TABLE.entries.values() if not isinstance(entry, type)}
    for name in sorted(functions):
        layer = layers.Activation(name)
        if layer.activation in table:
            assert layer.to_torch()(x).shape == layer(x).shape
        else:
            with pytest.raises(UnsupportedError, match=f"no module for the activation {name}"):
                layer.to_torch()


@pytest.mark.parametrize(
    "module", [nn.LeakyReLU(-0.03), nn.GELU("tanh"), nn.Softplus(2.0), nn.Hardtanh(-2, 3)], ids=str
)
def test_activations_with_other_settings(module: nn.Module) -> None:
    x = torch.randn(3, 5, dtype=torch.float64)
    layer = kt.from_torch(module)
    assert_same(results(layer, x), results(module, x))
    assert_same(results(layer.to_torch(), x), results(module, x))
    with pytest.raises(UnsupportedError, match="not one of the built-in activations"):
        layer.get_config()


def test_activation_modules_are_copied() -> None:
    own = nn.PReLU()
    layer = built(layers.Dense(4, activation=own), (None, 3))
    module: Any = layer.to_torch()
    assert type(module[1]) is nn.PReLU
    assert module[1].weight is not own.weight
    soft = nn.Softplus(2.0)
    kept: Any = kt.from_torch(soft)
    soft.beta = 0.5
    assert kept.activation.beta == 2.0
