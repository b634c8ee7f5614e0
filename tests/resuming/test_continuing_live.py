"""A training of Keras that is saved goes on here as it does there, and one from here goes on in Keras."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _keras_worker import KerasWorker

import kerastorch as kt

Case = tuple[str, dict[str, Any]]
RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(8, 2, 3)).astype("float32"), RNG.normal(size=(8, 2)).astype("float32")
FIRST, MORE = 5, 20
BOUND = 1e-5  # of the largest weight

FALLING = ("ExponentialDecay", {"initial_learning_rate": 0.02, "decay_steps": 3, "decay_rate": 0.9})
NEW: list[Case] = [
    ("SGD", {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"learning_rate": 0.05}),
    ("RMSprop", {"learning_rate": 0.003, "centered": True, "momentum": 0.5}),
    ("RMSprop", {"learning_rate": 0.001, "clipnorm": 0.05}),
    (
        "Adam",
        {"learning_rate": 0.01, "amsgrad": True, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 7},
    ),
    ("AdamW", {"learning_rate": FALLING, "weight_decay": 0.05}),
    ("Adamax", {"learning_rate": 0.01}),
    ("Nadam", {"learning_rate": 0.01}),
    ("Adagrad", {"learning_rate": 0.05}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Ftrl", {"learning_rate": 0.1, "l1_regularization_strength": 1e-3}),
    ("Lion", {"learning_rate": 0.003}),
]
KERAS3: list[Case] = [
    (
        "LossScaleOptimizer",
        {"inner_optimizer": ("Adam", {"learning_rate": 0.01}), "initial_scale": 2.0**12, "dynamic_growth_steps": 4},
    ),
    ("Nadam", {"learning_rate": 0.01, "gradient_accumulation_steps": 3, "global_clipnorm": 0.1}),
    ("Lamb", {"learning_rate": 0.01}),
    ("Adafactor", {"learning_rate": 0.01}),
    ("Muon", {"learning_rate": 0.01}),
    ("ScheduleFreeAdamW", {"learning_rate": 0.01, "warmup_steps": 8}),
]
LEGACY: list[Case] = [
    ("legacy.SGD", {"learning_rate": 0.05, "momentum": 0.9, "decay": 0.01}),
    ("legacy.RMSprop", {"learning_rate": 0.003, "momentum": 0.5, "centered": True}),
    ("legacy.Adam", {"learning_rate": 0.01, "decay": 0.05, "amsgrad": True}),
    ("legacy.Adamax", {"learning_rate": 0.01}),
    ("legacy.Nadam", {"learning_rate": 0.01}),
    ("legacy.Adagrad", {"learning_rate": 0.05}),
    ("legacy.Adadelta", {"learning_rate": 1.0}),
    ("legacy.Ftrl", {"learning_rate": 0.1}),
]
TF_KERAS: list[Case] = [("Adafactor", {"learning_rate": 0.01})]
ALL = {"keras3": ("keras3", NEW + KERAS3), "new": ("keras2", NEW + TF_KERAS), "legacy": ("keras2", LEGACY)}


# Optimizers with which a Keras writes no .h5 file that holds their state, or opens none.
NOT_WRITTEN_THERE = {"keras3": ("Adafactor",), "new": ("Adafactor",)}
NOT_OPENED_THERE = {"keras3": ("Lamb",), "new": ("Lion", "Adafactor")}


def _endings(kind: str, name: str, *, read_by_keras: bool) -> list[str]:
    """The kinds of file that hold the state of an optimizer."""
    if kind == "legacy" and read_by_keras:  # of these tf-keras keeps it there alone
        return [".h5"]
    without = (NOT_OPENED_THERE if read_by_keras else NOT_WRITTEN_THERE).get(kind, ())
    return [".keras"] if name in without else [".keras", ".h5"]


def _apart(mine: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    largest = max(float(np.abs(array).max()) for array in theirs)
    return max(float(np.abs(a - b).max()) for a, b in zip(mine, theirs, strict=True)) / largest


def _train(model: Any, steps: int) -> None:
    for _ in range(steps):
        model.train_on_batch(X, Y)


def _loaded(path: Path | str, caplog: pytest.LogCaptureFixture) -> tuple[Any, str]:
    """The model of a file, and the report."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "kerastorch"):
        model = kt.load_model(path)
    return model, caplog.text


