"""The judge of rounded numbers: its floors hold here, it sees a thousandth, and it says what it saw."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from _close import (
    FLOAT64,
    GRADIENT,
    MARGIN,
    OUTPUT,
    apart,
    assert_close,
    assert_each_close,
    assert_numbers,
    largest,
    scale_beside,
)
from torch import Tensor, nn

from kerastorch import Input, Model, layers
from kerastorch.base.layer import REGISTRY, Example, Layer
from kerastorch.structure import leaves, map_shapes, map_structure

EXAMPLES = [
    pytest.param(cls, example, id=f"{cls._class_name}-{example.name}")
    for cls in REGISTRY.values()
    for example in cls.EXAMPLES
]
# Gradients of differences of values that lie close to each other, at most three in a group: 5e-6 of LayerNormalization,
# 3e-4 of GroupNormalization, of the largest value. What a tolerance for those would be worth, `exact` tells.
CANCELLING = ("LayerNormalization", "GroupNormalization", "UnitNormalization")


def randomize(layer: nn.Module) -> None:
    with torch.no_grad():
        for name, value in [*layer.named_parameters(), *layer.named_buffers()]:
            if "var" in name:
                value.uniform_(0.5, 2)
            elif value.is_floating_point() and (value.requires_grad or "mean" in name):
                value.normal_(0, 0.5)


def call(layer: Layer, x: Any) -> list[Tensor]:
    found = layer(*x) if layer._call_arguments.tensors else layer(x)
    return [out for out in leaves(found) if out.is_floating_point()]


def everything(layer: Layer, x: Any, upstream: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs, and the gradients of all weights and inputs; `upstream` is filled at the first call."""
    dtype = next((t.dtype for t in [*layer.parameters(), *leaves(x)] if t.is_floating_point()), torch.float32)
    x = map_structure(lambda t: t.clone().requires_grad_(t.is_floating_point()), x)
    outputs = call(layer, x)
    upstream.extend([] if upstream else [torch.randn_like(out) for out in outputs])
    loss: Any = sum((out * up.to(dtype)).sum() for out, up in zip(outputs, upstream, strict=True))
    sources = [t for t in [*layer.parameters(), *leaves(x)] if t.requires_grad]
    found = torch.autograd.grad(loss, sources, allow_unused=True) if sources and loss.requires_grad else ()
    return [out.detach() for out in outputs], [gradient for gradient in found if gradient is not None]


@pytest.mark.parametrize(("cls", "example"), EXAMPLES)
def test_the_floors_are_those_of_this_processor(cls: type[Layer], example: Example) -> None:
    """float32 against float64: below the floors, which every other tolerance is a multiple of."""
    layer = cls.from_config(dict(example.config)).eval()
    layer.build(example.input_shape)
    randomize(layer)
    words = example.config.get("input_dim")
    x = map_shapes(lambda shape: torch.randint(words, shape) if words else torch.randn(shape), example.input_shape)
    upstream: list[Tensor] = []
    outputs, gradients = everything(layer, x, upstream)
    wide = map_structure(lambda t: t.double() if t.is_floating_point() else t, x)
    exact_outputs, exact_gradients = everything(copy.deepcopy(layer).double(), wide, upstream)
    assert_close(outputs, exact_outputs, OUTPUT / MARGIN)
    if not cls._class_name.startswith(CANCELLING):
        for ours, exact in zip(gradients, exact_gradients, strict=True):
            assert_close(ours, exact, GRADIENT / MARGIN, scale=scale_beside(exact, exact_gradients))


# ---------------------------------------------------------------- a thousandth is seen

STEPS = {"return_sequences": True, "return_state": True}
FAMILIES: dict[str, tuple[Layer, tuple[int, ...], int]] = {  # the layer, its input, the gates in the last axis
    "LSTM": (layers.LSTM(5, **STEPS), (3, 7, 4), 4),
    "LSTM, relu": (layers.LSTM(5, activation="relu", **STEPS), (3, 7, 4), 4),
    "GRU": (layers.GRU(5, **STEPS), (3, 7, 4), 3),
    "GRU, reset before": (layers.GRU(5, reset_after=False, **STEPS), (3, 7, 4), 3),
    "SimpleRNN": (layers.SimpleRNN(5, **STEPS), (3, 7, 4), 1),
    "ConvLSTM1D": (layers.ConvLSTM1D(3, 3, **STEPS), (2, 5, 8, 2), 4),
    "ConvLSTM2D": (layers.ConvLSTM2D(3, 3, **STEPS), (2, 5, 6, 6, 2), 4),
    "Dense": (layers.Dense(5, activation="tanh"), (3, 7, 4), 1),
    "Conv1D": (layers.Conv1D(5, 3, activation="tanh"), (3, 7, 4), 1),
    "Conv2D": (layers.Conv2D(5, 3, activation="tanh"), (3, 7, 7, 4), 1),
    "SeparableConv1D": (layers.SeparableConv1D(5, 3, activation="tanh"), (3, 7, 4), 1),
    "EinsumDense": (layers.EinsumDense("btf,fu->btu", (None, 5), bias_axes="u", activation="tanh"), (3, 7, 4), 1),
}


