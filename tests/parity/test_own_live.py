"""Files of real Keras with classes and functions of one's own, read with what stands for these."""

from __future__ import annotations

import copy
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from _keras_worker import KerasWorker
from _own_layers import CLASSES, EVERYTHING, FUNCTIONS, Attention
from torch import nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import MissingLayersError

FRAMEWORKS = ("keras3", "keras2")
# Model -> the shape of each input; ints are drawn for those of "words".
INPUTS: dict[str, list[tuple[int, ...]]] = {
    "attention": [(5,)],
    "keeps_mask": [(5,)],
    "first_layer": [(5, 3)],
    "two_tensors": [(5, 3), (7, 4)],
    "layer_inside": [(5, 3)],
    "subclass_of_lstm": [(5, 3)],
    "own_cell": [(5, 3)],
    "constants": [(5, 3), (4,), (4,)],
    "functions": [(5, 3)],
    "named_lambda": [(5, 3)],
    "lambdas": [(5, 3)],
    "masked_lambda": [(5,)],
    "own_model": [(5, 3)],
    "operations": [(5, 3)],
    "whole_model": [(5, 3)],
}
WORDS = ("attention", "keeps_mask", "masked_lambda")


def inputs_of(builder: str) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    if builder in WORDS:
        return [rng.integers(0, 3, (4, *shape)).astype("int32") for shape in INPUTS[builder]]
    return [rng.normal(size=(4, *shape)).astype("float32") for shape in INPUTS[builder]]


def assert_same(model: kt.Model, inputs: list[np.ndarray], expected: list[np.ndarray]) -> None:
    found = model.predict(inputs if len(inputs) > 1 else inputs[0])
    found = list(found) if isinstance(found, (list, tuple)) else [found]
    assert_close(found, expected)


def saved(
    worker: KerasWorker, framework: str, builder: str, path: Path, **options: Any
) -> tuple[list[np.ndarray], dict[str, Any]]:
    inputs = inputs_of(builder)
    return inputs, worker.call(framework, "own:save", builder, str(path), inputs, **options)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    "builder",
    ["attention", "keeps_mask", "first_layer", "two_tensors", "layer_inside", "subclass_of_lstm", "own_cell",
     "functions", "own_model"],
)  # fmt: skip
def test_reads_what_keras_wrote(
    keras_worker: KerasWorker, tmp_path: Path, framework: str, builder: str, ending: str
) -> None:
    path = tmp_path / f"m.{ending}"
    inputs, answer = saved(keras_worker, framework, builder, path)
    model = kt.load_model(path, EVERYTHING)
    assert_same(model, inputs, answer["outputs"])
    assert_close(model.regularization_loss(), answer["penalty"])
    with pytest.raises(kt.KerasTorchError):
        kt.load_model(path)
    again = kt.model_from_json(answer["json"], EVERYTHING)
    again.set_weights(model.get_weights())
    assert_same(again, inputs, answer["outputs"])


