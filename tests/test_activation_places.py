"""An activation stands in several tables: names, step engine, compiled code, graphs, torch's functions.

Each of them is complete or says what it lacks, so that a new activation takes no slow path unseen.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from _close import FLOAT64, assert_close

from kerastorch import activations, layers, native, ops
from kerastorch.functions import elementwise
from kerastorch.interop import _pointwise
from kerastorch.kernels import activation_gradients, compiled

FUNCTIONS = {function.__name__: function for function in activations._FUNCTIONS}
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
# What torch has no function of the same meaning for.
NOT_IN_TORCH = {
    "hard_sigmoid_keras2",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "linear",
    "exponential",
}


def test_the_step_engine_knows_each_but_those_that_mix_elements() -> None:
    known = {function.__name__ for function in activation_gradients._TABLE}
    assert set(FUNCTIONS) - known == MIXING | WITHOUT_DEFAULTS
    assert known <= set(FUNCTIONS)
    assert all(activation_gradients.find(FUNCTIONS[name]) is None for name in MIXING)


def test_compiled_code_knows_each_but_those_that_are_listed() -> None:
    known = {function.__name__ for function in activation_gradients._TABLE}
    assert known - set(native.ACTIVATIONS) == NOT_COMPILED
    assert {function.__name__: code for function, code in compiled._CODES.items()} == {
        name: code for code, name in enumerate(native.ACTIVATIONS)
    }


def test_the_sources_in_c_have_the_same_order() -> None:
    source = Path(native.__file__).with_name("activations.h").read_text()
    found = re.search(r"^enum \{ (.*) \};$", source, re.M)
    assert found is not None
    assert tuple(found[1].lower().split(", ")) == native.ACTIVATIONS
    for function in ("activate", "slope"):
        body = source[source.index(f"INLINE void {function}(") :].split("\n}\n")[0]
        assert re.findall(r"case (\w+):", body) == [name.upper() for name in native.ACTIVATIONS]


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
    assert not {name for name in set(FUNCTIONS) - NOT_IN_TORCH if not _traced_names(name) & set(_pointwise.FUNCTIONS)}


def _traced_names(name: str) -> set[str]:
    return {name, name.replace("_", ""), {"hard_silu": "hardswish", "log_sigmoid": "logsigmoid"}.get(name, name)}
