"""Distances in multiples of what rounding does."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from _recordings import dense_model, dense_recording

import kerastorch as kt
from kerastorch.parity.alterations import TF32
from kerastorch.parity.measuring import MORE_THAN_MOVED, measure
from kerastorch.parity.report import LIMIT, Row, times
from kerastorch.parity.running import Variants, to_numpy


def test_rounding_is_what_float64_and_moved_runs_show() -> None:
    ours = np.array([1.0, 2.0, 4.0], "float32")
    unit = 4 * 2.0**-24
    measured = measure(ours, ours + np.array([0, 8 * unit, 0], "float32"), ours + np.array([2 * unit, 0, 0]), [])
    assert (measured.difference, measured.rounding, measured.multiple) == (8 * unit, 2 * unit, 4.0)
    assert (measured.at, measured.ours, measured.reference) == ((1,), 2.0, 2.0 + 8 * unit)
    moved = measure(ours, ours + np.float32(0.5), ours.astype("float64"), [ours - np.float32(0.25)])
    assert moved.rounding == 0.25
    # Nothing is nearer than half a unit in the last place of the largest value: 4 x 2**-24.
    least = measure(ours, ours, ours.astype("float64"), [])
    assert (least.rounding, least.multiple) == (4 * 2.0**-24, 0.0)


def test_a_run_that_is_less_exact_than_its_dtype_excuses_nothing() -> None:
    """Half the digits in float32, all of them in float64: what moves by one unit in the last place do is the judge."""
    reference = np.array([1.0, 2.0, 4.0], "float32")
    ours = reference * np.float32(1.0005)
    moved = ours + np.float32(2.0**-21)
    measured = measure(ours, reference, reference.astype("float64"), [moved])
    assert measured.rounding == MORE_THAN_MOVED * np.abs(moved - ours).max()
    assert measured.multiple > LIMIT


class Coarse(torch.nn.Module):
    """A product whose factors have ten bits behind their points in float32 alone, as tensor cores have them."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = dense_model()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.dtype == torch.float64:
            return self.inner(x)
        with TF32():
            return self.inner(x)


def test_a_model_that_is_less_exact_in_float32_alone_has_no_parity(tmp_path: Path) -> None:
    recording = dense_recording(tmp_path / "small.npz")
    assert kt.check_parity(recording, dense_model()).passed
    report = kt.check_parity(recording, Coarse())
    assert not report.passed, str(report)


@pytest.mark.parametrize("name", ["elu", "selu", "the layer"])
def test_a_reference_that_takes_1_from_exp(name: str) -> None:
    """TensorFlow's ELU: near 0 it rounds as numbers of 1 do, and no fault is hidden by that."""
    layer = kt.layers.ELU(0.5) if name == "the layer" else kt.layers.Activation(name)
    model = kt.Sequential([kt.Input((3,)), layer])
    alpha, scale = {"elu": (1.0, 1.0), "selu": (1.6732632, 1.050701), "the layer": (0.5, 1.0)}[name]

    def reference(x: np.ndarray, alpha: float = alpha) -> np.ndarray:
        below = np.float32(alpha) * (np.exp(np.minimum(x, np.float32(0))) - np.float32(1))
        return np.float32(scale) * np.where(x > 0, x, below)

    assert kt.check_parity(reference, model).passed, str(kt.check_parity(reference, model))
    assert not kt.check_parity(lambda x: reference(x, alpha * 1.001), model).passed


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float16"])
def test_a_unit_in_the_last_place_is_one_of_what_is_computed_in(policy: str) -> None:
    model = kt.Sequential([kt.Input((4,)), kt.layers.Dense(8, dtype=policy), kt.layers.Dense(3, dtype=policy)])
    variants = Variants(model, [])
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    ours, exact, *moved = (to_numpy(run.outputs[0]) for run in variants.run([x], torch.device("cpu"), False))
    apart = [float(np.abs(ours.astype("float64") - other).max()) for other in (exact, *moved)]
    assert 0 < apart[0] < MORE_THAN_MOVED * max(apart[1:])


def test_ulps_are_counted_and_judge_nothing() -> None:
    reference = np.ones(10, "float32")
    ours = reference.copy()
    ours[:4] = np.nextafter(ours[:4], 2, dtype="float32")
    ours[9] = 2.0
    measured = measure(ours, reference, reference.astype("float64"), [])
    assert measured.median_ulps == 0.5
    assert measured.ulps == {"up to 0": 5, "up to 1": 4, "up to 4": 0, "up to 16": 0, "up to 256": 0, "more": 1}


def test_other_shapes_and_values_that_are_not_finite() -> None:
    reference = np.array([[1.0, np.inf], [np.nan, 2.0]], "float32")
    assert measure(reference, reference, reference.astype("float64"), []).multiple == 0.0
    ours = reference.copy()
    ours[0, 1] = 3.0
    found = measure(ours, reference, ours.astype("float64"), [])
    assert (found.multiple, found.at, found.ours) == (math.inf, (0, 1), 3.0)
    negative = measure(reference * np.float32(-1), reference, -reference.astype("float64"), [])
    assert negative.multiple == math.inf
    assert negative.at == (0, 1)
    turned = np.array([[1.0, 3.0], [np.nan, 2.0]], "float32")
    assert (
        measure(ours, reference, ours.astype("float64"), [reference, turned]).note == "rounding decides what overflows"
    )
    nothing = np.full(3, np.nan, "float32")
    assert measure(nothing, nothing, nothing.astype("float64"), []).note == "no value of the reference is finite"
    other = measure(np.zeros(3, "float32"), np.zeros((3, 1), "float32"), np.zeros(3), [])
    assert other.multiple == math.inf
    assert other.wrong == "its shape is (3,) here, (3, 1) in the reference"


def test_what_rounding_decides_is_not_judged() -> None:
    ours = np.array([1.0, -1.0], "float32")
    measured = measure(ours, -ours, ours.astype("float64"), [-ours])
    assert measured.note.startswith("it is drawn at random, or rounding decides")
    assert not Row("output", "", "", 0, "normal", measured).differs


def test_whole_numbers_are_counted() -> None:
    ours, reference = np.arange(200), np.arange(200)
    assert measure(ours, reference, ours, []).multiple == 0.0
    reference = reference.copy()
    reference[3] = 7
    found = measure(ours, reference, ours, [ours])
    assert (found.difference, found.multiple, found.at) == (1.0, math.inf, (3,))
    turned = ours.copy()
    turned[5] = 6
    assert measure(ours, reference, ours, [turned]).multiple == 1.0
    masks = np.array([True, False])
    assert Row("mask", "lstm", "LSTM", 0, "left", measure(masks, ~masks, masks, [])).differs


def test_zeros_have_no_rounding() -> None:
    zeros = np.zeros(3, "float32")
    assert measure(zeros, zeros, zeros.astype("float64"), []).multiple == 0.0
    assert measure(zeros + np.float32(2.0**-99), zeros, zeros.astype("float64") + 2.0**-99, []).multiple > LIMIT


def test_multiples_as_people_read_them() -> None:
    found = [times(value) for value in (0.0, 0.449, 1.3, 27.4, 40213.2, 3e9, math.inf)]
    assert found == ["0.0", "0.4", "1.3", "27", "40,213", "3.0e+09", "endlessly many"]
