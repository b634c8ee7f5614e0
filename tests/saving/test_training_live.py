"""How a model was compiled, written again: live Keras opens it, and trains as the original did."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from _close import GRADIENT, apart, assert_close
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch.compat import snake
from kerastorch.compat.training import tables
from kerastorch.compat.training.configs import _in_tf_keras, translate_training

TWO_LOSSES = ["categorical_crossentropy", "mse"]
# name -> (outputs, what compile gets). `("path", {...})` is the object of that name in Keras.
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "name": (1, {"optimizer": "adam", "loss": "categorical_crossentropy", "metrics": ["accuracy", "mse"]}),
    "function": (1, {"optimizer": "sgd", "loss": ("losses.categorical_crossentropy", None), "metrics": ["mae"]}),
    "momentum": (
        1,
        {"optimizer": ("optimizers.SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}), "loss": "mae"},
    ),
    "clipped": (1, {"optimizer": ("optimizers.SGD", {"learning_rate": 0.5, "clipnorm": 0.05}), "loss": "mse"}),
    "globally clipped": (
        1,
        {"optimizer": ("optimizers.SGD", {"learning_rate": 0.5, "global_clipnorm": 0.05}), "loss": "mse"},
    ),
    "decayed weights": (
        1,
        {"optimizer": ("optimizers.AdamW", {"learning_rate": 0.1, "weight_decay": 0.1}), "loss": "hinge"},
    ),
    "schedule": (
        1,
        {
            "optimizer": (
                "optimizers.Adam",
                {
                    "learning_rate": (
                        "optimizers.schedules.ExponentialDecay",
                        {"initial_learning_rate": 0.1, "decay_steps": 1, "decay_rate": 0.5},
                    ),
                    "epsilon": 1e-3,
                },
            ),
            "loss": ("losses.CategoricalCrossentropy", {"label_smoothing": 0.2, "reduction": "sum"}),
            "metrics": [("metrics.CategoricalAccuracy", {"name": "right"}), ("metrics.AUC", {"num_thresholds": 11})],
        },
    ),
    "two outputs": (
        2,
        {
            "optimizer": ("optimizers.RMSprop", {"learning_rate": 0.01, "rho": 0.7}),
            "loss": {"kind": "categorical_crossentropy", "size": ("losses.MeanSquaredError", {})},
            "loss_weights": {"kind": 0.5, "size": 2.0},
            "metrics": {"kind": ["accuracy"], "size": ["mae", ("metrics.RootMeanSquaredError", {"name": "rmse"})]},
            "weighted_metrics": {"size": ["mse"]},
        },
    ),
    "two losses": (
        2,
        {
            "optimizer": ("optimizers.Adamax", {"learning_rate": 0.02, "beta_1": 0.8}),
            "loss": TWO_LOSSES,
            "loss_weights": [2.0, 0.5],
            "metrics": [["accuracy"], ["mae"]],
        },
    ),
}
# What only Keras 2 has: one loss for all outputs, optimizers with a decay.
KERAS2_CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "one loss for all": (2, {"optimizer": "adam", "loss": "mse", "metrics": ["mae"]}),
    "a loss for one": (2, {"optimizer": "adam", "loss": {"size": "mse"}, "metrics": {"size": "mae"}}),
    "decay": (
        1,
        {"optimizer": ("optimizers.legacy.SGD", {"learning_rate": 0.2, "decay": 0.5, "momentum": 0.5}), "loss": "mse"},
    ),
    "clipped values": (
        1,
        {"optimizer": ("optimizers.legacy.Adam", {"learning_rate": 0.1, "clipvalue": 1e-3}), "loss": "logcosh"},
    ),
    **{
        name: (
            1,
            {
                "optimizer": (f"optimizers.legacy.{name}", {"learning_rate": 0.05}),
                "loss": "kullback_leibler_divergence",
            },
        )
        for name in ("Adadelta", "Adamax", "Ftrl", "RMSprop", "Adagrad", "Nadam")
    },
    "huber": (1, {"optimizer": "adagrad", "loss": ("losses.Huber", {"delta": 0.2}), "metrics": ["cosine_similarity"]}),
}


# Trained as `fit` does it; the others step by step without a graph; Ftrl is 8e-6 apart in the two Kerases then.
IN_GRAPHS = ("name", "Ftrl")


# Adam moves each weight by the learning rate, 0.1 here, whatever the gradient is. Its correction, 1 - 0.999 in float32,
# rounds by 3e-5 of that: by 9e-6 in three steps, of weights near 0.6.
FLOORS = {"clipped values": 5e-6}


def among(value: float, results: dict[str, float]) -> bool:
    return any(apart(np.float32(other), np.float32(value), GRADIENT) is None for other in results.values())


def same_training(
    first: dict[str, Any], other: dict[str, Any], *, weights: bool = True, floor: float = GRADIENT
) -> None:
    """Both were compiled alike: every result of every step, and the weights after it."""
    assert first["compiled"]
    assert other["compiled"]
    assert first["optimizer"].lower() == other["optimizer"].lower()
    losses = [[result["loss"] for result in one["results"]] for one in (first, other)]
    if weights:
        # Three steps of float32 in another order; Keras hands the numbers out as Python's.
        assert_close(np.float32(losses[0]), np.float32(losses[1]), GRADIENT)
        for mine, theirs in zip(first["order"], other["order"], strict=True):
            assert_close(mine, theirs, floor)
    # The names of results differ between Keras 2 and 3, their values before the first step do not.
    # Keras 2 repeats the loss where only one output has one.
    for value in first["results"][0].values():
        assert among(value, other["results"][0])
    for value in other["results"][0].values():
        assert among(value, first["results"][0])


ERAS = [(era, name) for era in ("keras2", "keras3") for name in CASES] + [("keras2", name) for name in KERAS2_CASES]


@pytest.mark.parametrize(("era", "name"), ERAS)
def test_keras3_trains_on(keras_worker: KerasWorker, tmp_path: Path, era: str, name: str) -> None:
    outputs, options = {**CASES, **KERAS2_CASES}[name]
    written = {ending: tmp_path / f"original{ending}" for ending in (".keras", ".h5")}
    keras_worker.call(era, "compiled:write", [str(path) for path in written.values()], outputs, options)
    # Keras 3 itself cannot go on with its own .h5 file.
    original = keras_worker.call(era, "compiled:opened", str(written[".keras"]), outputs, name not in IN_GRAPHS)
    legacy = era == "keras2" and "legacy" in str(options["optimizer"])
    for (ending, path), other in zip(written.items(), (".h5", ".keras"), strict=True):
        target = tmp_path / f"from{ending}{other}"
        kt.save_model(kt.load_model(path), target)
        found = keras_worker.call("keras3", "compiled:opened", str(target), outputs, name not in IN_GRAPHS)
        # These train otherwise in Keras 3, as the report says; their results before the first step are the same.
        follows = not (legacy and name in tables.TRAINS_OTHERWISE)
        same_training(original, found, weights=follows, floor=FLOORS.get(name, GRADIENT))
        same = tmp_path / f"same{ending}"
        kt.save_model(kt.load_model(path), same)
        assert keras_worker.call("keras3", "compiled:opens", str(same))


@pytest.mark.parametrize("name", ["name", "schedule", "two outputs", "two losses", "clipped"])
@pytest.mark.parametrize("form", ["keras", "h5"])
def test_tf_keras_trains_on(keras_worker: KerasWorker, tmp_path: Path, name: str, form: Literal["keras", "h5"]) -> None:
    outputs, options = CASES[name]
    path = tmp_path / "original.keras"
    keras_worker.call("keras3", "compiled:write", [str(path)], outputs, options)
    original = keras_worker.call("keras3", "compiled:opened", str(path), outputs, name not in IN_GRAPHS)
    model = kt.load_model(path)
    config, rules = translate_training(model.training_config, form, "keras2", model.output_names, "net")
    assert rules == []
    found = keras_worker.call("keras2", "compiled:compiles", config, form, outputs, name not in IN_GRAPHS)
    same_training(original, found)


@pytest.mark.parametrize("era", ["keras2", "keras3"])
def test_every_row_is_there(keras_worker: KerasWorker, era: str) -> None:
    rows: dict[str, Any] = {
        "optimizers": {
            name: (*tables.COMMON, *own) for name, own in {**tables.OPTIMIZERS, **tables.KERAS_FILE_OPTIMIZERS}.items()
        },
        "optimizers.schedules": dict(tables.SCHEDULES),
        "losses": {name: ("reduction", *own) for name, own in tables.LOSS_CLASSES.items()},
        "metrics": {name: ("dtype", *own) for name, own in tables.METRIC_CLASSES.items()},
    }
    if era == "keras3":
        rows["optimizers"] |= dict.fromkeys(tables.KERAS3_OPTIMIZERS, ())
        rows["losses"] |= dict.fromkeys(tables.KERAS3_LOSS_CLASSES, ())
        rows["metrics"] |= dict.fromkeys(tables.KERAS3_METRIC_CLASSES, ())
        losses = {*tables.LOSSES.values(), *tables.KERAS3_LOSSES, *tables.LONG_NAMES.values()}
        metrics = {snake(name) for name in (*tables.METRIC_CLASSES, *tables.KERAS3_METRIC_CLASSES)}
        metrics |= set(tables.LONG_NAMES) - {"kld", "KLD"}
    else:
        losses = {tables.LONG_NAMES.get(name, name) for name in tables.LOSSES.values()}
        metrics = {tables.LONG_NAMES.get(name, name) for name in map(_in_tf_keras, tables.METRICS)}
        metrics |= set(tables.METRIC_CLASSES)
    assert keras_worker.call(era, "compiled:lacking", rows) == []
    assert keras_worker.call(era, "compiled:known_names", sorted(losses), sorted(metrics)) == []
