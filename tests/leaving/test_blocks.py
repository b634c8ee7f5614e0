"""Equal blocks on each other become a list of modules and a loop, where the code gets shorter, and only there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from _close import apart
from torch import Tensor, nn

from kerastorch import Input, Model, Sequential, layers
from kerastorch.leaving import to_torch

from ._cases import from_text, randomize, text_of
from .test_to_torch import by_value, differences, run


def dense(count: int, **last: Any) -> list[Any]:
    made = [layers.Dense(4, activation="relu", name=f"dense_{n}") for n in range(count - 1)]
    return [*made, layers.Dense(4, name=f"dense_{count - 1}", **({"activation": "relu"} | last))]


def residual(masked: bool, used_twice: bool = False) -> Model:
    x = Input((None,), dtype="int64") if masked else Input((None, 4))
    y = first = layers.Embedding(9, 4, mask_zero=True, name="words")(x) if masked else x
    kept = []
    for n in range(3):
        y = layers.Add(name=f"add_{n}")([y, layers.LSTM(4, return_sequences=True, name=f"lstm_{n}")(y)])
        kept.append(y)
    return Model(x, [layers.GRU(3, name="gru")(y), *([kept[1], first] if used_twice else [])])


def blocks(count: int) -> Model:
    """Attention, a part that is added, and a norm; a mask goes through all of them."""
    x = Input((None,), dtype="int64")
    y = layers.Embedding(9, 4, mask_zero=True, name="words")(x)
    for n in range(count):
        seen = layers.MultiHeadAttention(2, 3, name=f"look_{n}")(y, y)
        y = layers.Add(name=f"add_{n}")([y, layers.Dense(4, activation="gelu", name=f"dense_{n}")(seen)])
        y = layers.LayerNormalization(name=f"norm_{n}")(y)
    return Model(x, layers.Dense(2, name="score")(y), name="seeing")


def frozen() -> Sequential:
    model = Sequential([Input((5, 4)), *dense(3), layers.Dense(1, name="score")])
    for layer in model.layers[:3]:
        layer.trainable = False
    return model


def in_line(*made: Any) -> Sequential:
    return Sequential([Input((5, 4)), *made, layers.Dense(1, name="score")])


WORDS = torch.tensor([[1, 4, 2, 0, 0], [3, 1, 0, 0, 0], [0, 2, 5, 8, 1]])
NUMBERS = torch.linspace(-2, 2, 60).view(3, 5, 4).sin()
CASES: dict[str, tuple[Callable[[], Model], Tensor, dict[str, int], str]] = {
    "of one module": (lambda: in_line(*dense(4)), NUMBERS, {"dense": 4}, "x = torch.relu(dense(x))"),
    "frozen": (frozen, NUMBERS, {"dense": 3}, "self.dense.requires_grad_(False)"),
    "two are none": (lambda: in_line(*dense(2)), NUMBERS, {}, "self.dense_1("),
    "another activation": (lambda: in_line(*dense(4, activation="tanh")), NUMBERS, {"dense": 3}, "self.dense_3("),
    "another bias": (lambda: in_line(*dense(3, use_bias=False)), NUMBERS, {}, "self.dense_2("),
    "some frozen": (lambda: in_line(*dense(3, trainable=False)), NUMBERS, {}, "self.dense_2("),
    "added": (lambda: residual(False), NUMBERS, {"lstm": 3}, "x = x + out"),
    "masked": (lambda: residual(True), WORDS, {"lstm": 3}, "out, _ = lstm(used_first(x, mask))"),
    "used elsewhere": (lambda: residual(False, True), NUMBERS, {}, "self.lstm_2("),
    "of several modules": (lambda: blocks(3), WORDS, {"blocks": 3}, "x = block(x, allowed)"),
    "two of several": (lambda: blocks(2), WORDS, {}, "self.look_1("),
}


@pytest.mark.parametrize("name", CASES)
def test_blocks(name: str) -> None:
    make, inputs, expected, line = CASES[name]
    model = make().eval()
    randomize(model)
    live = to_torch(model)
    lists = {key: len(part) for key, part in live.named_children() if isinstance(part, nn.ModuleList)}
    assert lists == expected
    text = text_of(live)
    assert line in text
    # In float64 and compared as float32: behind a norm the gradients are sums that cancel.
    model, live, inputs = model.double(), live.double(), inputs.double() if inputs.is_floating_point() else inputs
    outputs, gradients = run(model, [inputs])
    for module in (live, from_text(live)):
        found, own = run(module, [inputs], len(outputs))
        assert [gap for a, b in zip(found, outputs, strict=True) if (gap := apart(a.float(), b.float()))] == []
        mine, theirs = by_value(module, own), by_value(model, gradients)
        assert differences(*({key: value.float() for key, value in each.items()} for each in (mine, theirs))) == []
