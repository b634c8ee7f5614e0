"""Which weights an optimizer updates together: that changes the time of a step, and no number."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kerastorch.optimizers import _pieces

from .test_optimizers import ALL


@pytest.mark.parametrize("cls", ALL)
def test_large_weights_are_updated_as_small_ones(monkeypatch: pytest.MonkeyPatch, cls: Any) -> None:
    """One by one, which costs less on a CPU, to the very same numbers."""
    made = []
    for large in (_pieces.LARGE, 6):
        monkeypatch.setattr(_pieces, "LARGE", large)
        torch.manual_seed(0)
        weights = [torch.nn.Parameter(torch.randn(shape)) for shape in ((3, 4), (5,), (2, 3), (7,))]
        optimizer = cls(learning_rate=0.01)
        optimizer.build([(f"weight_{place}", weight) for place, weight in enumerate(weights)])
        for _ in range(3):
            for weight in weights:
                weight.grad = torch.randn_like(weight)
            optimizer.step()
        made.append([weight.detach().clone() for weight in weights])
    assert all(map(torch.equal, *made))


def test_pieces() -> None:
    small, large = torch.zeros(3), torch.zeros(_pieces.LARGE)
    found = list(_pieces.pieces([small, large, small], [small, large, small]))
    assert [len(params) for params, _ in found] == [1, 2]
    assert all(param is grad for params, grads in found for param, grad in zip(params, grads, strict=True))
