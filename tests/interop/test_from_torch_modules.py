"""Every module of torch that is translated inside a forward: alone, and all of them in a file that Keras opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor, nn

import kerastorch as kt

from ._helpers import of_model, randomize

BATCH = 3
# What a module is called on: by the name of an input.
INPUTS: dict[str, Callable[[], Tensor]] = {
    "row": lambda: torch.randn(BATCH, 4),
    "series": lambda: torch.randn(BATCH, 7, 4),
    "rows": lambda: torch.randn(BATCH, 4, 9),  # (B, C, T)
    "image": lambda: torch.randn(BATCH, 4, 7, 8),
    "volume": lambda: torch.randn(BATCH, 4, 5, 6, 4),
    "words": lambda: torch.randint(0, 11, (BATCH, 7)),
}
# Name -> the module, its input, how it is called if not just so.
MODULES: dict[str, tuple[Callable[[], nn.Module], str, Any]] = {
    "linear": (lambda: nn.Linear(4, 5), "series", None),
    "linear_without_bias": (lambda: nn.Linear(4, 5, bias=False), "row", None),
    "embedding": (lambda: nn.Embedding(11, 3, padding_idx=2), "words", None),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3), "rows", None),
    "conv1d_same": (lambda: nn.Conv1d(4, 6, 5, padding="same", dilation=2), "rows", None),
    "conv1d_padded": (lambda: nn.Conv1d(4, 6, 4, stride=2, padding=3, groups=2), "rows", None),
    "conv2d": (lambda: nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding=(2, 1), bias=False), "image", None),
    "conv3d": (lambda: nn.Conv3d(4, 3, 2, padding=1), "volume", None),
    "transposed1d": (lambda: nn.ConvTranspose1d(4, 3, 3, stride=2), "rows", None),
    "transposed2d": (lambda: nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1), "image", None),
    "batch_norm_of_rows": (lambda: nn.BatchNorm1d(4), "row", None),
    "batch_norm1d": (lambda: nn.BatchNorm1d(4, eps=1e-3), "rows", None),
    "batch_norm2d": (lambda: nn.BatchNorm2d(4, affine=False), "image", None),
    "layer_norm": (lambda: nn.LayerNorm(4), "series", None),
    "layer_norm_of_two": (lambda: nn.LayerNorm([7, 4]), "series", None),
    "layer_norm_turned": (lambda: nn.LayerNorm(9), "rows", None),
    "rms_norm": (lambda: nn.RMSNorm(4, eps=1e-5), "series", None),
    "group_norm": (lambda: nn.GroupNorm(2, 4), "image", None),
    "max_pool": (lambda: nn.MaxPool1d(2), "rows", None),
    "avg_pool": (lambda: nn.AvgPool2d(3, stride=2), "image", None),
    "adaptive": (lambda: nn.AdaptiveMaxPool2d(1), "image", None),
    "upsample": (lambda: nn.Upsample(scale_factor=2), "image", None),
    "zero_pad": (lambda: nn.ZeroPad2d((1, 2, 0, 1)), "image", None),
    "dropouts": (lambda: nn.Sequential(nn.Dropout(0.2), nn.Dropout2d(0.3)), "image", None),
    "prelu": (lambda: nn.PReLU(4), "image", None),
    "activations": (lambda: nn.Sequential(nn.ReLU6(), nn.SiLU(), nn.ELU(0.7), nn.LeakyReLU(0.3)), "series", None),
    "bounded": (lambda: nn.Sequential(nn.Hardtanh(-0.4, 0.6), nn.GELU("tanh"), nn.Tanh()), "series", None),
    "softmax": (lambda: nn.Sequential(nn.Softmax(1), nn.LogSoftmax(-1)), "rows", None),
    "glu": (lambda: nn.GLU(1), "rows", None),
    "flatten": (lambda: nn.Sequential(nn.Flatten(2), nn.Unflatten(1, (2, 2)), nn.Identity()), "image", None),
    "lstm": (lambda: nn.LSTM(4, 5, bias=False, batch_first=True), "series", None),
    "gru": (lambda: nn.GRU(4, 5, 2, batch_first=True, bidirectional=True), "series", None),
    "rnn": (lambda: nn.RNN(4, 5, 2, batch_first=True), "series", None),
    "lstm_cell": (lambda: nn.LSTMCell(4, 5), "row", None),
    "gru_cell": (lambda: nn.GRUCell(4, 5), "row", lambda m, x: m(m(x)[:, :4], x[:, :1].expand(-1, 5))),
    "rnn_cell": (lambda: nn.RNNCell(4, 5, nonlinearity="relu"), "row", None),
    "attention": (lambda: nn.MultiheadAttention(4, 2, batch_first=True), "series", lambda m, x: m(x, x * 2, x + 1)),
    "heads": (
        lambda: nn.MultiheadAttention(4, 2, bias=False, kdim=2),
        "series",
        lambda m, x: m(x.mT.mT.transpose(0, 1), x[..., :2].transpose(0, 1), x.transpose(0, 1))[0].transpose(0, 1),
    ),
    "masked_attention": (
        lambda: nn.MultiheadAttention(4, 2, batch_first=True),
        "series",
        lambda m, x: m(x, x, x, key_padding_mask=x[..., 0] > 0.8, average_attn_weights=False),
    ),
}


class Called(nn.Module):
    """The modules of these names, each on its input."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name: MODULES[name][0]() for name in names})

    def forward(self, **inputs: Tensor) -> dict[str, Any]:
        found = {}
        for name, part in self.parts.items():
            _, given, call = MODULES[name]
            found[name] = part(inputs[given]) if call is None else call(part, inputs[given])
        return found


