from __future__ import annotations

import re

import pytest
import torch

from kerastorch.errors import ArgumentError, ShapeError
from kerastorch.layers import Masking


@pytest.mark.parametrize("value", [0.0, -1.0, 0.1])
def test_mask_and_output(value: float) -> None:
    x = torch.randn(3, 5, 2)
    x[0, 1:3] = value
    x[1] = value
    x[2, 4, 0] = value  # one feature only: the step counts
    layer = Masking(value)
    wanted = torch.ones(3, 5, dtype=torch.bool)
    wanted[0, 1:3] = wanted[1] = False
    assert torch.equal(layer.compute_mask(x), wanted)
    assert torch.equal(layer(x), x * wanted.unsqueeze(-1))
    assert torch.equal(layer.compute_mask(x, torch.zeros(3, 5, dtype=torch.bool)), wanted)  # its own mask only


def test_infinity_is_a_value_like_others() -> None:
    x = torch.tensor([[[1.0, 2.0], [float("inf"), float("inf")]]])
    assert Masking(float("inf"))(x).tolist() == [[[1.0, 2.0], [0.0, 0.0]]]


def test_more_axes_and_gradient() -> None:
    x = torch.randn(2, 3, 4, 5)
    x[1, 2, 3] = 0
    x.requires_grad_()
    layer = Masking()
    assert layer.compute_mask(x).shape == (2, 3, 4)
    layer(x).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, layer.compute_mask(x).unsqueeze(-1).expand_as(x).float())


def test_errors() -> None:
    message = "Masking 'm': expected input of shape (batch, ..., features) with at least 2 axes, got (3,)."
    with pytest.raises(ShapeError, match=re.escape(message)):
        Masking(name="m").build((3,))
    with pytest.raises(ArgumentError, match="mask_value: expected a number"):
        Masking({"class_name": "__tensor__"})
