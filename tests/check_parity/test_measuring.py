"""Distances in multiples of what rounding does."""

from __future__ import annotations

import math

import numpy as np

from kerastorch.parity.measuring import measure
from kerastorch.parity.report import LIMIT, Row, times


def test_rounding_is_what_float64_and_moved_runs_show() -> None:
    ours = np.array([1.0, 2.0, 4.0], "float32")
    measured = measure(ours, ours + np.array([0, 0.5, 0], "float32"), ours + np.array([0.125, 0, 0]), [])
    assert (measured.difference, measured.rounding, measured.multiple) == (0.5, 0.125, 4.0)
    assert (measured.at, measured.ours, measured.reference) == ((1,), 2.0, 2.5)
    moved = measure(ours, ours + np.float32(0.5), ours.astype("float64"), [ours - np.float32(0.25)])
    assert moved.rounding == 0.25
    # Nothing is nearer than half a unit in the last place of the largest value: 4 x 2**-24.
    least = measure(ours, ours, ours.astype("float64"), [])
    assert (least.rounding, least.multiple) == (4 * 2.0**-24, 0.0)


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
