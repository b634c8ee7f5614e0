"""How often a training waits for the device: where numbers are shown, and in no step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

import kerastorch as kt
from kerastorch import layers
from kerastorch.kernels import fused, step_engine

RNG = np.random.default_rng(6)
X = RNG.normal(size=(32, 4, 3)).astype("float32")
X[::2, 2:] = 0
Y = RNG.integers(0, 2, size=(32, 1)).astype("float32")
_BRING = {"item", "tolist", "numpy", "cpu", "nonzero", "is_nonzero", "equal", "allclose"}
_BRING |= {"__bool__", "__float__", "__int__", "__index__", "__array__", "__contains__"}


class _Waits(TorchFunctionMode):
    """Notes the calls that bring a number from the device."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in _BRING:
            self.calls.append(name)
        return func(*args, **(kwargs or {}))


def _calls(model: Any, batch_size: int, **options: Any) -> list[str]:
    with _Waits() as waits:
        model.fit(X, Y, batch_size, 3, verbose=0, shuffle=False, validation_data=(X[:8], Y[:8]), **options)
    return waits.calls


@pytest.mark.parametrize("metrics", [[], ["mae", "accuracy"], ["AUC", kt.metrics.Precision(), kt.metrics.F1Score()]])
def test_no_step_waits(metrics: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # As on a device: on the CPU, where nobody waits, a masked recurrence looks at its masks and states.
    for module in (fused, step_engine):
        monkeypatch.setattr(module, "may_read", lambda tensor: False)
    kt.set_seed(0)
    parts = [layers.Masking(), layers.LSTM(4, dropout=0.25), layers.Dense(1, "sigmoid", kernel_regularizer="l2")]
    model = kt.Sequential([kt.Input((4, 3)), *parts])
    model.compile(kt.optimizers.Adam(clipnorm=1.0, use_ema=True), "binary_crossentropy", metrics=metrics)
    model.fit(X, Y, verbose=0)
    assert _calls(model, 4) == _calls(model, 16) == ["tolist"] * 6  # of each epoch, and of its validation
    # Hooks of batches are given numbers, so they are fetched for each.
    every = kt.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    assert len(_calls(model, 4, callbacks=[every])) > len(_calls(model, 16, callbacks=[every])) > 6


def test_the_scale_of_a_loss_waits_once_in_a_step() -> None:
    model = kt.Sequential([kt.Input((4, 3)), layers.GRU(4), layers.Dense(1)])
    model.compile(kt.optimizers.LossScaleOptimizer(kt.optimizers.SGD()), "mse")
    model.fit(X, Y, verbose=0)
    assert len(_calls(model, 4)) - len(_calls(model, 16)) == 3 * (8 - 2)


def test_the_mode_sees_what_waits() -> None:
    with _Waits() as waits:
        number = torch.ones(()) + 1
        assert number > 1
        float(number)
        number.tolist()
    assert waits.calls == ["__bool__", "__float__", "tolist"]
