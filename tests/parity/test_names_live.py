"""Which public names of layers, cells and models are real Keras's own."""

from __future__ import annotations

from _keras_worker import KerasWorker

from kerastorch.base.free_names import KERAS_NAMES


def test_the_names_that_are_not_free_are_keras_own(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "facts:public_names")
    assert sorted(KERAS_NAMES - set(theirs)) == []
