"""Layers of kerastorch inside a torch module: they stand in the model as they are, with their masks and states."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import UnsupportedError

from ._helpers import randomize


class Holding(nn.Module):
    def __init__(self, layer: Any, function: Callable[..., Any]) -> None:
        super().__init__()
        self.inner, self.fc, self.function = layer, nn.Linear(5, 2), function

    def forward(self, x: Tensor, mask: Tensor, h: Tensor) -> Any:
        return self.fc(self.function(self.inner, x, mask, h))


CASES: dict[str, tuple[Callable[[], Any], Callable[..., Any]]] = {
    "plain": (lambda: layers.LSTM(5, return_sequences=True), lambda m, x, mask, h: m(x)),
    "mask": (lambda: layers.GRU(5), lambda m, x, mask, h: m(x, mask=mask)),
    "mask of steps": (lambda: layers.LSTM(5, return_sequences=True), lambda m, x, mask, h: m(x, mask=mask)),
    "states": (lambda: layers.GRU(5, return_state=True), lambda m, x, mask, h: m(x, initial_state=h)[1]),
    "states in a list": (lambda: layers.LSTM(5), lambda m, x, mask, h: m(x, initial_state=[h, h * 2])),
    "both": (
        lambda: layers.Bidirectional(layers.GRU(5), merge_mode="sum"),
        lambda m, x, mask, h: m(x, mask=mask, initial_state=[h, -h]),
    ),
    "its own mask": (lambda: kt.Sequential([layers.Masking(), layers.GRU(5)]), lambda m, x, mask, h: m(x)),
    "twice": (lambda: layers.Dense(5), lambda m, x, mask, h: torch.tanh(m(x)) + m(-x)),
}


def example(rows: int, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    x, ends = torch.randn(rows, steps, 4), torch.randint(1, steps + 1, (rows, 1))
    mask = torch.arange(steps) < ends
    return x * mask.unsqueeze(-1), mask, torch.randn(rows, 5)


def made(name: str) -> Any:
    make, function = CASES[name]
    module = Holding(make(), function)
    module(*example(3, 7))
    return randomize(module)


@pytest.mark.parametrize("name", CASES)
def test_own_layers(name: str) -> None:
    module = made(name)
    model: Any = kt.from_torch(module, example(3, 7))
    assert model.input_shape[:2] == [(None, None, 4), (None, None)]
    for rows, steps in ((2, 11), (4, 3)):
        given = example(rows, steps)
        with torch.no_grad():
            assert_close(model(list(given)), module(*given))


@pytest.mark.parametrize("name", ["mask", "both", "twice"])
def test_keras_has_the_same_own_layers(name: str, keras_worker: Any, tmp_path: Path) -> None:
    module = made(name)
    path = str(tmp_path / "model.keras")
    kt.save_model(kt.from_torch(module, example(3, 7)), path)  # type: ignore[arg-type]
    given = example(2, 11)
    (predicted,) = keras_worker.call("keras3", "predictions:predictions", path, [tensor.numpy() for tensor in given])
    with torch.no_grad():
        assert_close(predicted, module(*given))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda m, x, mask, h: m(x.transpose(0, 1)),
            "inner (GRU): a layer of kerastorch takes tensors with",
        ),
        (lambda m, x, mask, h: m(x, initial_state=torch.ones(3, 5)), "takes tensors with the batch at axis 0"),
        (lambda m, x, mask, h: m(x, training=False), "with training=: the mode of the model decides"),
    ],
)
def test_what_is_refused_of_own_layers(function: Callable[..., Any], message: str) -> None:
    layer = layers.GRU(5)
    layer.build((None, None, 4))
    with pytest.raises(UnsupportedError, match=re.escape(message)) as caught:
        kt.from_torch(Holding(layer, function), example(3, 7))
    assert "test_from_torch_own_layers.py: " in str(caught.value)
