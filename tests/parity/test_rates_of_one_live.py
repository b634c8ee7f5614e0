"""Dropout rates of exactly 1 (and of 0) while training: what is dropped then, in live Keras and here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from _keras_worker import KerasWorker, KerasWorkerError

from ._compare import FORWARD, difference
from .test_dropout_live import ours

RATES = [
    {"dropout": 1.0},
    {"recurrent_dropout": 1.0},
    {"dropout": 1.0, "recurrent_dropout": 1.0},
    {"dropout": 0.0, "recurrent_dropout": 1.0},
]
RECURRENT: list[tuple[str, dict[str, Any]]] = [
    ("LSTM", {}),
    ("LSTM", {"activation": "relu"}),
    ("GRU", {}),
    ("GRU", {"reset_after": False}),
    ("SimpleRNN", {}),
    ("SimpleRNN", {"activation": "elu"}),
]


@pytest.mark.parametrize("rates", RATES, ids=str)
@pytest.mark.parametrize(("name", "config"), RECURRENT, ids=str)
def test_recurrent(
    keras_worker: KerasWorker, name: str, config: dict[str, Any], rates: dict[str, float], rng: np.random.Generator
) -> None:
    """Layers with gates drop nothing at 1, SimpleRNN everything. tf-keras knows no such rate."""
    x = rng.normal(size=(3, 5, 4)).astype("float32")
    config = {"units": 4, "return_sequences": True, **config}
    reference = keras_worker.call("keras3", "layers:dropout_sample", name, {**config, **rates}, x)
    _, (y,) = ours(name, {**config, **rates}, x, reference["weights"])
    assert difference(reference["outputs"][0], y, FORWARD["float32"]) is None
    _, (without,) = ours(name, config, x, reference["weights"])
    dropped = difference(y, without, FORWARD["float32"]) is not None
    assert dropped == (name == "SimpleRNN")
    with pytest.raises(KerasWorkerError, match=r"in the range \[0, 1\)"):
        keras_worker.call("keras2", "layers:dropout_sample", name, {**config, **rates}, x)


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("name", ["Dropout", "SpatialDropout1D"])
def test_dropout(keras_worker: KerasWorker, name: str, rate: float, rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 5, 4)).astype("float32")
    _, (y,) = ours(name, {"rate": rate}, x, [])
    np.testing.assert_array_equal(y, x * (1 - rate))
    for framework in ("keras3", "keras2") if rate == 0 else ("keras3",):  # tf-keras takes rates below 1
        theirs = keras_worker.call(framework, "layers:dropout_sample", name, {"rate": rate}, x)["outputs"][0]
        np.testing.assert_array_equal(theirs, y)
