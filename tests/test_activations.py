from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from _close import assert_close, assert_each_close
from torch import Tensor, nn

from kerastorch import activations
from kerastorch.errors import ArgumentError, KerasTorchError, ShapeError, UnsupportedError
from kerastorch.initializers import Zeros

ERF = np.vectorize(math.erf)
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


FORMULAS = {  # from the definitions, in numpy
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "celu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * (np.exp(x) - 1)),
    "gelu": lambda x: 0.5 * x * (1 + ERF(x / np.sqrt(2))),
    "sigmoid": sigmoid,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_sigmoid_keras2": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "log_sigmoid": lambda x: np.log(sigmoid(x)),
    "silu": lambda x: x * sigmoid(x),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
    "tanh_shrink": lambda x: x - np.tanh(x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "soft_shrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "squareplus": lambda x: (x + np.sqrt(x**2 + 4)) / 2,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "exponential": np.exp,
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "glu": lambda x: x[..., : x.shape[-1] // 2] * sigmoid(x[..., x.shape[-1] // 2 :]),
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x)),
    "sparse_sigmoid": lambda x: np.clip(0.5 * (x + 1), 0, 1),
    "softmax": softmax,
    "log_softmax": lambda x: np.log(softmax(x)),
    "linear": lambda x: x,
}
NAMES = sorted({*FORMULAS, "sparsemax"})

# At kinks: (name, x, the derivative that Keras on TensorFlow takes there).
KINKS = [
    ("relu", 0.0, 0.0),
    ("relu6", 0.0, 0.0),
    ("relu6", 6.0, 0.0),
    ("leaky_relu", 0.0, 0.2),
    ("elu", 0.0, 1.0),
    ("selu", 0.0, SELU_SCALE),
    ("hard_sigmoid", -3.0, 0.0),
    ("hard_sigmoid", 3.0, 0.0),
    ("hard_sigmoid_keras2", -2.5, 0.2),
    ("hard_sigmoid_keras2", 2.5, 0.2),
    ("hard_silu", -3.0, 0.0),
    ("hard_silu", 3.0, 1.0),
    ("hard_tanh", -1.0, 1.0),
    ("hard_tanh", 1.0, 1.0),
    ("hard_shrink", 0.5, 0.0),
    ("soft_shrink", -0.5, 0.0),
    ("soft_shrink", 0.5, 0.0),
    ("sparse_sigmoid", -1.0, 0.0),
    ("sparse_sigmoid", 1.0, 0.0),
    ("softsign", 0.0, 1.0),
]


def points(rng: np.random.Generator) -> np.ndarray:
    """Both sides of every kink, none of them exactly."""
    return np.concatenate([rng.uniform(-8, 8, (4, 10)), rng.uniform(-1.4, 1.4, (2, 10))])


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_values_are_those_of_the_definition(name: str, rng: np.random.Generator) -> None:
    x = points(rng)
    function = activations.get(name)
    assert_each_close(function(torch.tensor(x)), FORMULAS[name](x))
    single = function(torch.tensor(x, dtype=torch.float32))
    assert single.dtype == torch.float32
    assert_each_close(single, FORMULAS[name](x))


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_arrays_and_lists(name: str, rng: np.random.Generator) -> None:
    """What numpy holds becomes a tensor of its dtype, as in Keras; numbers of Python become float32."""
    x, function = points(rng), activations.get(name)
    for given, dtype in ((x, torch.float64), (x.astype("float32"), torch.float32), (x.tolist(), torch.float32)):
        out = function(given)  # type: ignore[arg-type]
        assert out.dtype == dtype
        assert torch.equal(out, function(torch.tensor(x, dtype=dtype)))
    assert torch.equal(activations.relu(np.array([-2, 3])), torch.tensor([0, 3]))  # type: ignore[arg-type]


def test_the_two_meanings_of_hard_sigmoid_are_told_apart(rng: np.random.Generator) -> None:
    x = points(rng)
    with pytest.raises(AssertionError):
        assert_each_close(activations.hard_sigmoid_keras2(torch.tensor(x)), FORMULAS["hard_sigmoid"](x))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_the_derivatives(name: str, rng: np.random.Generator) -> None:
    x = torch.tensor(points(rng), requires_grad=True)
    assert torch.autograd.gradcheck(activations.get(name), (x,))


