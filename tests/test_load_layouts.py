"""What `matching.convert` makes of a layer's arrays in the layouts of older Keras: every array, in full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from kerastorch import layers as L
from kerastorch.files import Array
from kerastorch.matching import convert
from kerastorch.matching.convert import class_of, converted

ADDED = "the file has a CuDNNLSTM with two biases, an LSTM has one: pass sum_biases=True to load their sum, as "
ADDED += "Keras 2 does (the same outputs, but the two cannot be told apart again), or make the layer a CuDNNLSTM"


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def read(
    layer: Any, shape: Sequence[int | None], arrays: Sequence[np.ndarray], names: Sequence[str] = (), **options: bool
) -> Any:
    """The arrays, names, rules and problems that come out for a layer built on inputs of this shape."""
    layer.build(tuple(shape))
    names = names or [f"array_{number}" for number in range(len(arrays))]
    stored = [
        (name, Array(name, tuple(array.shape), array.dtype.name, lambda array=array: array))
        for name, array in zip(names, arrays, strict=True)
    ]
    result = converted(layer.variables, stored, **{"keras1": True, "sum_biases": False, **options})
    found: list[np.ndarray] = []
    for _, array in result.arrays:
        try:
            found.append(array.read())
        except (ValueError, KeyError) as error:
            pytest.fail(f"{array.where} cannot be read: {error}")
        assert found[-1].shape == array.shape  # as it was stated before it was read
    return found, [name for name, _ in result.arrays], result.rules, result.problems


def assert_arrays(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> None:
    assert [array.shape for array in found] == [array.shape for array in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(mine, theirs)


FIRST = {"data_format": "channels_first"}
# Layer, its input, and the kernel of Keras 1 for one of today.
KERNELS: dict[str, tuple[Callable[[], Any], tuple[int | None, ...], Callable[[np.ndarray], np.ndarray]]] = {
    "Conv1D of 1.0": (lambda: L.Conv1D(5, 3), (None, 9, 4), lambda k: k.transpose(2, 1, 0)[..., None]),
    "Conv1D of 1.2": (lambda: L.Conv1D(5, 3), (None, 9, 4), lambda k: k[:, None]),
    "Conv1D of one step": (lambda: L.Conv1D(5, 1), (None, 9, 4), lambda k: k[:, None]),
    "Conv1D of 1.0, one step": (lambda: L.Conv1D(5, 1), (None, 9, 4), lambda k: k.transpose(2, 1, 0)[..., None]),
    "Conv1D, all sizes alike": (lambda: L.Conv1D(3, 3), (None, 9, 3), lambda k: k[:, None]),
    "Conv1D of 1.0, all sizes alike": (
        lambda: L.Conv1D(3, 3),
        (None, 9, 3),
        lambda k: k.transpose(2, 1, 0)[..., None],
    ),
    # Their last axis has one place in both layouts.
    "Conv1D of one filter": (lambda: L.Conv1D(1, 3), (None, 9, 4), lambda k: k[:, None]),
    "Conv1D of 1.0, one filter": (lambda: L.Conv1D(1, 3), (None, 9, 4), lambda k: k.transpose(2, 1, 0)[..., None]),
    "Conv1D of today": (lambda: L.Conv1D(5, 3), (None, 9, 4), lambda k: k),
    "Conv2D": (lambda: L.Conv2D(5, (3, 2)), (None, 9, 8, 4), lambda k: k),
    "Conv2D, th": (lambda: L.Conv2D(5, (3, 2), **FIRST), (None, 4, 9, 8), lambda k: k.transpose(3, 2, 0, 1)),
    "Conv3D, th": (lambda: L.Conv3D(5, (3, 2, 1), **FIRST), (None, 4, 9, 8, 7), lambda k: k.transpose(4, 3, 0, 1, 2)),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(5, (3, 2)), (None, 9, 8, 4), lambda k: k.transpose(0, 1, 3, 2)),
    "Conv2DTranspose, th": (
        lambda: L.Conv2DTranspose(5, (3, 2), **FIRST),
        (None, 4, 9, 8),
        lambda k: k.transpose(2, 3, 0, 1),
    ),
    "Dense": (lambda: L.Dense(5), (None, 4), lambda k: k),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_of_keras1(name: str) -> None:
    make, shape, old = KERNELS[name]
    layer = make()
    layer.build(shape)
    kernel, bias = (random(*variable.shape) for variable in layer.variables)
    found, names, rules, problems = read(make(), shape, [old(kernel), bias], ["W", "b"])
    assert_arrays(found, [kernel, bias])
    assert (names, rules, problems) == (["W", "b"], [], [])
    as_it_is = read(make(), shape, [old(kernel), bias], keras1=False)[0]
    assert_arrays(as_it_is, [old(kernel), bias])  # another Keras's files are left alone


def test_kernels_of_separable_and_recurrent_convolutions() -> None:
    depth, point, bias = random(3, 2, 4, 1), random(1, 1, 4, 5), random(5)
    stored = [depth.transpose(3, 2, 0, 1), point.transpose(3, 2, 0, 1), bias]
    found = read(L.SeparableConv2D(5, (3, 2), **FIRST), (None, 4, 9, 8), stored)[0]
    assert_arrays(found, [depth, point, bias])
    gates = {gate: [random(3, 2, 4, 5) + n, random(3, 2, 5, 5) + n, random(5) + n] for n, gate in enumerate("icfo")}
    wanted = [np.concatenate([gates[gate][kind] for gate in "ifco"], axis=-1) for kind in range(3)]
    for options, shape in (({}, (None, 3, 9, 8, 4)), (FIRST, (None, 3, 4, 9, 8))):
        stored = [
            array.transpose(3, 2, 0, 1) if options and array.ndim == 4 else array
            for gate in "icfo"
            for array in gates[gate]
        ]
        assert_arrays(read(L.ConvLSTM2D(5, (3, 2), **options), shape, stored)[0], wanted)


@pytest.mark.parametrize(
    ("name", "theirs", "ours", "options"), [("LSTM", "icfo", "ifco", {}), ("GRU", "zrh", "zrh", {"reset_after": False})]
)
def test_gates_of_keras1(name: str, theirs: str, ours: str, options: dict[str, Any]) -> None:
    make = getattr(L, name)
    gates = {gate: [random(4, 3) + n, random(3, 3) + n, random(3) + n] for n, gate in enumerate(theirs)}
    stored = [array for gate in theirs for array in gates[gate]]
    wanted = [np.concatenate([gates[gate][kind] for gate in ours], axis=-1) for kind in range(3)]
    names = [f"l_{part}_{gate}:0" for gate in theirs for part in "WUb"]
    for given in ((), names):
        found, _, rules, problems = read(make(3, **options), (None, 5, 4), stored, given)
        assert_arrays(found, wanted)
        assert (rules, problems) == ([], [])
    # What the names deny, or what does not fit together, stays as it is.
    assert_arrays(read(make(3, **options), (None, 5, 4), stored, names[::-1])[0], stored)
    assert read(make(3, **options), (None, 5, 4), stored[:-1])[0][0].shape == stored[0].shape
    layer = make(3, **options)
    layer.build((None, 5, 4))
    scalars = [array.reshape(-1)[0] if array.ndim == 1 else array for array in stored]
    for part, uneven in ((0, [stored[0][:-1], *stored[1:]]), (2, scalars)):
        arrays = [Array(str(i), array.shape, "float32", lambda: 1 / 0) for i, array in enumerate(uneven)]
        named = [(array.where, array) for array in arrays]
        apart = converted(layer.variables, named, keras1=True, sum_biases=False)
        places = [3 * theirs.index(gate) + part for gate in ours]
        listed = ", ".join(f"{place} {uneven[place].shape} float32" for place in places)
        assert apart.problems == [f"the arrays of its gates do not fit together: {listed}"]
        assert apart.arrays == named


def test_the_arrays_of_a_highway() -> None:
    kernel, carry, bias, carry_bias = random(4, 4), random(4, 4) + 1, random(4), random(4) + 1
    wanted = [kernel, carry, bias, carry_bias]
    assert_arrays(read(L.Highway(), (None, 4), wanted)[0], wanted)
    assert_arrays(read(L.Highway(), (None, 4), [kernel, bias, carry, carry_bias])[0], wanted)
    as_it_is = [kernel, bias, carry, carry_bias]
    assert_arrays(read(L.Highway(), (None, 4), as_it_is, keras1=False)[0], as_it_is)


# ---------------------------------------------------------------- cuDNN


def blocks(kernel: np.ndarray, gates: int) -> np.ndarray:
    """Keras's kernel -> cuDNN's: of each gate the transposed matrix, in the memory of one of Keras's shape."""
    parts = np.split(kernel, gates, axis=1)
    return np.concatenate([part.T.reshape(-1).reshape(part.shape) for part in parts], axis=1)


