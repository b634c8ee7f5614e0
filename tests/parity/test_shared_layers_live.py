"""Layers that stand in several places: read as one where the file says so, with Keras's weights and gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker
from workers import shared_models

import kerastorch

from ._compare import FORWARD, difference, flat
from ._models import model_differences

BATCH = 3
BUILDERS = (
    "two_wrappers",
    "wrapper_then_plain",
    "plain_then_wrapper",
    "one_cell",
    "one_model",
    "in_two_models",
    "copied_by_bidirectional",
    "plain_then_bidirectional",
)
FRAMEWORKS = ["keras3", "keras2"]
each_builder = pytest.mark.parametrize("builder", BUILDERS)
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)


def make_input() -> np.ndarray:
    shape = (BATCH, shared_models.TIME, shared_models.FEATURES)
    return np.random.default_rng(2).normal(size=shape).astype("float32")


@each_framework
@each_builder
def test_keras_file(keras_worker: KerasWorker, builder: str, framework: str, tmp_path: Path) -> None:
    """Weights, counts and gradients are those of the model that was saved: each shared layer is one."""
    x, path, where = make_input(), str(tmp_path / "model.keras"), f"shared_models:{builder}"
    reference = keras_worker.call(framework, "models:run_model", where, [x])
    keras_worker.call(framework, "models:save_model", where, path, [x])
    model = kerastorch.load_model(path)
    found = model_differences(reference, model, [x])
    assert not found, "\n".join(found)


@each_framework
@each_builder
def test_h5_file(keras_worker: KerasWorker, builder: str, framework: str, tmp_path: Path) -> None:
    """The file does not say that layers are shared: each place gets the weights, as in Keras."""
    x, path = make_input(), str(tmp_path / "model.h5")
    expected = keras_worker.call(framework, "models:save_model", f"shared_models:{builder}", path, [x])
    ours = flat(kerastorch.load_model(path).predict(x))
    gaps = [difference(a, b, FORWARD["float32"]) for a, b in zip(expected, ours, strict=True)]
    assert not any(gaps), gaps


@each_framework
@each_builder
def test_weights_into_a_model_of_our_own(
    keras_worker: KerasWorker, builder: str, framework: str, tmp_path: Path
) -> None:
    x, path, where = make_input(), str(tmp_path / "model.weights.h5"), f"shared_models:{builder}"
    reference = keras_worker.call(framework, "models:run_model", where, [x])
    keras_worker.call(framework, "models:save_model", where, path, [x], True)
    model = getattr(shared_models, builder)(kerastorch)
    kerastorch.load_weights(model, path)
    found = model_differences(reference, model.eval(), [x])
    assert not found, "\n".join(found)


def test_a_shared_layer_is_one_object_also_in_a_copy(keras_worker: KerasWorker, tmp_path: Path) -> None:
    path = str(tmp_path / "model.keras")
    keras_worker.call("keras3", "models:save_model", "shared_models:wrapper_then_plain", path, [make_input()])
    model = kerastorch.load_model(path)
    assert model.get_layer("a").layer is model.get_layer("d")  # type: ignore[attr-defined]
    x = torch.tensor(make_input())
    before = model(x)
    with torch.no_grad():
        model.get_layer("d").weight.mul_(2)  # type: ignore[union-attr]
    assert (model(x) - before).abs().max() > 0.1
    assert len(list(model.parameters())) == 2
