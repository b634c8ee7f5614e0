"""The record of each activation is true: what runs, reads and writes it computes what its formula does.

Each is complete or says what it lacks, so that a new activation takes no slow path unseen.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import FLOAT64, assert_close

from kerastorch import layers, native, ops
from kerastorch.activations import formulas
from kerastorch.activations.records import COMPILED, RECORDS
from kerastorch.functions import elementwise
from kerastorch.interop import _pointwise
from kerastorch.kernels import activation_gradients, compiled
from kerastorch.leaving.translators.activations import function_of_record

FUNCTIONS = {record.name: record.function for record in RECORDS}
# Autograd follows every step of a recurrence that has one of these.
MIXING = {"softmax", "log_softmax", "sparsemax", "glu"}
WITHOUT_DEFAULTS = {"threshold"}  # no layer can have it by its name
# The step engine computes these, C does not: Keras's models have them outside recurrences.
NOT_COMPILED = {
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_silu", "hard_tanh", "log_sigmoid", "mish", "selu"),
    *("silu", "soft_shrink", "softplus", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh_shrink"),
}
# Operations of graphs that are called otherwise, and what Keras has no operation for.
OPERATIONS = {"exponential": "Exp"}
NO_OPERATION = {"linear", "hard_sigmoid_keras2", "mish"}
# Torch's functions of these have arguments that Keras's activation has not; the tracer reads them one by one.
TRACED_WITH_ARGUMENTS = {
    *("leaky_relu", "elu", "gelu", "softplus", "hard_tanh", "hard_shrink", "soft_shrink", "softmax", "log_softmax"),
    *("glu", "threshold"),
}
# What torch has no function of the same meaning for.
NOT_IN_TORCH = {
    *("hard_sigmoid_keras2", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "linear", "exponential"),
}


def test_every_formula_has_one_record() -> None:
    functions = {
        name
        for name, value in vars(formulas).items()
        if callable(value) and getattr(value, "__module__", "") == formulas.__name__
    }
    assert functions - {"softmax_over"} == set(FUNCTIONS)
    assert len(FUNCTIONS) == len(RECORDS)


def test_the_step_engine_knows_each_but_those_that_mix_elements() -> None:
    known = {record.name for record in RECORDS if record.steps is not None}
    assert set(FUNCTIONS) - known == MIXING | WITHOUT_DEFAULTS
    assert known == {name for name in FUNCTIONS if activation_gradients.find(FUNCTIONS[name]) is not None}


def test_compiled_code_knows_each_but_those_that_are_listed() -> None:
    assert {record.name for record in RECORDS if record.steps is not None and not record.compiled} == NOT_COMPILED
    assert [compiled.code_of(record.function) for record in COMPILED] == list(range(len(COMPILED)))


def test_the_sources_in_c_have_the_same_order() -> None:
    names = [record.name.upper() for record in COMPILED]
    source = Path(native.__file__).with_name("activations.h").read_text()
    found = re.search(r"^enum \{ (.*) \};$", source, re.M)
    assert found is not None
    assert found[1].split(", ") == names
    for function in ("activate", "slope"):
        body = source[source.index(f"INLINE void {function}(") :].split("\n}\n")[0]
        assert re.findall(r"case (\w+):", body) == names


def _close_enough(name: str, found: torch.Tensor, expected: torch.Tensor) -> None:
    # In float64 torch's Hardsigmoid has a factor in float32.
    if name in ("hard_sigmoid", "hard_silu"):
        assert_close(found.float(), expected.float())
    else:
        assert_close(found, expected, FLOAT64)


def _values_and_slopes(function: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.clone().requires_grad_()
    y = function(x)
    (grad,) = torch.autograd.grad(y, x, torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view_as(y))
    return y.detach(), grad


X = torch.randn(6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 2


@pytest.mark.parametrize("record", [record for record in RECORDS if record.module], ids=lambda record: record.name)
def test_the_module_of_torch_computes_the_same(record: Any) -> None:
    module = record.module.type(**record.module.settings)
    for found, expected in zip(_values_and_slopes(module, X), _values_and_slopes(record.function, X), strict=True):
        _close_enough(record.name, found, expected)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_generated_source_computes_the_same(record: Any) -> None:
    given = {"threshold": 0.2, "default_value": -1.0} if record.name in WITHOUT_DEFAULTS else {}
    function, options = function_of_record(record)
    options |= {record.settings[name]: value for name, value in given.items()}
    assert (record.torch is None) == (record.helper is not None)
    found = _values_and_slopes(lambda x: function(x, **options), X)
    for one, expected in zip(found, _values_and_slopes(lambda x: record.function(x, **given), X), strict=True):
        _close_enough(record.name, one, expected)


@pytest.mark.parametrize("record", [record for record in RECORDS if record.steps], ids=lambda record: record.name)
def test_the_steps_compute_the_same(record: Any) -> None:
    entry = activation_gradients.find(record.function)
    assert entry is not None
    y, slopes = _values_and_slopes(record.function, X)
    kept = X.clone()
    assert_close(entry.apply(kept), y, FLOAT64)
    kept = entry.kept(X, y)
    weights = torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view_as(y)
    assert_close(entry.backward(weights, kept), slopes, FLOAT64)


@pytest.mark.parametrize("record", [record for record in RECORDS if record.onnx], ids=lambda record: record.name)
def test_the_function_of_onnx_computes_the_same(record: Any) -> None:
    """What ONNX's standard says of each name, by hand."""
    name, alpha, beta = record.onnx
    x = X.numpy()
    says = {
        "Affine": lambda: alpha * x + beta,
        "Sigmoid": lambda: 1 / (1 + np.exp(-x)),
        "Tanh": lambda: np.tanh(x),
        "Relu": lambda: np.maximum(x, 0),
        "HardSigmoid": lambda: np.clip(alpha * x + beta, 0, 1),
        "Softsign": lambda: x / (1 + np.abs(x)),
        "LeakyRelu": lambda: np.where(x < 0, alpha * x, x),
        "Elu": lambda: np.where(x < 0, alpha * np.expm1(x), x),
    }
    assert_close(torch.from_numpy(says[name]()), record.function(X), FLOAT64)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_what_has_two_slopes_says_so(record: Any) -> None:
    """On both sides of each border that a formula can have; those whose borders are jumps aside."""
    if record.name in {"threshold", "hard_shrink", "soft_shrink", "softmax", "log_softmax", "sparsemax", "glu"}:
        assert not record.kinked  # they are no activations of a recurrence, whose kinks are watched
        return
    borders = torch.tensor([-3.0, -2.5, -1.0, 0.0, 1.0, 2.5, 3.0, 6.0], dtype=torch.float64)
    (_, left), (_, right) = (_values_and_slopes(record.function, borders + move) for move in (-1e-9, 1e-9))
    jumps = bool(((left - right).abs() > 1e-3).any())
    assert jumps == record.kinked or record.name == "selu"  # whose two slopes torch has no watched function for


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - NO_OPERATION))
def test_graphs_and_namespaces_compute_the_same(name: str) -> None:
    operation = OPERATIONS.get(name, "".join(part.capitalize() for part in name.split("_")))
    assert operation in elementwise.FUNCTIONS
    x = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    arguments: dict[str, Any] = {"threshold": 0.2, "default_value": -1.0} if name in WITHOUT_DEFAULTS else {}
    expected = FUNCTIONS[name](x, **arguments)
    # Where an operation and an activation have other defaults, Keras's do too.
    given = {"leaky_relu": {"negative_slope": 0.2}, "gelu": {"approximate": False}}.get(name, arguments)
    assert_close(getattr(ops, OPERATIONS.get(name, name).lower())(x, **given), expected, FLOAT64)
    if name not in WITHOUT_DEFAULTS:
        assert_close(layers.Activation(name, dtype="float64")(x), expected, FLOAT64)


def test_what_has_no_operation_has_none_in_keras_either() -> None:
    assert not [name for name in NO_OPERATION if hasattr(ops, name)]


def test_each_function_of_torch_is_traced() -> None:
    traced = {record.name for record in RECORDS if record.traced} | TRACED_WITH_ARGUMENTS
    assert traced == set(FUNCTIONS) - NOT_IN_TORCH
    assert not {name for record in RECORDS for name in record.traced} - set(_pointwise.FUNCTIONS)


@pytest.mark.parametrize("name", [name for record in RECORDS for name in record.traced])
def test_what_torch_calls_it_computes_the_same(name: str) -> None:
    (record,) = [record for record in RECORDS if name in record.traced]
    known = (*vars(torch.nn.functional).values(), getattr(torch, name, None))
    function: Any = getattr(torch.nn.functional, name, None)
    function = function or next(value for value in known if getattr(value, "__name__", None) == name)
    _close_enough(record.name, function(X), record.function(X))
