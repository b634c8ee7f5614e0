"""Activations, normalisations and small layers against live Keras 3 and tf-keras, option by option."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker

from kerastorch import layers
from kerastorch.models.build import _OF_OLD

from . import _activation_cases as cases
from ._compare import FORWARD, Case, arguments, difference, differences, parameters, run_ours


def as_read(framework: str, case: Case) -> Case:
    """The case with what a file of that framework gets beyond its own arguments."""
    if framework == "keras3":
        return case
    keys = getattr(layers, case.layer)._config_keys()
    return replace(case, config={**{k: v for k, v in _OF_OLD["tf.keras"].items() if k in keys}, **case.config})


def check(worker: KerasWorker, framework: str, case: Case) -> dict[str, Any]:
    reference = worker.call(framework, "layers:run_layer", **arguments(case))
    found = differences(reference, run_ours(as_read(framework, case), reference, framework=framework), case.dtype)
    assert not found, f"{case.layer}({dict(case.config)}) against {framework}:\n" + "\n".join(found)
    return reference


@pytest.mark.parametrize(("framework", "case"), parameters(cases.ACTIVATION_CASES))
def test_activation(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    check(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(cases.NORMALIZATION_CASES))
def test_normalization(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    check(keras_worker, framework, case)


@pytest.mark.filterwarnings("ignore:LayerNormalization .*rms_scaling=True divides")
@pytest.mark.parametrize(("framework", "case"), parameters(cases.RMS_SCALING_CASES))
def test_rms_scaling(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    check(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(cases.PREPROCESSING_CASES))
def test_preprocessing(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    check(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(cases.OLD_CASES))
def test_layers_at_which_masks_end_in_tf_keras(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    check(keras_worker, framework, case)


# ------------------------------------------------------------------ where the functions have kinks

POINTS = np.array([[-2.0, -1.0, -0.5, -0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0, 6.0, 7.0]], "float32")
KINKS: list[tuple[str, dict[str, Any]]] = [
    ("ReLU", {}),
    ("ReLU", {"max_value": 0.75}),
    ("ReLU", {"max_value": 6.0}),
    ("ReLU", {"negative_slope": 0.25}),
    ("ReLU", {"threshold": 0.5}),
    ("ReLU", {"max_value": 0.75, "negative_slope": 0.25, "threshold": 0.5}),
    ("ReLU", {"max_value": 6.0, "negative_slope": 0.25}),
    ("LeakyReLU", {}),
    ("ELU", {}),
    ("ELU", {"alpha": 0.5}),
    ("UnitNormalization", {}),
]


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize(("name", "config"), KINKS, ids=str)
def test_kinks(keras_worker: KerasWorker, framework: str, name: str, config: dict[str, Any]) -> None:
    compare_on(keras_worker, framework, name, config, POINTS)


@pytest.mark.parametrize("theta", [0.0, 0.5])
def test_kink_of_thresholded_relu(keras_worker: KerasWorker, theta: float) -> None:
    compare_on(keras_worker, "keras2", "ThresholdedReLU", {"theta": theta}, POINTS)


def test_the_kink_of_prelu(keras_worker: KerasWorker) -> None:
    reference = keras_worker.call("keras3", "activation:on_points", "PReLU", {"alpha_initializer": "ones"}, POINTS)
    layer, x = layers.PReLU(alpha_initializer="ones"), torch.tensor(POINTS, requires_grad=True)
    (layer(x) * torch.tensor(reference["upstream"][0])).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), reference["grads_sources"][0])  # 0 at 0, where F.prelu's is alpha


def compare_on(worker: KerasWorker, framework: str, name: str, config: dict[str, Any], points: np.ndarray) -> None:
    reference = worker.call(framework, "activation:on_points", name, config, points)
    case = as_read(framework, Case("", name, config))
    x = torch.tensor(points, requires_grad=True)
    y = getattr(layers, name)(**case.config)(x)
    (y * torch.tensor(reference["upstream"][0])).sum().backward()
    assert x.grad is not None
    for theirs, mine in ((reference["outputs"][0], y.detach()), (reference["grads_sources"][0], x.grad)):
        assert difference(theirs, mine.numpy(), FORWARD["float32"]) is None, (theirs, mine)


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("length", [1e-4, 1e-7, 1e-11])
def test_short_vectors(keras_worker: KerasWorker, framework: str, length: float) -> None:
    """Where the norm is small the two Kerases part: 1e-12 is the least norm in one, the least square in the other."""
    x = np.array([[0.6, -0.8, 0.0]], "float32") * np.float32(length)
    compare_on(keras_worker, framework, "UnitNormalization", {}, x)


def test_a_vector_of_zeros() -> None:
    x = torch.zeros(1, 3, requires_grad=True)
    y = layers.UnitNormalization()(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(y, torch.zeros(1, 3))
    assert torch.isfinite(x.grad).all()  # Keras 3's is not a number


# ------------------------------------------------------------------ planted faults


@pytest.mark.parametrize(
    ("name", "config"), [("GroupNormalization", {"groups": 2}), ("RMSNormalization", {}), ("PReLU", {})]
)
def test_another_order_of_a_weight_is_seen(keras_worker: KerasWorker, name: str, config: dict[str, Any]) -> None:
    case = Case("planted", name, config)
    reference = keras_worker.call("keras3", "layers:run_layer", **arguments(case))
    for index in range(len(reference["weights"])):
        weights = [array.copy() for array in reference["weights"]]
        weights[index] = np.roll(weights[index], 1, axis=-1)
        found = differences({**reference, "weights": weights}, run_ours(case, reference, weights=weights))
        assert any(line.startswith("outputs") for line in found)


# ------------------------------------------------------------------ Normalization.adapt

ADAPTED: list[dict[str, Any]] = [
    {}, {"axis": 1}, {"axis": None}, {"axis": [1, 2]}, {"axis": (-1, 1)}, {"invert": True},
]  # fmt: skip


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("kind", ["float32", "float64", "int64"])
@pytest.mark.parametrize("config", ADAPTED, ids=str)
def test_adapt(
    keras_worker: KerasWorker, config: dict[str, Any], kind: str, framework: str, rng: np.random.Generator
) -> None:
    data = (rng.normal(size=(70, 5, 4)) * 3 + 2).astype(kind)
    x = rng.normal(size=(3, 5, 4)).astype("float32")
    weights, output = keras_worker.call(framework, "activation:adapt", config, data, x)
    layer = layers.Normalization(**config)
    layer.adapt(data)
    mean, variance, count = layer.get_weights()
    for theirs, mine in zip((*weights[:2], output), (mean, variance, layer(torch.tensor(x)).numpy()), strict=True):
        assert difference(theirs, mine, FORWARD["float32"]) is None
    assert (count, count.dtype) == (0, np.int64)  # as in Keras 3; tf-keras counts its data there
    assert weights[2] == (0 if framework == "keras3" else data.size // mean.size)


def test_adapt_with_a_place_for_each_value(keras_worker: KerasWorker, rng: np.random.Generator) -> None:
    data = rng.normal(size=(3, 5, 4)).astype("float32")
    config = {"axis": [0, 1, 2]}
    weights, output = keras_worker.call("keras3", "activation:adapt", config, data, data)
    layer = layers.Normalization(**config)
    layer.adapt(data)
    for theirs, mine in zip((*weights[:2], output), (*layer.get_weights()[:2], layer(torch.tensor(data))), strict=True):
        np.testing.assert_array_equal(theirs, mine)


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_adapt_to_batches(keras_worker: KerasWorker, framework: str, rng: np.random.Generator) -> None:
    data = [(rng.normal(size=(rows, 5, 4)) * rows + 2).astype("float32") for rows in (7, 2, 11)]
    x = rng.normal(size=(3, 5, 4)).astype("float32")
    weights, output = keras_worker.call(framework, "activation:adapt", {}, data, x, batches=True)
    layer = layers.Normalization()
    layer.adapt([(torch.tensor(batch), "target") for batch in data])
    got = (*layer.get_weights()[:2], layer(torch.tensor(x)).numpy())
    for theirs, mine in zip((*weights[:2], output), got, strict=True):
        assert difference(theirs, mine, FORWARD["float32"]) is None
    layer.adapt(np.concatenate(data))
    for theirs, mine in zip(weights[:2], layer.get_weights()[:2], strict=True):
        assert difference(theirs, mine, FORWARD["float32"]) is None
