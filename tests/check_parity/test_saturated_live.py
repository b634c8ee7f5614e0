"""Layers whose activations are near their bounds, beside real Keras: how these round decides, and is no fault."""

from __future__ import annotations

import numpy as np
import pytest
from _recordings import Recordings

import kerastorch as kt
from kerastorch import layers
from kerastorch.parity import compare


@pytest.fixture(scope="module")
def recorded(recordings: Recordings) -> tuple[kt.parity.Recording, str]:
    """Weights so large that the gates are open or shut, and what is left of a new state is 1 - 0.9999999."""
    both = layers.Bidirectional(layers.LSTM(5, return_sequences=True), name="both")
    model = kt.Sequential([kt.Input((7, 3)), both, layers.GRU(4, name="gru"), layers.Dense(3, "softmax", name="dense")])
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.5, 1.5, array.shape) for array in model.get_weights()])
    path = recordings.folder / "saturated.keras"
    kt.save_model(model, path)
    return recordings.of_file("keras3", path, steps=2), str(path)


def test_it_is_no_fault(recorded: tuple[kt.parity.Recording, str]) -> None:
    """Moved inputs alone show next to nothing of it: 42 of 438 arrays lay up to 3,300 times that apart."""
    report = compare(recorded[0], kt.load_model(recorded[1]), self_check=False)
    assert report.passed, str(report)
    assert report.worst is not None
    assert report.worst.measured.multiple < 4  # 1.8
    assert all(row.judged for row in report.rows if row.where in ("output", "gradient"))


@pytest.mark.parametrize("layer", ["both", "gru", "dense"])
def test_a_fault_stays_one(recorded: tuple[kt.parity.Recording, str], layer: str) -> None:
    model = kt.load_model(recorded[1])
    arrays = model.get_layer(layer).get_weights()
    model.get_layer(layer).set_weights([*arrays[:-1], 2 * arrays[-1]])
    report = compare(recorded[0], model, gradients=False, training=False)
    assert report.first is not None
    assert report.first.layer == layer
    assert report.first.measured.multiple > 1000
