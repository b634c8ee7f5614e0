from __future__ import annotations

import numpy as np
import pytest
import torch
from _close import apart, assert_close

from kerastorch import constraints
from kerastorch.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from kerastorch.errors import ArgumentError, UnsupportedError
from kerastorch.initializers import Zeros

OBJECTS = [MaxNorm(1.3, 1), NonNeg(), UnitNorm(1), MinMaxNorm(0.6, 1.4, 0.3, (0, 1))]


@pytest.fixture
def w(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(4, 3)) * np.array([0.1, 1.0, 4.0])  # column norms below, inside and above the bounds


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_norms(axis: int | tuple[int, ...], w: np.ndarray) -> None:
    x = torch.tensor(w)
    before = np.sqrt((w**2).sum(axis, keepdims=True))

    def scaled(after: np.ndarray) -> np.ndarray:
        return w * after / (before + 1e-7)  # as Keras

    assert_close(MaxNorm(1.3, axis)(x).numpy(), scaled(np.minimum(before, 1.3)))
    assert_close(UnitNorm(axis)(x).numpy(), scaled(np.ones_like(before)))
    target = 0.3 * np.clip(before, 0.6, 1.4) + 0.7 * before
    assert_close(MinMaxNorm(0.6, 1.4, 0.3, axis)(x).numpy(), scaled(target))


def test_the_epsilon_is_kerass() -> None:
    x = torch.tensor([[1e-7], [0.0]], dtype=torch.float64)
    assert_close(UnitNorm()(x), np.array([[0.5], [0.0]]))


def test_the_axis_matters(w: np.ndarray) -> None:
    x = torch.tensor(w)
    assert apart(MaxNorm(1.3, 0)(x), MaxNorm(1.3, 1)(x))


def test_non_neg(w: np.ndarray) -> None:
    np.testing.assert_array_equal(NonNeg()(torch.tensor(w)).numpy(), np.maximum(w, 0))


@pytest.mark.parametrize("constraint", OBJECTS)
def test_configs_go_both_ways(constraint: constraints.Constraint) -> None:
    config = constraints.serialize(constraint)
    assert config is not None
    assert constraints.get(config) == constraint
    assert type(constraint).from_config(constraint.get_config()) == constraint
    assert hash(constraint) == hash(constraints.get(config))
    old = {"class_name": config["class_name"], "config": config["config"]}
    assert constraints.get(old) == constraint


def test_an_axis_list_is_written_as_keras_writes_it() -> None:
    assert MaxNorm(axis=[0, 1]).get_config() == {"max_value": 2, "axis": [0, 1]}  # type: ignore[arg-type]
    assert MaxNorm(axis=(0, 1)) == MaxNorm(axis=[0, 1])  # type: ignore[arg-type]
    assert MaxNorm(axis=0) != MaxNorm(axis=1)


def test_names() -> None:
    assert constraints.get("max_norm") == constraints.get("MaxNorm") == constraints.get(MaxNorm) == MaxNorm(2, 0)
    assert constraints.get("non_neg") == constraints.get("NonNeg") == NonNeg()
    assert constraints.get("unit_norm") == UnitNorm()
    assert constraints.get("min_max_norm") == MinMaxNorm()
    assert constraints.get(None) is None
    assert constraints.serialize(None) is None
    assert constraints.max_norm(3) == MaxNorm(3)


def test_what_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"'RadialConstraint' is not supported: Keras 3 has dropped it; give"):
        constraints.get("RadialConstraint")
    with pytest.raises(ArgumentError, match=r"MaxNorm: axis is 0\.5, expected an integer or a list of integers"):
        MaxNorm(axis=0.5)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"MaxNorm: max_value is -1, expected a finite number >= 0"):
        MaxNorm(-1)
    with pytest.raises(ArgumentError, match=r"NonNeg has no argument 'axis': it takes no arguments"):
        constraints.get({"class_name": "NonNeg", "config": {"axis": 0}})
    with pytest.raises(ArgumentError, match=r"'Zeros\(\)' is no constraint: expected a name such as 'MaxNorm'"):
        constraints.get(Zeros())
