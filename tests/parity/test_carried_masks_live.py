"""Masks that travel with tensors: the same code, layers called by hand, with Keras 3 and with kerastorch."""

from __future__ import annotations

from typing import Any

import numpy as np
from _close import apart
from _keras_worker import KerasWorker
from workers import carried_masks

import kerastorch as kt
from kerastorch.base.layer import REGISTRY

NOT_IN_KERAS_3 = ("CuDNNGRU", "CuDNNLSTM", "Highway", "LocallyConnected1D", "LocallyConnected2D", "MaxoutDense")
# Their inner layers are what counts: see `chains`. Cells run inside RNN. An Embedding's input has no mask.
WRAPPERS = ("RNN", "StackedRNNCells", "Bidirectional", "TimeDistributed", "SpectralNormalization")
ELSEWHERE = (*WRAPPERS, "Operation", "InputLayer", "Embedding")
# Where a call on such a mask is refused in one of both, as ever.
REFUSED: dict[str, str] = {}


def layer_cases() -> dict[str, Any]:
    """Every layer that Keras 3 has and that takes at least batch and time, as in its first example."""
    cases: dict[str, Any] = {}
    for name, cls in REGISTRY.items():
        if name in (*NOT_IN_KERAS_3, *ELSEWHERE, "ThresholdedReLU") or name.endswith("Cell"):
            continue
        for example in cls.EXAMPLES[:1]:
            shapes = example.input_shape
            several = isinstance(shapes[0], (tuple, list))
            if any(len(shape) < 3 for shape in (shapes if several else [shapes])):
                shapes = [(2, 4, 3)] * len(shapes) if several else (2, 4, 3)
            config = dict(example.config) if name != "Normalization" else {"mean": 0.5, "variance": 2.0}
            if name.startswith(("Average", "Max")) and "Pooling" in name:
                config["pool_size"] = 2
            cases[name] = (name, config, shapes)
    return cases


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict) and set(ours) == set(theirs):
        return [line for key in theirs for line in differences(ours[key], theirs[key], f"{where}/{key}")]
    if isinstance(theirs, list) and isinstance(ours, list) and len(ours) == len(theirs):
        return [
            line for i, pair in enumerate(zip(ours, theirs, strict=True)) for line in differences(*pair, f"{where}/{i}")
        ]
    if isinstance(theirs, np.ndarray) and isinstance(ours, np.ndarray):
        problem = apart(ours, theirs)
        return [f"{where}: {problem}"] if problem else []
    if ours is theirs is None or (isinstance(ours, str) and isinstance(theirs, str)):  # both raise
        return []
    return [f"{where}: {kind(ours)}, in Keras {kind(theirs)}"]


def kind(value: Any) -> str:
    return f"array {value.shape}" if isinstance(value, np.ndarray) else str(value)[:200]


def test_every_layer_passes_and_uses_masks_as_in_keras(keras_worker: KerasWorker) -> None:
    cases = layer_cases()
    theirs = keras_worker.call("keras3", "carried_masks:through_layers", cases)
    ours = carried_masks.through_layers(kt, cases)  # type: ignore[arg-type]
    found = differences(ours, theirs)
    assert not found, "\n".join(found)
    assert len(cases) > 60


def test_chains_of_calls_by_hand(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "carried_masks:chains")
    ours = carried_masks.chains(kt)  # type: ignore[arg-type]
    found = differences(ours, theirs)
    assert not found, "\n".join(found)


def test_a_model_at_every_step_says_what_its_mask_is_in_keras_2(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras2", "carried_masks:models_at_every_step")
    found = differences(carried_masks.models_at_every_step(kt), theirs)  # type: ignore[arg-type]
    assert not found, "\n".join(found)
