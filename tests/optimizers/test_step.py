"""`step` and `zero_grad` as torch calls them, and Adam in one operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import FLOAT64, assert_close
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim.optimizer import register_optimizer_step_post_hook

from kerastorch import optimizers
from kerastorch.optimizers import adam

from ._trained import net_of_two, train


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adam_at_once_is_adam(amsgrad: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's one operation for all weights, and the operations that it stands for."""
    draw = np.random.default_rng(3)
    start = [draw.normal(size=size) for size in ((4, 3), (7,), ())]
    steps = [[draw.normal(size=array.shape) * 10.0**at for array in start] for at in (-4, 0, -2, 1)]

    def trained(turned: bool = False) -> list[Tensor]:
        params = [torch.tensor(array, dtype=dtype).requires_grad_() for array in start]
        if turned:  # whose memory does not lie as its values are read
            params[0] = torch.tensor(start[0].T.copy(), dtype=dtype).T.requires_grad_()
        optimizer = optimizers.Adam(0.01, amsgrad=amsgrad, epsilon=1e-3, params=params)
        for grads in steps:
            for param, grad in zip(params, grads, strict=True):
                param.grad = torch.tensor(grad, dtype=dtype)
            optimizer.step()
        return [param.detach() for param in params]

    def together(*args: Any, **options: Any) -> bool:
        done.append(at_once(*args, **options))
        return done[-1]

    done: list[bool] = []
    at_once = adam.adam_at_once
    monkeypatch.setattr(adam, "adam_at_once", together)
    found, turned = trained(), trained(turned=True)
    assert done == [True] * 4 + [False] * 4
    monkeypatch.setattr(adam, "adam_at_once", lambda *_: False)
    floor = FLOAT64 if dtype == torch.float64 else 1e-7
    for mine, others, expected in zip(found, turned, trained(), strict=True):
        assert_close(mine, expected, floor)
        assert_close(others, expected, floor)


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