def inputs_for(names: Any, dtype: torch.dtype) -> dict[str, Tensor]:
    made = {key: make() for key, make in INPUTS.items() if key in {MODULES[name][1] for name in names}}
    return {key: value.to(dtype) if value.is_floating_point() else value for key, value in made.items()}


def outputs(made: Any) -> list[Tensor]:
    """By name, with the batch first."""
    if isinstance(made, Tensor):
        return [made.movedim(list(made.shape).index(BATCH), 0)]
    items = [made[key] for key in sorted(made)] if isinstance(made, dict) else made
    return [tensor for item in items for tensor in outputs(item)]


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str) -> None:
    module = randomize(Called(name)).double()
    model = kt.from_torch(module, inputs_for([name], torch.float64))
    given = inputs_for([name], torch.float64)
    with torch.no_grad():
        assert_close(outputs(model(given)), outputs(module(**given)))  # the same sums in another order


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_states_in_and_out(kind: Any, bidirectional: bool, batch_first: bool) -> None:
    """Outputs, final states and gradients of two layers that start at given states."""
    module = kind(4, 5, 2, bidirectional=bidirectional, batch_first=batch_first, dropout=0.2, dtype=torch.float64)
    randomize(module)
    batch_axis: Any = {"input": 1 - batch_first, "hx": 1}
    x = torch.randn((BATCH, 7, 4) if batch_first else (7, BATCH, 4), dtype=torch.float64, requires_grad=True)
    states = [torch.randn(2 + 2 * bidirectional, BATCH, 5, dtype=torch.float64, requires_grad=True) for _ in "hc"]
    hx = tuple(states) if kind is nn.LSTM else states[0]
    model: Any = kt.from_torch(module, (x.detach(), hx), batch_axis=batch_axis)
    expected = outputs(module(x, hx))
    moved = [
        x.movedim(1 - batch_first, 0),
        *(state.movedim(1, 0) for state in (states if kind is nn.LSTM else states[:1])),
    ]
    actual = outputs(model(moved))
    assert len(actual) == (3 if kind is nn.LSTM else 2)
    assert_close([out.detach() for out in actual], [out.detach() for out in expected])
    sources = [x, *states] if kind is nn.LSTM else [x, states[0]]
    weights = [torch.randn_like(out) for out in expected]
    for_each = [
        torch.autograd.grad(sum((out * w).sum() for out, w in zip(made, weights, strict=True)), sources)  # type: ignore[arg-type]
        for made in (actual, expected)
    ]
    assert_close(*for_each)


def test_keras_computes_the_same(keras_worker: Any, tmp_path: Path) -> None:
    module = randomize(Called(*MODULES))
    given = inputs_for(MODULES, torch.float32)
    model: Any = kt.from_torch(module, given, dynamic_axes=())
    path = str(tmp_path / "model.keras")
    kt.save_model(model, path)
    arrays = {key: value.numpy() for key, value in given.items()}
    predicted = keras_worker.call("keras3", "predictions:predictions", path, arrays)
    with torch.no_grad():
        assert_close(predicted, outputs(module(**given)))


def test_a_channel_of_another_place_is_seen() -> None:
    module = randomize(Called("conv2d")).double()
    given = inputs_for(["conv2d"], torch.float64)
    model: Any = kt.from_torch(module, given)
    with torch.no_grad():
        module.parts["conv2d"].weight.copy_(module.parts["conv2d"].weight.flip(2))  # type: ignore[operator,union-attr,arg-type]
        with pytest.raises(AssertionError):
            assert_close(of_model(model, given), outputs(module(**given)))