def faults() -> Iterator[Any]:
    for name, (layer, shape, gates) in FAMILIES.items():
        layer.build((None, *shape[1:]))
        for index, array in enumerate(layer.get_weights()):
            for gate in range(gates):
                yield pytest.param(name, index, gate, id=f"{name}, array {index} of shape {array.shape}, gate {gate}")


@pytest.mark.parametrize(("name", "index", "gate"), [*faults()])
def test_a_thousandth_of_one_gate_is_seen(name: str, index: int, gate: int) -> None:
    """In the outputs, and in the gradients: each would fail alone."""
    layer, shape, gates = FAMILIES[name]
    wrong = copy.deepcopy(layer)
    arrays = [np.random.default_rng(i).normal(0, 0.5, array.shape) for i, array in enumerate(layer.get_weights())]
    layer.set_weights([array.astype("float32") for array in arrays])
    part = arrays[index].shape[-1] // gates
    arrays[index][..., gate * part : (gate + 1) * part] *= 1.001
    wrong.set_weights([array.astype("float32") for array in arrays])
    x, upstream = torch.randn(shape), []  # type: ignore[var-annotated]
    right = everything(layer, x, upstream)
    assert_close(everything(copy.deepcopy(layer), x, upstream), right)
    found = everything(wrong, x, upstream)
    with pytest.raises(AssertionError, match="not close"):
        assert_close(found[0], right[0])
    with pytest.raises(AssertionError, match="not close"):
        assert_close(found[1], right[1], GRADIENT)


def attention(name: str) -> Model:
    query, value, key = Input((5, 4)), Input((6, 4)), Input((6, 4))
    made: Any = {
        "Attention": lambda: layers.Attention(use_scale=True)([query, value, key]),
        "Attention, concat": lambda: layers.Attention(score_mode="concat")([query, value, key]),
        "AdditiveAttention": lambda: layers.AdditiveAttention()([query, value, key]),
        "MultiHeadAttention": lambda: layers.MultiHeadAttention(2, 3)(query, value, key),
        "GroupQueryAttention": lambda: layers.GroupQueryAttention(3, 4, 2)(query, value, key),
    }[name]()
    return Model([query, value, key], made)


