"""`step` and `zero_grad` as torch calls them, and what is updated in one operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import FLOAT64, assert_close
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim.optimizer import register_optimizer_step_post_hook

from kerastorch import optimizers
from kerastorch.optimizers import adam, rules

from ._trained import net_of_two, train

# The rule, how torch's operation for it is called, and the settings.
AT_ONCE = [
    (adam, "adam_at_once", optimizers.Adam, {"epsilon": 1e-3}),
    (adam, "adam_at_once", optimizers.Adam, {"epsilon": 1e-3, "amsgrad": True}),
    (rules, "sgd_at_once", optimizers.SGD, {"momentum": 0.9}),
]
START = [np.random.default_rng(3).normal(size=size) for size in ((4, 3), (7,), ())]


def _trained(make: Any, config: dict[str, Any], dtype: torch.dtype, rate: float = 0.01, turned: bool = False) -> Any:
    """The weights after four steps, and their state."""
    draw = np.random.default_rng(4)
    params = [torch.tensor(array, dtype=dtype).requires_grad_() for array in START]
    if turned:  # whose memory does not lie as its values are read
        params[0] = torch.tensor(START[0].T.copy(), dtype=dtype).T.requires_grad_()
    optimizer = make(rate, params=params, **config)
    for scale in (1e-4, 1.0, 1e-2, 10.0):
        for param in params:
            param.grad = torch.tensor(draw.normal(size=param.shape) * scale, dtype=dtype)
        optimizer.step()
    state = [tensor for param in params for tensor in optimizer.state[param].values()]
    return [tensor.detach() for tensor in (*params, *state)]


@pytest.fixture
def done(request: Any, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each step was done at once."""
    home, name = request.getfixturevalue("case")[:2]
    at_once, said = getattr(home, name), []
    monkeypatch.setattr(home, name, lambda *args: said.append(at_once(*args)) or said[-1])
    return said


@pytest.mark.parametrize("case", AT_ONCE, ids=["Adam", "amsgrad", "SGD"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_at_once_is_the_rule(case: Any, dtype: torch.dtype, done: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's one operation for all weights, and the operations that it stands for."""
    home, name, make, config = case
    found, turned = _trained(make, config, dtype), _trained(make, config, dtype, turned=True)
    assert done == [True] * 4 + [False] * 4
    monkeypatch.setattr(home, name, lambda *_: False)
    floor = FLOAT64 if dtype == torch.float64 else 1e-7
    for mine, others, expected in zip(found, turned, _trained(make, config, dtype), strict=True):
        assert_close(mine, expected, floor)
        assert_close(others, expected, floor)


@pytest.mark.parametrize("case", AT_ONCE[2:], ids=["SGD"])
@pytest.mark.parametrize(("rate", "config"), [(1e-10, {}), (0.01, {"nesterov": True})])
def test_momentum_by_operations(case: Any, done: list[bool], rate: float, config: dict[str, Any]) -> None:
    """A rate that loses digits beside a 1, and a look ahead, which torch's operation does at another place."""
    made = _trained(case[2], {**case[3], **config}, torch.float64, rate)
    assert not any(done)
    draw = np.random.default_rng(4)
    expected, moments = [array.copy() for array in START], [np.zeros_like(array) for array in START]
    rate, momentum = float(np.float32(rate)), float(np.float32(0.9))
    for scale in (1e-4, 1.0, 1e-2, 10.0):
        for place, array in enumerate(expected):
            grad = draw.normal(size=array.shape) * scale
            moments[place] = momentum * moments[place] - rate * grad
            expected[place] = array + (momentum * moments[place] - rate * grad if config else moments[place])
    for mine, other in zip(made, [*expected, *moments], strict=True):
        assert_close(mine, other, FLOAT64)


def test_hooks_of_steps_run_once() -> None:
    """torch puts them around `step`; here `step` runs them itself, also those registered for all optimizers."""
    net, calls = net_of_two(), []
    optimizer = optimizers.SGD(0.1, params=net)
    hooks = [
        optimizer.register_step_pre_hook(lambda *_: calls.append("before")),
        optimizer.register_step_post_hook(lambda *_: calls.append("behind")),
        register_optimizer_step_post_hook(lambda *_: calls.append("all")),
    ]
    train(net, optimizer, 2)
    assert calls == ["before", "behind", "all"] * 2
    for hook in hooks:
        hook.remove()
    train(net, optimizer, 1)
    assert len(calls) == 6
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        train(net, optimizer, 1)
    assert any(event.key == "Optimizer.step#SGD.step" for event in profile.key_averages())


def test_gradients_are_forgotten() -> None:
    net = net_of_two()
    optimizer = optimizers.SGD(0.1, params=net)
    train(net, optimizer, 1)
    optimizer.zero_grad(set_to_none=False)
    assert all(part.grad is not None and not part.grad.any() for part in net.parameters())
    optimizer.zero_grad()
    assert all(part.grad is None for part in net.parameters())


def test_tensors_of_another_class_are_updated_by_operations() -> None:
    with FakeTensorMode():
        weight = torch.nn.Parameter(torch.zeros(4, 3))
        optimizer = optimizers.Adam(params=[weight])
        weight.square().sum().backward()
        optimizer.step()
    assert weight.shape == (4, 3)
