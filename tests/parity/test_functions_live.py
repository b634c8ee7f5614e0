"""Activations, regularizers, constraints and initializers against real Keras."""

from __future__ import annotations

import math
import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from _close import GRADIENT, assert_close, assert_each_close
from _keras_worker import KerasWorker

from kerastorch import activations, constraints, initializers, regularizers
from kerastorch.errors import UnsupportedError

# Every kink of every activation is among these, and both tails.
KINKS = (-100.0, -30.0, -6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, 30.0, 80.0)
BUILT_IN = sorted(
    {entry.__name__ for entry in activations.TABLE.entries.values() if not isinstance(entry, type)}
    - {"hard_sigmoid_keras2", "threshold"}
)
CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in BUILT_IN),
    ("relu", {"negative_slope": 0.3}),
    ("relu", {"max_value": 3.0}),
    ("relu", {"max_value": 6, "negative_slope": 0.3}),
    ("relu", {"threshold": 0.5}),
    ("relu", {"threshold": -0.5, "max_value": 3.0}),
    ("relu", {"threshold": 0.5, "max_value": 6.0, "negative_slope": 0.3}),
    ("leaky_relu", {"negative_slope": 0.01}),
    ("elu", {"alpha": 0.7}),
    ("celu", {"alpha": 0.7}),
    ("gelu", {"approximate": True}),
    ("hard_shrink", {"threshold": 1.0}),
    ("soft_shrink", {"threshold": 1.0}),
    ("threshold", {"threshold": 0.5, "default_value": 9.0}),
    ("squareplus", {"b": 2}),
    ("glu", {"axis": 0}),
    ("softmax", {"axis": 0}),
    ("softmax", {"axis": None}),
    ("log_softmax", {"axis": 0}),
    ("log_softmax", {"axis": None}),
    ("sparsemax", {"axis": 0}),
]


