"""One place of each row by its number, and assignment to places."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor, nn

import kerastorch as kt
from kerastorch.errors import UnsupportedError

from ._helpers import of_model, of_module, randomize

FEATURES, UNITS = 4, 5


class Places(nn.Module):
    def __init__(self, function: Callable[[Any, Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.rnn, self.fc, self.function = nn.GRU(FEATURES, UNITS, batch_first=True), nn.Linear(UNITS, 3), function
        self.cell = nn.LSTMCell(FEATURES, UNITS)

    def forward(self, x: Tensor, n: Tensor) -> Any:
        return self.function(self, x, n)


def last(m: Any, x: Tensor, n: Tensor) -> Tensor:
    return m.fc(m.rnn(x)[0][torch.arange(x.size(0)), n - 1])


def by_gather(m: Any, x: Tensor, n: Tensor) -> Tensor:
    o = m.rnn(x)[0]
    return m.fc(o.gather(1, (n - 1).view(-1, 1, 1).expand(-1, 1, o.size(2))).squeeze(1))


OPEN: dict[str, Callable[[Any, Tensor, Tensor], Any]] = {
    "last": last,
    "gather": by_gather,
    "range": lambda m, x, n: m.rnn(x)[0][range(len(x)), n - 1],
    # Three columns: on TensorFlow Keras 3.15 takes (B, 1) for a bias where it adds that to (B, B), with 4 rows here.
    "list of a range": lambda m, x, n: m.rnn(x)[0][list(range(x.size(0))), n - 1, 2:] + x[range(len(x)), 0, :1],
    "len": lambda m, x, n: m.rnn(x)[0][torch.arange(len(x)), n - 1][: len(x)],
    "rows by number": lambda m, x, n: m.rnn(x)[0][torch.arange(len(x)), -1],
    "rows and the last place by its size": lambda m, x, n: m.rnn(x)[0][torch.arange(len(x)), x.size(1) - 1, 2],
    "rows by number, and slices": lambda m, x, n: m.rnn(x)[0][torch.arange(len(x)), 1:, ..., 2],
    "rows in the middle": lambda m, x, n: m.rnn(x)[0].transpose(0, 1)[-1, range(len(x)), 1:3],
    "gather of sizes": lambda m, x, n: m.rnn(x)[0].gather(1, (n - 1)[:, None, None].expand(x.size(0), 1, UNITS))[:, 0],
    "long": lambda m, x, n: m.rnn(x)[0][torch.arange(x.size(0), device=x.device).long(), (n - 1).long(), :],
    "before it": lambda m, x, n: m.rnn(x)[0][torch.arange(x.shape[0]), n - 2],
    "time first": lambda m, x, n: m.rnn(x)[0].transpose(0, 1)[n - 1, torch.arange(x.size(0))],
    "of features": lambda m, x, n: m.rnn(x)[0][torch.arange(x.size(0)), :, n - 1] * 2,
    "of four axes": lambda m, x, n: m.rnn(x)[0].unflatten(2, (1, 5))[torch.arange(x.size(0)), n - 1].flatten(1),
    "some features": lambda m, x, n: m.rnn(x)[0][torch.arange(x.size(0)), n - 1, 1:3],
    "one feature": lambda m, x, n: m.rnn(x)[0][torch.arange(x.size(0)), n - 1, 2] * 2,
    "one of the last axis": lambda m, x, n: m.rnn(x)[0].unflatten(2, (1, 5))[torch.arange(x.size(0)), n - 1, :, 2],
    "places in a list": lambda m, x, n: m.rnn(x)[0][:, [3, 1, 1]],
    "places from the end": lambda m, x, n: m.rnn(x)[0][:, [-1, 0, -2], 1:] * 3,
    "a constant of places": lambda m, x, n: m.rnn(x)[0][..., torch.tensor([4, 0, -2])],
    "a constant that is true or not": lambda m, x, n: m.rnn(x)[0][:, :, torch.arange(UNITS) > 2],
    "places beside a number": lambda m, x, n: m.rnn(x)[0][:, -1, [0, 2]],
    "places behind a new axis": lambda m, x, n: m.rnn(x)[0][:, None, :, [2, 0]].sum(1),
    "the size of a row": lambda m, x, n: m.rnn(x)[0].sum(1) / len(x[0]) + x[0].shape[1] - x[1].size(0),
    "masked": lambda m, x, n: masked(m.rnn(x)[0], torch.arange(x.size(1))[None, :] >= n[:, None], -1.0),
    "masked by a constant": lambda m, x, n: masked(x, x > 0.5, torch.tensor(0.25)),  # type: ignore[arg-type]
    "masked by numbers": lambda m, x, n: masked(m.rnn(x)[0], x[:, :, :1].expand(-1, -1, UNITS) > 0, 0),
}


def masked(x: Tensor, mask: Tensor, value: float) -> Tensor:
    x = x.clone()
    x[mask] = value
    return x


def example(rows: int, steps: int, most: int = 99) -> tuple[Tensor, Tensor]:
    return torch.randn(rows, steps, FEATURES), torch.randint(1, min(steps, most) + 1, (rows,))


def decoded(m: Any, x: Tensor, n: Tensor, like: Callable[..., Tensor] | None = None) -> Tensor:
    """A loop that writes its steps into a tensor, as decoders do."""
    outs = torch.zeros(x.size(0), x.size(1), 3)
    h = c = x.new_zeros(x.size(0), UNITS)
    for t in range(x.size(1)):
        h, c = m.cell(x[:, t], (h, c))
        outs[:, t] = m.fc(h)
    return outs


def time_first(m: Any, x: Tensor, n: Tensor) -> Tensor:
    x = x.transpose(0, 1)
    outs = torch.zeros(x.shape[0], x.shape[1], UNITS)
    h = c = torch.zeros(x.shape[1], UNITS)
    for t, step in enumerate(x.unbind(0)):
        h, c = m.cell(step, (h, c))
        outs[t] = h
    return outs.transpose(0, 1)


def changed(key: Any, value: Any) -> Callable[[Any, Tensor, Tensor], Tensor]:
    def function(m: Any, x: Tensor, n: Tensor) -> Tensor:
        o = m.rnn(x)[0].clone()
        o[key] = value(o) if callable(value) else value
        return o * 2

    return function


every = slice(None)


def twice(m: Any, x: Tensor, n: Tensor) -> Tensor:
    o = m.rnn(x)[0].clone()
    o[:, 2] = o[:, 1] * 2
    o[:, 1:3] += o[:, 3:5]
    o[..., 0] = 1
    o[:, 2] = o[:, 1] + o[:, 2]
    return o


def shifted(m: Any, x: Tensor, n: Tensor) -> Tensor:
    """One step later, as the decoder of a language model has its words."""
    later = torch.zeros_like(x)
    later[:, 1:] = x[:, :-1]
    later[:, 0] = 0.5
    return m.rnn(later)[0]


def ends(m: Any, x: Tensor, n: Tensor) -> Tensor:
    o = m.rnn(x)[0].clone()
    o[:, -1] = 0.5
    o[:, :2] = o[:, 2:4]
    o[:, x.size(1) - 2] = o[:, 0]
    o[:, 1 : x.size(1)] *= 2
    o[:, 0, 2] = 7.0
    o[:, -2:, 1:3] = o[:, :2, 2:4]
    o[:, :] += 1
    return o


# Places that are counted from the ends of an axis that stays open.
ASSIGNED: dict[str, Callable[[Any, Tensor, Tensor], Any]] = {
    "shifted": shifted,
    "ends": ends,
    "a row of places": changed((every, torch.arange(1, 4)), lambda o: o[:, [0, 1, -1]] * 2),
    "features in a list": changed((..., [3, 0]), lambda o: o[..., [1, 2]] + 1),
    "features and steps": changed((every, slice(1, 3), [-1, 2]), 0.25),
}
FIXED: dict[str, Callable[[Any, Tensor, Tensor], Any]] = {
    "decoder": decoded,
    "time first": time_first,
    "first step": changed((every, 0), 0.5),
    "last step": changed((every, -1), lambda o: o[:, 0] + 1),
    "steps": changed((every, slice(1, 4)), lambda o: o[:, 3:6] + 1),
    "every other step": changed((every, slice(None, None, 2)), 3),
    "steps in a list": changed((every, [4, 0, -1]), lambda o: o[:, 1:4] * 2),
    "a constant of steps": changed((every, torch.arange(0, 7, 2)), 0.5),
    "steps that are true": changed((every, torch.tensor([True, False] * 3 + [True])), lambda o: o[:, :4] * 2),
    "a list of steps and a feature": changed((every, [2, 0], 1), lambda o: o[:, 3:5, 2] + 1),
    "a row for all": changed((every, slice(2, 5)), lambda o: o[:, :1]),
    "a constant for each": changed((every, slice(0, 3)), lambda o: torch.arange(15.0).view(3, 5)),
    "features": changed((..., 2), lambda o: o[..., 0]),
    "features by two keys": changed((every, every, slice(1, 3)), lambda o: o[..., 3:]),
    "several times": twice,
}


@pytest.mark.parametrize("name", OPEN | ASSIGNED)
def test_places_by_number(name: str) -> None:
    module = randomize(Places((OPEN | ASSIGNED)[name]))
    model: Any = kt.from_torch(module, example(3, 7, UNITS))
    assert model.input_shape == [(None, None, FEATURES), (None,)]
    for rows, steps in ((4, 12), (2, 5)):
        x, n = example(rows, steps, UNITS)
        with torch.no_grad():
            assert_close(of_model(model, (x, n)), of_module(module, (x, n)))


@pytest.mark.parametrize("name", FIXED)
def test_assigned_places(name: str) -> None:
    module = randomize(Places(FIXED[name]))
    model: Any = kt.from_torch(module, example(3, 7))
    for rows in (4, 1):
        x, n = example(rows, 7)
        with torch.no_grad():
            assert_close(of_model(model, (x, n)), of_module(module, (x, n)))


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x, n: m.rnn(x)[0][range(len(x)), n - 1] * len(range(len(x))),
        lambda m, x, n: m.rnn(x)[0][[0, 1, 2], n - 1],
        lambda m, x, n: m.rnn(x)[0][range(x.size(0) - 1), 0],
        lambda m, x, n: m.rnn(x)[0][[0, 1, 2]],
        lambda m, x, n: m.rnn(x)[0][0],
        lambda m, x, n: m.rnn(x)[0] + x[0].mean(),
        lambda m, x, n: m.rnn(x)[0][[2, 1, 0], 0] + 0 * int(x.size(0)),
    ],
)
def test_rows_that_only_the_example_has(function: Any) -> None:
    with pytest.raises(
        UnsupportedError,
        match=r"read as a plain number|with a tensor or a list, in another way|along the batch axis|rows of the batch",
    ):
        kt.from_torch(Places(function), example(3, 7, UNITS))


def test_a_loop_that_assigns_is_joined_once() -> None:
    model: Any = kt.from_torch(randomize(Places(decoded)), example(3, 7))
    assert sum(layer._class_name == "Concatenate" for layer in model.layers) == 1


@pytest.mark.parametrize(
    "name",
    [
        *("last", "gather", "time first", "of features", "masked", "decoder", "steps", "several times", "ends"),
        *("list of a range", "rows by number, and slices", "places from the end", "a constant of places"),
        *("features and steps", "steps in a list"),
    ],
)
def test_keras_has_the_same_places(name: str, keras_worker: Any, tmp_path: Path) -> None:
    module = randomize(Places((FIXED | OPEN | ASSIGNED)[name]))
    path = str(tmp_path / "model.keras")
    kt.save_model(kt.from_torch(module, example(3, 7, UNITS)), path)  # type: ignore[arg-type]
    x, n = example(4, 7, UNITS)
    predicted = keras_worker.call("keras3", "predictions:predictions", path, [x.numpy(), n.numpy()])
    with torch.no_grad():
        assert_close(predicted, of_module(module, (x, n)))
