"""Arguments of the wrong kind are refused by name, wherever a file or a caller may give them."""

from __future__ import annotations

import inspect
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import kerastorch as kt
from kerastorch.errors import KerasTorchError
from kerastorch.load import load_model_reported

WRONG: tuple[Any, ...] = ("a", [], 2**70)
SPACES = ("losses", "metrics")
NEEDED: dict[str, dict[str, Any]] = {
    **{"Constant": {"value": 1.0}, "BinaryIoU": {}, "MeanIoU": {"num_classes": 3}, "OneHotMeanIoU": {"num_classes": 3}},
    **{key: {"num_classes": 3, "target_class_ids": [0]} for key in ("IoU", "OneHotIoU")},
    **{"SensitivityAtSpecificity": {"specificity": 0.5}, "SpecificityAtSensitivity": {"sensitivity": 0.5}},
    **{"PrecisionAtRecall": {"recall": 0.5}, "RecallAtPrecision": {"precision": 0.5}},
    **{key: {"decay_steps": 9, "decay_rate": 0.5} for key in ("ExponentialDecay", "InverseTimeDecay")},
    **{key: {"decay_steps": 9} for key in ("CosineDecay", "PolynomialDecay")},
    **{
        "CosineDecayRestarts": {"first_decay_steps": 9},
        "PiecewiseConstantDecay": {"boundaries": [1], "values": [1, 2]},
    },
    "LossScaleOptimizer": {"inner_optimizer": None},
}
SPARSE = ("SparseTopKCategoricalAccuracy",)  # whose labels are no lists of numbers


def classes() -> Iterator[tuple[str, type]]:
    for space in (*(getattr(kt, name) for name in SPACES), kt.optimizers.schedules):
        for name, cls in inspect.getmembers(space, inspect.isclass):
            if cls.__module__.startswith("kerastorch.") and not issubclass(cls, BaseException):
                parameters = inspect.signature(cls.__init__).parameters.values()
                rest = any(item.kind is item.VAR_KEYWORD or item.default is item.empty for item in parameters)
                if name in NEEDED or rest is False or "reduction" in inspect.signature(cls.__init__).parameters:
                    yield name, cls


def _use(made: Any) -> None:
    if isinstance(made, kt.losses.Loss):
        made([[0.0, 1.0]], [[0.3, 0.7]])
    elif isinstance(made, kt.metrics.Metric):
        made.update_state([[0.0, 1.0]], [[0.3, 0.7]])
        made.result()
    elif isinstance(made, kt.optimizers.schedules.LearningRateSchedule):
        made(3)


def faults(name: str, cls: type) -> list[str]:
    found = []
    rate = {"initial_learning_rate": 0.1} if "initial_learning_rate" in inspect.signature(cls).parameters else {}
    for argument in inspect.signature(cls.__init__).parameters.values():
        if argument.name in ("self", "fn") or argument.kind in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL):
            continue
        for value in WRONG:
            rate = (
                {"initial_learning_rate": 0.1} if "initial_learning_rate" in inspect.signature(cls).parameters else {}
            )
            try:
                _use(cls(**{**rate, **NEEDED.get(name, {}), argument.name: value}))
            except (KerasTorchError, NotImplementedError):
                continue
            except Exception as error:  # noqa: BLE001
                # Any error that nobody meant is what is looked for.
                found.append(f"{name}({argument.name}={value!r}): {type(error).__name__}: {error}"[:200])
    return found


@pytest.mark.filterwarnings("ignore")
def test_every_argument_of_every_class() -> None:
    tried = [(name, cls) for name, cls in classes() if name not in SPARSE and name != "FunctionLoss"]
    assert len(tried) > 30
    assert [text for name, cls in tried for text in faults(name, cls)] == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: kt.losses.Huber(delta="a"), "Huber: delta is 'a', expected a number."),
        (lambda: kt.losses.Huber(dtype=[1]), "dtype: expected one of "),
        (
            lambda: kt.losses.BinaryCrossentropy(axis="a"),
            "axis is 'a', expected an axis, or several.",
        ),
        (lambda: kt.losses.CategoricalGeneralizedCrossEntropy(q="a"), "CrossEntropy: q is 'a', expected a number."),
        (lambda: kt.metrics.AUC(label_weights="a"), "AUC: label_weights is 'a', expected a number for each column."),
        (lambda: kt.metrics.TopKCategoricalAccuracy(k=-1), "k is -1, expected a whole number of at least 0."),
        (lambda: kt.callbacks.EarlyStopping(min_delta="a"), "EarlyStopping: min_delta is 'a', expected a number."),
        (lambda: kt.callbacks.ReduceLROnPlateau(factor="a"), "ReduceLROnPlateau: factor is 'a', expected a number."),
        (lambda: kt.optimizers.Lion(beta_1="a"), "Lion: beta_1 is 'a', expected a number."),
    ],
)
def test_the_message_names_the_argument(make: Any, says: str) -> None:
    with pytest.raises(kt.errors.ArgumentError) as caught:
        make()
    assert says in str(caught.value)


def test_functions_of_ones_own_take_what_they_like() -> None:
    def loss(y_true: Any, y_pred: Any, axis: str, delta: list[str]) -> Any:
        return (y_true - y_pred).abs().mean(-1) * len(axis) * len(delta)

    made = kt.losses.loss.FunctionLoss(loss, axis="ab", delta=["c"])
    assert made(torch.zeros(1, 2), torch.ones(1, 2)).item() == 2.0


def test_a_file_that_was_compiled_with_a_wrong_argument_loads(tmp_path: Path) -> None:
    """How a model was compiled changes no output, so it loads, and says what was not taken."""
    model = kt.Sequential([kt.Input((2,)), kt.layers.Dense(2)])
    model.compile("sgd", kt.losses.CategoricalGeneralizedCrossEntropy(q=0.5))
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as old:
        members = {name: old.read(name) for name in old.namelist()}
    config = json.loads(members["config.json"])
    config["compile_config"]["loss"]["config"]["q"] = "a"
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "n.keras", "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
    loaded, report = load_model_reported(tmp_path / "n.keras")
    assert loaded.get_weights()[0].shape == (2, 2)
    assert "compile (its loss: CategoricalGeneralizedCrossEntropy: q is 'a', expected a number)" in str(report)
