"""Layers, models and data for torch's compiler, exporter and transforms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import OUTPUT, assert_close
from torch import Tensor, nn

from kerastorch import Input, Model, layers

FUSED = [
    ("LSTM", {}),
    ("LSTM", {"return_state": True, "go_backwards": True, "zero_output_for_mask": True, "use_bias": False}),
    ("GRU", {"return_state": True}),
    ("SimpleRNN", {}),
    ("SimpleRNN", {"activation": "relu", "use_bias": False}),
    ("CuDNNLSTM", {}),
    ("CuDNNGRU", {}),
]
LOOPS = [
    ("LSTM", {"activation": "relu", "recurrent_activation": "hard_sigmoid", "return_state": True}),
    ("GRU", {"reset_after": False}),
    ("GRU", {"activation": "relu"}),
    ("SimpleRNN", {"activation": "sigmoid"}),
]
OTHERS = [
    ("LSTM", {"dtype": "mixed_bfloat16"}),
    ("GRU", {"activity_regularizer": "l2"}),
    ("LSTM", {"recurrent_dropout": 0.5}),
]


def ids(cases: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return ["-".join([name, *(f"{key}={value}" for key, value in config.items())]) for name, config in cases]


def every(cases: list[tuple[str, dict[str, Any]]]) -> Any:
    return pytest.mark.parametrize(("name", "config"), cases, ids=ids(cases))


def make(name: str, config: dict[str, Any], wrap: bool = False) -> Any:
    layer = getattr(layers, name)(5, **{"return_sequences": True, **config})
    layer = layers.Bidirectional(layer) if wrap else layer
    layer.build((None, None, 4))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return layer.eval()


def data(batch: int = 3, steps: int = 6) -> tuple[Tensor, Tensor]:
    """An input, and a mask with holes, left padding and (in more than one row) a row without any step."""
    mask = torch.rand(batch, steps) > 0.4
    if batch > 1:
        mask[0] = False
    return torch.randn(batch, steps, 4), mask


def flat(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def compare(found: Any, expected: Any, floor: float = OUTPUT) -> None:
    assert_close(flat(found), flat(expected), floor)


def gradients(module: nn.Module, result: Any) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    loss = sum((y * torch.randn(y.shape, generator=generator).to(y)).sum() for y in flat(result))
    assert isinstance(loss, Tensor)
    return list(torch.autograd.grad(loss, list(module.parameters())))


def model_with_masks() -> Model:
    """Embedding's mask through three recurrent layers, to a second input that joins."""
    tokens, extra = Input((None,), dtype="int64"), Input((3,))
    x = layers.Embedding(11, 4, mask_zero=True)(tokens)
    x = layers.LSTM(5, return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum")(x)
    x = layers.SimpleRNN(4)(x)
    return Model([tokens, extra], layers.Dense(2)(layers.Concatenate()([x, extra])))


def tokens(batch: int = 3, steps: int = 6) -> list[Tensor]:
    return [torch.randint(0, 3, (batch, steps)) * 4, torch.randn(batch, 3)]
