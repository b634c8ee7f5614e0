"""Models with layers that Keras 3 does not have: `from_config` and `clone_model` make them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.base.registry import REGISTRY
from kerastorch.compat import forms

LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "CuDNNLSTM": (lambda: layers.CuDNNLSTM(3, return_sequences=True), (4, 3)),
    "CuDNNGRU": (lambda: layers.CuDNNGRU(3, return_sequences=True), (4, 3)),
    "ThresholdedReLU": (lambda: layers.ThresholdedReLU(theta=0.3), (4, 3)),
    "LocallyConnected1D": (lambda: layers.LocallyConnected1D(2, 2), (4, 3)),
    "LocallyConnected2D": (lambda: layers.LocallyConnected2D(2, 2), (4, 4, 3)),
    "Highway": (lambda: REGISTRY["Highway"](activation="tanh"), (3,)),
    "MaxoutDense": (lambda: REGISTRY["MaxoutDense"](3, nb_feature=2), (3,)),
}
SHAPES = {
    "chain": lambda make, shape: Sequential([Input(shape), make()]),
    "chain without input": lambda make, shape: Sequential([make()]),
    "graph": lambda make, shape: Model(x := Input(shape), make()(x)),
    "steps": lambda make, shape: Model(x := Input((2, *shape)), layers.TimeDistributed(make())(x)),
    "model in steps": lambda make, shape: Sequential(
        [Input((2, *shape)), layers.TimeDistributed(Sequential([Input(shape), make()]))]
    ),
    "both directions": lambda make, shape: Sequential([Input(shape), layers.Bidirectional(make())]),
}


def cases() -> list[tuple[str, str]]:
    return [(name, shape) for name in LAYERS for shape in SHAPES if shape != "both directions" or "CuDNN" in name]


def test_none_is_forgotten() -> None:
    absent = {name for name, form in forms.LAYERS.items() if "keras3" not in form.eras and name in REGISTRY}
    assert absent == set(LAYERS)


@pytest.mark.parametrize(("name", "shape"), cases())
def test_made_again(name: str, shape: str) -> None:
    make, size = LAYERS[name]
    model = SHAPES[shape](make, size)
    size = (2, *size) if "steps" in shape else size
    x = torch.randn(3, *size)
    model(x)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=array.shape) for array in model.get_weights()])
    wanted = model(x)
    made = {
        "config": type(model).from_config(model.get_config()),
        "clone": kt.models.clone_model(model),
    }
    for way, again in made.items():
        again(x)
        again.set_weights(model.get_weights())
        assert torch.equal(again(x), wanted), way
        assert again.get_config() == model.get_config(), way
