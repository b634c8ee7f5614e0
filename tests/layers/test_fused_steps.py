"""Steps of a LSTM and a GRU as CUDA runs them: a product, and one kernel of torch for the pointwise work.

torch has these kernels for devices alone. The stand-ins compute what they compute (`aten/src/ATen/native/cuda/RNN.cu`),
the arrays for the backward pass in the same layout; that they are right is asked of the formulas of derivatives that
torch has beside the kernels, which run on the CPU.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import GRADIENT, assert_close
from _conv_lstms import MASK, images, make
from _recurrences import DROPS, MASKS, Problem, follow_steps
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from kerastorch import layers, torch_private
from kerastorch.kernels import conv_lstm, fused_steps, step_engine
from kerastorch.kernels.equations import GRU, LSTM

CALLS: list[str] = []
WATCHED: list[bool] = []  # whether operations are counted


class Operations(TorchDispatchMode):
    """The operations that compute something, outside of the stand-ins."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not func.is_view and (not WATCHED or WATCHED[-1]):
            self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def lstm_step(gates: Tensor, hidden: Tensor, cx: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    assert gates.ndim == hidden.ndim == cx.ndim == 2
    assert gates.shape == hidden.shape == (len(cx), 4 * cx.shape[1])
    CALLS.append("lstm")
    WATCHED.append(False)
    i, f, g, o = (gates + hidden).chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    cy = f * cx + i * g
    result = o * cy.tanh(), cy, torch.cat([i, f, g, o], 1)
    WATCHED.pop()
    return result


def gru_step(gates: Tensor, hidden: Tensor, hx: Tensor) -> tuple[Tensor, Tensor]:
    assert gates.shape == hidden.shape == (len(hx), 3 * hx.shape[1])
    CALLS.append("gru")
    WATCHED.append(False)
    (ir, ii, inn), (hr, hi, hn) = gates.chunk(3, 1), hidden.chunk(3, 1)
    r, i = (ir + hr).sigmoid(), (ii + hi).sigmoid()
    n = (inn + r * hn).tanh()
    result = n + i * (hx - n), torch.cat([r, i, n, hx, hn], 1)
    WATCHED.pop()
    return result


@pytest.fixture(autouse=True)
def as_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    monkeypatch.setattr(fused_steps, "runs_on", lambda x: True)
    monkeypatch.setattr(torch_private, "lstm_step", lstm_step)
    monkeypatch.setattr(torch_private, "gru_step", gru_step)


def test_the_stand_ins_have_the_derivatives_that_torch_has() -> None:
    random = [torch.randn(3, size, dtype=torch.float64, requires_grad=True) for size in (8, 8, 2)]
    grads = torch.randn(2, 3, 2, dtype=torch.float64)
    h, c, _ = lstm_step(*random)
    theirs = torch.ops.aten._thnn_differentiable_lstm_cell_backward(*grads, *random[:2], None, None, random[2], c)
    ours = torch.autograd.grad((h, c), random, list(grads))
    for one, other in zip(ours, theirs[:3], strict=True):
        assert_close(one, other)
    random = [torch.randn(3, size, dtype=torch.float64, requires_grad=True) for size in (6, 6, 2)]
    h, _ = gru_step(*random)
    theirs = torch.ops.aten._thnn_differentiable_gru_cell_backward(grads[0], *random, None, None)
    for one, other in zip(torch.autograd.grad(h, random, grads[0]), theirs[:3], strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("equations", [LSTM, GRU])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("drop", DROPS)
def test_the_engine(equations: Any, mask: str, drop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(equations, "tanh", "sigmoid", mask=mask, drop=drop)
    ours = problem.everything(step_engine.run)
    with torch.no_grad():
        without = problem.run(step_engine.run, *problem.tensors)
    assert len(CALLS) == 8
    monkeypatch.undo()
    theirs = problem.everything(follow_steps)
    assert len(CALLS) == 8
    for our, their in zip(ours, theirs, strict=True):
        assert_close(our, their)  # float64, another order of sums
    for our, their in zip(without, theirs, strict=False):
        assert_close(our, their)


@pytest.mark.parametrize(("equations", "names"), [(LSTM, ("relu", "sigmoid")), (GRU, ("tanh", "hard_sigmoid"))])
def test_other_activations_have_no_such_kernel(equations: Any, names: tuple[str, str]) -> None:
    Problem(equations, *names).everything(step_engine.run)
    assert not CALLS


@pytest.mark.parametrize("equations", [LSTM, GRU])
@pytest.mark.parametrize("drop", ["none", "one"])
def test_a_step_is_a_product_and_a_kernel(equations: Any, drop: str) -> None:
    counts = []
    for steps in (5, 15):
        problem = Problem(equations, "tanh", "sigmoid", steps=steps, drop=drop)
        with torch.no_grad(), Operations() as seen:
            problem.run(step_engine.run, *problem.tensors)
        counts.append(len(seen.names))
    assert (counts[1] - counts[0]) / 10 == (1 if drop == "none" else 2)  # beside the kernel: the product, and its mask


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["LSTMCell", "GRUCell"])
def test_a_cell_by_itself(name: str, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = getattr(layers, name)(4, use_bias=bias, dtype="float64")
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    states = [torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(cell.STATES)]
    cell.build((None, 5))

    def everything() -> list[Tensor]:
        out, new = cell(x, states)
        sources = [x, *states, *(weight for weight in cell.parameters() if weight.requires_grad)]
        grads = torch.autograd.grad((out * new[-1].cos()).sum(), sources, create_graph=True)
        return [out, *new, *grads, *torch.autograd.grad(sum(grad.square().sum() for grad in grads), sources)]  # type: ignore[union-attr]

    ours = everything()
    assert [name.removesuffix("Cell").lower()] == CALLS
    monkeypatch.undo()
    for our, their in zip(ours, everything(), strict=True):
        assert_close(our, their)  # float64, another order of sums


@pytest.mark.parametrize("rates", [{}, {"recurrent_dropout": 0.3}], ids=str)
@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
def test_images(mask: Tensor | None, rates: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = make(return_sequences=True, return_state=True, **rates), images().requires_grad_()
    drop = 2.0 * (torch.rand(4, 3, 3, 4, 2) > 0.5).double()
    layer._dropout_masks = lambda like, rate: drop

    def everything() -> list[Tensor]:
        outputs = layer(x, mask=mask, training=True)
        return [*outputs, *torch.autograd.grad(sum(out.sin().sum() for out in outputs), [x, *layer.parameters()])]

    monkeypatch.setattr(conv_lstm, "on_device", lambda x: True)
    ours = everything()
    assert CALLS == ["lstm"] * 4
    monkeypatch.undo()
    for our, their in zip(ours, everything(), strict=True):
        assert_close(our, their)


def test_states_of_another_dtype_are_computed_as_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under autocast the gates are halves, and the states of a cell by itself are not."""
    cell, x = layers.LSTMCell(4), torch.randn(3, 5)
    found = []
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            found.append(cell(x))
        monkeypatch.undo()
    assert not CALLS
    assert torch.equal(found[0][0], found[1][0])


@pytest.mark.parametrize("lacking", ["lstm_step", "gru_step"])
def test_a_torch_without_them(lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_private, lacking, None)
    for equations in (LSTM, GRU):
        problem = Problem(equations, "tanh", "sigmoid")
        for our, their in zip(problem.everything(step_engine.run), problem.everything(follow_steps), strict=True):
            assert_close(our, their, GRADIENT)
    assert not CALLS


def test_it_is_not_the_way_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert not fused_steps.runs_on(torch.zeros(2))
    assert not torch_private.missing()
