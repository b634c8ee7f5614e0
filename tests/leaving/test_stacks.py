"""Layers that stand on each other become one module where that computes the same, and only there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from _close import apart
from torch import nn

from kerastorch import Input, Sequential, layers
from kerastorch.leaving import to_torch
from kerastorch.structure import leaves


def lstm(name: str, units: int = 4, **options: Any) -> Any:
    return layers.LSTM(units, return_sequences=True, name=name, **options)


def pair(name: str) -> Any:
    return layers.Bidirectional(lstm("inner"), name=name)


CASES: dict[str, tuple[list[Callable[[], Any]], dict[str, tuple[type[nn.Module], int]]]] = {
    "three": ([lambda: lstm("a"), lambda: lstm("b"), lambda: lstm("c")], {"a": (nn.LSTM, 3)}),
    "dropout between": (
        [lambda: lstm("a"), lambda: layers.Dropout(0.3, name="d"), lambda: lstm("b")],
        {"a": (nn.LSTM, 2)},
    ),
    "dropout between some": (
        [lambda: lstm("a"), lambda: layers.Dropout(0.3, name="d"), lambda: lstm("b"), lambda: lstm("c")],
        {"a": (nn.LSTM, 2), "c": (nn.LSTM, 1)},
    ),
    "both directions": ([lambda: pair("a"), lambda: pair("b")], {"a": (nn.LSTM, 2)}),
    "other sizes": ([lambda: lstm("a", 5), lambda: lstm("b")], {"a": (nn.LSTM, 1), "b": (nn.LSTM, 1)}),
    "other bias": ([lambda: lstm("a"), lambda: lstm("b", use_bias=False)], {"a": (nn.LSTM, 1), "b": (nn.LSTM, 1)}),
    "a dense layer between": (
        [lambda: lstm("a"), lambda: layers.Dense(4, name="d"), lambda: lstm("b")],
        {"a": (nn.LSTM, 1), "b": (nn.LSTM, 1)},
    ),
    "backwards": ([lambda: lstm("a"), lambda: lstm("b", go_backwards=True)], {"a": (nn.LSTM, 1), "b": (nn.LSTM, 1)}),
    "last output": (
        [lambda: layers.GRU(4, return_sequences=True, name="a"), lambda: layers.GRU(4, name="b")],
        {"a": (nn.GRU, 2)},
    ),
    "masks": ([lambda: layers.Masking(), lambda: lstm("a"), lambda: lstm("b")], {"a": (nn.LSTM, 2)}),
}


@pytest.mark.parametrize("name", CASES)
def test_stacks(name: str) -> None:
    made, expected = CASES[name]
    model = Sequential([Input((6, 3)), *(make() for make in made)]).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.normal_(0, 0.5)
    module = to_torch(model)
    found = {
        key: (type(part), part.num_layers) for key, part in module.named_children() if isinstance(part, nn.RNNBase)
    }
    assert found == expected
    x = torch.randn(2, 6, 3)
    x[0, 4:] = x[1, 1] = 0
    assert apart(module(x), model(x)) is None
    assert sum(v.numel() for v in module.parameters() if v.requires_grad) == sum(v.numel() for v in model.parameters())
    dropping = [part for part in module.modules() if isinstance(part, nn.RNNBase) and part.dropout]
    assert bool(dropping) == ("dropout" in name)


def test_layers_that_are_used_twice_or_give_their_states_stay_apart() -> None:
    from kerastorch import Model

    x, shared = Input((6, 4)), lstm("shared")
    model = Model(x, shared(shared(x))).eval()
    y, h, c = lstm("first", return_state=True)(x)
    other = Model(x, [lstm("second")(y), h, c]).eval()
    for made, count in ((model, 1), (other, 2)):
        module = to_torch(made)
        assert sum(isinstance(part, nn.LSTM) for part in module.modules()) == count
        z = torch.randn(2, 6, 4)
        first, other_first = leaves(module(z))[0], leaves(made(z))[0]
        assert apart(first, other_first) is None
