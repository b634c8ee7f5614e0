from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close

import kerastorch as kt
from kerastorch import activations, layers
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError

X = torch.tensor([[-2.0, -0.5, 0.0, 0.5, 3.0]])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.ReLU(), [0, 0, 0, 0.5, 3]),
        (layers.ReLU(max_value=2.0, negative_slope=0.5, threshold=0.5), [-1.25, -0.5, -0.25, 0, 2]),
        (layers.LeakyReLU(), [-0.6, -0.15, 0, 0.5, 3]),
        (layers.LeakyReLU(alpha=0.5), [-1, -0.25, 0, 0.5, 3]),
        (layers.ELU(2.0), [2 * np.expm1(-2.0), 2 * np.expm1(-0.5), 0, 0.5, 3]),
        (layers.ThresholdedReLU(0.5), [0, 0, 0, 0, 3]),
    ],
    ids=str,
)
def test_values(layer: Any, expected: list[float]) -> None:
    assert_close(layer(X), torch.tensor([expected], dtype=torch.float32))
    function = layer._as_activation()
    assert torch.equal(function(X), layer(X))
    again = activations.get(activations.serialize(function))
    assert again == function
    assert torch.equal(layers.Activation(layer)(X), layer(X))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.ReLU(max_value=-1.0), "max_value: expected a number >= 0, got -1.0."),
        (lambda: layers.ReLU(negative_slope=None), "negative_slope: expected a number, got None."),  # type: ignore[arg-type]
        (lambda: layers.ReLU(threshold=-0.5), "threshold: expected a number >= 0, got -0.5."),
        (lambda: layers.LeakyReLU(-0.5), "negative_slope: expected a number >= 0, got -0.5."),
        (lambda: layers.ThresholdedReLU(-1), "theta: expected a number >= 0, got -1."),
        (lambda: layers.ELU("1"), "alpha: expected a number, got '1'."),  # type: ignore[arg-type]
        (lambda: layers.Softmax([]), "axis: expected an axis or a list of axes, got an empty list."),
        (lambda: layers.Softmax(1.5), "axis: expected an integer, got 1.5."),
        (lambda: layers.PReLU(shared_axes=[0]), "shared_axes[0]: expected an integer >= 1, got 0."),
    ],
)
def test_arguments_that_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: layers.Softmax(2, name="s"), (3, 4), "Softmax 's': axis 2 is out of bounds for input of shape (3, 4)"),
        (lambda: layers.PReLU(shared_axes=[2], name="p"), (3, 4), "shared_axes=[2] does not fit input of shape (3, 4)"),
        (lambda: layers.PReLU(name="p"), (None, None, 4), "the size of axis 1 must be known, got (None, None, 4)"),
    ],
)
def test_shapes_that_do_not_fit(make: Any, shape: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        make().build(shape)


def test_prelu_keeps_its_shape() -> None:
    layer = layers.PReLU(shared_axes=[1], name="p")
    layer.build((None, None, 4))  # a shared axis may have any size
    assert layer.weight.shape == (1, 4)
    assert layer(torch.zeros(2, 7, 4)).shape == (2, 7, 4)
    with pytest.raises(ShapeError, match=r"expected an input for alpha of shape \(1, 4\), got \(2, 7, 5\)"):
        layer(torch.zeros(2, 7, 5))


def test_masks_of_softmax() -> None:
    x, mask = torch.zeros(2, 4), torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]])
    quarter, half = [0.25] * 4, [0.5, 0.5, 0.0, 0.0]
    assert layers.Softmax()(x, mask=mask.bool()).tolist() == [half, [0.0] * 4]
    assert layers.Softmax()(x, mask=mask).tolist() == [half, [0.0] * 4]
    for robust in (True, False):
        assert layers.Softmax(robust_masking=robust)(x, mask=mask).tolist() == [half, quarter]
    assert layers.Softmax(keras2_masks=True)(x, mask=mask).tolist() == [quarter, quarter]
    spread = layers.Softmax(axis=1)(torch.zeros(1, 2, 3), mask=torch.tensor([[[True], [False]]]))
    assert spread.tolist() == [[[1.0] * 3, [0.0] * 3]]
    half_precision = layers.Softmax(dtype="float16")(x.half(), mask=mask)
    assert half_precision.tolist() == [half, [0.0] * 4]


def test_a_mask_of_steps_does_not_fit_features() -> None:
    message = "spreads to the input's shape (2, 7, 3), got (2, 7); a mask of steps does so as mask.unsqueeze(-1)."
    with pytest.raises(ShapeError, match=re.escape(message)):
        layers.Softmax()(torch.zeros(2, 7, 3), mask=torch.ones(2, 7, dtype=torch.bool))


# ------------------------------------------------------------------ as the activation of another layer


def test_a_layer_without_weights_becomes_a_function() -> None:
    dense = layers.Dense(3, activation=layers.LeakyReLU(0.1))
    assert dense.activation == activations.LeakyReLU(0.1)
    assert not list(dense.children())
    config = dense.get_config()["activation"]
    assert config == {
        "module": "keras.layers",
        "class_name": "LeakyReLU",
        "config": {"negative_slope": 0.1},
        "registered_name": None,
    }
    assert layers.Dense.from_config(dense.get_config()).activation == dense.activation