@pytest.mark.parametrize(("name", "x", "slope"), KINKS)
def test_gradients_at_kinks(name: str, x: float, slope: float) -> None:
    at = torch.tensor([x], dtype=torch.float64, requires_grad=True)
    activations.get(name)(at).sum().backward()
    assert at.grad is not None
    assert_each_close(at.grad, [slope])


def test_celu_has_the_derivative_one_at_zero() -> None:
    at = torch.zeros(1, requires_grad=True)
    activations.celu(at, alpha=0.7).sum().backward()
    assert at.grad is not None
    assert at.grad.item() == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_no_nan_far_out(name: str) -> None:
    x = torch.tensor([[-1e4, -100.0, 80.0, 1e4]], requires_grad=True)
    y = activations.get(name)(x)
    y.clamp(-1e3, 1e3).sum().backward()  # exponential overflows, as it should
    assert x.grad is not None
    assert not y.isnan().any()
    assert not x.grad.isnan().any() or name == "exponential"


@pytest.mark.parametrize("name", NAMES)
def test_traced_as_one_graph(name: str, rng: np.random.Generator) -> None:
    torch.compiler.reset()
    function = activations.get(name)
    x = torch.tensor(points(rng))
    compiled = torch.compile(lambda x: function(x) * 2.0, fullgraph=True, backend="eager")
    np.testing.assert_array_equal(compiled(x).numpy(), 2.0 * function(x).numpy())


def test_relu_with_arguments() -> None:
    x = torch.tensor([-2.0, 0.3, 0.5, 0.9, 4.0])
    found = activations.relu(x, negative_slope=0.1, max_value=2.0, threshold=0.5)
    assert_close(found, torch.tensor([-0.25, -0.02, 0.0, 0.9, 2.0]))
    assert_close(activations.relu(x, negative_slope=0.1), torch.tensor([-0.2, 0.3, 0.5, 0.9, 4.0]))
    assert_close(activations.relu(x, max_value=0.6), torch.tensor([0.0, 0.3, 0.5, 0.6, 0.6]))
    assert_close(activations.relu(x, threshold=0.6), torch.tensor([0.0, 0.0, 0.0, 0.9, 4.0]))


def test_relu_passes_the_gradient_on_at_its_maximum_but_not_at_six() -> None:
    assert slope(lambda x: activations.relu(x, max_value=2.0), 2.0) == 1.0
    assert slope(lambda x: activations.relu(x, max_value=6.0), 6.0) == 0.0


@pytest.mark.parametrize("axis", [(1, 2), [0, -1], (1,)])
def test_softmax_over_several_axes(rng: np.random.Generator, axis: list[int]) -> None:
    x = rng.normal(size=(3, 4, 5))
    shares = np.exp(x) / np.exp(x).sum(tuple(axis), keepdims=True)
    assert_close(activations.softmax(torch.from_numpy(x), axis=axis), shares)
    assert_close(activations.log_softmax(torch.from_numpy(x), axis=axis), np.log(shares))


def test_softmax_over_everything(rng: np.random.Generator) -> None:
    x = torch.tensor(rng.normal(size=(2, 3)))
    flat = softmax(x.numpy().reshape(-1)).reshape(2, 3)
    assert_close(activations.softmax(x, axis=None).numpy(), flat)
    assert_close(activations.log_softmax(x, axis=None).numpy(), np.log(flat))


def test_softmax_and_sparsemax_along_an_axis(rng: np.random.Generator) -> None:
    x = torch.tensor(rng.normal(size=(2, 3, 4)))
    for function in (activations.softmax, activations.log_softmax, activations.sparsemax):
        assert_close(function(x, axis=1), function(x.transpose(1, 2)).transpose(1, 2))


def slope(function: Callable[[Tensor], Tensor], x: float) -> float:
    at = torch.tensor([x], dtype=torch.float64, requires_grad=True)
    function(at).sum().backward()
    assert at.grad is not None
    return at.grad.item()


def test_float64_is_exact_where_torchs_own_functions_are_not() -> None:
    x = torch.tensor([21.0], dtype=torch.float64)
    assert_close(activations.softplus(x), [21.0 + math.exp(-21.0)])  # torch's own is 7.6e-10 off
    assert_close(slope(activations.hard_sigmoid, 1.2), 1 / 6)
    assert_close(slope(lambda x: activations.celu(x, 0.7), -1.2), math.exp(-1.2 / 0.7))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "linear"])
