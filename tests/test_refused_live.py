"""Mistakes that Keras refuses: the error is of our class and of the built-in one that live Keras raises."""

from __future__ import annotations

from pathlib import Path

import pytest
from _keras_worker import KerasWorker
from workers import refused

import kerastorch
from kerastorch.errors import KerasTorchError

# Where Keras lets something through, or fails somewhere inside, here is a reason.
KERAS_LETS = {
    "keras3": {"clone of no model", "json of nothing"},
    "keras2": {
        "units zero, Dense",
        "unknown regularizer",
        "unknown constraint",
        "rate of GaussianDropout",
        "noise_shape of a zero",
        "a model without outputs",
        "layers that fail to build",
        "an unknown class",
        "a config of a number",
        "an unknown end",
        "weights of an unknown end",
        "a save of an unbuilt model",
    },
}
INSIDE = {  # an error of TensorFlow's, or of Python about Keras's own code
    "keras3": {"other features into an LSTM", "wrong number of states", "pop of nothing", "predict of nothing"},
    "keras2": {"Bidirectional of a Dense", "predict of nothing", "clone of no model"},
}
OURS_IS_OTHER = {"a directory": "Keras 2 reads a SavedModel there and says OSError; here the kind of file is not read"}


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_an_error_is_of_the_class_that_keras_raises(keras_worker: KerasWorker, framework: str) -> None:
    names, theirs = list(refused.MISTAKES), {}
    for start in range(0, len(names), 20):  # each answer in the time that one may take
        theirs |= keras_worker.call(framework, "refused:run", names[start : start + 20])
    ours = refused.run(kerastorch, names)
    wrong = {}
    for name in refused.MISTAKES:
        if theirs[name] == "fine":
            assert name in KERAS_LETS[framework], name
            wrong |= {} if ours[name] != "fine" else {name: "nothing is said"}
        elif name not in INSIDE[framework] and name not in OURS_IS_OTHER:
            first, _, _ = theirs[name].partition(",")
            wrong |= {} if first in ours[name].split(",") else {name: f"{ours[name]}, in Keras {first}"}
        assert ours[name] != "fine", name
    assert not wrong


def test_every_error_is_of_our_class(tmp_path: Path) -> None:
    """But for those about a call that Python itself refuses."""
    for place, (name, mistake) in enumerate(refused.MISTAKES.items()):
        folder = tmp_path / str(place)
        folder.mkdir()
        with pytest.raises((KerasTorchError, TypeError)) as caught:
            mistake(kerastorch, str(folder))
        if not isinstance(caught.value, KerasTorchError):
            assert name in ("units missing", "no input", "unknown argument of a call", "Input of nothing"), name