@pytest.mark.parametrize("kind", ["keras3", "new", "legacy"])
def test_here(keras_worker: KerasWorker, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    framework, cases = ALL[kind]
    found = []
    for at, case in enumerate(cases):
        place = str(tmp_path / str(at))
        name = "layouts" if at == 0 else "small"
        endings = _endings(kind, case[0], read_by_keras=False)
        theirs = keras_worker.call(framework, "continuing:train", name, case, place, endings, X, Y, (FIRST, MORE))
        for ending in endings:
            model, report = _loaded(place + ending, caplog)
            assert _apart(model.get_weights(), theirs["before"]) == 0
            if kind == "legacy" and ending == ".keras":  # of these tf-keras keeps nothing there
                assert "the file holds no state of it" in report
                assert not model.optimizer.built
                continue
            assert f"compiled with {case[0].removeprefix('legacy.')}, " in report
            assert ("product of Nadam's momenta: it is computed" in report) == (kind == "new" and case[0] == "Nadam")
            _train(model, MORE)
            apart = _apart(model.get_weights(), theirs["after"])
            if not apart <= BOUND:
                found.append(f"{case} {ending}: {apart:.1e}")
        if case != ("SGD", {"learning_rate": 0.05}):  # which keeps nothing
            model = kt.load_model(place + endings[-1])
            model.compile(_ours(case), "mean_squared_error")
            _train(model, MORE)
            assert _apart(model.get_weights(), theirs["after"]) > 20 * BOUND, (
                f"{case}: without its state nothing changes"
            )
    assert not found, "\n".join(found)


def _ours(case: Case) -> Any:
    """The optimizer of a case, of kerastorch."""
    name, config = case
    home: Any = kt.optimizers.legacy if name.startswith("legacy.") else kt.optimizers
    if "inner_optimizer" in config:
        config = {**config, "inner_optimizer": _ours(config["inner_optimizer"])}
    rate = config.get("learning_rate")
    if isinstance(rate, tuple):
        config = {**config, "learning_rate": getattr(kt.optimizers.schedules, rate[0])(**rate[1])}
    return getattr(home, name.removeprefix("legacy."))(**config)


def _inner() -> Any:
    lay = kt.layers
    return kt.Sequential([kt.Input((2, 4)), lay.Bidirectional(lay.LSTM(3)), lay.BatchNormalization()])


def _small() -> Any:
    x = kt.Input((2, 3))
    return kt.Model(x, kt.layers.Dense(2)(kt.layers.GRU(4)(x)))


def _layouts() -> Any:
    lay, x = kt.layers, kt.Input((2, 3))
    y = lay.Conv1D(4, 2, padding="same", trainable=False)(x)
    y = lay.GRU(4, return_sequences=True, reset_after=False)(lay.Conv1D(4, 2, padding="same")(y))
    return kt.Model(x, lay.Dense(2)(_inner()(y)))


@pytest.mark.parametrize("kind", ["keras3", "new", "legacy"])
def test_there(keras_worker: KerasWorker, tmp_path: Path, kind: str) -> None:
    framework, cases = ALL[kind]
    found = []
    for at, case in enumerate(cases):
        if kind == "new" and case[0] == "Nadam":  # tf-keras begins its product anew, from its own files too
            continue
        kt.set_seed(at)
        model = _layouts() if at == 0 else _small()
        model.compile(_ours(case), "mean_squared_error")
        _train(model, FIRST)
        endings = _endings(kind, case[0], read_by_keras=True)
        for ending in endings:
            model.save(tmp_path / f"{at}{ending}", dialect="keras3" if kind == "keras3" else "keras2")
        _train(model, MORE)
        paths = [str(tmp_path / f"{at}{ending}") for ending in endings[:: -1 if at % 2 else 1]]  # the last is trained
        theirs, optimizers = keras_worker.call(framework, "continuing:go_on", paths, X, Y, MORE)
        for config, variables in optimizers[:-1]:
            assert config == optimizers[-1][0]
            np.testing.assert_equal(variables, optimizers[-1][1])
        apart = _apart(theirs, model.get_weights())
        if not apart <= BOUND:
            found.append(f"{case} {paths[-1]}: {apart:.1e}")
    assert not found, "\n".join(found)
