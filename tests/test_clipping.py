"""clip: its values, and its derivative at the bounds, which torch's own clamp has in some versions only."""

from __future__ import annotations

import pytest
import torch
from _close import assert_each_close

from kerastorch import activations, clipping
from kerastorch.clipping import clip

X = [-3.0, -1.0, -0.0, 0.0, 0.5, 2.0, 7.0, float("inf"), float("-inf"), float("nan")]
BOUNDS = [(-1.0, 2.0), (None, 2.0), (-1.0, None), (2.0, -1.0), (None, None)]


@pytest.fixture(params=[True, False], ids=["clamp", "where"])
def _either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to the same; the one that leans on `clamp` only where this torch has the derivative."""
    if request.param and not clipping._CLAMP_PASSES_AT_BOUNDS:
        return
    monkeypatch.setattr(clipping, "_CLAMP_PASSES_AT_BOUNDS", request.param)


@pytest.mark.usefixtures("_either")
@pytest.mark.parametrize(("low", "high"), BOUNDS)
def test_values(low: float | None, high: float | None) -> None:
    x = torch.tensor(X)
    expected = x.clamp(low, high) if (low, high) != (None, None) else x
    assert torch.equal(clip(x, low, high).nan_to_num(9.0), expected.nan_to_num(9.0))
    if low is not None and high is not None:
        tensors = torch.full_like(x, low), torch.full_like(x, high)
        assert torch.equal(clip(x, *tensors).nan_to_num(9.0), expected.nan_to_num(9.0))


@pytest.mark.usefixtures("_either")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_derivative_is_one_at_the_bounds(dtype: torch.dtype) -> None:
    x = torch.tensor([-2.0, -1.0, 0.0, 2.0, 2.5], dtype=dtype, requires_grad=True)
    y = clip(x, -1.0, 2.0)
    assert y.dtype == dtype
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.usefixtures("_either")
@pytest.mark.parametrize(
    ("name", "points", "expected"),
    [
        # TensorFlow's numbers, by a tape over tf_keras.activations.hard_sigmoid, keras.activations.hard_tanh and relu.
        ("hard_sigmoid_keras2", [-2.5, 2.5], [0.2, 0.2]),
        ("hard_tanh", [-1.0, 1.0], [1.0, 1.0]),
        ("celu", [0.0], [1.0]),
        ("sparsemax", [0.0, 1.0], [1.0, -1.0]),
    ],
)
def test_activations_at_their_kinks(name: str, points: list[float], expected: list[float]) -> None:
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    weights = torch.ones(len(points), dtype=torch.float64)
    if name == "sparsemax":
        weights[1] = -1.0
    (gradient,) = torch.autograd.grad((activations.get(name)(x) * weights).sum(), x)
    assert_each_close(gradient, expected)


@pytest.mark.usefixtures("_either")
def test_relu_at_its_largest_value() -> None:
    x = torch.tensor([0.0, 1.0, 1.5], requires_grad=True)
    (gradient,) = torch.autograd.grad(activations.relu(x, max_value=1.0).sum(), x)
    assert gradient.tolist() == [0.0, 1.0, 0.0]
