"""Outputs, states and gradients of every kernel on the device against float64 on the CPU."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from rows import Rows
from torch import Tensor

from kerastorch import layers

BATCH, STEPS, FEATURES, UNITS = 6, 9, 5, 7

# How far a result may lie from float64, as a part of its largest value; twice that for gradients. float32: 4e-7 was
# measured on a CPU and 6e-7 for gradients, times five for other orders of sums. Half precision: the bounds of
# tests/layers/test_dtypes.py.
BOUNDS = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 8e-3, torch.bfloat16: 6e-2}

KINDS: dict[str, Callable[..., Any]] = {
    "LSTM": layers.LSTM,
    "GRU": layers.GRU,
    "SimpleRNN tanh": layers.SimpleRNN,
    "SimpleRNN relu": lambda units, **config: layers.SimpleRNN(units, activation="relu", **config),
    "LSTM relu": lambda units, **config: layers.LSTM(units, activation="relu", **config),
    "GRU reset before": lambda units, **config: layers.GRU(units, reset_after=False, **config),
    "LSTM recurrent dropout": lambda units, **config: layers.LSTM(units, recurrent_dropout=0.5, **config),
    "GRU recurrent dropout": lambda units, **config: layers.GRU(units, recurrent_dropout=0.5, **config),
}


def masks() -> dict[str, Tensor | None]:
    rows = torch.rand(BATCH, STEPS, generator=torch.Generator().manual_seed(1)) < 0.6
    rows[0], rows[1] = True, False
    lengths = torch.arange(STEPS) < torch.arange(BATCH).unsqueeze(1) + 2
    return {"no mask": None, "right": lengths, "holes": rows}


def everything(layer: Any, x: Tensor, mask: Tensor | None, grad: bool) -> list[Tensor]:
    """Outputs and states; with `grad`, the gradients of x and of all weights as well."""
    x = x.detach().clone().requires_grad_(grad)
    with torch.set_grad_enabled(grad):
        outputs = layer(x, mask=mask, training=grad)
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    if not grad:
        return outputs
    weights = [weight for weight in layer.parameters() if weight.requires_grad]
    seeds = [torch.linspace(-1, 1, out.numel()).reshape(out.shape).to(out) for out in outputs]
    return [*outputs, *torch.autograd.grad(outputs, [x, *weights], seeds)]


def distance(found: list[Tensor], expected: list[Tensor]) -> float:
    """The largest difference of any tensor, relative to that tensor's largest value."""
    gaps = []
    for one, other in zip(found, expected, strict=True):
        one, other = one.detach().cpu().double(), other.detach().cpu().double()
        gaps.append(float((one - other).abs().max() / other.abs().max().clamp(min=1e-3)) if one.numel() else 0.0)
    return max(gaps)


def dropout_masks(like: Tensor, rate: float) -> Tensor:
    """The same ones for each gate, at each call, on every device."""
    noise = torch.rand(like.shape, generator=torch.Generator().manual_seed(3)) < 0.5
    return 2 * noise.to(like).unsqueeze(0)


def filled(layer: Any, batch: int | None = None, features: tuple[int, ...] = (FEATURES,)) -> Any:
    """Random distinct weights, biases among them, and dropout that drops always the same."""
    layer.build((batch, None, *features))
    for part in layer.modules():
        if hasattr(part, "_dropout_masks"):
            part._dropout_masks = dropout_masks
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(0.4 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    return layer


def agreement(rows: Rows, device: torch.device, dry: bool) -> None:
    """One row for each kernel, dtype and mode; the largest gap over biases, both directions and masks."""
    x = torch.randn(BATCH, STEPS, FEATURES, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    dtypes = [torch.float64, torch.float32] if dry else list(BOUNDS)
    for (name, make), dtype, grad in itertools.product(KINDS.items(), dtypes, (False, True)):
        title = f"{name}, {str(dtype).removeprefix('torch.')}, {'gradients' if grad else 'inference'}"
        with rows.guarded(title):
            gaps = []
            for bias, both, mask in itertools.product((True, False), (False, True), masks().values()):
                layer = make(UNITS, use_bias=bias, return_sequences=True, return_state=True)
                layer = filled(layers.Bidirectional(layer) if both else layer).double()
                expected = everything(layer, x, mask, grad)
                layer = layer.to(device=device, dtype=dtype)
                given = None if mask is None else mask.to(device)
                gaps.append(distance(everything(layer, x.to(device, dtype), given, grad), expected))
            rows.gap(title, max(gaps), (2 if grad else 1) * BOUNDS[dtype])
