"""Dropout while training: the numbers are random, so the distributions are compared, ours with live Keras's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from _keras_worker import KerasWorker

from ._cases import RECURRENT
from ._compare import FEATURES, Case, flat, make_layer

ROWS = 4000
Sample = np.ndarray


def ours(name: str, config: dict[str, Any], x: np.ndarray, weights: list[np.ndarray]) -> tuple[Any, list[Sample]]:
    layer = make_layer(name, config, str(x.dtype))
    layer.build((None, *x.shape[1:]))
    layer.set_weights(weights)
    layer.train()
    return layer, [y.detach().numpy() for y in flat(layer(torch.tensor(x)))]


def check_dropped(y: Sample, rate: float, constant_over: tuple[int, ...]) -> None:
    """`y` came from ones: kept values are scaled, the right share is dropped, along the stated axes together."""
    kept = y[y != 0]
    assert_close(kept, np.full(kept.shape, 1 / (1 - rate)))
    for axis in constant_over:
        assert np.all(y == y.take([0], axis=axis))
    free = y[tuple(slice(0, 1) if axis in constant_over else slice(None) for axis in range(y.ndim))]
    assert abs(np.mean(free == 0) - rate) < 5 * np.sqrt(rate * (1 - rate) / free.size)
    for axis in range(y.ndim):
        if axis not in constant_over:  # along the other axes each draw is its own
            assert np.any(free != np.roll(free, 1, axis=axis))


DROPPED = [
    ("Dropout", {"rate": 0.3}, ()),
    ("Dropout", {"rate": 0.75}, ()),
    ("Dropout", {"rate": 0.3, "noise_shape": (ROWS, 1, FEATURES)}, (1,)),
    ("Dropout", {"rate": 0.3, "noise_shape": (None, 1, None)}, (1,)),
    ("SpatialDropout1D", {"rate": 0.4}, (1,)),
]


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize(("name", "config", "constant_over"), DROPPED)
def test_dropout_layers(
    keras_worker: KerasWorker, name: str, config: dict[str, Any], constant_over: tuple[int, ...], framework: str
) -> None:
    x = np.ones((ROWS, 5, FEATURES), "float32")
    theirs = keras_worker.call(framework, "layers:dropout_sample", name, config, x)["outputs"][0]
    check_dropped(theirs, config["rate"], constant_over)
    layer, (y,) = ours(name, config, x, [])
    check_dropped(y, config["rate"], constant_over)
    again = layer(torch.tensor(x)).numpy()
    assert np.any(y != again)
    np.testing.assert_array_equal(layer.eval()(torch.tensor(x)).numpy(), x)


def test_the_gradient_passes_where_values_passed() -> None:
    layer = make_layer("Dropout", {"rate": 0.5}, "float32")
    x = torch.ones(50, 4, requires_grad=True)
    y = layer.train()(x)
    y.sum().backward()
    assert x.grad is not None
    assert_close(x.grad, y.detach())


def moments(y: Sample) -> tuple[Sample, Sample]:
    flat_rows = y.reshape(len(y), -1).astype("float64")
    return flat_rows.mean(0), np.cov(flat_rows.T)


def same_distribution(a: Sample, b: Sample) -> str | None:
    """Compare means, all covariances (over time and units), and the distribution of each value; None if they agree.

    The bounds are five standard errors of a difference, and for Kolmogorov-Smirnov the level 1e-6.
    """
    (mean_a, cov_a), (mean_b, cov_b) = moments(a), moments(b)
    spread = np.sqrt(np.diag(cov_a) + np.diag(cov_b)) / np.sqrt(len(a)) + 1e-6
    if np.any(np.abs(mean_a - mean_b) > 5 * spread):
        return f"means differ by {np.max(np.abs(mean_a - mean_b) / spread):.1f} standard errors"
    pair = (a - a.mean(0)).reshape(len(a), -1), (b - b.mean(0)).reshape(len(b), -1)
    errors = sum(np.einsum("ni,nj->ij", p**2, p**2) / len(p) - np.cov(p.T) ** 2 for p in pair)
    bound = 5 * np.sqrt(np.maximum(errors, 0) / len(a)) + 1e-6
    if np.any(np.abs(cov_a - cov_b) > bound):
        return f"covariances differ by {5 * np.max(np.abs(cov_a - cov_b) / bound):.1f} standard errors"
    for index in range(mean_a.size):
        # float32 results of equal draws may differ in the last bits, which would split a tie
        one, two = (np.sort(np.round(y.reshape(len(y), -1)[:, index], 4)) for y in (a, b))
        points = np.union1d(one, two)
        gap = np.abs(
            np.searchsorted(one, points, "right") / one.size - np.searchsorted(two, points, "right") / two.size
        )
        if gap.max() > 2.7 * np.sqrt(2 / len(a)):
            return f"value {index}: Kolmogorov-Smirnov distance {gap.max():.3f}"
    return None


RATES = {
    "dropout": {"dropout": 0.4},
    "recurrent": {"recurrent_dropout": 0.4},
    "both": {"dropout": 0.3, "recurrent_dropout": 0.5},
}
SHAPE = (3, FEATURES)
# Unrolled, tf-keras runs the cell, as every other Keras does: see the last test.
UNROLLED = {"return_sequences": True, "unroll": True}


def one_row(rng: np.random.Generator) -> np.ndarray:
    """The same row ROWS times: only the dropout makes the outputs differ."""
    return np.repeat(rng.normal(size=(1, *SHAPE)).astype("float32"), ROWS, axis=0)


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("rates", RATES.values(), ids=RATES.keys())
@pytest.mark.parametrize("base", RECURRENT, ids=str)
def test_recurrent(
    keras_worker: KerasWorker, base: Case, rates: dict[str, float], framework: str, rng: np.random.Generator
) -> None:
    x, config = one_row(rng), {**base.config, **rates, **UNROLLED}
    reference = keras_worker.call(framework, "layers:dropout_sample", base.layer, config, x)
    _, (y,) = ours(base.layer, config, x, reference["weights"])
    assert (problem := same_distribution(reference["outputs"][0], y)) is None, problem
    other = {**config, **{key: rate + 0.15 for key, rate in rates.items()}}
    _, (wrong,) = ours(base.layer, other, x, reference["weights"])
    assert same_distribution(reference["outputs"][0], wrong), "another rate goes unseen: the test proves nothing"


@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("base", [case for case in RECURRENT if case.layer != "SimpleRNN"], ids=str)
def test_implementation(keras_worker: KerasWorker, base: Case, implementation: int, rng: np.random.Generator) -> None:
    x = one_row(rng)
    config = {**base.config, **UNROLLED, "dropout": 0.4, "implementation": implementation}
    reference = keras_worker.call("keras2", "layers:dropout_sample", base.layer, config, x)
    _, (y,) = ours(base.layer, config, x, reference["weights"])
    assert (problem := same_distribution(reference["outputs"][0], y)) is None, problem
    _, (other,) = ours(base.layer, {**config, "implementation": 3 - implementation}, x, reference["weights"])
    assert same_distribution(reference["outputs"][0], other), "the other implementation goes unseen"


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_bidirectional(keras_worker: KerasWorker, framework: str, rng: np.random.Generator) -> None:
    x = one_row(rng)
    inner = {"units": 3, "dropout": 0.4, **UNROLLED}
    config = {"layer": {"class_name": "LSTM", "config": inner}}
    reference = keras_worker.call(framework, "layers:dropout_sample", "Bidirectional", config, x)
    _, (y,) = ours("Bidirectional", config, x, reference["weights"])
    assert (problem := same_distribution(reference["outputs"][0], y)) is None, problem


@pytest.mark.parametrize("base", [case for case in RECURRENT if case.id in ("LSTM", "GRU")], ids=str)
def test_only_tf_keras_drops_each_step_anew(keras_worker: KerasWorker, base: Case, rng: np.random.Generator) -> None:
    """Where tf-keras could use cuDNN it draws a mask for each timestep, which no other Keras does."""
    x = one_row(rng)
    config = {**base.config, "dropout": 0.4, "return_sequences": True}
    samples = {k: keras_worker.call(k, "layers:dropout_sample", base.layer, config, x) for k in ("keras3", "keras2")}
    _, (y,) = ours(base.layer, config, x, samples["keras3"]["weights"])
    assert same_distribution(samples["keras3"]["outputs"][0], y) is None
    assert same_distribution(samples["keras2"]["outputs"][0], y) is not None
    _, (row,) = ours(base.layer, {**config, "dropout": 0.0}, drop_each_step(x, 0.4), samples["keras2"]["weights"])
    assert same_distribution(samples["keras2"]["outputs"][0], row) is None


def drop_each_step(x: np.ndarray, rate: float) -> np.ndarray:
    kept = np.random.default_rng(1).random(x.shape) >= rate
    return (x * kept / np.float32(1 - rate)).astype(x.dtype)
