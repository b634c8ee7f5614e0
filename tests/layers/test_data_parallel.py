"""Copies of layers and models as `nn.DataParallel` makes them for each device: each computes with its own weights.

There is no device here: torch's own `replicate` runs, and what copies to devices copies in memory. Then the
original's weights are set to zeros, which a copy that still reads them would show.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kerastorch import Input, Model, Sequential, layers

replicating: Any = importlib.import_module("torch.nn.parallel.replicate")


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def broadcast(tensors: list[Tensor], devices: list[int], detach: bool = False) -> list[list[Tensor]]:
        return [[tensor.detach().clone() if detach else tensor.clone() for tensor in tensors] for _ in devices]

    monkeypatch.setattr(replicating, "_broadcast_coalesced_reshape", broadcast)
    monkeypatch.setattr(replicating, "_get_device_index", lambda device, *rest: device)


class Own(layers.Layer):
    """Layers in a list, and weights of its own, one of them named as an attribute of every layer is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.parts = [layers.Dense(3, dtype=options["dtype"]), {"last": layers.Dense(2, dtype=options["dtype"])}]

    def build(self, input_shape: Any) -> None:
        self.bias = self.add_weight(shape=(2,), initializer="ones", name="bias")
        self.counted = self.add_weight(shape=(2,), initializer="ones", trainable=False, name="counted")

    def call(self, x: Tensor) -> Tensor:
        return (self.parts[1]["last"](self.parts[0](x)) + self.bias) * self.counted  # type: ignore[index]


def graph(dtype: Any) -> Any:
    x = Input((5, 3))
    return Model(x, layers.Dense(2, dtype=dtype)(layers.LSTM(4, dtype=dtype)(x)))


MODELS: dict[str, Any] = {
    "LSTM": lambda dtype: layers.LSTM(4, dtype=dtype),
    "GRU": lambda dtype: layers.GRU(4, dtype=dtype),
    "step loop": lambda dtype: layers.LSTM(4, activation="relu", dtype=dtype),
    "stateful": lambda dtype: layers.LSTM(4, stateful=True, dtype=dtype),
    "Bidirectional": lambda dtype: layers.Bidirectional(layers.GRU(4, dtype=dtype), dtype=dtype),
    "RNN": lambda dtype: layers.RNN(layers.LSTMCell(4, dtype=dtype), dtype=dtype),
    "TimeDistributed": lambda dtype: layers.TimeDistributed(layers.Dense(3, dtype=dtype)),
    "Conv1D": lambda dtype: layers.Conv1D(4, 2, dtype=dtype),
    "BatchNormalization": lambda dtype: layers.BatchNormalization(dtype=dtype),
    "LayerNormalization": lambda dtype: layers.LayerNormalization(dtype=dtype),
    "own": lambda dtype: Own(dtype=dtype),
    "Sequential": lambda dtype: Sequential([Input((5, 3)), layers.LSTM(4, dtype=dtype), Own(dtype=dtype)]),
    "graph": graph,
}


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", MODELS)
def test_each_copy_computes_with_its_own_weights(name: str, dtype: str) -> None:
    model, x = MODELS[name](dtype), torch.randn(2, 5, 3)
    model(x)
    check(model, x)


def test_images() -> None:
    model, x = layers.ConvLSTM1D(2, 3), torch.randn(2, 4, 6, 3)
    model(x)
    check(model, x)


def check(model: Any, x: Tensor) -> None:
    model.eval()
    for layer in model.modules():
        if getattr(layer, "stateful", False) and isinstance(layer, layers.LSTM):
            layer.reset_states()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    expected = model(x)
    if getattr(model, "stateful", False):
        model.reset_states()
    copies = replicating.replicate(model, [0, 1])
    saved = [weight.detach().clone() for weight in model.parameters()]
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    for copy in copies:
        assert torch.equal(copy(x), expected)
        copy(x).float().square().sum().backward()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    assert trained
    assert all(weight.grad is not None for weight in trained)
    for weight, value in zip(model.parameters(), saved, strict=True):
        weight.data.copy_(value)
    if getattr(model, "stateful", False):
        model.reset_states()
    assert torch.equal(model(x), expected)  # the original is as it was


def test_it_is_torchs_own_way() -> None:
    """What DataParallel calls, so that the test above tests what it does."""
    assert nn.parallel.replicate is replicating.replicate
    assert "replicate" in nn.DataParallel.replicate.__code__.co_names
