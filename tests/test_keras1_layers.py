"""Activations, noise, Highway and MaxoutDense in files of Keras 1, and the same where Keras 2 still read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close, assert_numbers
from test_keras1 import item, one, sequential, write

import kerastorch as kt
from kerastorch import layers
from kerastorch.compat import to_spec
from kerastorch.errors import MismatchError, UnsupportedFileError

FIRST = {"batch_input_shape": [None, 4]}
Named = list[tuple[str, np.ndarray]]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (item("LeakyReLU", "l", alpha=0.25), {"negative_slope": 0.25}),
        (item("LeakyReLU", "l", alpha={"type": "ndarray", "value": 0.25}), {"negative_slope": 0.25}),
        (item("ELU", "e", alpha=0.5), {"alpha": 0.5}),
        (item("ThresholdedReLU", "t", theta=0.5), {"theta": 0.5}),
        (
            item("PReLU", "p", init="one", shared_axes=None),
            {"alpha_initializer": {"class_name": "Ones", "config": {}}, "shared_axes": None},
        ),
        (item("GaussianNoise", "g", sigma=0.5), {"stddev": 0.5}),
        (item("GaussianDropout", "g", p=0.5), {"rate": 0.5}),
        (item("ActivityRegularization", "a", l1=0.1, l2=0.2), {"l1": 0.1, "l2": 0.2}),
        (
            item("Highway", "h", init="uniform", activation="relu", bias=True, transform_bias=-2, input_dim=4,
                 W_regularizer={"name": "WeightRegularizer", "l1": 0.0, "l2": 0.5},
                 b_constraint={"name": "NonNeg"}, W_constraint=None, b_regularizer=None, activity_regularizer=None),
            {
                "init": {"class_name": "RandomUniform", "config": {}},
                "activation": "relu",
                "bias": True,
                "W_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.5}},
                "b_constraint": {"class_name": "NonNeg", "config": {}},
                "W_constraint": None,
                "b_regularizer": None,
            },
        ),
        (
            item("MaxoutDense", "m", output_dim=3, nb_feature=2, init="normal", bias=False, input_dim=4),
            {"output_dim": 3, "nb_feature": 2, "init": {"class_name": "RandomNormal", "config": {}}, "bias": False},
        ),
    ],
    ids=lambda value: str(value.get("class_name", "")),
)  # fmt: skip
def test_arguments(config: dict[str, Any], expected: dict[str, Any]) -> None:
    config["config"].update(FIRST)
    layer, _ = one(sequential(config))
    assert layer.config == expected
    assert layer.class_name == config["class_name"]
    assert kt.models.build_model(to_spec(sequential(config), "1.2.2")[0]).output_shape[0] is None


def arrays(seed: int, **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()}


def load(path: Path, config: dict[str, Any], stored: Named) -> kt.Model:
    config["config"].update(FIRST)
    return kt.load_model(write(path, {config["config"]["name"]: stored}, sequential(config)))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


HIGHWAY = arrays(1, W=(4, 4), W_carry=(4, 4), b=(4,), b_carry=(4,))


@pytest.mark.parametrize(
    "order", [["W", "b", "W_carry", "b_carry"], ["W", "W_carry", "b", "b_carry"]], ids=["until 1.1", "from 1.2 on"]
)
def test_highway(tmp_path: Path, order: list[str]) -> None:
    stored = [(f"h_{name}", HIGHWAY[name]) for name in order]
    model = load(tmp_path / "m.h5", item("Highway", "h", activation="tanh", bias=True), stored)
    x = np.random.default_rng(2).normal(size=(5, 4)).astype("f4")
    gate = sigmoid(x @ HIGHWAY["W_carry"] + HIGHWAY["b_carry"])
    expected = gate * np.tanh(x @ HIGHWAY["W"] + HIGHWAY["b"]) + (1 - gate) * x
    assert_close(model.predict(x), expected)  # the project's bound in float32
    for name, got in zip(("W", "W_carry", "b", "b_carry"), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, HIGHWAY[name])


def test_highway_without_bias(tmp_path: Path) -> None:
    stored = [("h_W", HIGHWAY["W"]), ("h_W_carry", HIGHWAY["W_carry"])]
    model = load(tmp_path / "m.h5", item("Highway", "h", bias=False), stored)
    x = np.random.default_rng(2).normal(size=(5, 4)).astype("f4")
    gate = sigmoid(x @ HIGHWAY["W_carry"])
    assert_close(model.predict(x), gate * (x @ HIGHWAY["W"]) + (1 - gate) * x)
    with pytest.raises(MismatchError, match="expected 2 arrays"):
        load(tmp_path / "n.h5", item("Highway", "h", bias=False), stored[:1])


@pytest.mark.parametrize("bias", [True, False])
def test_maxout(tmp_path: Path, bias: bool) -> None:
    held = arrays(3, W=(5, 4, 3), b=(5, 3))
    stored = [(f"m_{name}", held[name]) for name in ("W", "b")[: 1 + bias]]
    model = load(tmp_path / "m.h5", item("MaxoutDense", "m", output_dim=3, nb_feature=5, bias=bias), stored)
    x = np.random.default_rng(2).normal(size=(6, 4)).astype("f4")
    expected = (np.einsum("bf,kfu->bku", x, held["W"]) + (held["b"] if bias else 0)).max(1)
    assert_close(model.predict(x), expected)


def test_prelu(tmp_path: Path) -> None:
    alphas = arrays(4, alphas=(4,))["alphas"]
    model = load(tmp_path / "m.h5", item("PReLU", "p", init="zero", shared_axes=None), [("p_alphas", alphas)])
    x = np.random.default_rng(2).normal(size=(6, 4)).astype("f4")
    assert_close(model.predict(x), np.where(x > 0, x, alphas * x))


def test_keras_2_read_them_too() -> None:
    config = sequential(item("Highway", "h", activation="relu", init={"class_name": "Zeros", "config": {}}, **FIRST))
    spec, writer, _ = to_spec(config, "2.2.4", "tensorflow")
    assert writer.era == "keras2"
    assert spec.layers[1].class_name == "Highway"  # type: ignore[union-attr]
    for version in ("2.15.0", "3.1.0"):
        with pytest.raises(UnsupportedFileError, match="has no class Highway"):
            to_spec(config, version, "tensorflow")


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Highway(activation="tanh", W_regularizer="l2", b_constraint="non_neg", bias=True),
        lambda: layers.MaxoutDense(3, 2, init="he_normal", bias=False),
    ],
)
def test_configs(make: Callable[[], Any]) -> None:
    layer = make()
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert {"init", "bias", "W_regularizer", "b_constraint"} <= set(layer.get_config())
    layer.build((None, 4))
    assert layer.get_config() == again.get_config()
    assert layer(torch.zeros(2, 4)).shape[0] == 2


def test_penalties_and_fresh_weights() -> None:
    layer = layers.Highway(W_regularizer="l2", init="ones")
    layer.build((None, 3))
    names = [variable.name for variable in layer.variables]
    assert names == ["W", "W_carry", "b", "b_carry"]
    assert [array.mean() for array in layer.get_weights()] == [1, 1, 0, 1]
    assert_numbers([float(loss.detach()) for loss in layer.losses], [0.09])