CUDNN: dict[str, tuple[Any, Any, int, Callable[[np.ndarray], np.ndarray], str]] = {
    "CuDNNLSTM": (L.CuDNNLSTM, L.LSTM, 4, lambda b: b[:48] + b[48:], "CuDNNLSTM -> LSTM: its two biases are added"),
    "LSTM": (
        L.LSTM,
        L.CuDNNLSTM,
        4,
        lambda b: np.concatenate([b / 2, b / 2]),
        "LSTM -> CuDNNLSTM: its bias is halved into two",
    ),
    "CuDNNGRU": (L.CuDNNGRU, L.GRU, 3, lambda b: np.stack([b[:36], b[36:]]), "CuDNNGRU -> GRU(reset_after=True)"),
    "GRU": (L.GRU, L.CuDNNGRU, 3, lambda b: np.concatenate([b[0], b[1]]), "GRU(reset_after=True) -> CuDNNGRU"),
}


@pytest.mark.parametrize("name", CUDNN)
def test_between_cudnn_and_plain_layers(name: str) -> None:
    source, target, gates, bias_map, rule = CUDNN[name]
    # As many features as units, a multiple of 3 and 4: an axis that is another one is no error, but other numbers.
    plain = [random(12, 12 * gates), random(12, 12 * gates) + 1]
    packed = [blocks(kernel, gates) for kernel in plain]
    old = source(12)
    old.build((None, 5, 12))
    bias = random(*old.variables[2].shape)
    theirs, ours = (packed, plain) if name.startswith("CuDNN") else (plain, packed)
    found, names, rules, problems = read(
        target(12), (None, 5, 12), [*theirs, bias], "abc", keras1=False, sum_biases=name == "CuDNNLSTM"
    )
    assert_arrays(found, [*ours, bias_map(bias)])
    assert (names, rules, problems) == (["a", "b", "c"], [rule], [])
    # Into a layer of the same class nothing changes.
    found, _, rules, problems = read(source(12), (None, 5, 12), [*theirs, bias], keras1=False)
    assert_arrays(found, [*theirs, bias])
    assert (rules, problems) == ([], [])


