"""Which weights an optimizer updates together: that changes the time of a step, and no number."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kerastorch import optimizers
from kerastorch.optimizers import _pieces

from .test_optimizers import ALL


def _trained(cls: Any, *shapes: tuple[int, ...], **config: Any) -> list[torch.Tensor]:
    """The weights after three steps, and all state."""
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    optimizer = cls(learning_rate=0.01, **config)
    optimizer.build([(f"weight_{place}", weight) for place, weight in enumerate(weights)])
    for _ in range(3):
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        optimizer.step()
    state = [tensor for weight in weights for tensor in optimizer.state[weight].values()]
    assert len(optimizer.state) <= len(weights)  # it is no stretch that has state
    return [tensor.detach().clone() for tensor in (*weights, *state)]


@pytest.mark.parametrize("cls", ALL)
def test_large_weights_are_updated_as_small_ones(monkeypatch: pytest.MonkeyPatch, cls: Any) -> None:
    """One by one, which costs less on a CPU, to the very same numbers."""
    made = []
    for large in (_pieces.LARGE, 6):
        monkeypatch.setattr(_pieces, "LARGE", large)
        made.append(_trained(cls, (3, 4), (5,), (2, 3), (7,)))
    assert all(map(torch.equal, *made))


@pytest.mark.parametrize("cls", ALL)
def test_stretches_are_updated_as_whole_weights(monkeypatch: pytest.MonkeyPatch, cls: Any) -> None:
    """Of rows that do not divide, and of sizes that vector units do not divide: to the very same numbers."""
    monkeypatch.setattr(_pieces, "LARGE", 6)
    made = []
    for stretch in (_pieces.STRETCH, 64):
        monkeypatch.setattr(_pieces, "STRETCH", stretch)
        made.append(_trained(cls, (13, 21), (2, 150), (311,), (5, 3, 7)))
    assert all(map(torch.equal, *made))


@pytest.mark.parametrize("config", [{"momentum": 0.9}, {"momentum": 0.9, "centered": True}])
def test_stretches_of_rmsprop(monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]) -> None:
    made = []
    for large, stretch in ((_pieces.LARGE, _pieces.STRETCH), (6, 8)):
        monkeypatch.setattr(_pieces, "LARGE", large)
        monkeypatch.setattr(_pieces, "STRETCH", stretch)
        made.append(_trained(optimizers.RMSprop, (13, 3), (4, 2), **config))
    assert all(map(torch.equal, *made))


def test_pieces() -> None:
    small, large = torch.zeros(3), torch.zeros(_pieces.LARGE)
    found = list(_pieces.pieces([small, large, small], [small, large, small]))
    assert [len(params) for params, _ in found] == [1, 2]
    assert all(param is grad for params, grads in found for param, grad in zip(params, grads, strict=True))


def test_pieces_of_large_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """A weight is cut along its first axis, for each thread; its memory is what the stretches change."""
    monkeypatch.setattr(_pieces, "LARGE", 8)
    monkeypatch.setattr(_pieces, "STRETCH", 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    weight, grad = torch.arange(20.0).reshape(4, 5).T, torch.randn(5, 4)
    found = list(_pieces.pieces([weight], [grad]))
    assert [len(param) for (param,), _ in found] == [2, 2, 1]
    assert torch.equal(torch.cat([param for (param,), _ in found]), weight)
    assert torch.equal(torch.cat([theirs for _, (theirs,) in found]), grad)
    assert {param.untyped_storage().data_ptr() for (param,), _ in found} == {weight.untyped_storage().data_ptr()}
    ((params, _),) = _pieces.pieces([weight], [grad], cut=False)
    assert params[0] is weight
