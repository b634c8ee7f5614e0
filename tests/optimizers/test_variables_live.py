"""`optimizer.variables` against live Keras: order, names, shapes and values; and what they set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import TRAINED, assert_close
from _keras_worker import KerasWorker
from workers import optimizers

import kerastorch as kt
from kerastorch.errors import NotBuiltError, ShapeError, UnsupportedError

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    ("Adam", {"use_ema": True}),
    ("AdamW", {"amsgrad": True}),
    ("Adam", {"gradient_accumulation_steps": 2}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("RMSprop", {"momentum": 0.5, "centered": True}),
    ("Adagrad", {}),
    ("Adadelta", {}),
    ("Ftrl", {}),
    ("Lion", {}),
    ("Lamb", {}),
    ("Adafactor", {}),
    ("Muon", {}),
    ("ScheduleFreeAdamW", {}),
]


@pytest.mark.parametrize(("name", "config"), CASES, ids=[f"{name}-{at}" for at, (name, _) in enumerate(CASES)])
def test_they_are_those_of_keras(keras_worker: KerasWorker, name: str, config: dict[str, Any]) -> None:
    theirs = keras_worker.call("keras3", "optimizers:variables", name, config)
    for mine, wanted in zip(optimizers.variables(kt, name, config), theirs, strict=True):  # type: ignore[arg-type]
        assert [item[2] for item in mine] == [item[2] for item in wanted]
        assert [item[0] for item in mine] == [item[0] for item in wanted]
        for (*_, array), (*_, expected) in zip(mine, wanted, strict=True):
            # Squares of gradients, of weights that have been trained: they double what lies between these.
            assert_close(array.astype("float32"), expected.astype("float32"), 2 * TRAINED)


@pytest.mark.parametrize(("name", "config"), CASES, ids=[f"{name}-{at}" for at, (name, _) in enumerate(CASES)])
def test_all_can_be_set_at_once(name: str, config: dict[str, Any]) -> None:
    model = optimizers.trained_model(kt, name, config)  # type: ignore[arg-type]
    kept = [np.array(variable) for variable in model.optimizer.variables]
    weights = model.get_weights()
    x, y = torch.randn(4, 4, 3), torch.randn(4, 1)
    ends = []
    for _ in range(2):
        model.fit(x, y, shuffle=False, verbose=0)
        ends.append([*model.get_weights(), *(np.array(variable) for variable in model.optimizer.variables)])
        model.set_weights(weights)
        model.optimizer.set_weights(kept)
    assert all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))
    with pytest.raises(ShapeError, match=f"set_weights: got {len(kept) - 1} arrays?, expected {len(kept)}"):
        model.optimizer.set_weights(kept[1:])
    with pytest.raises(
        ShapeError, match=r"set_weights: array 0 has shape \(1,\), expected \(\), that of '.*iteration'"
    ):
        model.optimizer.set_weights([kept[0][None], *kept[1:]])
    with pytest.raises(NotBuiltError, match="does not know yet what it trains"):
        getattr(kt.optimizers, name)(**config).set_weights([])


def test_each_can_be_set() -> None:
    model = optimizers.trained_model(kt, "Nadam", {})  # type: ignore[arg-type]
    other = optimizers.trained_model(kt, "Nadam", {"learning_rate": 0.5})  # type: ignore[arg-type]
    mine, its = model.optimizer.variables, other.optimizer.variables
    for variable, source in zip(mine, its, strict=True):
        variable.assign(source)
        assert np.array_equal(variable.numpy(), source.numpy()), variable.path
    other.set_weights(model.get_weights())
    x, y = torch.randn(4, 4, 3), torch.randn(4, 1)
    for each in (model, other):
        each.fit(x, y, shuffle=False, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))
    with pytest.raises(ShapeError, match=r"kernel_momentum.*expected an array of shape \(3, 6\), got \(6, 3\)"):
        next(item for item in mine if item.shape == (3, 6)).assign(torch.zeros(6, 3))


def test_of_tensors_and_own_rules_there_are_none() -> None:
    optimizer = kt.optimizers.Adam(params=[torch.nn.Parameter(torch.ones(2))])
    with pytest.raises(UnsupportedError, match=r"Adam.variables: .* the tensors themselves are in optimizer.state"):
        optimizer.variables  # noqa: B018

    class Own(kt.optimizers.Optimizer):
        pass

    with pytest.raises(UnsupportedError, match=r"Own.variables: "):
        Own().variables  # noqa: B018
