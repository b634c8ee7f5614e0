"""kt.random: distributions, and what a seed repeats. The numbers are torch's, so Keras is no judge of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from kerastorch import random
from kerastorch.errors import ArgumentError

COUNT = 40_000
# What draws, its mean and its standard deviation.
DRAWS: dict[str, tuple[Any, float, float]] = {
    "normal": (lambda seed: random.normal((COUNT,), 1.5, 0.5, seed=seed), 1.5, 0.5),
    "truncated_normal": (lambda seed: random.truncated_normal((COUNT,), -1.0, 2.0, seed=seed), -1.0, 2 * 0.8796256),
    "uniform": (lambda seed: random.uniform((COUNT,), -1.0, 3.0, seed=seed), 1.0, 4 / math.sqrt(12)),
    "randint": (lambda seed: random.randint((COUNT,), -2, 3, seed=seed), 0.0, math.sqrt(2)),
    "whole uniform": (lambda seed: random.uniform((COUNT,), -2, 3, "int64", seed=seed), 0.0, math.sqrt(2)),
    "gamma": (lambda seed: random.gamma((COUNT,), 2.5, seed=seed), 2.5, math.sqrt(2.5)),
    "beta": (lambda seed: random.beta((COUNT,), 2.0, 3.0, seed=seed), 0.4, 0.2),
    "binomial": (lambda seed: random.binomial((COUNT,), 10.0, 0.3, seed=seed), 3.0, math.sqrt(2.1)),
    "categorical": (
        lambda seed: random.categorical(torch.tensor([[0.1, 0.2, 0.7]]).log(), COUNT, seed=seed)[0],
        1.6,
        math.sqrt(0.44),
    ),
    "dropout": (lambda seed: random.dropout(torch.ones(COUNT), 0.25, seed=seed), 1.0, math.sqrt(1 / 3)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_distributions_and_seeds(name: str) -> None:
    draw, mean, deviation = DRAWS[name]
    drawn = draw(7)
    # Five standard errors; the fourth moment of the widest of them (gamma) is below 5.4 squared variances.
    assert abs(float(drawn.double().mean()) - mean) < 5 * deviation / math.sqrt(COUNT)
    assert abs(float(drawn.double().var()) - deviation**2) < 5 * deviation**2 * math.sqrt(4.4 / COUNT)
    assert torch.equal(draw(7), drawn)
    assert not torch.equal(draw(8), drawn)
    source, same = random.SeedGenerator(7), random.SeedGenerator(7)
    first, second = draw(source), draw(source)
    assert not torch.equal(first, second)
    assert torch.equal(draw(same), first)
    assert torch.equal(draw(same), second)
    random.set_seed(3)
    free = draw(None)
    assert not torch.equal(draw(None), free)
    random.set_seed(3)
    assert torch.equal(draw(None), free)


def test_shapes_and_dtypes() -> None:
    assert random.normal((2, 0, 3)).shape == (2, 0, 3)
    assert random.normal((), dtype="float64").dtype == torch.float64
    assert random.randint((2,), 0, 9).dtype == torch.int32
    assert random.categorical(torch.zeros(2, 3), 4, dtype="int64").dtype == torch.int64
    x = torch.arange(12.0).reshape(4, 3)
    assert torch.equal(random.shuffle(x, seed=1).sort(0).values, x)
    assert torch.equal(random.shuffle(x, axis=1, seed=1).sort(1).values, x)
    rows = random.dropout(torch.ones(50, 7), 0.5, noise_shape=(None, 1), seed=1)
    assert torch.equal(rows, rows[:, :1].expand(50, 7))
    assert 0 < int((rows == 0).sum()) < 350
    assert random.dropout(x, 0.0) is x
    assert torch.equal(random.dropout(x, 1.0), torch.zeros_like(x))
    assert float(random.truncated_normal((COUNT,), 0, 1).abs().max()) <= 2


def test_wrong_arguments() -> None:
    with pytest.raises(ArgumentError, match=r"seed: expected an integer, a SeedGenerator or None, got 'x'\."):
        random.normal((2,), seed="x")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"dtype: expected a dtype of floats, got 'int32'\."):
        random.normal((2,), dtype="int32")
    with pytest.raises(ArgumentError, match=r"rate: expected a fraction between 0 and 1, got 1\.5\."):
        random.dropout(torch.ones(3), 1.5)
