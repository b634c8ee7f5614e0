"""Constants of an RNN as edges of a graph, against live tf-keras (Keras 3 has none)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch import Input, Model, layers
from kerastorch.errors import ArgumentError

from ._models import model_differences
from ._own_cells import ConstantCell


def make_model() -> Model:
    """The twin of `workers.cells.constants_model`."""
    words, c, d, h = Input((5,), dtype="int32"), Input((2,)), Input((4,)), Input((4,))
    x = layers.Embedding(6, 4, mask_zero=True)(words)
    first = layers.RNN(ConstantCell(4), return_sequences=True)(x, initial_state=[h], constants=[c, d])
    second = layers.RNN(ConstantCell(4), go_backwards=True)(first, constants=[c, layers.Dense(4)(d)])
    return Model([words, c, d, h], [first, second])


def make_inputs() -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    words = rng.integers(1, 6, size=(3, 5)) * np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [1, 0, 1, 0, 1]])
    return [words.astype("int32"), *(rng.normal(size=(3, size)).astype("float32") for size in (2, 4, 4))]


def test_model(keras_worker: KerasWorker) -> None:
    inputs = make_inputs()
    reference = keras_worker.call("keras2", "models:run_model", "cells:constants_model", inputs)
    model = make_model()
    model.set_weights(reference["weights"])
    found = model_differences(reference, model.eval(), inputs)
    assert not found, "\n".join(found)
    swapped: Any = [inputs[0], inputs[1], inputs[3], inputs[2]]
    assert model_differences({**reference}, model, swapped), "the constants go unseen"


def test_the_graph_of_the_file_says_the_same(keras_worker: KerasWorker) -> None:
    """With a cell of Keras's own in the place of the one with constants, which a file cannot hold."""
    reference = keras_worker.call("keras2", "models:run_model", "cells:constants_model", make_inputs())
    text = reference["json"].replace("ConstantCell", "SimpleRNNCell").replace('"registered_name": "Custom>', '"x": "')
    from kerastorch.compat import to_spec
    from kerastorch.files._limits import Limits
    from kerastorch.files.strict_json import parse_json

    config = parse_json(text, "text", Limits())
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "RNN":
            cell = layer["config"]["cell"]
            cell.update({"module": "keras.layers", "registered_name": None, "config": {"units": 4}})
            cell.pop("x", None)
    spec, _, _ = to_spec(config)
    ours = [layer.name for layer in spec.layers if layer.calls and "constants" in layer.calls[0].kwargs]
    assert len(ours) == 2
    calls = [layer.calls[0].kwargs for layer in spec.layers if layer.name in ours]
    assert [len(call["constants"]) for call in calls] == [2, 2]
    assert ["initial_state" in call for call in calls] == [True, False]
    with pytest.raises(ArgumentError, match=r"SimpleRNNCell .* takes no constants"):
        kt.models.build_model(spec)


def test_symbolic_calls_refuse_constants_too() -> None:
    with pytest.raises(ArgumentError, match="takes no constants"):
        layers.RNN(layers.LSTMCell(2))(Input((3, 4)), constants=[Input((2,))])
    with pytest.raises(ArgumentError, match="takes no constants"):
        layers.RNN(layers.LSTMCell(2), num_constants=1)([torch.zeros(2, 3, 4), torch.zeros(2, 2)])
