"""Sequential to `nn.Sequential` and back; `tests/leaving` has what other models become."""

from __future__ import annotations

import pytest
import torch

import kerastorch as kt
from kerastorch import layers
from kerastorch.interop import AllSteps, LastStep

from ._side_by_side import (
    assert_same,
    gradients,
    randomize,
    results,
)


@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("wrap", [False, True])
def test_sequential_both_ways(return_sequences: bool, wrap: bool) -> None:
    recurrent = layers.GRU(4, return_sequences=return_sequences)
    model = kt.Sequential(
        [
            kt.Input((7,)),
            layers.Embedding(9, 3),
            layers.LSTM(5, return_sequences=True),
            layers.LayerNormalization(),
            layers.Bidirectional(recurrent) if wrap else recurrent,
            layers.Dropout(0.3),
            layers.Dense(2, activation="tanh"),
        ]
    )
    randomize(model)
    model.layers[-2].eval()
    module = model.to_torch()
    picker = AllSteps if return_sequences else LastStep
    assert [type(part).__name__ for part in module] == [
        "Embedding", "LSTM", "AllSteps", "LayerNorm", "GRU", picker.__name__, "Dropout", "Sequential",
    ]  # fmt: skip
    assert module.training
    assert [part.training for part in module] == [True] * 6 + [False, True]
    back = kt.from_torch(module, example=(2, 7))
    assert back.output_shape == model.output_shape
    x = torch.randint(0, 9, (2, 7))
    expected = results(model, x)
    assert_same(results(module, x), expected)
    assert_same(results(back, x), expected)
    ours = [gradient.flatten() for gradient in gradients(model).values()]
    assert_same([gradient.flatten() for gradient in gradients(back).values()], ours)
    assert_same([gradient.flatten() for gradient in gradients(module).values()], ours)


def test_nested_sequential_both_ways() -> None:
    inner = kt.Sequential([layers.Dense(4), layers.Activation("relu")])
    model = kt.Sequential([kt.Input((7, 3)), inner, layers.SimpleRNN(2)])
    randomize(model)
    x = torch.randn(2, 7, 3)
    module = model.to_torch()
    assert_same(results(module, x), results(model, x))
    assert_same(results(kt.from_torch(module), x), results(model, x))
