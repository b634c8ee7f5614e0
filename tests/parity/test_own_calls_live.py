"""Layers of one's own that a file calls with several tensors: what stands for them gets the tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers

from ._compare import FORWARD, difference

FORMS = ["positions", "second by name", "names", "three", "option"]
FILES = [("keras3", "m.keras"), ("keras3", "m.h5"), ("keras2", "m.h5"), ("keras2", "m.keras")]
# Keras 3 takes tensors by name alone; tf.keras needs its first one by position.
CASES = [(form, *file) for form in FORMS for file in FILES if form != "names" or file[0] == "keras3"]


def by_other_names(a: Tensor, b: Tensor, c: Any = None, scale: float = 2.0) -> Tensor:
    return (a - scale * b) * (1.0 if c is None else c)


class Module(nn.Module):
    def forward(self, labels: Tensor, y_pred: Tensor, weight: Any = None, *, scale: float = 2.0) -> Tensor:
        return by_other_names(labels, y_pred, weight, scale)


class Own(layers.Layer):
    def call(self, labels: Tensor, y_pred: Tensor, weight: Any = None, scale: float = 2.0) -> Tensor:
        return by_other_names(labels, y_pred, weight, scale)


def in_another_order(y_pred: Tensor, labels: Tensor, weight: Any = None, scale: float = 2.0) -> Tensor:
    return by_other_names(labels, y_pred, weight, scale)


def in_a_list(tensors: list[Tensor], scale: float = 2.0) -> Tensor:
    return by_other_names(*tensors, scale=scale)


@pytest.mark.parametrize(("form", "framework", "name"), CASES, ids=["-".join(case) for case in CASES])
def test_what_stands_for_a_layer_gets_the_tensors(
    keras_worker: KerasWorker, form: str, framework: str, name: str, tmp_path: Path
) -> None:
    path, random = str(tmp_path / name), np.random.default_rng(1)
    x = [random.normal(size=(2, 3)).astype("float32") for _ in range(3)]
    theirs = keras_worker.call(framework, "own_calls:write", form, path, x)
    given: list[dict[str, Any]] = [
        {"replace": {"loss": by_other_names}},
        {"replace": {"loss": Module()}},
        {"replace": {"loss": Own()}},
        {"replace": {"loss": in_a_list}},
        {"custom_objects": {"Loss": Own}},
        {"custom_objects": {"Loss": lambda **config: Module()}},
        {"custom_objects": {"Loss": lambda **config: in_a_list}},
    ]
    if form == "names":  # in the order of the file they are swapped, so no list and no other name can mean them
        given = [one for one in given if next(iter(one.values())).get("loss") not in (by_other_names, in_a_list)][:-1]
        given.append({"replace": {"loss": in_another_order}})
    for options in given:
        model = kt.load_model(path, **options)
        assert difference(theirs, model([torch.tensor(one) for one in x]).detach().numpy(), FORWARD["float32"]) is None
        assert model.output_shape == (None, 3)


@pytest.mark.parametrize(("framework", "name"), FILES)
def test_recipes_and_merging_layers_get_them_in_a_list(
    keras_worker: KerasWorker, framework: str, name: str, tmp_path: Path
) -> None:
    path, random = str(tmp_path / name), np.random.default_rng(1)
    x = [random.normal(size=(2, 3)).astype("float32") for _ in range(3)]
    keras_worker.call(framework, "own_calls:write", "positions", path, x)
    outputs = []
    recipes = kt.recipes.pick(0), kt.recipes.pick(1), kt.recipes.absolute_difference()
    for thing in (*recipes, layers.Subtract(), torch.sub):
        outputs.append(kt.load_model(path, replace={"loss": thing})([torch.tensor(one) for one in x]).detach())
    labels, y_pred = outputs[:2]
    assert np.array_equal(labels, x[0])
    assert not torch.equal(labels, y_pred)
    assert torch.equal(outputs[2], (labels - y_pred).abs())
    assert torch.equal(outputs[3], labels - y_pred)
    assert torch.equal(outputs[4], labels - y_pred)
