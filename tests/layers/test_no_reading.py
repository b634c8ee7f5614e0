"""No layer waits for a value of a device: on "meta" there are none to read, on CUDA torch refuses to wait."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from kerastorch import layers

ALL = {
    "LSTM": lambda: layers.LSTM(4, return_sequences=True, return_state=True),
    "GRU": lambda: layers.GRU(4, return_sequences=True, return_state=True),
    "SimpleRNN": lambda: layers.SimpleRNN(4, return_sequences=True, return_state=True),
    "zeros": lambda: layers.LSTM(4, return_sequences=True, zero_output_for_mask=True),
    "last output": lambda: layers.GRU(4, go_backwards=True),
    "relu LSTM": lambda: layers.LSTM(4, activation="relu", return_sequences=True, return_state=True),
    "dropout": lambda: layers.LSTM(4, dropout=0.3, recurrent_dropout=0.3, return_state=True),
    "reset before": lambda: layers.GRU(4, reset_after=False, return_sequences=True),
    "implementation 1": lambda: layers.GRU(4, implementation=1, dropout=0.3),
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
    "RNN": lambda: layers.RNN(layers.LSTMCell(4), return_sequences=True),
    "stateful": lambda: layers.LSTM(4, stateful=True),
    "ConvLSTM2D": lambda: layers.ConvLSTM2D(2, 3, return_sequences=True, recurrent_dropout=0.2),
}
MASKS = {"none": None, "right": [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]], "holes": [[0, 1, 0, 1, 0], [0, 0, 0, 0, 0]]}


def run(name: str, mask: str, device: str) -> None:
    """A training step and a prediction."""
    layer = ALL[name]()
    image = (6, 6) if name.startswith("Conv") else ()
    x, steps = torch.randn(2, 5, *image, 3), MASKS[mask]
    layer(x)  # builds it
    layer.to(device)
    if name == "stateful":
        layer.reset_state([torch.zeros(2, 4)] * 2)
    x = x.to(device).requires_grad_()
    given = None if steps is None else torch.tensor(steps, dtype=torch.bool).to(device)
    for training in (True, False):
        with refused(device), torch.set_grad_enabled(training):
            out = layer(x, mask=given, training=training)
            if training:
                sum(y.sum() for y in (out if isinstance(out, tuple) else (out,))).backward()


@contextmanager
def refused(device: str) -> Iterator[None]:
    """Waiting for the device is an error."""
    if device != "cuda":
        yield
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says that this mode is a prototype
            torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", ALL)
def test_no_value_is_read(name: str, mask: str) -> None:
    run(name, mask, "meta")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", ALL)
def test_nothing_waits_for_cuda(name: str, mask: str) -> None:
    run(name, mask, "cuda")


def test_a_read_value_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from kerastorch.kernels import step_engine

    monkeypatch.setattr(step_engine, "may_read", lambda x: True)
    with pytest.raises(RuntimeError, match="meta"):
        run("relu LSTM", "holes", "meta")