def test_names_go_both_ways(name: str) -> None:
    function = activations.get(name)
    assert function.__name__ == name
    assert activations.serialize(function) == name
    keras3 = {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    assert activations.get(keras3) is function
    assert activations.get({"module": "keras.activations", "class_name": "function", "config": name}) is function


def test_aliases_and_none() -> None:
    assert activations.get("swish") is activations.silu
    assert activations.get("hard_swish") is activations.hard_silu
    assert activations.serialize(activations.swish) == "silu"
    assert activations.get(None) is activations.linear
    assert activations.get("linear") is activations.linear


def test_a_callable_of_your_own() -> None:
    module = nn.PReLU()
    assert activations.get(torch.sin) is torch.sin
    assert activations.get(module) is module
    for own in (torch.sin, module, lambda x: x, torch.relu):
        with pytest.raises(UnsupportedError, match=r"not one of the built-in activations.*built-in one.*state_dict"):
            activations.serialize(own)


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("rellu", ArgumentError, r"Unknown activation 'rellu'; did you mean 'relu'\?"),
        ("os.system", ArgumentError, r"Unknown activation 'os.system'; known: .*softmax.*tanh"),
        (3, ArgumentError, r"3 is no activation: expected a name such as 'relu'"),
        (nn.ReLU, ArgumentError, r"'ReLU' is a class, expected an object: write ReLU\(\.\.\.\)"),
        (Zeros(), ArgumentError, r"'Zeros\(\)' is no activation"),
        (
            {"class_name": "PReLU", "config": {}},
            UnsupportedError,
            r"'PReLU' is not supported: it is a layer with weights",
        ),
        ({"class_name": "ThresholdedReLU", "config": {}}, UnsupportedError, r"ReLU with that threshold; write ReLU"),
        ({"class_name": "LeakyReLU", "config": {"slope": 0.3}}, ArgumentError, r"LeakyReLU has no argument 'slope'"),
        (
            {"class_name": "ReLU", "config": {"threshold": -1}},
            ArgumentError,
            r"threshold is -1, expected a finite num",
        ),
        ({"class_name": "ELU", "config": {"alpha": "1"}}, ArgumentError, r"alpha is '1', expected a finite number"),
        ({"class_name": "Softmax", "config": {"axis": 1.5}}, ArgumentError, r"axis is 1.5, expected an integer or"),
        ({"class_name": "__lambda__", "config": {"value": "4wEAAA"}}, UnsupportedError, r"Python code .* never run"),
        (
            {"module": "builtins", "class_name": "function", "config": "mine", "registered_name": "function"},
            UnsupportedError,
            r"Unknown activation 'mine'",
        ),
        (
            {"module": "os", "class_name": "function", "config": "relu", "registered_name": "relu"},
            UnsupportedError,
            r"'relu' is not one of Keras's own: the config says module 'os'.*built-in activation before saving",
        ),
        (
            {"module": None, "class_name": "function", "config": "relu", "registered_name": "My>relu"},
            UnsupportedError,
            r"registered name 'My>relu'",
        ),
        (
            {"module": "keras.activations", "class_name": "function", "config": "relu", "registered_name": "My>relu"},
            UnsupportedError,
            r"module 'keras.activations', registered name 'My>relu'",
        ),
        ({"class_name": "function", "config": ["relu"]}, ArgumentError, r"is \['relu'\], expected the name"),
        ({"class_name": "relu", "config": {"max_value": 6}}, ArgumentError, r"'relu' takes no config, got .*max_value"),
        ({"config": "relu"}, ArgumentError, r"no config of a Keras activation.*has class_name None; expected"),
        ({"class_name": "function", "config": "relu", "x": 1}, ArgumentError, r"has unknown keys 'x'"),
    ],
)
def test_what_is_refused(identifier: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        activations.get(identifier)
    assert isinstance(caught.value, KerasTorchError)


def test_a_long_name_from_a_file_is_cut_short() -> None:
    with pytest.raises(ArgumentError) as caught:
        activations.get("relu\n\x1b[31m" * 10_000)
    assert len(str(caught.value)) < 1000
    assert "\x1b" not in str(caught.value)


def test_glu_on_an_odd_size() -> None:
    with pytest.raises(ShapeError, match=r"glu halves axis -1, expected an even size there, got shape \(2, 5\); give"):
        activations.glu(torch.zeros(2, 5))


def test_none_has_no_name() -> None:
    with pytest.raises(ArgumentError, match="for no activation `linear`"):
        activations.serialize(None)  # type: ignore[arg-type]
