"""Activations, normalisations and small layers against live Keras 3 and tf-keras, option by option."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from _keras_worker import KerasWorker

from kerastorch import layers
from kerastorch.models.build import _OF_OLD

from . import _activation_cases as cases
from ._compare import Case, arguments, differences, parameters, run_ours


def as_read(framework: str, case: Case) -> Case:
    """The case with what a file of that framework gets beyond its own arguments."""
    if framework == "keras3":
        return case
    keys = getattr(layers, case.layer).config_keys()
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


@pytest.mark.parametrize(("framework", "case"), parameters(cases.PREPROCESSING_CASES))
def test_preprocessing(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    check(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(cases.OLD_CASES))
def test_layers_at_which_masks_end_in_tf_keras(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    check(keras_worker, framework, case)
