"""A class on top of a built-in layer or model runs its own `call`, and finds that of the layer below it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from _close import assert_close
from _keras_worker import KerasWorker
from workers import subclasses

import kerastorch
from kerastorch import layers


@pytest.mark.parametrize("name", subclasses.CASES)
def test_the_same_classes_compute_the_same(keras_worker: KerasWorker, name: str) -> None:
    ours, theirs = subclasses.run(kerastorch, name), keras_worker.call("keras3", "subclasses:run", name)
    assert list(ours) == list(theirs)
    for label, arrays in theirs.items():
        for mine, its in zip(ours[label], arrays, strict=True):
            assert_close(mine, its)


class Twice(layers.Dense):
    def call(self, x: Any) -> Any:
        return super().call(x) * 2


class InTorch(layers.Dense):
    def forward(self, x: Any) -> Any:
        return super().forward(x) * 3


class OnTop(InTorch):
    def call(self, x: Any) -> Any:
        return super().call(x) + 1


class Backwards(layers.LSTM):
    def call(self, sequences: Any, mask: Any = None) -> Any:
        return -super().call(sequences, mask=mask)


def test_both_ways_on_top_of_each_other() -> None:
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
    layer = OnTop(2)
    plain = layers.Dense(2)
    y = layer(x)
    plain.build((None, 3))
    plain.set_weights(layer.get_weights())
    assert_close(y, 3 * plain(x) + 1)
    assert_close(layer.call(x), y)
    assert_close(copy.deepcopy(layer)(x), y)


def test_no_fast_path_goes_around_it() -> None:
    x = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(1))
    both = layers.Bidirectional(Backwards(2, return_sequences=True))
    both.build((None, 4, 3))
    plain = layers.Bidirectional(layers.LSTM(2, return_sequences=True))
    plain.build((None, 4, 3))
    plain.set_weights(both.get_weights())
    assert_close(both(x), -plain(x))


def test_it_is_compiled(fresh_compiler: None) -> None:
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
    layer = Twice(2)
    layer(x)
    assert_close(torch.compile(layer, fullgraph=True, backend="eager")(x), layer(x))
