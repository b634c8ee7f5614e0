"""Views that join the batch with time, and part both again: time stays open, before the batch or behind it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from _close import assert_close
from torch import Tensor, nn

import kerastorch as kt
from kerastorch.errors import UnsupportedError

from ._helpers import randomize

FEATURES, UNITS = 4, 6


class Joining(nn.Module):
    def __init__(self, function: Callable[[Any, Tensor], Any], batch_first: bool = False) -> None:
        super().__init__()
        self.rnn = nn.GRU(FEATURES, UNITS, batch_first=batch_first)
        self.fc, self.norm, self.drop = nn.Linear(UNITS, 3), nn.LayerNorm(UNITS), nn.Dropout(0.1)
        self.head = nn.Sequential(nn.Linear(UNITS, 8), nn.ReLU(), nn.LayerNorm(8), nn.Dropout(0.3), nn.Linear(8, 3))
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, self.rnn(x)[0])


def there_and_back(m: Any, o: Tensor) -> Tensor:
    t, b, h = o.shape
    return m.fc(o.contiguous().view(t * b, h)).view(t, b, -1)


def by_free_sizes(m: Any, o: Tensor) -> Tensor:
    return F.log_softmax(m.head(m.drop(o).reshape(-1, o.size(2))), dim=1).view(o.size(0), -1, 3)


def arithmetic(m: Any, o: Tensor) -> Tensor:
    flat = m.norm(o.flatten(0, 1))
    gate = torch.sigmoid(flat[..., :] if False else flat)
    mixed = gate * torch.tanh(flat) + (1 - gate) * flat.abs() + torch.arange(6.0)
    left, right = torch.cat([mixed, mixed * 2], dim=1).chunk(2, dim=-1)
    weights = F.softmax(left - right, -1) / flat.norm(dim=1, keepdim=True)
    return (weights * flat.mean(1, keepdim=True)).unflatten(0, (o.size(0), o.size(1)))


def parts_of_heads(m: Any, o: Tensor) -> Tensor:
    flat = o.reshape(o.size(0) * o.size(1), 2, UNITS // 2).sum(dim=1)
    return flat.view(o.shape[0], o.shape[1], UNITS // 2)


FUNCTIONS: dict[str, Callable[[Any, Tensor], Any]] = {
    "there and back": there_and_back,
    "free sizes": by_free_sizes,
    "arithmetic": arithmetic,
    "heads": parts_of_heads,
    "weights": lambda m, o: (o.reshape(-1, UNITS) @ m.fc.weight.t()).view_as(o[:, :, :3]),
}


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_joined_axes(name: str, batch_first: bool) -> None:
    module = randomize(Joining(FUNCTIONS[name], batch_first))
    axis = 0 if batch_first else 1
    model: Any = kt.from_torch(module, torch.randn(3, 7, FEATURES).movedim(0, axis), batch_axis=axis)
    assert model.input_shape == (None, None, FEATURES)
    for rows, steps in ((2, 11), (5, 3)):
        x = torch.randn(rows, steps, FEATURES)
        with torch.no_grad():
            assert_close(model(x), module(x.movedim(0, axis)).movedim(axis, 0))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_keras_has_the_same_of_joined_axes(name: str, keras_worker: Any, tmp_path: Path) -> None:
    module = randomize(Joining(FUNCTIONS[name]))
    path = str(tmp_path / "model.keras")
    kt.save_model(kt.from_torch(module, torch.randn(7, 3, FEATURES), batch_axis=1), path)  # type: ignore[arg-type]
    x = torch.randn(2, 11, FEATURES)
    (predicted,) = keras_worker.call("keras3", "predictions:predictions", path, [x.numpy()])
    with torch.no_grad():
        assert_close(predicted, module(x.transpose(0, 1)).transpose(0, 1))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda m, o: m.fc(o.view(-1, UNITS)), "the output: it has more rows than the batch"),
        (
            lambda m, o: o.view(-1, UNITS).softmax(0).view_as(o),
            "softmax along an axis that joins the batch with another",
        ),
        (lambda m, o: o.view(-1, UNITS).sum(0), "sum along an axis that joins the batch with another"),
        (lambda m, o: o.view(-1, UNITS).cumsum(-2).view_as(o), "cumsum along an axis that joins the batch"),
        (lambda m, o: o.view(-1, UNITS)[1:], "__getitem__ of a tensor that joins the batch with another axis"),
        (lambda m, o: o.view(-1, UNITS).t(), "t of a tensor that joins the batch with another axis"),
        (lambda m, o: torch.cat([o.view(-1, UNITS)] * 2), "cat along an axis that joins the batch"),
        (lambda m, o: o.view(-1, UNITS) + o.transpose(0, 1).reshape(-1, UNITS), "(a view), and of one that does not"),
        (
            lambda m, o: o.view(-1, UNITS).view(o.size(1), o.size(0), UNITS),
            "of a tensor that joins two axes: part them",
        ),
    ],
)
def test_what_is_refused_of_joined_axes(function: Callable[[Any, Tensor], Any], message: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        kt.from_torch(randomize(Joining(function)), torch.randn(7, 3, FEATURES), batch_axis=1)
