"""Calls with several tensors in a file, and what stands for the layer that is called so."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import UnsupportedFileError


def text_of(**named: Any) -> str:
    """A tf.keras model of two inputs and a layer that is called with both, with these arguments by name."""
    inputs = [
        {"class_name": "InputLayer", "name": name, "config": {"name": name, "batch_input_shape": [None, 4, 3]}}
        for name in "ab"
    ]
    masking = {"class_name": "Masking", "name": "m", "config": {"name": "m"}, "inbound_nodes": [[["b", 0, 0, {}]]]}
    own = {"class_name": "Own", "name": "own", "config": {"name": "own"}, "inbound_nodes": [[["a", 0, 0, named]]]}
    config = {
        "name": "model",
        "layers": [*({**one, "inbound_nodes": []} for one in inputs), masking, own],
        "input_layers": [["a", 0, 0], ["b", 0, 0]],
        "output_layers": [["own", 0, 0]],
    }
    return json.dumps(
        {"class_name": "Functional", "config": config, "keras_version": "2.15.0", "backend": "tensorflow"}
    )


def run(thing: Any, **named: Any) -> tuple[Tensor, Tensor, Tensor]:
    model = kt.model_from_json(text_of(**(named or {"y": ["m", 0, 0]})), replace={"own": thing})
    a, b = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    b[:, 2] = 0
    return a, b, model([a, b])


def test_a_tensor_does_not_go_where_a_number_is_expected() -> None:
    def in_a_list(pair: list[Tensor], scale: float = 3.0) -> Tensor:
        return pair[0] - scale * pair[1]

    a, b, found = run(in_a_list)
    assert torch.equal(found, a - 3.0 * b)


def test_an_argument_may_be_any_tensor() -> None:
    a, b, found = run(lambda *tensors: tensors[0] - tensors[1])
    assert torch.equal(found, a - b)
    a, b, found = run(lambda x, **others: x - others["y"])
    assert torch.equal(found, a - b)
    a, b, found = run(nn.Bilinear(3, 3, 2))
    assert found.shape == (2, 4, 2)


def test_arguments_of_a_lambda_have_their_values() -> None:
    a, b, found = run(layers.Lambda(lambda x, scale, y: x - scale * y, arguments={"scale": 2.0}))
    assert torch.equal(found, a - 2.0 * b)


def test_masks_of_single_tensors_arrive() -> None:
    seen: list[Any] = []

    def masked(x: Tensor, y: Tensor, x_mask: Any = None, y_mask: Any = None, training: Any = None) -> Tensor:
        seen.append((x_mask, y_mask, training))
        return x - y

    a, b, found = run(masked)
    assert torch.equal(found, a - b)
    x_mask, y_mask, training = seen[-1]
    assert x_mask is None
    assert training is False  # a loaded model computes as in inference
    assert torch.equal(y_mask, b.abs().sum(-1) != 0)


def test_a_layer_is_called_as_itself_or_as_the_files_class() -> None:
    a, b, found = run(layers.Subtract())
    assert torch.equal(found, a - b)

    class Own(layers.Layer):
        def call(self, x: Tensor, other: Tensor) -> Tensor:
            return x - other

    a, b, found = run(Own())
    assert torch.equal(found, a - b)


def test_lambdas_and_modules_are_called_with_several_tensors_by_hand() -> None:
    a, b = torch.randn(2, 3), torch.randn(2, 3)
    x, y = kt.Input((3,)), kt.Input((3,))
    for layer in (
        layers.Lambda(torch.sub),
        layers.Lambda(lambda p, q: p - q),
        layers.Lambda(lambda p, *, q=None: p - q),
    ):
        named = "q" in str(layer.signature) and "*" in str(layer.signature)
        assert torch.equal(layer(a, q=b) if named else layer(a, b), a - b)
        model = kt.Model([x, y], layer(x, q=y) if named else layer(x, y))
        assert torch.equal(model([a, b]), a - b)
        assert model.output_shape == (None, 3)
    module = nn.Bilinear(3, 3, 5)
    assert torch.equal(kt.Model([x, y], layers.TorchModuleWrapper(module)(x, y))([a, b]), module(a, b))


def test_what_takes_them_in_no_way_is_told() -> None:
    def three(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
        return p

    def two(p: Tensor, q: Tensor) -> Tensor:
        return p

    with pytest.raises(
        UnsupportedFileError,
        match=r"the file calls layer 'own' with \(a tensor, y=\.\.\.\), which 'three'\(p, q, r\) does not take: give "
        r"something that takes one list of 2 tensors, or 2 tensors\.",
    ):
        run(three)
    with pytest.raises(UnsupportedFileError, match=r"'two'\(p, q\) does not take: .* or 2 tensors, and axis\."):
        run(two, y=["m", 0, 0], axis=1)
    with pytest.raises(UnsupportedFileError, match=r"with \(a tensor, axis=\.\.\.\), .* takes one tensor, and axis\."):
        run(lambda x: x, axis=1)
