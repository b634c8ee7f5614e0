"""Constraints of layers, without Keras: what they project, and when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor, nn

from kerastorch import Sequential, constraints, layers
from kerastorch.errors import ArgumentError, NotBuiltError

B, T, F, U = 3, 5, 4, 4


def constrained_gru() -> Any:
    layer = layers.GRU(
        U, kernel_constraint=constraints.MaxNorm(0.5), recurrent_constraint="non_neg", bias_constraint="unit_norm"
    )
    layer.build((None, T, F))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=array.shape) for array in layer.get_weights()])
    return layer


def test_constraints_act_in_keras_layout() -> None:
    layer = constrained_gru()
    kernel, recurrent, bias = (torch.tensor(array) for array in layer.get_weights())
    layer.apply_constraints()
    for after, expected in zip(
        layer.get_weights(),
        (constraints.MaxNorm(0.5)(kernel), recurrent.clamp(min=0), constraints.UnitNorm()(bias)),
        strict=True,
    ):
        assert_close(after, expected.numpy())
    in_torch_layout = constraints.MaxNorm(0.5)(kernel.T).T
    assert np.abs(layer.get_weights()[0] - in_torch_layout.numpy()).max() > 0.01
    assert layer.weight_ih_l0.requires_grad
    assert layer.weight_ih_l0.grad_fn is None


def test_a_frozen_weight_is_not_projected() -> None:
    layer = constrained_gru()
    before = layer.get_weights()
    layer.weight_hh_l0.requires_grad_(False)
    layer.apply_constraints()
    np.testing.assert_array_equal(layer.get_weights()[1], before[1])
    layer.trainable = False
    after = layer.get_weights()
    layer.apply_constraints()
    for a, b in zip(after, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Net(nn.Module):
    """A plain torch module around our layers."""

    def __init__(self) -> None:
        super().__init__()
        self.read = layers.Dense(3, kernel_constraint="non_neg")
        self.write = layers.Dense(2, kernel_constraint="non_neg")
        self.read.build((None, F))
        self.write.build((None, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.write(self.read(x))


def smallest(layer: Any) -> float:
    return layer.weight.min().item()


def test_attach_projects_what_the_optimizer_has_updated() -> None:
    net = Net()
    optimizer = torch.optim.Adam(net.read.parameters(), lr=0.01)
    handle = constraints.attach(optimizer, net)
    optimizer.step()  # no gradient: nothing was updated
    assert smallest(net.read) < 0
    net(torch.randn(B, F)).sum().backward()
    optimizer.step()
    assert smallest(net.read) >= 0
    assert smallest(net.write) < 0  # belongs to another optimizer
    optimizer.add_param_group({"params": list(net.write.parameters())})
    optimizer.step()
    assert smallest(net.write) >= 0
    handle.remove()
    with torch.no_grad():
        net.read.weight.neg_()
    optimizer.step()
    assert smallest(net.read) < 0


def test_attach_follows_a_model_to_another_dtype() -> None:
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    constraints.attach(optimizer, net)
    net.double()
    net(torch.randn(B, F, dtype=torch.float64)).sum().backward()
    optimizer.step()
    assert smallest(net.read) >= 0


def test_attach_refuses_a_foreign_optimizer() -> None:
    net = Net()
    other = torch.optim.SGD(Net().parameters(), lr=0.1)
    with pytest.raises(ArgumentError, match=r"holds none of the 2 constrained weights of Net; make it from this model"):
        constraints.attach(other, net)
    constraints.attach(other, nn.Linear(2, 2))  # without constraints there is nothing to do
    with pytest.raises(NotBuiltError, match="is not built"):
        constraints.attach(other, layers.Dense(2, kernel_constraint="non_neg"))


def test_apply_constraints_needs_weights() -> None:
    with pytest.raises(NotBuiltError, match="is not built"):
        Sequential([layers.Dense(2, kernel_constraint="non_neg")]).apply_constraints()
