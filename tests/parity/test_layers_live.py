"""Every layer, option by option, against live Keras 3 and tf-keras: outputs, states, gradients, masks, shapes."""

from __future__ import annotations

import pytest
from _keras_worker import KerasWorker

from . import _cases, _merging_cases
from ._compare import BATCH, TIME, Case, arguments, assert_parity, differences, parameters, run_ours


@pytest.mark.parametrize(("framework", "case"), parameters(_cases.RECURRENT_CASES))
def test_recurrent(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(_cases.BIDIRECTIONAL_CASES))
def test_bidirectional(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_bidirectional_with_a_narrower_backward_layer(keras_worker: KerasWorker, framework: str) -> None:
    config = {
        "layer": {"class_name": "LSTM", "config": {"units": 4, "return_sequences": True}},
        "backward_layer": {"class_name": "GRU", "config": {"units": 3, "return_sequences": True, "go_backwards": True}},
    }
    case = Case("narrower", "Bidirectional", config, mask="holes")
    reference = keras_worker.call(framework, "layers:run_layer", **arguments(case))
    assert reference["outputs"][0].shape == (BATCH, TIME, 7)
    # Keras doubles the forward layer's units for the shape that it states, and then returns another one.
    assert reference["output_shape"] == [(None, TIME, 8)]
    assert not differences({**reference, "output_shape": [(None, TIME, 7)]}, run_ours(case, reference))


@pytest.mark.parametrize(("framework", "case"), parameters(_cases.SPECTRAL_CASES))
def test_spectral_normalization(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(_cases.TIME_DISTRIBUTED_CASES))
def test_time_distributed(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(_cases.CORE_CASES))
def test_core(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(_merging_cases.MERGING_CASES))
def test_merging(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(_merging_cases.DOT_CASES))
def test_dot(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(_cases.NORMALIZATION_CASES))
def test_normalization(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)
