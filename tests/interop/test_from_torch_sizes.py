"""Sizes on which Python decides: the model is right for other sizes too, or has the example's, or is refused."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from _close import KERAS, assert_close
from torch import Tensor, nn

import kerastorch as kt
from kerastorch.errors import UnsupportedError
from kerastorch.interop._size import BATCH, Ratio, Size, evaluated, per_batch, plain, product, same, symbol

from ._helpers import of_model, of_module, randomize

FEATURES = 4


class Read(nn.Module):
    """A GRU over the steps, and a function of its outputs and the input."""

    def __init__(self, function: Callable[[Any, Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.rnn, self.fc = nn.GRU(FEATURES, 5, batch_first=True), nn.Linear(5, 3)
        self.register_buffer("table", torch.randn(1, 40, 5))
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x, self.rnn(x)[0])


def cut(x: Tensor, most: int) -> Tensor:
    if x.size(1) > most:
        x = x[:, :most]
    return x


def guarded(x: Tensor, o: Tensor) -> Tensor:
    assert x.size(1) <= 5000, "too long"
    if x.size(0) == 0 or x.dim() != 3:
        raise ValueError("empty")
    return o * 2


def assigned(m: Any, x: Tensor, o: Tensor) -> Tensor:
    outs = torch.zeros_like(o)
    for t in range(x.size(1)):
        outs[:, t] = o[:, t] * (t + 1)
    return outs


# What Python decides on: time then has the example's size.
FIXED: dict[str, Callable[[Any, Tensor, Tensor], Any]] = {
    "middle": lambda m, x, o: m.fc(o[:, x.size(1) // 2]),
    "quarter": lambda m, x, o: m.fc(o[:, x.shape[1] // 4]),
    "half slice": lambda m, x, o: o[:, : x.size(1) // 2].mean(1),
    "from the middle": lambda m, x, o: o[:, x.size(1) // 2 :].mean(1),
    "step of a slice": lambda m, x, o: o[:, :: max(x.size(1) // 3, 1)].sum(1),
    "comparison": lambda m, x, o: cut(o, 10).mean(1),
    "comparison near": lambda m, x, o: cut(o, 8)[:, -1],
    "pool size": lambda m, x, o: F.max_pool1d(o.transpose(1, 2), x.size(1) // 2).flatten(1)[:, :5],
    "arange with a step": lambda m, x, o: o[:, 0] * float(len(range(0, x.size(1), 2))),
    "int": lambda m, x, o: o[:, int(x.size(1) * 0.75)],
    "float": lambda m, x, o: o[:, -1] * math.sqrt(x.size(1)),
    "round": lambda m, x, o: o[:, round(x.size(1) / 3)],
    "ceil": lambda m, x, o: o[:, math.ceil(x.size(1) / 3)],
    "floor": lambda m, x, o: o[:, math.floor(x.size(1) / 2.5)],
    "range": lambda m, x, o: sum(o[:, t] * (t + 1) for t in range(x.size(1))),
    "assigned steps": assigned,
    "min": lambda m, x, o: o[:, min(x.size(1), 9) - 1],
    "max": lambda m, x, o: o[:, -1] * max(x.size(1), 9),
    "modulo": lambda m, x, o: o[:, x.size(1) % 5],
    "divmod": lambda m, x, o: o[:, divmod(x.size(1), 3)[0]],
    "list": lambda m, x, o: o[:, -1] * len([0] * x.size(1)),
    "truth": lambda m, x, o: o[:, 0] if x.size(1) - 8 else o[:, 1],
    "equal": lambda m, x, o: o[:, 0] if x.size(1) == 8 else o[:, 1],
    "of the outputs": lambda m, x, o: o[:, len(o.transpose(0, 1)) // 2],
    "nbytes of a shape": lambda m, x, o: o[:, -1] * float(np.prod(o.shape[1:])),
    "window": lambda m, x, o: o.unfold(1, x.size(1) // 4, 1)[:, -1, :, 0] if False else o[:, x.size(1) // 4 - 1],
    "narrow": lambda m, x, o: o.narrow(1, x.size(1) // 2, 2).sum(1),
    "split": lambda m, x, o: o.split(x.size(1) // 2, 1)[0].sum(1),
    "chunk": lambda m, x, o: o.chunk(2, 1)[0].sum(1),
    "topk": lambda m, x, o: o.topk(x.size(1) // 2, 1)[0].mean(1),
    "roll": lambda m, x, o: o.roll(x.size(1) // 2, 1)[:, 0],
    "dictionary": lambda m, x, o: o[:, {8: 1}.get(x.size(1), 2)],
    "bits": lambda m, x, o: o[:, x.size(1) >> 2],
    "text": lambda m, x, o: o[:, int(f"{int(x.size(1))}") // 2],
    "linspace": lambda m, x, o: o * torch.linspace(0, 1, x.size(1))[None, :, None],
}
# These depend on the number of rows too, which no model knows.
OF_ROWS: dict[str, tuple[Callable[[Any, Tensor, Tensor], Any], str]] = {
    "numel": (lambda m, x, o: o[:, -1] * float(x[:, :, 0].numel() > 99), r"where it is compared, \d+ > 99"),
    "numel of a row": (lambda m, x, o: o[:, -1] * x[:, :, 0].numel(), "a number that depends on the batch size"),
}
# What a model can say for every number of steps.
OPEN: dict[str, Callable[[Any, Tensor, Tensor], Any]] = {
    "last by size": lambda m, x, o: m.fc(o[:, x.size(1) - 1]),
    "last by length": lambda m, x, o: o[:, len(o.transpose(0, 1)) - 1] / len(x.transpose(0, 1)),
    "without the last": lambda m, x, o: o[:, : x.size(1) - 1].sum(1) + o[:, x.size(1) - 3 :].sum(1),
    "mean by hand": lambda m, x, o: o.sum(1) / x.size(1),
    "scaled": lambda m, x, o: o[:, -1] * x.size(1) ** -0.5 + o[:, 0] / (x.size(1) + 1) + x.size(1) / 7,
    "repeated": lambda m, x, o: o[:, -1].unsqueeze(1).repeat(1, x.size(1), 1) + o,
    "expanded": lambda m, x, o: torch.cat([o, o[:, :1].expand(-1, x.size(1), -1)], -1),
    "constants expanded": lambda m, x, o: (
        o * torch.arange(5.0).expand(x.size(1), -1) + torch.tensor([[2.0]]).repeat(x.size(1), 5)
    ),
    "positions": lambda m, x, o: o + torch.arange(x.size(1))[None, :, None],
    "positions from one": lambda m, x, o: o * torch.arange(1, x.size(1) + 1, dtype=o.dtype).view(1, -1, 1),
    "positions to the end": lambda m, x, o: o * torch.arange(x.size(1) - 1, -1, -1)[None, :, None],
    "positions from a size": lambda m, x, o: o + torch.arange(x.size(1), 2 * x.size(1)).to(o)[:, None],
    "spread": lambda m, x, o: (o - o.mean(1, keepdim=True)) / (o.std(1, keepdim=True) + o.var((1, 2), keepdim=True)),
    "attention to the past": lambda m, x, o: F.scaled_dot_product_attention(o, o, o, is_causal=True),
    "table": lambda m, x, o: o + m.table[:, : x.size(1)],
    "causal": lambda m, x, o: (
        (o @ o.mT).masked_fill(torch.ones(x.size(1), x.size(1)).triu(1).bool(), float("-inf")).softmax(-1) @ o
    ),
    "causal of full": lambda m, x, o: (
        (o @ o.mT + torch.triu(torch.full((x.size(1), x.size(1)), float("-inf")), diagonal=1)).softmax(-1) @ o
    ),
    "causal of tril": lambda m, x, o: (
        (o @ o.mT).masked_fill(torch.tril(torch.ones(x.size(1), x.size(1))) == 0, -1e9).softmax(-1) @ o
    ),
    "identity": lambda m, x, o: (o @ o.mT * torch.eye(x.size(1))) @ o,
    "zeros": lambda m, x, o: torch.cat([o, torch.zeros(x.size(0), x.size(1), 2)], -1),
    "zeros of fewer": lambda m, x, o: torch.cat([o[:, 1:], x.new_ones(x.size(0), x.size(1) - 1, 2)], -1),
    "assertions": lambda m, x, o: guarded(x, o),
    "what is always so": lambda m, x, o: o if x.size(1) > 0 and o.size(1) == x.size(1) else x,
    "view": lambda m, x, o: o.reshape(x.size(0), x.size(1) * 5)[:, -5:],
}


@pytest.mark.parametrize("size", [8, 7])
@pytest.mark.parametrize("name", FIXED)
def test_a_size_on_which_python_decides_is_fixed(name: str, size: int) -> None:
    module = randomize(Read(FIXED[name]))
    model: Any = kt.from_torch(module, torch.randn(3, size, FEATURES))
    assert model.input_shape == (None, size, FEATURES)
    other = torch.randn(5, size, FEATURES)
    with torch.no_grad():
        assert_close(of_model(model, other), of_module(module, other))


@pytest.mark.parametrize("size", [8, 7])
@pytest.mark.parametrize("name", OF_ROWS)
def test_a_size_that_is_of_rows_too_is_refused(name: str, size: int) -> None:
    function, message = OF_ROWS[name]
    with pytest.raises(UnsupportedError, match=message):
        kt.from_torch(randomize(Read(function)), torch.randn(3, size, FEATURES))


@pytest.mark.parametrize("name", FIXED)
def test_the_reason_is_said_where_time_was_to_be_open(name: str) -> None:
    if name in ("split", "chunk", "linspace"):
        message = "not known|it is not among the functions|as long as"
    else:
        message = "it is compared|it is read as a plain number|must be one of|does not know"
    with pytest.raises(UnsupportedError, match=message) as caught:
        kt.from_torch(randomize(Read(FIXED[name])), torch.randn(3, 8, FEATURES), dynamic_axes=[1])
    assert "test_from_torch_sizes.py" in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", OPEN)
def test_what_holds_for_every_size_stays_open(name: str, dtype: torch.dtype) -> None:
    module = randomize(Read(OPEN[name])).to(dtype)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        model: Any = kt.from_torch(module, torch.randn(3, 8, FEATURES))
        assert model.input_shape == (None, None, FEATURES)
        with torch.no_grad():
            for size in (8, 3, 20):
                other = torch.randn(2, size, FEATURES)
                assert_close(of_model(model, other), of_module(module, other))
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("size", [4, 17])
@pytest.mark.parametrize("name", OPEN)
def test_keras_has_the_same_open_sizes(name: str, size: int, keras_worker: Any, tmp_path: Path) -> None:
    module = randomize(Read(OPEN[name]))
    path = str(tmp_path / "model.keras")
    kt.save_model(kt.from_torch(module, torch.randn(3, 8, FEATURES)), path)  # type: ignore[arg-type]
    other = torch.randn(2, size, FEATURES)
    predicted = keras_worker.call("keras3", "predictions:predictions", path, [other.numpy()])
    with torch.no_grad():
        assert_close(predicted, of_module(module, other), KERAS)


ROWS: dict[str, tuple[Callable[[Any, Tensor, Tensor], Any], str]] = {
    "many rows": (lambda m, x, o: o[:, 0] if x.size(0) > 4 else o[:, 1], r"x.size\(0\) > 4|is compared, 3 > 4"),
    "one row": (lambda m, x, o: o[:, 0] if x.size(0) == 1 else o[:, 1], "is compared, 3 == 1"),
    "far": (lambda m, x, o: o[:, 0] if x.size(0) >= 500 else o[:, 1], "is compared, 3 >= 500"),
    "number": (lambda m, x, o: o[:, 0] * float(x.size(0) / 3), "the batch size: it is read as a plain number"),
    "number among tensors": (lambda m, x, o: o[:, 0] / x.size(0), "a number that depends on the batch size"),
    "length": (lambda m, x, o: o[:, 0] * len(x), "the batch size: it is read as a plain number"),
    "loop": (lambda m, x, o: o[:, len(list(range(x.size(0))))], "the batch size: it is read as a plain number"),
    "index": (lambda m, x, o: o[:, x.size(0)], "the batch size: it is read as a plain number"),
    "half": (lambda m, x, o: o[:, x.size(0) // 2], "the batch size: it is read as a plain number"),
    "zeros": (lambda m, x, o: o[:, 0] + torch.zeros(x.size(0) - 2, 5), "one of them must be the batch size"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_batch_size_on_which_python_decides_is_refused(name: str) -> None:
    function, message = ROWS[name]
    with pytest.raises(UnsupportedError, match=message):
        kt.from_torch(randomize(Read(function)), torch.randn(3, 8, FEATURES))


def test_inputs_of_one_size_in_the_example_need_not_have_one_size() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.GRU(FEATURES, 5, batch_first=True), nn.GRU(FEATURES, 5, batch_first=True)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            memory, out = self.a(a)[0], self.b(b)[0]
            weights = out @ memory.mT / a.size(1) + torch.arange(b.size(1))[None, :, None]
            return torch.cat([weights @ memory, out[:, :1].expand(-1, b.size(1), -1)], -1)

    module = randomize(Two())
    model: Any = kt.from_torch(module, (torch.randn(3, 7, FEATURES), torch.randn(3, 7, FEATURES)))
    assert [tensor.shape for tensor in model.inputs] == [(None, None, FEATURES)] * 2
    other = (torch.randn(2, 5, FEATURES), torch.randn(2, 9, FEATURES))
    with torch.no_grad():
        assert_close(of_model(model, other), of_module(module, other))


class Masked(nn.Module):
    """A mean over the steps that a mask of numbers counts."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.GRU(FEATURES, 5, batch_first=True), nn.Linear(5 + 2, 3)

    def forward(self, x: Tensor, mask: Tensor, extra: Tensor) -> Tensor:
        mean = (self.rnn(x)[0] * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        return self.out(torch.cat([mean, extra], -1))


def test_a_mask_of_numbers_has_as_many_steps_as_the_input() -> None:
    def example(rows: int, size: int) -> tuple[Tensor, ...]:
        return torch.randn(rows, size, FEATURES), (torch.rand(rows, size) + 0.5).round(), torch.randn(rows, 2)

    module = randomize(Masked())
    model: Any = kt.from_torch(module, example(3, 7))
    assert [tensor.shape for tensor in model.inputs] == [(None, None, FEATURES), (None, None), (None, 2)]
    with torch.no_grad():
        for size in (4, 7, 19):
            other = example(2, size)
            assert_close(of_model(model, other), of_module(module, other))


def test_why_an_axis_is_fixed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="kerastorch"):
        kt.from_torch(randomize(Read(FIXED["middle"])), torch.randn(3, 8, FEATURES))
    assert "from_torch: axis 1 of x cannot be left open: " in caplog.text
    assert "it is read as a plain number" in caplog.text
    assert "o[:, x.size(1) // 2]" in caplog.text


