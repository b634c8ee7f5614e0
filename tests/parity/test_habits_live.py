"""What people write around layers: the same code, run with Keras and with kerastorch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import apart, assert_close
from _keras_worker import KerasWorker
from workers import habits, recorded_classes

import kerastorch as kt
from kerastorch import layers
from kerastorch.base.layer import REGISTRY
from kerastorch.errors import NoConfigError

NOT_IN_KERAS_3 = ("CuDNNGRU", "CuDNNLSTM", "Highway", "LocallyConnected1D", "LocallyConnected2D", "MaxoutDense")
# Built from other layers, or from what only a file has; their inner layers are in the other cases.
WRAPPERS = ("RNN", "StackedRNNCells", "Bidirectional", "TimeDistributed", "SpectralNormalization")
NOT_ALONE = (*WRAPPERS, "Operation", "InputLayer", "ThresholdedReLU")
CELLS = ("LSTMCell", "GRUCell", "SimpleRNNCell")


def layer_cases() -> dict[str, Any]:
    """The first example of every layer that Keras 3 has."""
    cases: dict[str, Any] = {}
    for name, cls in REGISTRY.items():
        if cls.EXAMPLES and name not in (*NOT_IN_KERAS_3, *NOT_ALONE, *CELLS):
            example = cls.EXAMPLES[0]
            config = dict(example.config)
            if name.startswith(("Average", "Max")) and "Pooling" in name:
                config["pool_size"] = 2  # for which Keras 3 has no default
            cases[name] = (name, config, example.input_shape, config.get("input_dim"))
    return cases


def test_every_layer_takes_training_and_its_input_by_name(keras_worker: KerasWorker) -> None:
    cases = layer_cases()
    assert len(cases) > 60
    theirs = keras_worker.call("keras3", "habits:takes_training", cases)
    ours = habits.takes_training(kt, cases)  # type: ignore[arg-type]
    refused = {
        name: (mine, theirs[name])
        for name, mine in ours.items()
        if any(a != b and b == "fine" for a, b in zip(mine, theirs[name], strict=True))
    }
    assert not refused
    assert sum(answer == "fine" for answers in theirs.values() for answer in answers) > 300


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_training_reaches_what_is_inside(keras_worker: KerasWorker, framework: str) -> None:
    theirs = keras_worker.call(framework, "habits:reached_by_training")
    assert habits.reached_by_training(kt) == theirs  # type: ignore[arg-type]


def test_modes_are_as_before_after_a_call_with_training() -> None:
    class Block(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = layers.Dropout(0.5), torch.nn.Dropout(0.5)

        def call(self, x: Any) -> Any:
            return self.other(self.one(x))

    block = Block()
    block.one.eval()
    x = torch.ones(4, 5)
    assert torch.equal(block(x, training=False), x)
    assert (block.one.training, block.other.training) == (False, True)
    assert block(x, training=True).unique().tolist() == [0.0, 4.0]
    assert (block.one.training, block.other.training) == (False, True)
    with pytest.raises(TypeError):
        block(x, training=True, other=1)
    assert (block.one.training, block.other.training) == (False, True)
    compiled = torch.compile(block, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x, training=False), x)
    assert compiled(x, training=True).unique().tolist() == [0.0, 4.0]
    assert (block.one.training, block.other.training) == (False, True)


# ---------------------------------------------------------------- weights under Keras's names


def same(ours: Any, theirs: Any) -> bool:
    """Equal, arrays by their values: float32 arithmetic of one operation is the same everywhere."""
    if isinstance(theirs, np.ndarray):
        return apart(np.asarray(ours, theirs.dtype), theirs) is None
    if isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in theirs)
    return bool(ours == theirs)


def weighted_cases() -> dict[str, Any]:
    """Every example of every layer that has weights, and that Keras 3 has."""
    cases = {name: case for name, case in layer_cases().items() if REGISTRY[name].WEIGHTS or "Attention" in name}
    for name in CELLS:
        cases[name] = (name, {"units": 3}, (2, 3), None)
    cases["no bias"] = ("Dense", {"units": 3, "use_bias": False}, (2, 3), None)
    cases["reset before"] = ("GRU", {"units": 3, "reset_after": False}, (2, 4, 3), None)
    cases["no scale"] = ("BatchNormalization", {"scale": False}, (2, 3), None)
    return cases


def test_weights_have_the_names_of_keras(keras_worker: KerasWorker) -> None:
    cases = weighted_cases()
    assert len(cases) > 30
    theirs = keras_worker.call("keras3", "habits:weights_by_name", cases)
    for label, (name, config, shapes, _) in cases.items():
        layer = getattr(layers, name)(**config, name="it")
        habits.build(layer, shapes)
        habits.refill(layer)
        for path, array in theirs[label]["attributes"].items():
            found: Any = layer
            for part in path.split("."):
                found = getattr(found, part)
            assert same(np.asarray(found), array), (label, path)
            assert found.path.startswith("it")
            before = layer.get_weights()
            found.assign(array + 1)
            changed = [i for i, (a, b) in enumerate(zip(before, layer.get_weights(), strict=True)) if not same(a, b)]
            assert len(changed) == 1, (label, path)
            assert same(layer.get_weights()[changed[0]], array + 1), (label, path)
            found.assign(array)
        assert [habits.facts_of(w) for w in layer.weights] == theirs[label]["weights"], label
        assert habits.counts(layer) == theirs[label]["counts"], label
    assert sum(len(answer["attributes"]) for answer in theirs.values()) > 80


def test_variables_behave_as_those_of_keras(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "habits:use_of_variables")
    ours = habits.use_of_variables(kt)  # type: ignore[arg-type]
    assert [key for key in theirs if not same(ours[key], theirs[key])] == []
    assert list(ours) == list(theirs)


def test_own_weights_are_written_in_call(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "habits:own_weights")
    ours = habits.own_weights(kt)  # type: ignore[arg-type]
    assert [key for key in theirs if not same(ours[key], theirs[key])] == []


def test_paths_in_models(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "habits:paths_in_models")
    ours = habits.paths_in_models(kt)  # type: ignore[arg-type]
    numbered = re.compile(r"(?<=stacked_rnn_cells)_\d+")  # how many there were before in the process
    assert {key: [numbered.sub("", path) for path in paths] for key, paths in ours.items()} == {
        key: [numbered.sub("", path) for path in paths] for key, paths in theirs.items()
    }


# ---------------------------------------------------------------- classes without get_config


def test_classes_without_get_config_are_recorded(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "recorded_classes:recorded")
    assert recorded_classes.recorded(kt) == theirs  # type: ignore[arg-type]


def test_own_cells_without_get_config_in_wrappers(keras_worker: KerasWorker, tmp_path: Path) -> None:
    x = habits.random(2, 4, 2)
    arrays = [habits.random(2, 3, seed=1), habits.random(2, 3, seed=2), habits.random(6, 2, seed=3)]
    theirs = keras_worker.call("keras3", "recorded_classes:own_cells_without_config", str(tmp_path), x, arrays)
    ours = recorded_classes.own_cells_without_config(kt, str(tmp_path), x, arrays)  # type: ignore[arg-type]
    assert ours["scales"] == theirs["scales"]
    for mine, wanted in zip(ours["outputs"], theirs["outputs"], strict=True):
        assert_close(mine, wanted)
    assert apart(theirs["outputs"][0] * np.float32(1.01), theirs["outputs"][0])


def test_what_is_not_plain_is_named() -> None:
    class Around(layers.Layer):
        def __init__(self, function: Any, inner: Any = None) -> None:
            super().__init__()
            self.function, self.inner = function, inner

        def call(self, x: Any) -> Any:
            return self.function(x)

    with pytest.raises(NoConfigError, match=r"^Around .* has no config: .* is no plain value: func"):
        Around(torch.relu).get_config()
    model = kt.Sequential([kt.Input((3,)), Around(torch.relu)])
    assert kt.clone_model(model).layers[0].function is torch.relu  # in this process a function can be shared
    with pytest.raises(NoConfigError, match=r"function \(builtin.*, inner \(Dense\)\. Define get_config"):
        kt.clone_model(kt.Sequential([kt.Input((3,)), Around(torch.relu, layers.Dense(3))]))


# ---------------------------------------------------------------- what layers say of themselves


def test_layers_without_weights_are_built(keras_worker: KerasWorker) -> None:
    cases = layer_cases()
    theirs = keras_worker.call("keras3", "habits:are_built", cases)
    ours = habits.are_built(kt, cases)  # type: ignore[arg-type]
    assert [label for label in ours if ours[label][1:] != theirs[label][1:]] == []
    assert [label for label in ours if theirs[label][0] and not ours[label][0]] == []
    # Keras says so of some of those only that have nothing to build.
    assert all(
        ours[label][0] for label in ("Dropout", "Flatten", "Activation", "Reshape", "Cropping1D", "MaxPooling1D")
    )
    assert not any(ours[label][0] for label in ours if REGISTRY[label].WEIGHTS)


def test_losses_specs_and_states(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "habits:said_of_layers")
    ours = habits.said_of_layers(kt)  # type: ignore[arg-type]
    assert {key: (ours[key], theirs[key]) for key in theirs if not same(ours[key], theirs[key])} == {}


def test_a_layer_shows_what_is_not_default() -> None:
    shown = {
        layers.LSTM(4, return_sequences=True, dropout=0.1): "LSTM(4, return_sequences=True, dropout=0.1)",
        layers.LSTM(4): "LSTM(4)",
        layers.Dense(3, activation="relu", name="top"): "Dense(3, activation='relu', name='top')",
        layers.Dense(3, kernel_initializer="he_normal"): "Dense(3, kernel_initializer='he_normal')",
        layers.Conv1D(3, 2, padding="same"): "Conv1D(3, (2,), padding='same')",
        layers.MaxPooling1D(2): "MaxPooling1D()",
        layers.Embedding(5, 3, mask_zero=True): "Embedding(5, 3, mask_zero=True)",
        layers.Dropout(0.5): "Dropout(0.5)",
        layers.RNN(layers.LSTMCell(3), return_state=True): "RNN(\n  return_state=True\n  (cell): LSTMCell(3)\n)",
        layers.TimeDistributed(layers.Dense(3)): "TimeDistributed(\n  (layer): Dense(3)\n)",
    }
    assert {repr(layer): text for layer, text in shown.items() if repr(layer) != text} == {}
    for layer, text in shown.items():
        if "\n" not in text:  # a layer around another, which stands below it
            assert repr(eval(text, vars(layers))) == text, layer


def test_dir_shows_what_people_use() -> None:
    model = kt.Sequential([kt.Input((4, 3)), layers.LSTM(2), layers.Dense(1)])
    for thing in (model, *model.layers):
        assert not [name for name in dir(thing) if name.isupper()]
        assert {"weights", "name", "summary" if thing is model else "get_config"} <= set(dir(thing))
    assert {"LSTM", "Dense", "Wrapper", "InputSpec", "Layer"} <= set(dir(layers))