def shift_layer() -> kt.layers.Layer:
    return layers.Lambda(FUNCTIONS["shifted"], arguments={"by": 0.25})


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_lambda_of_a_named_function(keras_worker: KerasWorker, tmp_path: Path, framework: str, ending: str) -> None:
    path = tmp_path / f"m.{ending}"
    inputs, answer = saved(keras_worker, framework, "named_lambda", path)
    by_name = {"replace": {"shift": shift_layer()}}
    # tf.keras writes the code of every function; Keras 3 the name of one that has a name.
    options = {"custom_objects": FUNCTIONS} if framework == "keras3" else by_name
    assert_same(kt.load_model(path, **options), inputs, answer["outputs"])
    with pytest.raises(
        MissingLayersError, match=r"custom_objects=\{'shifted'" if framework == "keras3" else "replace="
    ):
        kt.load_model(path)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_lambdas_inside_and_outside(keras_worker: KerasWorker, tmp_path: Path, framework: str, ending: str) -> None:
    path = tmp_path / f"m.{ending}"
    inputs, answer = saved(keras_worker, framework, "lambdas", path)
    with pytest.raises(MissingLayersError) as caught:
        kt.load_model(path)
    text = str(caught.value)
    assert "'inner/last' of class 'Lambda'" in text
    assert "between 'lstm' and 'the end'" not in text
    assert "input (None, 5, 4); output (None, 4)" in text
    assert "kt.recipes.last_step()" in text
    assert "kt.recipes.multiply()" in text
    assert "replace={'inner/last': ..., 'both': ...}" in text
    for last in ("inner/last", "last"):
        replace = {last: kt.recipes.last_step(), "both": kt.recipes.multiply()}
        assert_same(kt.load_model(path, replace=replace), inputs, answer["outputs"])
    wrong = kt.load_model(path, replace={"last": kt.recipes.max_over(1), "both": kt.recipes.multiply()})
    with pytest.raises(AssertionError, match="not close"):
        assert_same(wrong, inputs, answer["outputs"])


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_lambda_among_operations(keras_worker: KerasWorker, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"m.{ending}"
    inputs, answer = saved(keras_worker, "keras3", "operations", path)
    with pytest.raises(MissingLayersError) as caught:
        kt.load_model(path)
    text = str(caught.value)
    assert "input (None, 5, 3); output (None, 3)" in text
    assert "kt.recipes.last_step()" in text
    assert_same(kt.load_model(path, replace={"last": kt.recipes.last_step()}), inputs, answer["outputs"])
    names = [layer.name for layer in kt.load_model(path, replace={"last": kt.recipes.last_step()}).layers]
    (tanh,) = [name for name in names if "tanh" in name]
    other = kt.load_model(path, replace={"last": kt.recipes.last_step(), tanh: torch.tanh})
    assert_same(other, inputs, answer["outputs"])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_lambda_loses_the_mask(keras_worker: KerasWorker, tmp_path: Path, framework: str) -> None:
    path = tmp_path / "m.h5"
    inputs, answer = saved(keras_worker, framework, "masked_lambda", path)
    assert_same(kt.load_model(path, replace={"double": lambda x: x * 2}), inputs, answer["outputs"])
    kept = layers.Lambda(lambda x: x * 2, mask=lambda x, mask: mask)
    with pytest.raises(AssertionError, match="not close"):
        assert_same(kt.load_model(path, replace={"double": kept}), inputs, answer["outputs"])


def test_constants_of_a_cell(keras_worker: KerasWorker, tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    inputs, answer = saved(keras_worker, "keras2", "constants", path)  # Keras 3 has none
    assert_same(kt.load_model(path, EVERYTHING), inputs, answer["outputs"])


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_registered_names(keras_worker: KerasWorker, tmp_path: Path, framework: str, ending: str) -> None:
    path = tmp_path / f"m.{ending}"
    inputs, answer = saved(keras_worker, framework, "attention", path, register=True)
    for key in ("Attention", "mine>Attention"):
        assert_same(kt.load_model(path, {key: Attention}), inputs, answer["outputs"])
    with pytest.raises(MissingLayersError, match="mine>Attention"):
        kt.load_model(path, {"yours>Attention": Attention})


class TorchAttention(nn.Module):
    """The same in the torch way, with the config's keys as arguments."""

    def __init__(self, units: int, activation: Any, W_regularizer: Any) -> None:
        super().__init__()
        self.activation = activation if callable(activation) else kt.activations.get(activation)
        assert W_regularizer["class_name"] == "L2"
        self.W = nn.Parameter(torch.zeros(6, units))
        self.b = nn.Parameter(torch.zeros(units))
        self.u = nn.Parameter(torch.zeros(units))

    def forward(self, x: Any, mask: Any = None) -> Any:
        scores = self.activation(x @ self.W + self.b) @ self.u
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e9)
        return (x * scores.softmax(-1)[..., None]).sum(1)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_torch_modules_and_functions_that_make_them(
    keras_worker: KerasWorker, tmp_path: Path, framework: str, ending: str
) -> None:
    path = tmp_path / f"m.{ending}"
    inputs, answer = saved(keras_worker, framework, "attention", path)
    config = {"units": 4, "W_regularizer": {"class_name": "L2"}}
    activation = kt.activations.hard_sigmoid if framework == "keras3" else kt.activations.hard_sigmoid_keras2
    given: list[dict[str, Any]] = [
        {"custom_objects": {"Attention": TorchAttention}},
        {"custom_objects": {"Attention": lambda units, **rest: TorchAttention(units, **_without_base(rest))}},
        {"replace": {"context": TorchAttention(activation=activation, **config)}},
        {"replace": {"context": Attention(4, activation)}},
    ]
    for options in given:
        model = kt.load_model(path, **options)
        assert_same(model, inputs, answer["outputs"])
        assert_same(copy.deepcopy(model), inputs, answer["outputs"])
    wrong: list[tuple[Any, str]] = [
        (TorchAttention(5, activation, {"class_name": "L2"}), r"wrong shape: .*expected \(6, 5\), the file has"),
        (lambda x: x[:, 0], "left over in the file|expected 0 arrays"),
        (nn.LSTM(6, 6), "its output shape|left over|layout of its own|expected 4 arrays|several outputs"),
    ]
    for thing, message in wrong:
        with pytest.raises(kt.KerasTorchError, match=message):
            kt.load_model(path, replace={"context": thing})


def _without_base(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("name", "trainable", "dtype")}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_model_that_is_no_graph(keras_worker: KerasWorker, tmp_path: Path, framework: str) -> None:
    path = tmp_path / "m.keras"
    inputs, answer = saved(keras_worker, framework, "whole_model", path)
    _ = [layers.LSTM(2) for _ in range(3)]  # the names that the class makes are not those of the file
    with pytest.raises(kt.KerasTorchError, match=r"class 'Reader'.*custom_objects=\{'Reader': \.\.\.\}"):
        kt.load_model(path)
    assert_same(kt.load_model(path, CLASSES), inputs, answer["outputs"])
    with zipfile.ZipFile(path) as archive:
        text = archive.read("config.json").decode()
    model = kt.model_from_json(text, CLASSES)
    model.set_weights(answer["weights"])
    assert_same(model, inputs, answer["outputs"])
    with pytest.raises(kt.KerasTorchError, match=r"expected a kerastorch\.Model for it, got 'Attention'"):
        kt.model_from_json(text, {"Reader": lambda units: Attention(units)})
