"""torch's own compilation stays reachable where Keras's `compile` has its name."""

from __future__ import annotations

from typing import Any

import torch
from _close import assert_close
from torch import Tensor

from kerastorch import Input, Model, Sequential, layers


class Own(Model):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = layers.LSTM(4), layers.Dense(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x))


def models() -> list[Model]:
    x = Input((5, 3))
    own = Own()
    own.build((None, 5, 3))
    return [
        Sequential([Input((5, 3)), layers.LSTM(4), layers.Dense(1, kernel_regularizer="l2")]),
        Model(x, layers.Dense(1)(layers.LSTM(4)(x))),
        own,
    ]


def test_torchs_own_compilation_is_reachable() -> None:
    for model in models():
        model.eval()
        x = torch.randn(2, 5, 3)
        expected = model(x)
        seen: list[Any] = []

        def backend(graph: Any, example: Any, seen: list[Any] = seen) -> Any:
            seen.append(graph)
            return graph.forward

        assert_close(torch.compile(model, backend=backend)(x), expected)
        assert seen
        seen.clear()
        torch._dynamo.reset()
        model.compile_forward(backend=backend)
        assert_close(model(x), expected)
        assert seen
        torch._dynamo.reset()
