"""Frozen layers in legacy files: trainable weights stand before the others, which swaps weights of equal shapes.

Every array is one constant, its own: what is in the wrong place says where it came from.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from _made_weights import write_legacy

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import MismatchError


def nested(*frozen: str) -> Sequential:
    """Three layers of one shape in a model inside; in a file they are one group."""
    parts = [layers.Dense(3, name=name, trainable=name not in frozen) for name in ("first", "second", "third")]
    return Sequential([Input((3,)), Sequential([Input((3,)), *parts], name="inner")], name="outer")


def wrapped(*frozen: str) -> Sequential:
    inner = layers.Dense(3, name="each", trainable="each" not in frozen)
    parts = [layers.TimeDistributed(inner, name="over_time"), layers.BatchNormalization(name="norm")]
    return Sequential([Input((5, 3)), Sequential([Input((5, 3)), *parts], name="inner")], name="outer")


CASES: dict[str, tuple[Callable[..., Sequential], tuple[str, ...], list[str]]] = {
    "none": (
        nested,
        (),
        ["first/kernel", "first/bias", "second/kernel", "second/bias", "third/kernel", "third/bias"],
    ),
    "the first": (
        nested,
        ("first",),
        ["second/kernel", "second/bias", "third/kernel", "third/bias", "first/kernel", "first/bias"],
    ),
    "the middle": (
        nested,
        ("second",),
        ["first/kernel", "first/bias", "third/kernel", "third/bias", "second/kernel", "second/bias"],
    ),
    "two": (
        nested,
        ("first", "second"),
        ["third/kernel", "third/bias", "first/kernel", "first/bias", "second/kernel", "second/bias"],
    ),
    "all": (
        nested,
        ("first", "second", "third"),
        ["first/kernel", "first/bias", "second/kernel", "second/bias", "third/kernel", "third/bias"],
    ),
    "inside a wrapper": (
        wrapped,
        ("each",),
        ["norm/gamma", "norm/beta", "each/kernel", "each/bias", "norm/moving_mean", "norm/moving_variance"],
    ),
}


def named(model: Model) -> dict[str, np.ndarray]:
    """`layer/weight` -> its array, found by walking the model."""
    found = {}
    for layer in model.layers[0].layers:
        part = layer.layer if isinstance(layer, layers.TimeDistributed) else layer
        for variable in part.variables:
            found[f"{part.name}/{variable.name}"] = variable.numpy()
    return found


def constants(model: Model) -> dict[str, np.ndarray]:
    return {name: np.full(array.shape, index + 1, "f4") for index, (name, array) in enumerate(named(model).items())}


def fill(model: Model) -> dict[str, np.ndarray]:
    wanted = constants(model)
    for layer in model.layers[0].layers:
        part = layer.layer if isinstance(layer, layers.TimeDistributed) else layer
        for variable in part.variables:
            variable.assign(torch.from_numpy(wanted[f"{part.name}/{variable.name}"]))
    return wanted


def assert_all(model: Model, wanted: dict[str, np.ndarray]) -> None:
    got = named(model)
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


def group_of(path: Path) -> list[float]:
    """The constants of the one group with weights in a file, as its list of names orders them."""
    with h5py.File(path) as file:
        weights = file.get("model_weights", file)
        assert isinstance(weights, h5py.Group)
        group = weights["inner"]
        listed = [name.decode() if isinstance(name, bytes) else name for name in group.attrs["weight_names"]]
        arrays = [np.asarray(group[name]) for name in listed]
    assert all(array.size == 1 or np.ptp(array) == 0 for array in arrays)
    return [float(array.flat[0]) for array in arrays]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("plain_names", [False, True])
def test_weights_of_a_file_with_frozen_layers(tmp_path: Path, case: str, plain_names: bool) -> None:
    """By the order alone, where the names say nothing, and with names."""
    make, frozen, order = CASES[case]
    model = make(*frozen)
    wanted = constants(model)
    label = (lambda name: f"{name.rpartition('/')[2]}_{order.index(name)}:0") if plain_names else (lambda n: f"{n}:0")
    stored = [(label(name), wanted[name]) for name in order]
    report = kt.load_weights(model, write_legacy(tmp_path / "w.h5", {"inner": stored}))
    assert_all(model, wanted)
    assert report.rules == ()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dialect", ["keras2", "keras3"])
def test_files_list_trainable_weights_first(tmp_path: Path, case: str, dialect: str) -> None:
    make, frozen, order = CASES[case]
    model = make(*frozen)
    wanted = fill(model)
    values = [float(wanted[name].flat[0]) for name in order]
    assert len(set(values)) == len(values)
    for save, path in ((kt.save_weights, tmp_path / "w.h5"), (kt.save_model, tmp_path / "m.h5")):
        save(model, path, dialect=dialect)  # type: ignore[operator]
        assert group_of(path) == values
    assert_all(kt.load_model(tmp_path / "m.h5"), wanted)


@pytest.mark.parametrize("case", CASES)
def test_names_decide_where_other_layers_were_frozen(tmp_path: Path, case: str) -> None:
    make, frozen, _ = CASES[case]
    saved, model = make(*frozen), make()
    wanted = fill(saved)
    kt.save_weights(saved, tmp_path / "w.h5", dialect="keras2")
    report = kt.load_weights(model, tmp_path / "w.h5")
    assert_all(model, wanted)
    text = "its arrays stand in the order of another set of frozen layers; their names say which is which"
    assert [rule.text for rule in report.rules] == ([] if case in ("none", "all") else [text])


def test_a_config_that_says_another_order_is_refused(tmp_path: Path) -> None:
    """Of a whole model the config says what was frozen: names that contradict it are not guessed about."""
    saved = nested("first")
    fill(saved)
    kt.save_model(saved, tmp_path / "m.h5", dialect="keras2")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        text = file.attrs["model_config"]
        config = json.loads(text)
        text = json.dumps(config).replace('"trainable": false', '"trainable": true')
        file.attrs["model_config"] = text
    with pytest.raises(MismatchError, match="layer 'inner': the names of its arrays say another order than its config"):
        kt.load_model(tmp_path / "m.h5")
