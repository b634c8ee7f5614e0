"""A fresh layer starts as Keras starts it: the same constants, the same distributions, orthogonal where Keras is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from _close import ORTHOGONAL, apart
from _keras_worker import KerasWorker

from ._compare import make_layer

SEQUENCES = (None, 7, 40)
# SimpleRNN's units differ from its features, so that a fan taken from the wrong axis shows.
LAYERS: list[tuple[str, dict[str, Any], tuple[int | None, ...]]] = [
    ("LSTM", {"units": 50}, SEQUENCES),
    ("LSTM", {"units": 50, "unit_forget_bias": False}, SEQUENCES),
    ("LSTM", {"units": 50, "use_bias": False}, SEQUENCES),
    ("LSTM", {"units": 50, "bias_initializer": "ones"}, SEQUENCES),
    ("LSTM", {"units": 50, "kernel_initializer": "he_normal", "recurrent_initializer": "glorot_normal"}, SEQUENCES),
    ("GRU", {"units": 50}, SEQUENCES),
    ("GRU", {"units": 50, "reset_after": False}, SEQUENCES),
    ("SimpleRNN", {"units": 60}, SEQUENCES),
    ("SimpleRNN", {"units": 60, "kernel_initializer": "lecun_uniform"}, SEQUENCES),
    ("Bidirectional", {"layer": {"class_name": "LSTM", "config": {"units": 50}}}, SEQUENCES),
    ("TimeDistributed", {"layer": {"class_name": "Dense", "config": {"units": 50}}}, SEQUENCES),
    ("Dense", {"units": 70}, (None, 30)),
    ("Dense", {"units": 70, "bias_initializer": "random_normal"}, (None, 30)),
    ("Embedding", {"input_dim": 60, "output_dim": 40}, (None, 7)),
    ("BatchNormalization", {}, SEQUENCES),
    ("LayerNormalization", {}, SEQUENCES),
]


def unlike(theirs: np.ndarray, ours: np.ndarray) -> str | None:
    """How two fresh arrays differ in what their initialiser fixes; None if they do not."""
    if theirs.shape != ours.shape:
        return f"shapes {theirs.shape} and {ours.shape}"
    if len(np.unique(theirs)) <= 2:  # zeros, ones, zeros with ones for the forget gate
        return None if np.array_equal(theirs, ours) else "constants differ"
    grams = [array @ array.T if array.ndim == 2 else None for array in (theirs, ours)]
    if grams[0] is not None and apart(grams[0], np.eye(len(theirs)), ORTHOGONAL) is None:
        found = apart(grams[1], np.eye(len(ours)), ORTHOGONAL)
        return found and f"Keras's array is orthogonal: {found}"
    points = np.union1d(theirs, ours)
    gap = np.abs(
        np.searchsorted(np.sort(theirs.ravel()), points, "right")
        - np.searchsorted(np.sort(ours.ravel()), points, "right")
    )
    distance = gap.max() / theirs.size
    # Kolmogorov-Smirnov at the level 1e-4
    return None if distance <= 2.23 * np.sqrt(2 / theirs.size) else f"distributions differ by {distance:.3f}"


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize(("name", "config", "shape"), LAYERS, ids=[f"{i}-{row[0]}" for i, row in enumerate(LAYERS)])
def test_fresh_weights(
    keras_worker: KerasWorker, name: str, config: dict[str, Any], shape: tuple[int | None, ...], framework: str
) -> None:
    theirs = keras_worker.call(framework, "layers:fresh_weights", name, config, shape)
    layer = make_layer(name, config, "float32")
    layer.build(shape)
    found = [unlike(a, b) for a, b in zip(theirs, layer.get_weights(), strict=True)]
    assert not any(found), found


def test_faults_are_seen(rng: np.random.Generator) -> None:
    uniform = rng.uniform(-1, 1, size=(40, 200))
    assert unlike(uniform, rng.uniform(-1, 1, size=(40, 200))) is None
    assert unlike(uniform, uniform * 1.15)  # a fan that is 30 % off
    assert unlike(uniform, rng.normal(size=(40, 200)) * uniform.std())
    orthogonal = np.linalg.qr(rng.normal(size=(200, 40)))[0].T
    assert unlike(orthogonal, orthogonal[::-1]) is None
    assert unlike(orthogonal, rng.normal(size=(40, 200)) * orthogonal.std())
    forget = np.repeat([0.0, 1.0, 0.0, 0.0], 50)
    assert unlike(forget, np.zeros(200))
    assert unlike(forget, np.roll(forget, 50))
