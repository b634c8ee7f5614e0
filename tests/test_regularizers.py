from __future__ import annotations

import numpy as np
import pytest
import torch
from _close import assert_close

from kerastorch import regularizers
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError
from kerastorch.regularizers import L1, L1L2, L2, OrthogonalRegularizer

OBJECTS = [L1(0.03), L2(0.07), L1L2(0.2, 0.5), OrthogonalRegularizer(0.4, "columns")]


def cosines(rows: np.ndarray) -> list[float]:
    """Between each two rows."""
    norm = np.linalg.norm
    pairs = [(a, b) for i, a in enumerate(rows) for b in rows[:i]]
    return [a @ b / norm(a) / norm(b) for a, b in pairs]


def test_penalties(rng: np.random.Generator) -> None:
    w = rng.normal(size=(4, 3))
    x = torch.tensor(w)
    one, two = np.abs(w).sum(), (w**2).sum()
    assert_close(L1(0.03)(x), 0.03 * one)
    assert_close(L2(0.07)(x), 0.07 * two)
    assert_close(L1L2(0.2, 0.5)(x), 0.2 * one + 0.5 * two)
    assert_close(L1L2(l2=0.5)(x), 0.5 * two)
    assert L1L2()(x).item() == 0.0
    assert L1L2()(x).dtype == torch.float64
    for mode, rows in (("rows", w), ("columns", w.T)):
        found = OrthogonalRegularizer(0.4, mode)(x).item()
        assert_close(found, 0.4 * np.mean(np.abs(cosines(rows))))
    assert OrthogonalRegularizer(mode="rows")(x) != OrthogonalRegularizer(mode="columns")(x)


@pytest.mark.parametrize("regularizer", OBJECTS)
def test_gradients(regularizer: regularizers.Regularizer, rng: np.random.Generator) -> None:
    w = torch.tensor(rng.normal(size=(4, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(regularizer, (w,))


def test_a_row_of_zeros_has_a_gradient() -> None:
    w = torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, -3.0]], requires_grad=True)
    OrthogonalRegularizer()(w).backward()
    assert w.grad is not None
    assert not w.grad.isnan().any()


def test_a_single_row_has_no_penalty() -> None:
    assert OrthogonalRegularizer()(torch.ones(1, 3)).item() == 0.0


@pytest.mark.parametrize("regularizer", OBJECTS)
def test_configs_go_both_ways(regularizer: regularizers.Regularizer) -> None:
    config = regularizers.serialize(regularizer)
    assert config is not None
    assert config["module"] == "keras.regularizers"
    assert config["registered_name"] is None
    assert regularizers.get(config) == regularizer
    assert regularizers.get({"class_name": config["class_name"], "config": config["config"]}) == regularizer
    assert type(regularizer).from_config(regularizer.get_config()) == regularizer
    assert regularizer != type(regularizer)()
    assert hash(regularizer) == hash(regularizers.get(config))


def test_names() -> None:
    assert regularizers.get("l1") == regularizers.get("L1") == L1(0.01)
    assert regularizers.get("l2") == regularizers.get("L2") == L2(0.01)
    assert regularizers.get("orthogonal_regularizer") == OrthogonalRegularizer()
    assert regularizers.get(L2) == L2()
    assert regularizers.get(None) is None
    assert regularizers.serialize(None) is None
    assert regularizers.l1_l2(0.1, 0.2) == L1L2(0.1, 0.2)


def test_l1_l2_as_a_string_keeps_the_meaning_of_keras_2() -> None:
    assert regularizers.get("l1_l2") == L1L2(0.01, 0.01)
    assert regularizers.get("l1l2") == regularizers.get("L1L2") == L1L2(0.0, 0.0)
    assert regularizers.get({"class_name": "l1_l2", "config": {"l2": 0.3}}) == L1L2(0.0, 0.3)


def test_none_is_the_default_factor() -> None:
    assert L1(None) == L1(0.01)  # type: ignore[arg-type]
    assert L1L2(None, 0.5) == L1L2(0.0, 0.5)  # type: ignore[arg-type]
    assert L2(1).get_config() == {"l2": 1.0}
    assert L2(np.float32(0.5)).get_config() == {"l2": 0.5}  # type: ignore[arg-type]


def test_a_function_of_your_own() -> None:
    def own(w: torch.Tensor) -> torch.Tensor:
        return w.sum()

    assert regularizers.get(own) is own
    with pytest.raises(UnsupportedError, match="not one of the built-in regularizers"):
        regularizers.serialize(own)


@pytest.mark.parametrize(
    "value", [-0.1, float("nan"), float("inf"), 10**400, True, "0.1", [0.1]], ids=lambda v: repr(v)[:9]
)
def test_bad_factors(value: object) -> None:
    with pytest.raises(ArgumentError, match=r"L2: l2 is .*, expected a finite number >= 0\."):
        L2(value)  # type: ignore[arg-type]


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"L2 has no argument 'l3': it takes l2\."):
        regularizers.get({"class_name": "L2", "config": {"l3": 0.1}})
    with pytest.raises(ArgumentError, match=r"mode is 'diagonal', expected one of 'rows', 'columns'"):
        OrthogonalRegularizer(mode="diagonal")
    with pytest.raises(ShapeError, match=r"expected a matrix, got shape \(3,\); use it on a Dense kernel"):
        OrthogonalRegularizer()(torch.ones(3))
    with pytest.raises(UnsupportedError, match="Unknown regularizer 'Mine'"):
        regularizers.get({"class_name": "Mine", "config": {}})
    with pytest.raises(ArgumentError, match="expected a dict of arguments"):
        regularizers.get({"class_name": "L2", "config": [0.1]})