def points(name: str, rng: np.random.Generator) -> np.ndarray:
    kinks = [x for x in KINKS if not (name == "celu" and x == 0)]  # meant: see test_celu_at_zero
    x = np.concatenate([rng.uniform(-8, 8, 60), rng.uniform(-1.5, 1.5, 60), kinks, rng.uniform(-2, 2, 7)])
    return x[: len(x) // 6 * 6].reshape(6, -1)[:, : len(x) // 12 * 2]


def ours(function: Any, x: np.ndarray, upstream: np.ndarray, **arguments: Any) -> tuple[np.ndarray, np.ndarray]:
    tensor = torch.tensor(x, requires_grad=True)
    y = function(tensor, **arguments)
    (y * torch.tensor(upstream)).sum().backward()
    assert tensor.grad is not None
    return y.detach().numpy(), tensor.grad.numpy()


UPSTREAM = 2.0  # at most: a gradient is a sum of such terms, and rounds with them


def upstream_of(function: Any, x: np.ndarray, rng: np.random.Generator, **arguments: Any) -> np.ndarray:
    shape = tuple(function(torch.tensor(x), **arguments).shape)
    return rng.uniform(0.5, UPSTREAM, shape).astype(x.dtype)


# TensorFlow rounds the constants of these to float32 also where the tensors are float64; Keras on JAX does not.
ROUNDED_BY_TENSORFLOW = {"gelu", "leaky_relu"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_activations(
    name: str, arguments: dict[str, Any], dtype: str, keras_worker: KerasWorker, rng: np.random.Generator
) -> None:
    rounded = name in ROUNDED_BY_TENSORFLOW or arguments == {"negative_slope": 0.3}
    x = points(name, rng).astype(dtype)
    function = activations.get(name)
    upstream = upstream_of(function, x, rng, **arguments)
    theirs = keras_worker.call("keras3", "functions:activation", name, x, upstream, arguments)
    for mine, right in zip(ours(function, x, upstream, **arguments), theirs, strict=True):
        assert mine.dtype == right.dtype
        if rounded:
            mine, right = mine.astype("float32"), right.astype("float32")
        assert_each_close(mine, right, terms=UPSTREAM)


LAYERS = [
    activations.ReLU(),
    activations.ReLU(max_value=3.0, negative_slope=0.25, threshold=0.5),
    activations.LeakyReLU(),
    activations.LeakyReLU(0.125),
    activations.ELU(0.5),
    activations.Softmax(0),
    activations.Softmax((0, 1)),
]


@pytest.mark.parametrize("function", LAYERS, ids=str)
def test_layers_as_activations(function: Any, keras_worker: KerasWorker, rng: np.random.Generator) -> None:
    """Keras reads the config that we write, and computes the same."""
    x = points("relu", rng).astype("float32")
    upstream = upstream_of(function, x, rng)
    theirs = keras_worker.call("keras3", "functions:activation", activations.serialize(function), x, upstream, {})
    for mine, right in zip(ours(function, x, upstream), theirs, strict=True):
        assert_each_close(mine, right, terms=UPSTREAM)


def test_a_wrong_activation_is_rejected(keras_worker: KerasWorker, rng: np.random.Generator) -> None:
    x = points("gelu", rng)
    upstream = np.ones_like(x)
    value, _ = keras_worker.call("keras3", "functions:activation", "gelu", x, upstream, {"approximate": True})
    with pytest.raises(AssertionError):
        assert_close(ours(activations.gelu, x, upstream)[0], value)


def test_a_wrong_gradient_at_a_kink_is_rejected(keras_worker: KerasWorker, rng: np.random.Generator) -> None:
    x = points("selu", rng)
    upstream = np.ones_like(x)
    value, slope = keras_worker.call("keras3", "functions:activation", "selu", x, upstream, {})
    torchs = ours(torch.nn.functional.selu, x, upstream)
    assert_each_close(torchs[0], value)
    with pytest.raises(AssertionError):
        assert_each_close(torchs[1], slope)


def test_celu_at_zero(keras_worker: KerasWorker) -> None:
    """The one difference that is meant: a smooth function has one derivative, and TensorFlow adds up two."""
    x, upstream = np.zeros((1, 1)), np.ones((1, 1))
    assert keras_worker.call("keras3", "functions:activation", "celu", x, upstream, {})[1].item() == 2.0
    assert ours(activations.celu, x, upstream)[1].item() == 1.0


def test_hard_sigmoid_of_keras_2(keras_worker: KerasWorker, rng: np.random.Generator) -> None:
    x = np.concatenate([points("hard_sigmoid", rng), np.full((1, points("", rng).shape[1]), 2.5)])
    upstream = rng.uniform(0.5, UPSTREAM, x.shape)
    theirs = keras_worker.call("keras2", "functions:activation", "hard_sigmoid", x, upstream, {})
    for mine, right in zip(ours(activations.hard_sigmoid_keras2, x, upstream), theirs, strict=True):
        assert_each_close(mine, right, terms=UPSTREAM)


REGULARIZERS = [
    *((made, "float32") for made in (regularizers.L1(0.25), regularizers.L2(0.75), regularizers.L1L2(0.25, 0.75))),
    *((made, "float64") for made in (regularizers.L1(0.25), regularizers.L2(0.75), regularizers.L1L2(l2=0.75))),
    # Not in float64: Keras keeps this factor as a float32 tensor, which TensorFlow does not multiply with float64.
    *((regularizers.OrthogonalRegularizer(0.5, mode), "float32") for mode in ("rows", "columns")),
]


@pytest.mark.parametrize(("regularizer", "dtype"), REGULARIZERS, ids=repr)
def test_regularizers(
    regularizer: regularizers.Regularizer, dtype: str, keras_worker: KerasWorker, rng: np.random.Generator
) -> None:
    w = rng.normal(size=(5, 4)).astype(dtype)
    w[0, 1] = 0.0
    penalty, gradient = keras_worker.call("keras3", "functions:regularizer", regularizers.serialize(regularizer), w)
    tensor = torch.tensor(w, requires_grad=True)
    mine = regularizer(tensor)
    mine.backward()
    assert tensor.grad is not None
    assert_close(mine, np.asarray(penalty, dtype))
    assert_close(tensor.grad, gradient, GRADIENT)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "constraint",
    [
        constraints.MaxNorm(1.3),
        constraints.MaxNorm(1.3, 1),
        constraints.MaxNorm(1.3, (0, 1)),
        constraints.NonNeg(),
        constraints.UnitNorm(),
        constraints.UnitNorm(-1),
        constraints.MinMaxNorm(0.6, 1.4, 0.3),
        constraints.MinMaxNorm(0.6, 1.4, axis=(0, 1)),
    ],
    ids=repr,
)
def test_constraints(
    constraint: constraints.Constraint, dtype: str, keras_worker: KerasWorker, rng: np.random.Generator
) -> None:
    w = (rng.normal(size=(5, 4, 3)) * np.array([0.1, 1.0, 4.0])).astype(dtype)
    w[:, 0, 0] = 0.0
    theirs = keras_worker.call("keras3", "functions:constraint", constraints.serialize(constraint), w)
    mine = constraint(torch.tensor(w)).numpy()
    assert mine.dtype == theirs.dtype
    assert_close(mine, theirs)


RANDOM = [
    initializers.RandomNormal(0.3, 0.2),
    initializers.RandomUniform(-0.2, 0.7),
    initializers.TruncatedNormal(0.3, 0.2),
    initializers.GlorotUniform(),
    initializers.GlorotNormal(),
    initializers.HeUniform(),
    initializers.HeNormal(),
    initializers.LecunUniform(),
    initializers.LecunNormal(),
    initializers.VarianceScaling(3.0, "fan_out", "untruncated_normal"),
    initializers.VarianceScaling(3.0, "fan_in", "uniform"),
    initializers.VarianceScaling(3.0, "fan_avg", "normal"),
    initializers.GlorotNormal(input_axes=(0,), output_axes=(1,)),
]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Kolmogorov and Smirnov's, between two samples; over 1.95 once in 1000 if they have one distribution."""
    a, b = np.sort(a.reshape(-1)), np.sort(b.reshape(-1))
    both = np.concatenate([a, b])
    apart = np.abs(np.searchsorted(a, both, "right") / len(a) - np.searchsorted(b, both, "right") / len(b)).max()
    return apart * math.sqrt(len(a) * len(b) / (len(a) + len(b)))


@pytest.mark.parametrize("shape", [(40, 300), (5, 12, 200)], ids=str)
@pytest.mark.parametrize("initializer", RANDOM, ids=repr)
def test_initializers_have_the_same_distribution(
    initializer: initializers.RandomInitializer, shape: tuple[int, ...], keras_worker: KerasWorker
) -> None:
    config = initializers.serialize(type(initializer).from_config({**initializer.get_config(), "seed": 5}))
    theirs = keras_worker.call("keras3", "functions:initializer", config, shape, "float32")
    mine = initializer(shape).numpy()
    assert mine.shape == theirs.shape
    assert mine.dtype == theirs.dtype
    assert distance(mine, theirs) < 1.95
    assert distance(mine * 1.1, theirs) > 1.95  # 10 % more spread is seen


@pytest.mark.parametrize("shape", [(3, 3), (2, 4)], ids=str)
def test_orthogonal_has_the_same_distribution(shape: tuple[int, ...], keras_worker: KerasWorker) -> None:
    made = initializers.Orthogonal(gain=1.5)
    mine = np.stack([made(shape).numpy() for _ in range(200)])
    configs = [initializers.serialize(initializers.Orthogonal(gain=1.5, seed=seed)) for seed in range(200)]
    theirs = np.stack(
        [keras_worker.call("keras3", "functions:initializer", config, shape, "float32") for config in configs]
    )
    for at in np.ndindex(shape):
        assert distance(mine[(slice(None), *at)], theirs[(slice(None), *at)]) < 1.95
    naive = np.stack([1.5 * torch.linalg.qr(torch.randn(3, 3)).Q.numpy() for _ in range(200)])
    assert distance(naive[:, 0, 0], theirs[:, 0, 0]) > 1.95  # without the signs


@pytest.mark.parametrize(
    ("initializer", "shape"),
    [
        (initializers.Zeros(), (3, 2)),
        (initializers.Ones(), (3, 2)),
        (initializers.Constant(0.375), (3, 2)),  # TensorFlow takes a number by way of float32
        (initializers.Constant(np.array([0.1, 0.2])), (3, 2)),
        (initializers.Identity(), (3, 2)),
        (initializers.Identity(1.5), (2, 3)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initializers_without_chance(
    initializer: initializers.Initializer, shape: tuple[int, ...], dtype: str, keras_worker: KerasWorker
) -> None:
    theirs = keras_worker.call("keras3", "functions:initializer", initializers.serialize(initializer), shape, dtype)
    np.testing.assert_array_equal(initializer(shape, dtype=getattr(torch, dtype)).numpy(), theirs)


OBJECTS: list[tuple[ModuleType, Any]] = [
    *((initializers, made) for made in RANDOM),
    (initializers, initializers.Orthogonal(1.5, seed=3)),
    (initializers, initializers.Constant(np.array([[0.25, 0.5]], "float32"))),
    (initializers, initializers.Zeros()),
    (regularizers, regularizers.L1(0.25)),
    (regularizers, regularizers.L2(0.25)),
    (regularizers, regularizers.L1L2(0.25, 0.5)),
    (regularizers, regularizers.OrthogonalRegularizer(0.25, "columns")),
    (constraints, constraints.MaxNorm(3, (0, 1))),
    (constraints, constraints.MinMaxNorm(0.1, 2, 0.5, 1)),
    (constraints, constraints.UnitNorm(1)),
    (constraints, constraints.NonNeg()),
]


@pytest.mark.parametrize(("module", "made"), OBJECTS, ids=[repr(made) for _, made in OBJECTS])
def test_configs_go_through_keras_3(module: ModuleType, made: Any, keras_worker: KerasWorker) -> None:
    """Keras reads what we write, and we read what it writes for the same object."""
    kind = module.__name__.rpartition(".")[2]
    config = module.serialize(made)
    assert module.get(keras_worker.call("keras3", "functions:reserialized", kind, config)) == made


KNOWN_TO_KERAS_2 = [(module, made) for module, made in OBJECTS if "input_axes" not in made.get_config()]


@pytest.mark.parametrize(("module", "made"), KNOWN_TO_KERAS_2, ids=[repr(made) for _, made in KNOWN_TO_KERAS_2])
def test_configs_go_through_keras_2(module: ModuleType, made: Any, keras_worker: KerasWorker) -> None:
    kind = module.__name__.rpartition(".")[2]
    old = made.get_config()
    if isinstance(made, initializers.Constant):
        old = {"value": made.value.tolist()}
    config = {"class_name": type(made).__name__, "config": old}
    again = module.get(keras_worker.call("keras2", "functions:reserialized", kind, config))
    assert again.get_config() == type(made).from_config(old).get_config()


@pytest.mark.parametrize("module", [activations, initializers, regularizers, constraints], ids=lambda m: m.__name__)
def test_every_name_of_keras_is_known_or_refused_with_a_reason(module: ModuleType, keras_worker: KerasWorker) -> None:
    kind = module.__name__.rpartition(".")[2]
    bases = {"Initializer", "initializer", "Regularizer", "regularizer", "Constraint", "constraint"}
    names = set(keras_worker.call("keras3", "functions:names", kind)) - bases
    assert len(names) >= 8
    for name in names & set(module.TABLE.refused):
        with pytest.raises(UnsupportedError, match=re.escape(module.TABLE.refused[name])):
            module.get(name)
    for name in names - set(module.TABLE.refused):
        assert module.get(name) is not None
