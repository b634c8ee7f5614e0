"""What the tests of single layers and modules share: both sides with the same weights, run on the same inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from _close import MARGIN, assert_close
from torch import Tensor, nn

from kerastorch import layers
from kerastorch.structure import leaves

# Modules of torch lie up to 1.2e-6 of the largest value from themselves in float64, in all tests of this folder and at
# every level of the processor; twice that is the bound, and three floors are.
FLOOR = 2 * 1.2e-6 / MARGIN
DTYPES = [torch.float32, torch.float64]
SEQUENCE = {"return_sequences": True, "return_state": True}


def randomize(module: nn.Module) -> nn.Module:
    """Give every trainable weight another value, and statistics that are possible."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.5)
        for name, buffer in module.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 2)
    return module


def results(module: Callable[..., Any], x: Tensor, *args: Any, **kwargs: Any) -> list[Tensor]:
    """Every output, and the gradient of a random function of all of them by the input."""
    x = x.clone().requires_grad_(x.is_floating_point())
    outputs = leaves(module(x, *args, **kwargs))
    torch.manual_seed(7)
    # Not randn_like, which fills in the order of memory: the two sides may differ in that.
    loss = sum((out.squeeze(0) * torch.randn(out.squeeze(0).shape, dtype=out.dtype)).sum() for out in outputs)
    if isinstance(loss, Tensor) and loss.requires_grad:
        loss.backward()
    return [out.detach() for out in outputs] + ([x.grad] if x.grad is not None else [])


def assert_same(actual: list[Tensor], expected: list[Tensor]) -> None:
    """The same outputs and gradients, but for the places of axes of one: sums of the same products in another order."""
    assert_close([one.squeeze(0) for one in actual], [other.squeeze(0) for other in expected], FLOOR)


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


def assert_same_gradients(layer: nn.Module, module: nn.Module) -> None:
    ours, theirs = gradients(layer), gradients(module)
    assert sorted(ours) == sorted(theirs)
    assert ours
    assert_same([ours[name] for name in ours], [theirs[name] for name in ours])


def built(layer: Any, shape: tuple[Any, ...], dtype: torch.dtype = torch.float32) -> Any:
    layer.to(dtype)
    layer.build(shape)
    return randomize(layer)


RECURRENT = {
    "lstm": (lambda **o: layers.LSTM(5, **o), nn.LSTM),
    "lstm without bias": (lambda **o: layers.LSTM(5, use_bias=False, **o), nn.LSTM),
    "gru": (lambda **o: layers.GRU(5, **o), nn.GRU),
    "gru without bias": (lambda **o: layers.GRU(5, use_bias=False, **o), nn.GRU),
    "simple rnn": (lambda **o: layers.SimpleRNN(5, **o), nn.RNN),
    "relu rnn": (lambda **o: layers.SimpleRNN(5, activation="relu", **o), nn.RNN),
    "cudnn lstm": (lambda **o: layers.CuDNNLSTM(5, **o), nn.LSTM),
    "cudnn gru": (lambda **o: layers.CuDNNGRU(5, **o), nn.GRU),
}


def states_of(module: nn.RNNBase, batch: int, dtype: torch.dtype) -> Any:
    """Random initial states in torch's form: `(directions, B, U)` each."""
    shape = (1 + module.bidirectional, batch, module.hidden_size)
    make = lambda: torch.randn(shape, dtype=dtype)  # noqa: E731
    return (make(), make()) if isinstance(module, nn.LSTM) else make()


def in_keras_order(state: Any) -> list[Tensor]:
    """torch's states as Keras has them: of the forward direction, then of the backward direction."""
    parts = state if isinstance(state, tuple) else (state,)
    return [part[direction] for direction in range(len(parts[0])) for part in parts]


def flat(module: nn.RNNBase) -> Callable[..., list[Tensor]]:
    """A torch module that returns its output and states as a layer with `return_state` does."""

    def run(x: Tensor, state: Any) -> list[Tensor]:
        output, new = module(x, state)
        return [output, *in_keras_order(new)]

    return run


def zero_second_bias(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith("bias_hh"):
                parameter.zero_()
    return module
