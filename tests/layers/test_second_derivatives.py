"""Second derivatives through the step engine: autograd through every step, and finite differences, say the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import BFLOAT16, assert_close
from _recurrences import DROPS, EQUATIONS, MASKS, Problem, follow_steps
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from kerastorch import layers
from kerastorch.kernels import step_engine
from kerastorch.kernels.equations import LSTM

LAYERS = [
    (layers.LSTM, {"activation": "softsign"}),
    (layers.GRU, {"activation": "silu"}),
    (layers.GRU, {"reset_after": False}),
    (layers.SimpleRNN, {"activation": "elu"}),
    (layers.LSTM, {"recurrent_dropout": 0.25, "dropout": 0.25}),
]


def both_orders(problem: Problem, run: Any) -> list[Tensor]:
    """The first derivatives, and those of their squares, by every input."""
    leaves = [tensor.detach().requires_grad_() for tensor in problem.tensors]
    loss = sum(out.pow(3).sum() for out in problem.run(run, *leaves))
    first = torch.autograd.grad(loss, leaves, create_graph=True)  # type: ignore[arg-type]
    assert all(grad.requires_grad for grad in first)
    return [*first, *torch.autograd.grad(sum(grad.square().sum() for grad in first), leaves)]  # type: ignore[arg-type]


@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("drop", DROPS)
def test_equal_those_through_every_step(equations: Any, mask: str, drop: str) -> None:
    problem = Problem(equations, "softsign", mask=mask, drop=drop)
    for ours, theirs in zip(both_orders(problem, step_engine.run), both_orders(problem, follow_steps), strict=True):
        assert_close(ours, theirs)  # float64, another order of sums


@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize(("mask", "drop"), [("none", "none"), ("holes", "each gate")])
def test_equal_finite_differences(equations: Any, mask: str, drop: str) -> None:
    problem = Problem(equations, "tanh", mask=mask, drop=drop, steps=3)
    leaves = [tensor.requires_grad_() for tensor in problem.tensors]
    assert torch.autograd.gradgradcheck(lambda *tensors: problem.run(step_engine.run, *tensors), leaves)


@pytest.mark.parametrize("equations", EQUATIONS)
def test_of_inputs_that_depend_on_each_other(equations: Any) -> None:
    """The initial states come from the weights, the inputs from the states: each path counts once."""
    problem = Problem(equations, "softsign")

    def loss(run: Any, seed: Tensor) -> Tensor:
        gates, w_hh, *rest = problem.tensors
        w_hh = w_hh * seed
        b_hh = [rest[0] * w_hh.mean()] if problem.weights == 3 else []
        states = [state * w_hh.square().mean() for state in problem.tensors[problem.weights :]]
        outputs = problem.run(run, gates * states[0].mean(), w_hh, *b_hh, *states)
        return sum((out.square().sum() for out in outputs), torch.zeros(()))

    found = []
    for run in (step_engine.run, follow_steps):
        seed = torch.tensor(1.1, dtype=torch.float64, requires_grad=True)
        (first,) = torch.autograd.grad(loss(run, seed), seed, create_graph=True)
        (second,) = torch.autograd.grad(first, seed, create_graph=True)
        (third,) = torch.autograd.grad(second, seed)
        found.append(torch.stack([first, second, third]).detach())
    assert_close(*found)


@pytest.mark.parametrize("equations", EQUATIONS)
def test_of_some_inputs_only(equations: Any) -> None:
    problem = Problem(equations, "softsign")
    for chosen in range(len(problem.tensors)):
        found = []
        for run in (step_engine.run, follow_steps):
            leaves = [tensor.detach().requires_grad_(i == chosen) for i, tensor in enumerate(problem.tensors)]
            loss = problem.run(run, *leaves)[0].pow(3).sum()
            (first,) = torch.autograd.grad(loss, leaves[chosen], create_graph=True)
            found.append(torch.autograd.grad(first.square().sum(), leaves[chosen])[0])
        assert_close(*found)


@pytest.mark.parametrize(("cls", "config"), LAYERS)
def test_of_layers(cls: Any, config: Any) -> None:
    layer = cls(3, return_sequences=True, return_state=True, **config)
    layer.build((None, 4, 2))
    layer.double()
    names, parameters = zip(*layer.named_parameters(), strict=True)
    mask = torch.tensor([[1, 0, 1, 1], [0, 1, 1, 0]], dtype=torch.bool)

    def call(x: Tensor, *weights: Tensor) -> Any:
        torch.manual_seed(3)  # the same dropout each time
        for name, weight in zip(names, weights, strict=True):
            layer._parameters[name] = weight
        return layer(x, mask=mask, training=True)

    x = torch.linspace(-1, 1, 16, dtype=torch.float64).reshape(2, 4, 2).requires_grad_()
    weights = [parameter.detach().clone().requires_grad_() for parameter in parameters]
    assert torch.autograd.gradcheck(call, (x, *weights))
    assert torch.autograd.gradgradcheck(call, (x, *weights))


def test_under_autocast() -> None:
    """The gates are computed again in the dtype that they had."""
    layer = layers.LSTM(3, activation="softsign", return_sequences=True)
    x = torch.randn(2, 4, 5).requires_grad_()
    layer(x)
    plain = torch.autograd.grad(layer(x).pow(3).sum(), x, create_graph=True)[0].square().sum()
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x)
    (first,) = torch.autograd.grad(out.float().pow(3).sum(), x, create_graph=True)  # outside of autocast
    (again,) = torch.autograd.grad(layer_loss(layer, x), x)
    assert_close(first, again, BFLOAT16)
    wanted, found = (torch.autograd.grad(loss, x)[0] for loss in (plain, first.square().sum()))
    assert_close(found, wanted, 2 * BFLOAT16)  # a derivative of a derivative that was rounded


def layer_loss(layer: Any, x: Tensor) -> Tensor:
    return layer(x).pow(3).sum()


def test_a_plain_backward_pass_does_not_follow_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(LSTM)
    followed: list[Any] = []
    real = step_engine._followed
    monkeypatch.setattr(step_engine, "_followed", lambda *args: followed.append(1) or real(*args))
    leaves = [tensor.detach().requires_grad_() for tensor in problem.tensors]
    loss = problem.run(step_engine.run, *leaves)[0].sum()
    loss.backward(retain_graph=True)
    assert not followed
    torch.autograd.grad(loss, leaves[:1], create_graph=True)
    assert followed == [1]


def test_a_wrong_second_derivative_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(LSTM, "tanh", steps=2)
    real = step_engine._followed

    def wrong(*args: Any) -> Any:
        found = real(*args)
        return found._replace(w_hh=(found.w_hh + found.w_hh.detach()) / 2)

    monkeypatch.setattr(step_engine, "_followed", wrong)
    leaves = [tensor.requires_grad_() for tensor in problem.tensors]
    with pytest.raises(GradcheckError):
        torch.autograd.gradgradcheck(lambda *tensors: problem.run(step_engine.run, *tensors), leaves)
