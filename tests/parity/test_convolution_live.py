"""Convolutions of every kind against live Keras 3 and tf-keras: outputs, gradients, shapes, masks, weights."""

from __future__ import annotations

import pytest
from _keras_worker import KerasWorker

from ._compare import Case, assert_parity, parameters
from ._conv_cases import CASES


@pytest.mark.parametrize(("framework", "case"), parameters(CASES))
def test_convolution(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)
