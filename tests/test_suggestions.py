"""What is said of a misspelt name: the one that is meant, by one mechanism."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError, closest


def model() -> Sequential:
    return Sequential([Input((4, 3)), layers.LSTM(3, name="encoder")])


# What is misspelt -> what is meant.
CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "a layer": (lambda: layers.Lstm, "LSTM"),
    "a layer in two words": (lambda: layers.Time_Distributed, "TimeDistributed"),
    "a name of the package": (lambda: kt.Sequentail, "Sequential"),
    "a function that is made on use": (lambda: kt.load_modle, "load_model"),
    "an initializer's class": (lambda: kt.initializers.GlorotUnifrom, "GlorotUniform"),
    "an initializer's function": (lambda: kt.initializers.glorot_unifrom, "glorot_uniform"),
    "a regularizer": (lambda: kt.regularizers.l1l2, "l1_l2"),
    "a constraint": (lambda: kt.constraints.NonNg, "NonNeg"),
    "an activation": (lambda: kt.activations.Relu, "relu"),
    "an operation": (lambda: kt.ops.matmull, "matmul"),
    "an optimizer": (lambda: kt.optimizers.Adm, "Adam"),
    "a loss": (lambda: kt.losses.mean_square_error, "mean_squared_error"),
    "a function of models": (lambda: kt.models.clone_modle, "clone_model"),
    "a utility": (lambda: kt.utils.pad_sequence, "pad_sequences"),
    "an argument": (lambda: layers.LSTM(3, return_sequence=True), "return_sequences"),
    "an argument of the base": (lambda: layers.Dense(3, nam="a"), "name"),
    "an argument of a wrapper": (lambda: layers.Bidirectional(layers.LSTM(3), merge_mod="sum"), "merge_mode"),
    "an argument of a model": (lambda: Model(Input((3,)), outptus=1), "outputs"),
    "an argument of save": (lambda: model().save("m.keras", overwrit=True), "overwrite"),
    "a value": (lambda: layers.Conv1D(3, 2, padding="sames"), "same"),
    "a key of a config": (lambda: layers.Dense.from_config({"units": 3, "use_bais": False}), "use_bias"),
    "a class in a config": (lambda: layers.deserialize({"class_name": "LSMT", "config": {}}), "LSTM"),
    "a layer of a model": (lambda: model().get_layer("encodr"), "encoder"),
    "an activation by name": (lambda: layers.Dense(3, activation="rellu"), "relu"),
    "an initializer by name": (lambda: layers.Dense(3, kernel_initializer="glorotuniform"), "glorot_uniform"),
    "a loss by name": (lambda: kt.losses.get("mean_square_error"), "mean_squared_error"),
    "an optimizer by name": (lambda: kt.optimizers.get("adm"), "adam"),
}


@pytest.mark.parametrize(("mistake", "meant"), CASES.values(), ids=CASES)
def test_a_misspelt_name_is_answered_with_the_one_that_is_meant(mistake: Any, meant: str, tmp_path: Path) -> None:
    with pytest.raises((AttributeError, ArgumentError), match=rf"[Dd]id you mean '{meant}'\?"):
        mistake()


def test_what_is_like_nothing_is_not_guessed() -> None:
    assert closest("zzz", ["LSTM", "GRU"]) is None
    with pytest.raises(AttributeError, match=r"^module 'kerastorch.layers' has no attribute 'Zzzz'$"):
        _ = layers.Zzzz
    with pytest.raises(ArgumentError, match=r"^LSTM has no argument 'zzzz'\. It takes: name"):
        layers.LSTM(3, zzzz=1)
    assert not hasattr(kt, "__wrapped__")


def test_an_argument_of_the_class_above_is_not_what_is_meant() -> None:
    with pytest.raises(ArgumentError, match="GroupQueryAttention has no argument 'keras2_masks'") as raised:
        layers.GroupQueryAttention(2, 2, 1, keras2_masks=True)
    assert "Did you mean" not in str(raised.value)
