"""What the step engine keeps for the backward pass, in bytes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _recurrences import GATES, B, Problem, U
from torch import Tensor

from kerastorch.kernels import step_engine
from kerastorch.kernels.equations import GRU, LSTM, GRUResetBefore, SimpleRNN


def kept_bytes(problem: Problem) -> int:
    """The bytes that autograd keeps for the engine, each array counted once, the weights not."""
    storages: dict[int, int] = {}
    tensors = [tensor.detach().requires_grad_() for tensor in problem.tensors]

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = problem.run(step_engine.run, *tensors)
    for tensor in (*tensors[1 : problem.weights], problem.unit):
        storages.pop(tensor.untyped_storage().data_ptr(), None)
    assert outputs[0].requires_grad
    return sum(storages.values())


@pytest.mark.parametrize(
    ("equations", "activation", "elements"),
    [
        (LSTM, "relu", lambda steps: steps * B * 4 * U + 2 * (steps + 1) * B * U),
        (LSTM, "silu", lambda steps: steps * B * 4 * U + 2 * (steps + 1) * B * U),
        (GRU, "relu", lambda steps: steps * B * 3 * U + (steps + 1) * B * U + steps * B * U),
        (GRUResetBefore, "relu", lambda steps: steps * B * 3 * U + (steps + 1) * B * U),
        (SimpleRNN, "elu", lambda steps: (steps + 1) * B * U),
        (SimpleRNN, "silu", lambda steps: steps * B * U + (steps + 1) * B * U),
    ],
)
def test_what_is_kept_for_the_backward_pass(equations: Any, activation: str, elements: Any) -> None:
    def given(steps: int) -> int:  # the inputs, and the initial states
        return steps * B * GATES[equations] * U + (2 if equations is LSTM else 1) * B * U

    for steps in (4, 40):
        assert kept_bytes(Problem(equations, activation, steps=steps)) == 8 * (elements(steps) + given(steps))
    gates = GATES[equations]
    drop = kept_bytes(Problem(equations, activation, drop="each gate")) - 8 * (elements(4) + given(4))
    assert drop == 8 * gates * B * U
