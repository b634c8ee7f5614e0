"""Keras's training methods: what they say is a loop that trains, and torch's own compile stays reachable."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import UnsupportedError

CALLS: dict[str, Any] = {
    "compile": lambda m: m.compile(optimizer="adam", loss="mse", metrics=["mae"]),
    "fit": lambda m: m.fit(torch.zeros(2, 5, 3), torch.zeros(2, 1), epochs=3),
    "evaluate": lambda m: m.evaluate(torch.zeros(2, 5, 3), torch.zeros(2, 1), verbose=0),
    "train_on_batch": lambda m: m.train_on_batch(torch.zeros(2, 5, 3), torch.zeros(2, 1)),
    "test_on_batch": lambda m: m.test_on_batch(torch.zeros(2, 5, 3), torch.zeros(2, 1)),
    "fit_generator": lambda m: m.fit_generator(iter([]), steps_per_epoch=3),
    "evaluate_generator": lambda m: m.evaluate_generator(iter([])),
}


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


@pytest.mark.parametrize("method", CALLS)
def test_each_says_a_loop_that_does_its_work(method: str) -> None:
    x, y = torch.randn(8, 5, 3), torch.randn(8, 1)
    for model in models():
        before = [parameter.detach().clone() for parameter in model.parameters()]
        with pytest.raises(UnsupportedError, match=rf"^\w+ '\w+': {method} belongs to Keras's training") as caught:
            CALLS[method](model)
        lines = [line for line in str(caught.value).splitlines() if line.startswith("    ")]
        found = {"torch": torch, "model": model, "loss_function": F.mse_loss, "batches": [(x, y)] * 3, "x": x, "y": y}
        exec(textwrap.dedent("\n".join(lines)), found)
        trained = [not torch.equal(parameter, old) for parameter, old in zip(model.parameters(), before, strict=True)]
        assert any(trained) == ("fit" in method or method in ("compile", "train_on_batch"))
        assert model.training == any(trained)
        assert (found["loss"] if "loss" in found else found["losses"][0]).detach() > 0


def test_torchs_own_compilation_is_reachable() -> None:
    for model in models():
        model.eval()
        x = torch.randn(2, 5, 3)
        expected = model(x)
        seen: list[Any] = []

        def backend(graph: Any, example: Any, seen: list[Any] = seen) -> Any:
            seen.append(graph)
            return graph.forward

        torch.testing.assert_close(torch.compile(model, backend=backend)(x), expected)
        assert seen
        seen.clear()
        torch._dynamo.reset()
        model.compile_forward(backend=backend)
        torch.testing.assert_close(model(x), expected)
        assert seen
        torch._dynamo.reset()