def test_each_class_has_its_rule_and_its_map() -> None:
    rules = {rule.split(" ->")[0]: rule.partition(":")[1] + rule.partition(":")[2] for *_, rule in CUDNN.values()}
    assert dict(convert._BIASES) == rules
    assert list(convert._BIAS_MAPS) == list(rules)


def test_two_biases_are_added_only_if_it_is_wanted() -> None:
    arrays = [random(4, 12), random(3, 12), random(24)]
    found, _, rules, problems = read(L.LSTM(3), (None, 5, 4), arrays, keras1=False)
    assert_arrays(found, arrays)
    assert (rules, problems) == ([], [ADDED])


@pytest.mark.parametrize(
    ("make", "arrays"),
    [
        (lambda: L.GRU(3, reset_after=False), [random(4, 9), random(3, 9), random(18)]),  # computes something else
        (lambda: L.GRU(3), [random(4, 9), random(3, 9), random(9)]),
        (lambda: L.CuDNNGRU(3), [random(4, 9), random(3, 9), random(9)]),
        (lambda: L.LSTM(3), [random(4, 12), random(3, 12), random(7)]),  # no layer's
        (lambda: L.LSTM(3), [random(4, 12), random(5, 12), random(24)]),  # of another number of units
        (lambda: L.SimpleRNN(3), [random(4, 3), random(3, 3), random(6)]),
    ],
)
def test_what_is_nobodys_other_layout_is_left_alone(make: Callable[[], Any], arrays: list[np.ndarray]) -> None:
    found, _, rules, problems = read(make(), (None, 5, 4), arrays, keras1=False, sum_biases=True)
    assert_arrays(found, arrays)
    assert (rules, problems) == ([], [])


def test_classes_of_variables() -> None:
    layer = L.Bidirectional(L.GRU(3))
    layer.build((None, 5, 4))
    assert [class_of(variable) for variable in layer.variables] == ["GRU"] * 6