@pytest.mark.parametrize(
    "name",
    ["Attention", "Attention, concat", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention"],
)
def test_a_thousandth_of_one_weight_of_attention_is_seen(name: str) -> None:
    model = attention(name)
    arrays = [np.random.default_rng(i).normal(0, 0.7, a.shape).astype("f4") for i, a in enumerate(model.get_weights())]
    model.set_weights(arrays)
    x = [torch.randn(3, steps, 4) for steps in (5, 6, 6)]
    right = model(x).detach()
    assert arrays
    for index in range(len(arrays)):
        model.set_weights([array * np.float32(1.001) if i == index else array for i, array in enumerate(arrays)])
        if index == 3 and name.startswith(("Multi", "Group")):
            assert_close(model(x), right)  # the keys' bias shifts all scores of a row alike, a softmax sees no shift
            continue
        with pytest.raises(AssertionError, match="not close"):
            assert_close(model(x), right)


# ---------------------------------------------------------------- what it says


def test_the_largest_value_is_the_measure() -> None:
    expected = np.array([1e4, -3.0, 1e-4], "f4")
    assert_close(expected + np.float32(2e-3) * np.array([1, 0, 1], "f4"), expected)
    assert "allowed 0.0165" in str(apart(expected + np.array([0, 0, 0.1], "f4"), expected))
    small = expected * np.float32(1e-9)
    assert apart(small * np.float32(1.001), small) is not None  # an absolute 1e-6 lets this through
    assert apart(small, small) is None


@pytest.mark.parametrize(
    ("actual", "expected", "message"),
    [
        (np.zeros((2, 3), "f4"), np.zeros((3, 2), "f4"), r"expected shape \(3, 2\), got \(2, 3\)"),
        (np.zeros(3, "f8"), np.zeros(3, "f4"), "expected dtype float32, got float64"),
        (np.zeros(3, "i4"), np.zeros(3, "f4"), "expected dtype float32, got int32"),
        (np.array([1, 2, 3]), np.array([1, 2, 4]), "1 of 3 values differ"),
        (np.array([True, False]), np.array([True, True]), "1 of 2 values differ"),
        (np.zeros(3, "f4"), np.array([0, np.inf, 0], "f4"), "not finite: they prove nothing"),
        (np.array([0, np.nan, 0], "f4"), np.zeros(3, "f4"), r"not close: max \|difference\| nan at \(1,\)"),
        ([np.zeros(3)], [], r"expected 0 arrays, got 1"),
        ([np.zeros(3), np.ones(3)], [np.zeros(3), np.zeros(3)], r"\[1\]: not close"),
        ({"a": np.zeros(3)}, {"a": np.ones(3)}, "not close: max .* 1 at"),
        (np.array([1.0, 2.0]), [1.0, 3.0], r"not close: max .* 1 at \(1,\)"),  # Python's numbers are one array
    ],
)
def test_what_differs_is_named(actual: Any, expected: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_close(actual, expected)


def test_other_formats_have_their_own_last_place() -> None:
    ones = torch.ones(3)
    assert_close(ones.double() * (1 + FLOAT64), ones.double())
    assert apart(ones.double() * (1 + 4 * FLOAT64), ones.double()) is not None
    half = ones.half()
    assert_close(half + 2**-10, half)
    assert apart(half + 2**-6, half) is not None
    brain = ones.bfloat16()
    assert_close(brain + 2**-7, brain)
    assert apart(brain + 2**-3, brain) is not None


def test_an_exact_run_and_a_scale_widen_the_bound_by_what_they_measured() -> None:
    expected, exact = np.array([1.0, 2.0], "f4"), np.array([1.0, 2.001])
    assert apart(expected + np.float32(0.0015), expected) is not None
    assert_close(expected + np.float32(0.0025), expected, exact=exact)
    assert apart(expected + np.float32(0.0035), expected, exact=exact) is not None
    zeros = np.zeros(3, "f4")
    assert apart(zeros + np.float32(1e-7), zeros) is not None
    assert_close(zeros + np.float32(1e-7), zeros, scale=1.0)
    assert largest([[np.array([-3.0, 1.0])], {"a": np.zeros(0)}]) == 3.0


def test_a_gradient_that_is_zero_by_its_formula_is_measured_by_those_beside_it() -> None:
    beside = [np.array([100.0, 1.0]), np.array([1e-5])]
    assert scale_beside(beside[1], beside) == 100.0
    assert scale_beside(beside[0], beside) == 0.0
    assert scale_beside(np.array([1e-3]), beside) == 0.0  # small, and no rounding of 100


def test_a_function_of_single_values_is_measured_at_each() -> None:
    expected = np.array([1e6, 1.0, 1e-3])
    assert_each_close((expected * (1 + 1e-6)).astype("f4"), expected)
    for index in range(3):  # a thousandth of the value, of a small one a thousandth of its terms
        moved = expected.copy()
        moved[index] += 1e-3 * max(1.0, moved[index])
        with pytest.raises(AssertionError, match=rf"not close: .* at \({index},\)"):
            assert_each_close(moved.astype("f4"), expected)
    with pytest.raises(AssertionError, match="not close"):
        assert_each_close(np.array([1.001e-3], "f4"), [1e-3], terms=1e-3)
    with pytest.raises(AssertionError, match=r"expected shape \(3,\), got \(2,\)"):
        assert_each_close(expected[:2], expected)


def test_each_number_is_measured_by_itself() -> None:
    assert_numbers([1e3 * (1 + 1e-6), 1e-3], [1e3, 1e-3])
    for wrong in ([1e3, 1.001e-3], [1.001e3, 1e-3]):
        with pytest.raises(AssertionError, match="not close"):
            assert_numbers(wrong, [1e3, 1e-3])
    with pytest.raises(AssertionError, match="expected 2"):
        assert_numbers([1.0], [1.0, 2.0])
