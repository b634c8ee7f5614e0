"""A part of the examples of every layer beside real Keras: no false alarm; `corpus.py --examples` compares all."""

from __future__ import annotations

import pytest
from _keras_worker import KerasWorker
from _recordings import Recordings
from corpus import of_example
from saving.test_keras3_live import NOT_ON_CPU

from kerastorch.self_check.trials import Trial, trials

# What TensorFlow does not compute on a CPU takes a process of Keras on torch for each.
SAMPLE = [it for it in trials() if it.key.replace(": ", "-", 1) not in NOT_ON_CPU and "three sizes" not in it.key][::22]


@pytest.fixture(scope="module")
def own(keras_worker: KerasWorker, tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """Of this module alone: each example forgets what was recorded."""
    return Recordings(keras_worker, tmp_path_factory.mktemp("examples"))


@pytest.mark.parametrize("trial", SAMPLE, ids=lambda trial: trial.key)
def test_an_example_passes(own: Recordings, trial: Trial) -> None:
    told = of_example(own, trial)
    assert told.startswith("passed: "), told
