"""`compile(jit_compile=True)`: the forward pass compiled by torch gives what it gives by itself."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from _close import TRAINED, assert_close

import kerastorch as kt
from kerastorch import Input, Sequential, layers

RNG = np.random.default_rng(2)
X, Y = RNG.normal(size=(20, 4, 3)).astype("float32"), RNG.normal(size=(20, 4, 1)).astype("float32")
X[::2, 2:] = 0


def test_what_torch_compiles_may_have_masks_and_no_shape_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    torch._dynamo.reset()
    graphs: list[Any] = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    histories = []
    for start, jit in (([Input((4, 3))], False), ([Input((4, 3))], True), ([], True)):
        kt.set_seed(3)
        parts = [layers.Masking(), layers.GRU(3, return_sequences=True), layers.Dense(1)]
        model = Sequential([*start, *parts])
        model.compile("adam", "mse", metrics=["mae"], jit_compile=jit)
        histories.append(model.fit(X, Y, batch_size=8, shuffle=False, epochs=2, verbose=0).history)
        assert bool(graphs) == jit
        graphs.clear()
    for found in histories[1:]:
        for name, values in found.items():
            assert_close(np.float32(values), np.float32(histories[0][name]), TRAINED)  # three steps of Adam
