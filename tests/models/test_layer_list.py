"""model.layers: a list to edit, which torch's tools still find their way through."""

from __future__ import annotations

import copy

import pytest
import torch
from _close import assert_close
from torch import nn

from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError


def models() -> list[Model]:
    x = Input((3,))
    return [
        Sequential([Input((3,)), layers.Dense(3, name="one"), layers.Dense(3, name="two")]),
        Model(x, layers.Dense(3, name="two")(layers.Dense(3, name="one")(x))),
    ]


def test_torch_finds_and_exchanges_layers() -> None:
    for model in models():
        place = len(model.layers) - 1
        path, x = f"layers.{place}", torch.randn(2, 3)
        assert model.get_submodule(path) is model.get_layer("two")
        assert nn.Sequential(model).get_submodule(f"0.{path}") is model.get_layer("two")
        assert f"{path}.weight" in model.state_dict()
        first = model.get_layer("one")(x)
        model.set_submodule(path, nn.Softmax(-1))
        assert_close(model.layers[place](first), first.softmax(-1))
        new = layers.Dense(3, name="new")
        setattr(model.layers, str(place), new)
        assert model.get_layer("new") is new
        assert_close(model(x), new(first))
        assert copy.deepcopy(model).layers[place].name == "new"


def test_what_is_edited_is_the_list() -> None:
    for model in models():
        expected, x = list(model.layers), torch.randn(2, 3)
        before = model(x)
        edited = model.layers
        edited[-1] = layers.Dense(7)
        edited.pop(0)
        assert len(edited) == len(expected) - 1
        assert model.layers == expected
        assert torch.equal(model(x), before)
        with pytest.raises(
            (ArgumentError, AttributeError), match=r"the attribute 'layers' is taken .* has add\(\) and pop"
        ):
            model.layers = edited
        assert model.layers == expected
        with pytest.raises(TypeError, match="is not a Module"):
            edited.append(3)