def test_a_layer_with_weights_stays_a_layer_and_has_no_config() -> None:
    dense = layers.Dense(3, activation=layers.PReLU())
    dense(torch.zeros(2, 4))
    assert [array.shape for array in dense.get_weights()] == [(4, 3), (3,), (3,)]
    with pytest.raises(UnsupportedError, match="not one of the built-in activations"):
        dense.get_config()


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("activation", [layers.ELU(0.5), layers.LeakyReLU(0.1), layers.ReLU(1.0, 0.1, 0.2)], ids=str)
def test_the_step_engine_knows_the_derivative(name: str, activation: Any) -> None:
    torch.manual_seed(0)
    layer = getattr(layers, name)(3, activation=activation, dtype="float64")
    assert "autograd" not in layer.kernel_choice().reason
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    layer.build((2, 4, 3))
    assert torch.autograd.gradcheck(layer, (x,))


# ------------------------------------------------------------------ to_torch and back

PAIRS: list[tuple[Any, type[torch.nn.Module]]] = [
    (layers.ReLU(), torch.nn.ReLU),
    (layers.ReLU(6.0), torch.nn.ReLU6),
    (layers.ReLU(max_value=2.0), torch.nn.Hardtanh),
    (layers.ReLU(negative_slope=0.2), torch.nn.LeakyReLU),
    (layers.ReLU(threshold=0.5), torch.nn.Threshold),
    (layers.LeakyReLU(), torch.nn.LeakyReLU),
    (layers.ELU(0.5), torch.nn.ELU),
    (layers.ThresholdedReLU(), torch.nn.Threshold),
    (layers.Softmax(), torch.nn.Softmax),
    (layers.Softmax([1]), torch.nn.Softmax),
    (layers.PReLU(alpha_initializer="random_normal"), torch.nn.PReLU),
    (layers.Identity(), torch.nn.Identity),
    (layers.GroupNormalization(-1, center=False), torch.nn.GroupNorm),
    (layers.RMSNormalization(epsilon=0.1), torch.nn.RMSNorm),
]


def filled(layer: Any, shape: tuple[int, ...]) -> Any:
    layer.build((None, *shape[1:]))
    layer.set_weights([np.random.default_rng(1).random(array.shape) for array in layer.get_weights()])
    return layer


@pytest.mark.parametrize(("layer", "module_class"), PAIRS, ids=lambda value: str(value)[:40])
def test_to_torch(layer: Any, module_class: type[torch.nn.Module]) -> None:
    x = torch.randn(6, 5)
    module = filled(layer, (6, 5)).to_torch()
    assert type(module) is module_class
    assert_close(module(x), layer(x))
    back = kt.from_torch(module, example=(6, 5))
    assert_close(back(x), layer(x))


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (torch.nn.PReLU(), (2, 4, 3)),
        (torch.nn.PReLU(4, init=0.3), (2, 4, 3)),
        (torch.nn.GroupNorm(2, 4), (2, 4, 3)),
        (torch.nn.GroupNorm(4, 4, eps=0.1, affine=False), (2, 4, 3, 5)),
        (torch.nn.RMSNorm((4, 3), eps=0.1), (2, 4, 3)),
        (torch.nn.RMSNorm(3), (2, 4, 3)),
        (torch.nn.Sequential(torch.nn.PReLU(4), torch.nn.LeakyReLU(0.3), torch.nn.Softmax(1)), (2, 4, 3)),
    ],
    ids=str,
)
def test_from_torch(module: torch.nn.Module, shape: tuple[int, ...]) -> None:
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(shape)
    layer = kt.from_torch(module, example=shape)
    assert_close(layer(x), module(x))
    assert_close(layer.to_torch()(x), module(x))
    assert layer.count_params() == sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("layer", "shape", "reason"),
    [
        (layers.ReLU(1.0, 0.1), (2, 3), "no module for the activation ReLU(max_value=1.0, negative_slope=0.1"),
        (layers.Softmax([1, 2]), (2, 3, 4), "no module for the activation Softmax(axis=(1, 2))"),
        (layers.PReLU(), (2, 3, 4), "one alpha for each place of axis 1 at most, this one has shape (3, 4)"),
        (layers.GroupNormalization(2), (2, 3, 4), "torch's has the channels at axis 1, this one at axis -1 of 3"),
        (layers.UnitNormalization(), (2, 3), "no module that computes UnitNormalization"),
        (layers.Rescaling(0.5), (2, 3), "no module that computes Rescaling"),
    ],
    ids=str,
)
def test_what_torch_does_not_have(layer: Any, shape: tuple[int, ...], reason: str) -> None:
    layer.build(shape)
    with pytest.raises(UnsupportedError, match=re.escape(reason)):
        layer.to_torch()


def test_what_has_no_layer() -> None:
    with pytest.raises(UnsupportedError, match="convert this module by itself, with example="):
        kt.from_torch(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.PReLU()), example=(2, 3))
    with pytest.raises(UnsupportedError, match="RMSNormalization always has a scale"):
        kt.from_torch(torch.nn.RMSNorm(3, elementwise_affine=False))
    with pytest.raises(UnsupportedError, match=r"threshold=0\.5, value=1\.0: Keras's ReLU has"):
        kt.from_torch(torch.nn.Threshold(0.5, 1.0))
