"""How a model was compiled goes from file to model to file: kept raw, verbatim where it fits, translated elsewhere."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import kerastorch as kt
from kerastorch.compat.training import translate_training
from kerastorch.spec import Era, TrainingConfig, Writer

ADAM = {"class_name": "Adam", "config": {"lr": 0.01, "beta_1": 0.9, "beta_2": 0.999, "decay": 0.0, "epsilon": 1e-08}}
KERAS2 = {"optimizer_config": ADAM, "loss": "mse", "metrics": ["acc"], "sample_weight_mode": None, "loss_weights": None}
KERAS3 = {
    "optimizer": {
        "module": "keras.optimizers",
        "class_name": "SGD",
        "config": {"learning_rate": 0.5, "momentum": 0.25},
    },
    "loss": "mse",
    "metrics": ["accuracy", {"module": "keras.metrics", "class_name": "AUC", "config": {"num_thresholds": 7}}],
    "loss_weights": None,
    "jit_compile": False,
}


def net() -> kt.Model:
    x = kt.Input((5, 3))
    return kt.Model(x, kt.layers.Dense(2, name="out")(kt.layers.LSTM(4)(x)), name="net")


def known(config: Any, form: Literal["keras", "h5"], era: Era, version: str | None = None) -> TrainingConfig:
    return TrainingConfig(json.dumps(config), form, Writer(era, version))


def translated(
    config: Any,
    era: Era = "keras2",
    to: str = "h5",
    dialect: str = "keras3",
    outputs: tuple[str, ...] = ("out",),
    **known_as: Any,
) -> tuple[Any, list[str]]:
    form = known_as.pop("form", "h5" if "optimizer_config" in config else "keras")
    found, rules = translate_training(known(config, form, era, **known_as), to, dialect, outputs, "net")  # type: ignore[arg-type]
    assert all(rule.layer == "net" for rule in rules)
    json.dumps(found)
    return found, [rule.text for rule in rules]


def optimizer(config: dict[str, Any], name: str = "Adam", **options: Any) -> tuple[dict[str, Any], list[str]]:
    stated = {"optimizer_config": {"class_name": name, "config": config}, "loss": None}
    found, notes = translated(stated, **options)
    assert found["optimizer_config"]["class_name"] == name
    return found["optimizer_config"]["config"], notes


# ---------------------------------------------------------------------------- kept


def test_a_model_of_ones_own_was_never_compiled() -> None:
    assert net().training_config is None


@pytest.mark.parametrize(("ending", "config"), [(".keras", KERAS3), (".h5", {**KERAS2, "loss": "mean_squared_error"})])
def test_the_same_keras_and_format_get_the_same_words(tmp_path: Path, ending: str, config: dict[str, Any]) -> None:
    model = net()
    config = {**config, "unknown": [1, {"class_name": 3}]}  # whatever stands there
    model.training_config = known(config, "keras" if ending == ".keras" else "h5", "keras3")
    report = kt.save_model(model, tmp_path / f"a{ending}")
    assert report.rules == ()
    again = kt.load_model(tmp_path / f"a{ending}")
    assert again.training_config is not None
    assert again.training_config.config == config
    assert again.training_config.writer.era == "keras3"
    kt.save_model(again, tmp_path / f"b{ending}")
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_copies_keep_it() -> None:
    model = net()
    model.training_config = config = known(KERAS3, "keras", "keras3")
    for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.training_config == config
    config.config["loss"] = "changed"
    assert config.config["loss"] == "mse"  # a new dict each time
    assert kt.clone_model(model).training_config is None  # as in Keras


def test_to_json_says_it() -> None:
    model = net()
    model.training_config = known(KERAS3, "keras", "keras3")
    again = kt.model_from_json(kt.to_json(model))
    assert again.training_config is not None
    assert again.training_config.config == KERAS3


# ---------------------------------------------------------------------------- optimizers


def test_old_names_of_arguments() -> None:
    assert optimizer(ADAM["config"]) == ({"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-08}, [])
    assert optimizer({"learning_rate": 0.1, "epsilon": None}, era="tf.keras")[0] == {
        "learning_rate": 0.1,
        "epsilon": 1e-7,
    }


def test_a_decay_becomes_a_schedule() -> None:
    found, (note,) = optimizer({"lr": 0.5, "decay": 0.25, "momentum": 0.0}, "SGD")
    assert found["learning_rate"] == {
        "module": "keras.optimizers.schedules",
        "class_name": "InverseTimeDecay",
        "config": {"initial_learning_rate": 0.5, "decay_steps": 1, "decay_rate": 0.25, "staircase": False},
        "registered_name": None,
    }
    assert "0.5 / (1 + 0.25 * step)" in note


def test_a_decay_of_a_schedule_is_left_out() -> None:
    schedule = {
        "class_name": "ExponentialDecay",
        "config": {"initial_learning_rate": 0.1, "decay_steps": 2, "name": None},
    }
    found, (note,) = optimizer({"learning_rate": schedule, "decay": 0.25}, era="tf.keras")
    assert found["learning_rate"]["config"] == {"initial_learning_rate": 0.1, "decay_steps": 2}
    assert "decay" in note


@pytest.mark.parametrize("era", ["keras1", "keras2"])
def test_old_keras_clipped_the_norm_of_all_gradients(era: Era) -> None:
    found, notes = optimizer({"lr": 0.1, "clipnorm": 2.0, "clipvalue": 0.5}, era=era)
    assert found == {"learning_rate": 0.1, "global_clipnorm": 2.0}
    assert "global_clipnorm" in notes[0]
    assert "clipvalue 0.5 is left out" in notes[1]
    assert optimizer({"lr": 0.1, "clipnorm": 2.0}, era="tf.keras")[0] == {"learning_rate": 0.1, "clipnorm": 2.0}


def test_adagrad_began_at_zero() -> None:
    assert optimizer({"lr": 0.1, "epsilon": 1e-7}, "Adagrad")[0]["initial_accumulator_value"] == 0.0
    given = {"learning_rate": 0.1, "initial_accumulator_value": 0.3}
    assert optimizer(given, "Adagrad", era="tf.keras")[0] == given


def test_a_fixed_loss_scale_is_an_argument() -> None:
    inner = {"class_name": "Adam", "config": {"learning_rate": 0.1}}
    for dynamic, name in ((False, "Adam"), (True, "LossScaleOptimizer")):
        config = {"inner_optimizer": inner, "dynamic": dynamic, "initial_scale": 8.0, "dynamic_growth_steps": None}
        stated = {"optimizer_config": {"class_name": "LossScaleOptimizer", "config": config}, "loss": "mse"}
        found, _ = translated(stated, "tf.keras")
        assert found["optimizer_config"]["class_name"] == name
        assert found["optimizer_config"]["config"]["initial_scale" if dynamic else "loss_scale_factor"] == 8.0


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"class_name": "Mine", "config": {"lr": 1}}, "'Mine' is not an optimizer of Keras 3"),
        ({"class_name": "pack>Adam", "config": {"lr": 1}}, "'Adam' is not"),
        ({"class_name": "Adam", "config": {"lr": "fast"}}, "learning rate"),
        ({"class_name": "Adam", "config": {"lr": {"class_name": "Mine", "config": {}}}}, "'Mine' is not a schedule"),
        ({"class_name": "SGD", "config": {"lr": 1, "momentum": [1]}}, "momentum"),
        (None, "does not say"),
    ],
)
def test_without_its_optimizer_nothing_is_written(tmp_path: Path, stated: Any, said: str) -> None:
    model = net()
    model.training_config = known({**KERAS2, "optimizer_config": stated}, "h5", "keras2")
    for ending in (".keras", ".h5"):
        report = kt.save_model(model, tmp_path / f"a{ending}")
        assert len(report.rules) == 1
        assert "how the model was compiled is left out" in report.rules[0].text
        assert said in report.rules[0].text
        assert kt.load_model(tmp_path / f"a{ending}").training_config is None


# ---------------------------------------------------------------------------- losses and metrics


def loss(value: Any, **options: Any) -> tuple[Any, list[str]]:
    found, notes = translated({"optimizer_config": ADAM, "loss": value, **options.pop("more", {})}, **options)
    return found, notes


@pytest.mark.parametrize(
    ("era", "old", "new"),
    [
        ("keras2", "kullback_leibler_divergence", "kl_divergence"),
        ("keras2", "logcosh", "log_cosh"),
        ("keras2", "mse", "mean_squared_error"),
        ("keras2", "cosine_proximity", "cosine_similarity"),
        ("tf.keras", "huber_loss", "huber"),
    ],
)
def test_old_names_of_losses(era: Era, old: str, new: str) -> None:
    found, notes = loss(old, era=era)
    assert (found["loss"], notes) == (new, [])


def test_a_loss_of_ones_own_is_left_out_and_named() -> None:
    found, notes = loss("mine", more={"metrics": ["mae", "r2", "acc"]})
    assert found["loss"] is None
    assert found["metrics"] == ["mae", "acc"]
    assert notes == [
        "a loss is left out: 'mine' is not a loss of Keras 3",
        "a metric is left out: 'r2' is not a metric of Keras 3",
    ]
    found, notes = loss({"a": "mine", "b": "mse"}, outputs=("a", "b"), more={"loss_weights": {"b": 2.0}})
    assert found["loss"] == [None, "mean_squared_error"]
    assert found["loss_weights"] == [1.0, 2.0]
    assert "of output 'a'" in notes[0]


def test_a_later_name_was_a_function_of_ones_own() -> None:
    assert loss("cosine_similarity", era="keras2", version="2.2.4")[0]["loss"] is None
    assert loss("cosine_similarity", era="keras2", version="2.3.1")[0]["loss"] == "cosine_similarity"


def test_one_loss_was_for_all_outputs() -> None:
    more = {"metrics": ["acc"], "weighted_metrics": {"b": "mae"}}
    found, notes = loss("hinge", outputs=("a", "b"), more=more)
    assert found["loss"] == ["hinge", "hinge"]
    assert found["metrics"] == [["acc"], ["acc"]]
    assert found["weighted_metrics"] == [[], ["mae"]]
    assert notes == []


def test_classes_of_tf_keras() -> None:
    stated = {"class_name": "Huber", "config": {"reduction": "auto", "name": "huber", "delta": 2.0, "fn": "huber"}}
    metric = {
        "class_name": "MeanMetricWrapper",
        "config": {"name": "a_right", "dtype": "float32", "fn": "binary_accuracy"},
    }
    found, notes = loss(stated, era="tf.keras", outputs=("a", "b"), more={"metrics": [[metric], [None]]}, to="keras")
    made = {
        "module": "keras.losses",
        "class_name": "Huber",
        "config": {"name": "huber", "delta": 2.0, "reduction": "sum_over_batch_size"},
        "registered_name": None,
    }
    assert found["loss"] == [made, made]
    ((only,), empty) = found["metrics"]
    assert (only["class_name"], only["config"]["name"], empty) == ("BinaryAccuracy", "right", [])
    assert notes == []


def test_a_lost_mode_is_named() -> None:
    _, (note,) = loss("mae", more={"sample_weight_mode": "temporal"})
    assert "temporal" in note


def test_a_short_name_of_a_loss_is_spelled_out_for_h5(tmp_path: Path) -> None:
    # Keras 3.15 writes "mse" into an .h5 file, and does not open it then.
    found, (note,) = translated(KERAS2, "keras3")
    assert found == {**KERAS2, "loss": "mean_squared_error"}
    assert "'mse' is spelled out" in note


def test_what_is_kept_and_not_keras_is_named() -> None:
    config = {**KERAS3, "loss": {"module": "builtins", "class_name": "function", "config": "mine"}}
    found, (note,) = translated(config, "keras3", "keras")
    assert found == config
    assert "'mine'" in note
    assert "custom_objects" in note


# ---------------------------------------------------------------------------- Keras 3 to Keras 2


def test_for_tf_keras() -> None:
    config = {**KERAS3, "loss": {"module": "keras.losses", "class_name": "Dice", "config": {}}}
    config["optimizer"] = {**KERAS3["optimizer"], "config": {"learning_rate": 0.5, "gradient_accumulation_steps": 2}}
    found, notes = translated(config, "keras3", "h5", "keras2")
    settings = {"learning_rate": 0.5, "jit_compile": False, "is_legacy_optimizer": False}
    assert found["optimizer_config"] == {"class_name": "SGD", "config": settings}
    assert found["loss"] is None
    assert "'gradient_accumulation_steps'" in notes[0]
    assert "'Dice' is not a loss of tf-keras" in notes[1]


def test_keras1_for_tf_keras_keeps_its_decay() -> None:
    found, _ = translated(
        {**KERAS2, "optimizer_config": {"class_name": "SGD", "config": {"lr": 1.0, "decay": 0.5}}}, dialect="keras2"
    )
    assert found["optimizer_config"]["config"] == {"learning_rate": 1.0, "decay": 0.5}


# ---------------------------------------------------------------------------- anything at all

JUNK = [
    None,
    1,
    True,
    "x",
    "",
    [],
    {},
    [[]],
    [None],
    {"class_name": 3},
    {"class_name": "Adam"},
    {"class_name": "function"},
]
JUNK += [{"class_name": "Adam", "config": []}, {"class_name": "MeanMetricWrapper", "config": {"fn": {}}}, [{"a": [1]}]]
JUNK += [
    {"class_name": "Huber", "config": {"reduction": []}},
    {"class_name": "LossFunctionWrapper", "config": {"fn": 1}},
]


@pytest.mark.parametrize("era", ["keras1", "keras2", "tf.keras", "keras3"])
@pytest.mark.parametrize("dialect", ["keras3", "keras2"])
def test_nothing_that_stands_there_stops_a_save(era: Era, dialect: str) -> None:
    rng = np.random.default_rng(0)
    keys = ("loss", "metrics", "weighted_metrics", "loss_weights", "sample_weight_mode", "jit_compile")
    for index in range(300):
        config: dict[str, Any] = {key: JUNK[rng.integers(len(JUNK))] for key in keys}
        config["optimizer_config"] = ADAM if index % 2 else JUNK[rng.integers(len(JUNK))]
        for to in ("keras", "h5"):
            for outputs in (("a",), ("a", "b")):
                translated(config, era, to, dialect, outputs)
