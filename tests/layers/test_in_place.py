"""Outputs and states may be changed in place, as those of torch's modules: nothing else has their memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kerastorch import Sequential, layers
from kerastorch.kernels import step_engine

STEPS = [1, 3, 4]
RECURRENT: dict[str, Callable[..., Any]] = {
    "LSTM": lambda **options: layers.LSTM(5, **options),
    "LSTM, relu": lambda **options: layers.LSTM(5, "relu", **options),
    "LSTM, softmax": lambda **options: layers.LSTM(5, "softmax", **options),
    "GRU": lambda **options: layers.GRU(5, **options),
    "GRU, reset before": lambda **options: layers.GRU(5, reset_after=False, **options),
    "GRU, softmax": lambda **options: layers.GRU(5, "softmax", **options),
    "SimpleRNN": lambda **options: layers.SimpleRNN(5, **options),
    "SimpleRNN, softmax": lambda **options: layers.SimpleRNN(5, "softmax", **options),
    "GRU, float64": lambda **options: layers.GRU(5, dtype="float64", **options),
    "CuDNNLSTM": lambda **options: layers.CuDNNLSTM(5, **options),
    "RNN": lambda **options: layers.RNN([layers.GRUCell(4), layers.SimpleRNNCell(5)], **options),
    "Bidirectional": lambda **options: layers.Bidirectional(layers.GRU(5, **options)),
    "dropout": lambda **options: layers.GRU(5, dropout=0.3, recurrent_dropout=0.3, **options),
    "ConvLSTM1D": lambda **options: layers.ConvLSTM1D(2, 3, padding="same", **options),
    "ConvLSTM1D, first": lambda **options: layers.ConvLSTM1D(2, 3, data_format="channels_first", **options),
}


def inputs(name: str, steps: int) -> Tensor:
    shape = (3, steps, 4, 6) if "Conv" in name else (3, steps, 4)
    dtype = torch.float64 if "64" in name else torch.float32
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def made(name: str, steps: int, **options: Any) -> tuple[Any, Tensor, Tensor | None]:
    layer, x = RECURRENT[name](return_state=True, **options), inputs(name, steps)
    layer(x)
    return layer, x, torch.arange(steps) % torch.arange(2, 5)[:, None] > 0


def gradients(layer: Any, x: Tensor, mask: Tensor | None, change: Callable[[Tensor], Tensor], which: int) -> Any:
    """The outputs and all gradients, with one of the outputs changed."""
    torch.manual_seed(2)
    leaves = [x.clone().requires_grad_(), *layer.parameters()]
    outputs = list(layer(leaves[0], mask=mask, training=True))
    outputs[which] = change(outputs[which])
    loss = sum((out * torch.linspace(-1, 2, out.numel()).reshape(out.shape)).sum() for out in outputs)
    return [*outputs, *torch.autograd.grad(loss, leaves, allow_unused=True)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_a_change_in_place_has_the_same_gradients(name: str, steps: int, masked: bool, return_sequences: bool) -> None:
    layer, x, mask = made(name, steps, return_sequences=return_sequences)
    for which in range(len(layer(x))):
        for in_place, apart in ((torch.relu_, torch.relu), (lambda out: out.mul_(3), lambda out: out * 3)):
            found = gradients(layer, x, mask if masked else None, in_place, which)
            expected = gradients(layer, x, mask if masked else None, apart, which)
            for our, their in zip(found, expected, strict=True):
                assert (our is None) == (their is None)
                assert our is None or torch.equal(our, their)


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.enable_grad])
def test_no_output_has_the_memory_of_another(
    name: str, steps: int, masked: bool, return_sequences: bool, mode: Any
) -> None:
    layer, x, mask = made(name, steps, return_sequences=return_sequences, stateful=True)
    with mode():
        outputs = layer(x, mask=mask if masked else None)
        held: Any = () if name == "Bidirectional" else layer.states
        kept = [state.clone() for state in held]
        values = [out.clone() for out in outputs]
        for index, out in enumerate(outputs):
            with torch.no_grad() if mode is torch.enable_grad else mode():
                out.fill_(7.0)
            values[index] = torch.full_like(values[index], 7.0)
            assert all(torch.equal(out, value) for out, value in zip(outputs, values, strict=True))
    assert all(torch.equal(state, value) for state, value in zip(held, kept, strict=True))


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("steps", STEPS)
def test_relu_in_place_behind_a_layer_trains(name: str, steps: int) -> None:
    torch.manual_seed(3)
    model = Sequential([RECURRENT[name](), nn.ReLU(inplace=True)])
    x = inputs(name, steps)
    model(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(("ours", "theirs"), [(layers.LSTM, nn.LSTM), (layers.GRU, nn.GRU), (layers.SimpleRNN, nn.RNN)])
@pytest.mark.parametrize("units", [5, 160])
@pytest.mark.parametrize("which", [0, 1])
def test_what_torchs_module_lets_change_here_changes_too(ours: Any, theirs: Any, units: int, which: int) -> None:
    """torch's LSTM on the CPU keeps its outputs for the backward pass, and so does ours where it is torch's."""

    def works(outputs: Any) -> bool:
        first = outputs[which][0] if isinstance(outputs[which], tuple) else outputs[which]
        first.relu_()
        try:
            outputs[0].sum().backward()
        except RuntimeError:
            return False
        return True

    x = torch.randn(40, 6, 4)
    layer = ours(units, return_sequences=True, return_state=True)
    layer(x)
    assert works(layer(x)) >= works(theirs(4, units, batch_first=True)(x))
    last = ours(units)
    last(x)
    last(x).relu_().sum().backward()


@pytest.mark.parametrize("only_last", [False, True])
def test_second_derivatives_behind_a_change_in_place(only_last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layers.GRU(3, dtype="float64", return_sequences=not only_last)
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    layer(x)
    ran: list[bool] = []
    run = step_engine.run
    monkeypatch.setattr(step_engine, "outruns", lambda *args: True)
    monkeypatch.setattr(step_engine, "run", lambda *args, **options: ran.append(True) or run(*args, **options))
    assert torch.autograd.gradgradcheck(lambda x: layer(x).square_(), x)
    assert ran
