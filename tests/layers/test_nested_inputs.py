"""Lists in lists, dicts and text, where a layer takes one tensor, a flat list of them, or arrays: refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kerastorch import Input, layers
from kerastorch.errors import ArgumentError, KerasTorchError

ONE = (
    layers.Flatten,
    lambda: layers.Reshape((-1,)),
    lambda: layers.Embedding(3, 2),
    layers.LayerNormalization,
    layers.BatchNormalization,
    lambda: layers.Dense(2),
    lambda: layers.LSTM(2),
    lambda: layers.Permute((2, 1)),
    layers.GlobalMaxPooling1D,
)
SEVERAL = (
    layers.Add,
    layers.Multiply,
    layers.Average,
    layers.Maximum,
    layers.Minimum,
    layers.Subtract,
    layers.Concatenate,
    lambda: layers.Dot(1),
)


@pytest.mark.parametrize("make", [*ONE, *SEVERAL])
def test_they_are_refused(make: Callable[[], Any]) -> None:
    y = Input((4, 3))
    for given in ({"a": y}, {"a": y, "b": y}, [[[]], y], [y, [[]]], [[[y]], y], [[y], [y]], [[[[y]]]], [y, [y, y]]):
        with pytest.raises(KerasTorchError):
            make()(given)


def test_what_is_said() -> None:
    y = Input((4, 3))
    with pytest.raises(KerasTorchError, match=r"BatchNormalization.* takes one input, got a dict of 1; call it on one"):
        layers.BatchNormalization()({"a": y})
    with pytest.raises(KerasTorchError, match=r"Add.* takes a list of inputs, got more in one of them: "):
        layers.Add()([[y], y])


@pytest.mark.parametrize("weights", [False, 1, "ab", b"a", {"a": 1}, ["a"], [[[1, 2], [3]]], [None], [{}]])
def test_weights_that_are_no_arrays_are_refused(weights: Any) -> None:
    with pytest.raises(ArgumentError, match="Dense: weights: expected"):
        layers.Dense(2, weights=weights)
    layer = layers.Dense(2)
    layer.build((None, 3))
    with pytest.raises(ArgumentError, match="set_weights: expected"):
        layer.set_weights(weights)
