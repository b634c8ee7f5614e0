"""Layers that pool, repeat, pad and crop, against live Keras 3 and tf-keras: outputs, gradients, shapes, masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from _keras_worker import KerasWorker
from torch.nn import functional as F

from kerastorch import layers
from kerastorch.kernels import pooling
from kerastorch.kernels.convolution import padded

from . import _pooling_cases as cases
from ._compare import BATCH, Case, arguments, assert_parity, differences, numpy, parameters, run_ours

KERASES = ("keras3", "keras2")


@pytest.mark.parametrize(("framework", "case"), parameters(cases.POOLING_CASES))
def test_pooling(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(cases.RESIZING_CASES))
def test_resizing(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(cases.SPATIAL_DROPOUT_CASES))
def test_spatial_dropout(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(cases.TIME_DISTRIBUTED_CASES))
def test_time_distributed(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize("framework", KERASES)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_means_of_windows_larger_than_the_image(keras_worker: KerasWorker, framework: str, rank: int) -> None:
    """TensorFlow's gradient is wrong there (its oneDNN kernel's is not, and its outputs are right): so by matrices."""
    name = f"AveragePooling{rank}D"
    case = Case(name, name, cases.LARGER, shapes=(cases.LAST[rank],))
    reference = keras_worker.call(framework, "layers:run_layer", **arguments(case))
    gradient = reference["upstream"][0].astype("float64")
    for axis, size in enumerate(cases.IMAGES[rank], 1):
        inside = np.abs(np.arange(size)[:, None] - np.arange(size)) <= 4  # (window, place)
        means = inside / inside.sum(1, keepdims=True)
        gradient = np.moveaxis(np.tensordot(means.T, gradient, (1, axis)), 0, axis)
    right = {**reference, "grads_inputs": [gradient.astype("float32")]}
    assert not differences(right, run_ours(case, reference, framework=framework))


@pytest.mark.parametrize("framework", KERASES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_row_without_a_step(keras_worker: KerasWorker, framework: str, keepdims: bool, data_format: str) -> None:
    """The mean of no step is NaN in both Kerases; its gradient is 0 in Keras 3 and NaN in Keras 2."""
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    mask = np.array([[True, False, True, False], [False] * 4])
    if data_format == "channels_first":
        x = x.transpose(0, 2, 1)
    config = {"keepdims": keepdims, "data_format": data_format}
    given = {"class_name": "GlobalAveragePooling1D", "config": config, "inputs": [x], "mask": mask}
    reference = keras_worker.call(framework, "layers:run_layer", **given)
    layer = layers.GlobalAveragePooling1D(**config, keras2_masks=framework == "keras2")
    leaf = torch.tensor(x, requires_grad=True)
    y = layer(leaf, mask=torch.tensor(mask))
    (y * torch.tensor(reference["upstream"][0])).sum().backward()
    assert np.isnan(reference["outputs"][0][1]).all()
    gradient = numpy(leaf.grad)
    assert gradient is not None
    for theirs, mine in ((reference["outputs"][0], numpy(y)), (reference["grads_inputs"][0], gradient)):
        np.testing.assert_array_equal(np.isnan(theirs), np.isnan(mine))
        assert_close(np.nan_to_num(theirs), np.nan_to_num(mine))
    assert np.isnan(gradient[1]).all() if framework == "keras2" else not gradient[1].any()


@pytest.mark.parametrize("framework", KERASES)
def test_nan_in_a_masked_step(keras_worker: KerasWorker, framework: str) -> None:
    x = np.array([[[1.0], [3.0], [np.nan]]], "float32")
    mask = np.array([[True, True, False]])
    given = {"class_name": "GlobalAveragePooling1D", "config": {}, "inputs": [x], "mask": mask}
    reference = keras_worker.call(framework, "layers:run_layer", **given)
    layer = layers.GlobalAveragePooling1D(keras2_masks=framework == "keras2")
    np.testing.assert_array_equal(reference["outputs"][0], numpy(layer(torch.tensor(x), mask=torch.tensor(mask))))
    assert np.isnan(reference["outputs"][0]).all() == (framework == "keras2")


TIES = [
    ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, (2, 8, 3)),
    ("MaxPooling2D", {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"}, (2, 6, 5, 3)),
    ("GlobalMaxPooling1D", {}, (2, 8, 3)),
    ("GlobalMaxPooling3D", {}, (2, 2, 3, 2, 3)),
]


@pytest.mark.parametrize("framework", KERASES)
@pytest.mark.parametrize(("name", "config", "shape"), TIES, ids=[name for name, *_ in TIES])
def test_equal_maxima(
    keras_worker: KerasWorker, framework: str, name: str, config: dict[str, Any], shape: tuple[int, ...]
) -> None:
    """Behind a relu most windows hold several zeros: the first gets the gradient; globally all share it."""
    case = Case(name, name, config, shapes=(shape,), integers=2)
    given = arguments(case)
    given["inputs"] = [given["inputs"][0].astype("float32")]
    reference = keras_worker.call(framework, "layers:run_layer", **given)
    layer = getattr(layers, name)(**config)
    leaf = torch.tensor(given["inputs"][0], requires_grad=True)
    (layer(leaf) * torch.tensor(reference["upstream"][0])).sum().backward()
    assert_close(reference["grads_inputs"][0], numpy(leaf.grad))  # sums of a few values


@pytest.mark.parametrize("name", ["MaxPooling1D", "AveragePooling2D"])
def test_padding_on_the_wrong_side_is_seen(
    keras_worker: KerasWorker, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = Case(name, name, {"pool_size": 2, "padding": "same"}, shapes=(cases.LAST[int(name[-2])],))
    reference = assert_parity(keras_worker, "keras3", case)
    monkeypatch.setattr(pooling, "padded", lambda *axis: padded(*axis)[::-1])
    assert any("outputs" in found for found in differences(reference, run_ours(case, reference)))


def test_padding_that_counts_is_seen(keras_worker: KerasWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"pool_size": 3, "strides": 1, "padding": "same"}
    case = Case("mean", "AveragePooling2D", config, shapes=(cases.LAST[2],))
    reference = assert_parity(keras_worker, "keras3", case)
    monkeypatch.setitem(pooling._AVERAGES, 2, lambda *given, count_include_pad: F.avg_pool2d(*given))
    assert any("outputs" in found for found in differences(reference, run_ours(case, reference)))


def test_a_lost_mask_is_seen(keras_worker: KerasWorker) -> None:
    case = Case("mask", "GlobalAveragePooling1D", shapes=((BATCH, 5, 4),), mask="holes")
    reference = assert_parity(keras_worker, "keras3", case)
    assert any("outputs" in found for found in differences(reference, run_ours(case, reference, drop_mask=True)))
