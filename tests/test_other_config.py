"""Weights of a file loaded into a model of another config: what makes other numbers is named, and warned of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _close import assert_close
from saving._cases import EXAMPLES, IDS, model_of

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch._differences import _OF_NEW_WEIGHTS, _SILENT, differences
from kerastorch.base.layer import REGISTRY
from kerastorch.files import LegacyWeights, open_archive
from kerastorch.files.write import in_memory, write_archive
from kerastorch.spec import LayerSpec, ModelSpec

X = torch.linspace(-1.5, 2.0, 2 * 6 * 4).reshape(2, 6, 4)


def around(layer: Any, shape: tuple[int, ...] = (6, 4)) -> Model:
    return Sequential([Input(shape), layer], name="around").eval()


# A layer as in the file, as in the model, and the argument that is named.
CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "activation": (lambda: layers.LSTM(3, activation="relu"), lambda: layers.LSTM(3), "activation is 'relu'"),
    "recurrent_activation": (
        lambda: layers.LSTM(3, recurrent_activation="hard_sigmoid"),
        lambda: layers.LSTM(3),
        "recurrent_activation is hard_sigmoid of Keras 3 in the file and 'sigmoid' in the model",
    ),
    "go_backwards": (
        lambda: layers.GRU(3, go_backwards=True),
        lambda: layers.GRU(3),
        "go_backwards is True in the file and False in the model",
    ),
    "reset_after": (
        lambda: layers.GRU(3, reset_after=False, use_bias=False),
        lambda: layers.GRU(3, use_bias=False),
        "reset_after is False",
    ),
    "batch epsilon": (
        lambda: layers.BatchNormalization(epsilon=0.3),
        lambda: layers.BatchNormalization(),
        "epsilon is 0.3 in the file and 0.001 in the model",
    ),
    "layer epsilon": (
        lambda: layers.LayerNormalization(epsilon=0.3),
        lambda: layers.LayerNormalization(),
        "epsilon is 0.3",
    ),
    "dense activation": (
        lambda: layers.Dense(2, activation="tanh"),
        lambda: layers.Dense(2),
        "activation is 'tanh' in the file and 'linear' in the model",
    ),
    "merge_mode": (
        lambda: layers.Bidirectional(layers.LSTM(3), merge_mode="sum"),
        lambda: layers.Bidirectional(layers.LSTM(3), merge_mode="ave"),
        "merge_mode is 'sum'",
    ),
    "inside Bidirectional": (
        lambda: layers.Bidirectional(layers.GRU(3, activation="elu")),
        lambda: layers.Bidirectional(layers.GRU(3)),
        "layer.activation is 'elu'",
    ),
    "inside TimeDistributed": (
        lambda: layers.TimeDistributed(layers.Dense(3, activation="relu")),
        lambda: layers.TimeDistributed(layers.Dense(3)),
        "layer.activation is 'relu'",
    ),
    "inside cells": (
        lambda: layers.RNN([layers.GRUCell(3), layers.LSTMCell(2, activation="relu")]),
        lambda: layers.RNN([layers.GRUCell(3), layers.LSTMCell(2)]),
        "activation is 'relu'",
    ),
    "dilation": (
        lambda: layers.Conv1D(3, 2, dilation_rate=2),
        lambda: layers.Conv1D(3, 2),
        "dilation_rate is [2]",
    ),
    "padding": (
        lambda: layers.Conv1D(3, 2, padding="causal"),
        lambda: layers.Conv1D(3, 2, padding="same"),
        "padding is 'causal'",
    ),
    "without weights": (lambda: layers.LeakyReLU(0.3), lambda: layers.LeakyReLU(0.1), "negative_slope is 0.3"),
    "mask value": (lambda: layers.Masking(1.0), lambda: layers.Masking(0.0), "mask_value is 1.0"),
    "pool size": (lambda: layers.MaxPooling1D(2, 1), lambda: layers.MaxPooling1D(3, 1), "pool_size is [2]"),
    "nested": (
        lambda: Sequential([Input((6, 4)), layers.GRU(3, activation="relu")]),
        lambda: Sequential([Input((6, 4)), layers.GRU(3)]),
        "activation is 'relu'",
    ),
}


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("case", CASES)
def test_what_makes_other_numbers_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, case: str, ending: str
) -> None:
    make, other, named = CASES[case]
    model, path = around(make()), tmp_path / f"m{ending}"
    kt.save_model(model, path)
    mine = around(other())
    with caplog.at_level(logging.INFO, logger="kerastorch"):
        report = mine.load_weights(path)
    assert [rule.text.startswith(named) or f"].{named}" in rule.text for rule in report.differences] == [True]
    assert "not as in the file: layer" in str(report)
    assert caplog.records[-1].levelno == logging.WARNING
    assert named in caplog.records[-1].getMessage()
    same = around(make())
    with caplog.at_level(logging.INFO, logger="kerastorch"):
        assert same.load_weights(path).differences == ()
    assert caplog.records[-1].levelno == logging.INFO
    np.testing.assert_array_equal(same(X).detach().numpy(), model(X).detach().numpy())


def compared(file: Model, mine: Model) -> list[str]:
    """What is named for a file whose layers have the configs of those of `file`."""
    specs = [LayerSpec(layer._class_name, layer.name, layer.get_config()) for layer in file.layers]
    spec = ModelSpec("Sequential", "file", tuple(specs))
    return [rule.text for rule in differences(spec, mine, (), by_name=False, whole=True)]


@pytest.mark.parametrize(("cls", "example"), EXAMPLES, ids=IDS)
def test_the_same_config_differs_in_nothing(rng: np.random.Generator, cls: Any, example: Any) -> None:
    assert compared(model_of(cls, example, rng)[0], model_of(cls, example, rng)[0]) == []


# Arguments that a config states only where they are not the default; of most, the file of an older Keras decides.
STATED_AT_TIMES: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "causal": (layers.Attention, {"causal": True}, "causal is True"),
    "rms scaling": (layers.LayerNormalization, {"rms_scaling": True}, "rms_scaling is True"),
    "masks of Multiply": (layers.Multiply, {"keras2_masks": True}, "keras2_masks is True"),
    "masks of Maximum": (layers.Maximum, {"keras2_masks": True}, "keras2_masks is True"),
    "masks of Concatenate": (layers.Concatenate, {"keras2_masks": True}, "keras2_masks is True"),
    "masks of both directions": (
        lambda **given: layers.Bidirectional(layers.GRU(3, return_sequences=True), **given),
        {"forces_zeros": False},
        "forces_zeros is False",
    ),
    "first state": (layers.GRU, {"first_state_shows": True, "units": 3}, "first_state_shows is True"),
    "first state inside": (
        lambda first_state_shows=False: layers.Bidirectional(layers.GRU(3, first_state_shows=first_state_shows)),
        {"first_state_shows": True},
        "layer.first_state_shows is True",
    ),
    "masks of heads": (
        lambda **given: layers.MultiHeadAttention(2, 2, **given),
        {"implicit_masks": False},
        "implicit_masks is False",
    ),
    "masks of Softmax": (layers.Softmax, {"robust_masking": True}, "robust_masking is True"),
}


def behind_masks(make: Callable[..., Any], options: dict[str, Any], masks: str) -> Model:
    """A model in which a mask of its own arrives with every input of a layer, one with all, or none."""
    options = {**({"units": 3} if make is layers.GRU else {}), **options}
    layer = make(name="it", **options) if isinstance(make, type) else make(**options)
    inputs = [Input((6, 4), name=name) for name in "ab"]
    given = [layers.Masking(name=f"mask_{at}")(x) if masks == "each" else x for at, x in enumerate(inputs)]
    if masks == "one":
        masked = layers.Masking(name="mask")(inputs[0])
        given = [masked, layers.Dense(4, name="behind")(masked)]
    heads = isinstance(layer, layers.MultiHeadAttention)
    alone = isinstance(layer, (layers.Bidirectional, layers.GRU, layers.LayerNormalization, layers.Softmax))
    return Model(inputs, [layer(*given) if heads else layer(given[0] if alone else given), given[1]])


@pytest.mark.filterwarnings("ignore:.*rms_scaling=True divides")
@pytest.mark.parametrize("case", STATED_AT_TIMES)
def test_what_a_config_states_at_times_is_named_where_it_counts(case: str) -> None:
    make, options, text = STATED_AT_TIMES[case]
    key = text.split()[0].removeprefix("layer.")
    for masks in ("each", "one", "none"):
        there, here = behind_masks(make, options, masks), behind_masks(make, {}, masks)
        counts = (
            key in ("causal", "rms_scaling") or masks == "each" or (masks == "one" and make is not layers.Concatenate)
        )
        found, back = compared(there, here), compared(here, there)
        assert [each.startswith(f"{text} in the file and ") for each in found] == [True] * counts
        assert [f"{key} is " in each and " in the file" in each for each in back] == [True] * counts
        assert compared(there, behind_masks(make, options, masks)) == []


def test_a_mask_of_all_steps_goes_through_time_distributed_in_every_keras() -> None:
    def tagger(inner: Any, **given: Any) -> Model:
        return Sequential([Input((6, 4)), layers.Masking(), layers.TimeDistributed(inner, **given)], name="tagger")

    assert compared(tagger(layers.Dense(3), keras2_masks=True), tagger(layers.Dense(3))) == []

    def words(**given: Any) -> Model:
        inner = layers.Embedding(9, 2, mask_zero=True)
        return Sequential([Input((6, 4), dtype="int32"), layers.TimeDistributed(inner, **given)], name="words")

    [text] = compared(words(keras2_masks=True), words())
    assert text.startswith("keras2_masks is True in the file and False in the model")


def test_training_alone_is_not_named(tmp_path: Path) -> None:
    def made(**options: Any) -> Model:
        return Sequential([Input((6, 4)), layers.Dropout(0.1), layers.LSTM(3, **options)])

    options = {
        "dropout": 0.2,
        "recurrent_dropout": 0.3,
        "kernel_initializer": "zeros",
        "bias_regularizer": "l2",
        "name": "other",
    }
    kt.save_model(made(**options, recurrent_constraint="max_norm", return_sequences=True), tmp_path / "m.keras")
    without = Sequential([Input((6, 4)), layers.LSTM(3)])
    for mine in (made(), without):
        assert mine.load_weights(tmp_path / "m.keras").differences == ()


def test_a_layer_that_one_side_lacks_is_named(tmp_path: Path) -> None:
    kt.save_model(Sequential([Input((4,)), layers.Dense(2), layers.ReLU(name="cut")]), tmp_path / "m.keras")
    mine = Sequential([Input((4,)), layers.Dense(2), layers.Softmax(name="soft")])
    found = {rule.layer: rule.text for rule in mine.load_weights(tmp_path / "m.keras").differences}
    assert found == {"cut": "the file has 1 ReLU, the model 0", "soft": "the file has 0 Softmax, the model 1"}


def test_by_name_and_in_part(tmp_path: Path) -> None:
    file = Sequential([Input((4,)), layers.Dense(3, name="a", activation="relu"), layers.Dense(2, name="b")])
    kt.save_model(file, tmp_path / "m.h5")
    mine = Sequential([Input((4,)), layers.Dense(5, name="new"), layers.ReLU(), layers.Dense(2, name="b")])
    other = Sequential([Input((3,)), layers.Dense(2, name="b", activation="tanh"), layers.Dense(7, name="a")])
    report = mine.load_weights(tmp_path / "m.h5", by_name=True, strict=False, skip_mismatch=True)
    assert report.differences == ()
    report = other.load_weights(tmp_path / "m.h5", by_name=True, skip_mismatch=True)
    assert [rule.layer for rule in report.differences] == ["b"]  # not a, which was left as it was


def test_cudnn_has_its_activations_built_in() -> None:
    file = around(layers.CuDNNGRU(3))
    assert compared(file, around(layers.GRU(3))) == []
    [text] = compared(file, around(layers.GRU(3, recurrent_activation="hard_sigmoid")))
    assert text.startswith("recurrent_activation is 'sigmoid' in the file and hard_sigmoid of Keras 3 in the model")
    [text] = compared(around(layers.LSTM(3, activation="relu")), around(layers.CuDNNLSTM(3)))
    assert text.startswith("activation is 'relu' in the file and 'tanh' in the model")


def weights_alone(path: Path, version: str, model: Model) -> None:
    """A file of weights, as this Keras writes it."""
    kt.save_weights(model, path, dialect="keras2")
    with open_archive(path) as archive:
        weights = archive.weights
        assert isinstance(weights, LegacyWeights)
        made = in_memory(
            str(path), "legacy HDF5 weights", keras_version=version, backend="tensorflow", config=None, weights=weights
        )
        write_archive(made, str(path.with_name("old.h5")))


@pytest.mark.parametrize(
    ("version", "keras"),
    [
        ("2.0.8", "Keras 2.0-2.2"),
        ("2.2.4", "Keras 2.0-2.2"),
        ("2.2.4-tf", "TensorFlow 1"),
        ("2.1.6-tf", "TensorFlow 1"),
    ],
)
def test_defaults_of_an_old_keras_are_named(tmp_path: Path, version: str, keras: str) -> None:
    weights_alone(tmp_path / "new.h5", version, around(layers.LSTM(3)))
    report = around(layers.LSTM(3, name="mine")).load_weights(tmp_path / "old.h5")
    [rule] = report.differences
    assert rule.layer == "mine"
    assert f"the default of {keras} is hard_sigmoid of Keras 1 and 2 (with implementation 1" in rule.text
    assert "in the model it is 'sigmoid'" in rule.text


@pytest.mark.parametrize("version", ["2.3.1", "2.4.0", "2.21.0"])
def test_defaults_that_are_today_s_are_not_named(tmp_path: Path, version: str) -> None:
    weights_alone(tmp_path / "new.h5", version, around(layers.LSTM(3)))
    assert around(layers.LSTM(3)).load_weights(tmp_path / "old.h5").differences == ()


@pytest.mark.parametrize("inner", ["LSTM", "GRU"])
@pytest.mark.parametrize("version", ["2.2.4", "2.3.1"])
def test_arrays_of_cudnn_tell_the_activations(tmp_path: Path, inner: str, version: str) -> None:
    both = around(layers.Bidirectional(getattr(layers, f"CuDNN{inner}")(3)))
    arrays = {f"w{number}:0": array for number, array in enumerate(both.get_weights())}
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names"], file.attrs["keras_version"] = [b"both"], version.encode()
        file.create_group("both").attrs["weight_names"] = [name.encode() for name in arrays]
        for name, array in arrays.items():
            file[f"both/{name}"] = array

    def named(**options: Any) -> list[str]:
        mine = around(layers.Bidirectional(getattr(layers, inner)(3, **options)))
        report = mine.load_weights(tmp_path / "old.h5", sum_biases=True)
        if not options:
            assert_close(mine(X), both(X))
        return [rule.text for rule in report.differences]

    assert named() == []
    texts = named(recurrent_activation="hard_sigmoid")
    wanted = "recurrent_activation is 'sigmoid' in the file and hard_sigmoid of Keras 3 in the model"
    assert [text.partition(":")[0] for text in texts] == [wanted, wanted]  # forwards and backwards


def test_reset_after_of_old_without_a_bias(tmp_path: Path) -> None:
    made = around(layers.GRU(3, use_bias=False))
    weights_alone(tmp_path / "new.h5", "2.3.1", made)
    [rule] = made.load_weights(tmp_path / "old.h5").differences
    assert "does not say its reset_after, and the default of Keras 2.3 is False" in rule.text


def test_every_argument_that_is_left_out_is_of_training_or_inert() -> None:
    """New arguments are compared unless someone writes them into a list here: that list is short and looked at."""
    left_out = {
        key
        for cls in REGISTRY.values()
        for key in cls.CONFIG
        if (key in _SILENT or key in cls.INERT) and not key.endswith(_OF_NEW_WEIGHTS)
    }
    assert left_out <= {
        *("dropout", "recurrent_dropout", "rate", "noise_shape", "stddev", "seed", "momentum", "unit_forget_bias"),
        *("l1", "l2", "return_sequences", "return_state", "unroll"),
    }