def test_sizes_are_numbers_and_keep_what_is_known_of_them() -> None:
    rows, steps = symbol(BATCH, 3), symbol("T", 8)
    for made, value in [
        (rows * steps, 24), (2 * steps + 1 - rows, 14), ((rows * steps * 5) // steps, 15), (steps // 3, 2),
        (steps % 3, 2), (17 // steps, 2), (17 % steps, 1), (-steps, -8), (steps**2, 64), (steps + 1, 9),
    ]:  # fmt: skip
        assert isinstance(made, Size)
        assert plain(made) == value == evaluated(made, {BATCH: 3, "T": 8})
    assert evaluated(steps // 3 + rows, {BATCH: 5, "T": 20}) == 11
    assert same((rows * steps) // rows, steps)
    assert not same(steps + 1, steps)
    assert type(steps - steps) is int
    assert type((steps * 6) // steps) is int
    assert same(per_batch(rows * steps, 3), steps)
    assert per_batch(steps, 3) is None
    assert same(product([rows, 2, steps]), 2 * rows * steps)
    ratio = 1 / (steps / 4 + 2.0) ** 0.5 - 3
    assert isinstance(ratio, Ratio)
    assert_close(plain(ratio), 1 / 2 - 3)
    assert_close(evaluated(ratio, {"T": 28}), 1 / 3 - 3)
