"""Noise layers while training: the numbers are random, so the distributions are compared, ours with live Keras's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from _close import assert_close
from _keras_worker import KerasWorker, KerasWorkerError

from .test_dropout_live import ours, same_distribution

ROWS = 4000
FRAMEWORKS = ["keras3", "keras2"]
NOISES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [  # and the same with another rate
    ("GaussianNoise", {"stddev": 0.3}, {"stddev": 0.36}),
    ("GaussianNoise", {"stddev": 1.0}, {"stddev": 1.2}),
    ("GaussianDropout", {"rate": 0.2}, {"rate": 0.3}),
    ("GaussianDropout", {"rate": 0.7}, {"rate": 0.8}),
    ("AlphaDropout", {"rate": 0.1}, {"rate": 0.2}),
    # Not 0.5: of two values with equal chances the sampled variance hardly varies, and the bound on it is no bound.
    ("AlphaDropout", {"rate": 0.6}, {"rate": 0.7}),
]


def same_rows(rng: np.random.Generator) -> np.ndarray:
    """The same row ROWS times: only the noise makes the outputs differ."""
    return np.repeat(rng.normal(size=(1, 3, 4)).astype("float32"), ROWS, axis=0)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("name", "config", "other"), NOISES)
def test_noise(
    keras_worker: KerasWorker, name: str, config: dict[str, Any], other: dict[str, Any], framework: str,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    x = same_rows(rng)
    theirs = keras_worker.call(framework, "layers:dropout_sample", name, config, x)["outputs"][0]
    _, (y,) = ours(name, config, x, [])
    assert (problem := same_distribution(theirs, y)) is None, problem
    _, (wrong,) = ours(name, other, x, [])
    assert same_distribution(theirs, wrong), "another rate goes unseen: the test proves nothing"


@pytest.mark.parametrize(("framework", "noise_shape"), [("keras3", (None, 1, None)), ("keras2", (ROWS, 1, 4))])
def test_whole_features(
    keras_worker: KerasWorker, framework: str, noise_shape: tuple[Any, ...], rng: np.random.Generator
) -> None:
    x = same_rows(rng)
    config = {"rate": 0.4, "noise_shape": noise_shape}
    theirs = keras_worker.call(framework, "layers:dropout_sample", "AlphaDropout", config, x)["outputs"][0]
    _, (y,) = ours("AlphaDropout", config, x, [])
    assert (problem := same_distribution(theirs, y)) is None, problem
    _, (apart,) = ours("AlphaDropout", {"rate": 0.4}, x, [])
    assert same_distribution(theirs, apart), "that features are dropped together goes unseen"


def test_alpha_dropout_has_two_values_for_each_input(keras_worker: KerasWorker, rng: np.random.Generator) -> None:
    """What a value becomes where it is kept, and where it is dropped, is exact."""
    x = same_rows(rng)
    config = {"rate": 0.3}
    theirs = keras_worker.call("keras3", "layers:dropout_sample", "AlphaDropout", config, x)["outputs"][0]
    _, (y,) = ours("AlphaDropout", config, x, [])
    for sample in (theirs, y):
        assert (sample.min(0) != sample.max(0)).all()
    # The two are one multiplication and one addition away from float32 constants.
    assert_close(theirs.min(0), y.min(0))
    assert_close(theirs.max(0), y.max(0))


@pytest.mark.parametrize("name", ["GaussianDropout", "AlphaDropout"])
def test_a_rate_of_one(keras_worker: KerasWorker, name: str, rng: np.random.Generator) -> None:
    """tf-keras does nothing then, and so do we; Keras 3 divides by zero."""
    x = rng.normal(size=(3, 5, 4)).astype("float32")
    theirs = keras_worker.call("keras2", "layers:dropout_sample", name, {"rate": 1.0}, x)["outputs"][0]
    _, (y,) = ours(name, {"rate": 1.0}, x, [])
    np.testing.assert_array_equal(theirs, y)
    np.testing.assert_array_equal(x, y)
    with pytest.raises(KerasWorkerError, match="ZeroDivisionError"):
        keras_worker.call("keras3", "layers:dropout_sample", name, {"rate": 1.0}, x)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("name", "config"),
    [("GaussianNoise", {"stddev": 0.0}), ("GaussianDropout", {"rate": 0}), ("AlphaDropout", {"rate": 0})],
)
def test_no_noise(
    keras_worker: KerasWorker, name: str, config: dict[str, Any], framework: str, rng: np.random.Generator
) -> None:
    x = rng.normal(size=(3, 5, 4)).astype("float32")
    theirs = keras_worker.call(framework, "layers:dropout_sample", name, config, x)["outputs"][0]
    _, (y,) = ours(name, config, x, [])
    np.testing.assert_array_equal(theirs, x)
    np.testing.assert_array_equal(y, x)


def test_loud_noise_of_tf_keras(keras_worker: KerasWorker, rng: np.random.Generator) -> None:
    """Keras 3 takes deviations up to 1."""
    x = same_rows(rng)
    theirs = keras_worker.call("keras2", "layers:dropout_sample", "GaussianNoise", {"stddev": 2.5}, x)["outputs"][0]
    _, (y,) = ours("GaussianNoise", {"stddev": 2.5}, x, [])
    assert (problem := same_distribution(theirs, y)) is None, problem
    with pytest.raises(KerasWorkerError, match="between 0 and 1"):
        keras_worker.call("keras3", "layers:dropout_sample", "GaussianNoise", {"stddev": 2.5}, x)
