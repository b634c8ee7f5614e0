"""How far two arrays are apart, as a multiple of what rounding does to them, which is measured and not assumed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Rounding that moves an array by this part of its largest value decides what comes out: nothing can be told from it.
UNDETERMINED = 1e-2
UNCERTAIN = "it is drawn at random, or rounding decides what comes out"
# A move of weights and inputs by one unit in the last place does what rounding inside does, or more: over the examples
# of every layer float32 lay up to 1.1 times as far from float64. What lies much further is arithmetic that is less than
# float32 here (TF32, a kernel that is wrong in this dtype alone), and excuses nothing.
MORE_THAN_MOVED = 4.0
# Up to how many ulps, for the histogram.
BUCKETS = (0, 1, 4, 16, 256)
STEPS = 256  # how many places of an axis are told apart


@dataclass(frozen=True)
class Measured:
    """Two arrays beside each other.

    Attributes:
        shape: Of the reference.
        difference: The largest absolute difference; infinite where the shapes differ, or where one is not finite and
            the other is.
        largest: The largest absolute value of the reference.
        rounding: What rounding moves the array by, at most: the distance of our run from those that are moved by one
            unit in the last place, and half such a unit of the largest value; and the distance from our float64 run,
            up to four times these: a run that is less exact than its dtype excuses nothing by that.
        at: Where the largest difference is.
        ours: Our value there.
        reference: The reference's.
        median_ulps: The median distance in units in the last place of the reference's values.
        ulps: How many values are up to 0, 1, 4, 16, 256 and more such units apart.
        note: Why it is not judged; empty if it is.
        wrong: What differs besides the numbers; empty if nothing does.
        steps: The largest absolute difference at each place of the axis behind that of the batch, which is time in a
            sequence; empty for arrays without another axis behind it. Of long ones the most of each of 256 parts.
    """

    shape: tuple[int, ...]
    difference: float
    largest: float
    rounding: float
    at: tuple[int, ...] = ()
    ours: float | None = None
    reference: float | None = None
    median_ulps: float = 0.0
    ulps: dict[str, int] = field(default_factory=dict)
    note: str = ""
    wrong: str = ""
    steps: tuple[float, ...] = field(default=(), repr=False)

    @property
    def multiple(self) -> float:
        """The difference in multiples of what rounding does; 0 where there is none."""
        if self.difference == 0:
            return 0.0
        return self.difference / self.rounding if self.rounding > 0 else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "shape": list(self.shape),
            "difference": plain_number(self.difference),
            "largest": plain_number(self.largest),
            "rounding": plain_number(self.rounding),
            "multiple": plain_number(self.multiple),
            "at": list(self.at),
            "ours": plain_number(self.ours),
            "reference": plain_number(self.reference),
            "median_ulps": plain_number(self.median_ulps),
            "ulps": self.ulps,
            **({"not_judged": self.note} if self.note else {}),
            **({"wrong": self.wrong} if self.wrong else {}),
        }


def plain_number(value: float | None) -> float | str | None:
    """A number as JSON has it; what is not finite as a text."""
    return value if value is None or math.isfinite(value) else str(value)


def measure(ours: np.ndarray, reference: np.ndarray, exact: np.ndarray, moved: Sequence[np.ndarray]) -> Measured:
    """Put an array beside the reference's.

    Args:
        ours: What our model computes.
        reference: What the reference computed.
        exact: What our model computes in float64.
        moved: What it computes where weights and inputs are moved by one unit in the last place.
    """
    if ours.shape != reference.shape:
        wrong = f"its shape is {ours.shape} here, {reference.shape} in the reference"
        return Measured(reference.shape, math.inf, _largest(reference), 0.0, wrong=wrong)
    if not ours.size:
        return Measured(reference.shape, 0.0, 0.0, 0.0)
    if reference.dtype.kind != "f" or ours.dtype.kind != "f":
        return _measure_whole(ours, reference, [exact, *moved])
    a, b = ours.astype("float64"), reference.astype("float64")
    others = [other.astype("float64") for other in (exact, *moved)]
    finite = np.isfinite(b)
    if not finite.all() or not np.isfinite(a).all():
        same = np.isfinite(a) == finite
        same &= finite | (a == b) | (np.isnan(a) & np.isnan(b))
        if not same.all():
            if any((np.isfinite(other) != np.isfinite(a)).any() for other in others[1:]):
                return Measured(reference.shape, math.inf, math.inf, 0.0, note="rounding decides what overflows")
            at = first(~same)
            return Measured(reference.shape, math.inf, math.inf, 0.0, at, float(a[at]), float(b[at]))
        if not finite.any():
            return Measured(reference.shape, 0.0, math.inf, 0.0, note="no value of the reference is finite")
        # Where both are infinite or nan alike there is no difference, and nothing to measure rounding by.
        a, b = np.where(finite, a, 0.0), np.where(finite, b, 0.0)
        others = [np.where(finite & np.isfinite(other), other, a) for other in others]
    largest = _largest(b)
    least = float(np.finfo(reference.dtype).eps) / 2 * largest
    apart = [float(np.abs(a - other).max()) if np.isfinite(other).all() else 0.0 for other in others]
    rounding = max([least, *apart[1:]])
    rounding = max(rounding, min(apart[0], MORE_THAN_MOVED * rounding))
    distances = np.abs(a - b)
    at = first(distances == distances.max())
    with np.errstate(over="ignore"):  # a number beside a zero of float64 is endlessly many units away
        ulps = distances / np.spacing(np.abs(reference), where=np.isfinite(reference), out=np.ones_like(reference))
    note = UNCERTAIN if rounding > UNDETERMINED * largest > 0 else ""
    return Measured(
        shape=reference.shape,
        difference=float(distances.max()),
        largest=largest,
        rounding=rounding,
        at=at,
        ours=float(a[at]),
        reference=float(b[at]),
        median_ulps=float(np.median(ulps)),
        ulps=_histogram(ulps),
        note=note,
        steps=_by_step(distances),
    )


def _measure_whole(ours: np.ndarray, reference: np.ndarray, others: Sequence[np.ndarray]) -> Measured:
    """Integers and bools: how many differ, beside how many rounding turns."""
    wrong = ours != reference
    turned = max(int((ours != other).sum()) for other in others)
    at = first(wrong)
    return Measured(
        shape=reference.shape,
        difference=float(wrong.sum()),
        largest=float(wrong.size),
        rounding=float(turned),
        at=at,
        ours=float(ours[at]),
        reference=float(reference[at]),
        note=UNCERTAIN if turned > UNDETERMINED * wrong.size else "",
    )


def _largest(array: np.ndarray) -> float:
    return float(np.abs(array.astype("float64")).max(initial=0.0))


def first(places: np.ndarray) -> tuple[int, ...]:
    """Where the first of some places is that is True; the first of all where none is."""
    return tuple(int(index) for index in np.unravel_index(int(np.argmax(places)), places.shape))


def _by_step(distances: np.ndarray) -> tuple[float, ...]:
    if distances.ndim < 3:
        return ()
    most = distances.max(axis=(0, *range(2, distances.ndim)))
    parts = np.array_split(most, min(len(most), STEPS))
    return tuple(float(part.max()) for part in parts)


def _histogram(ulps: np.ndarray) -> dict[str, int]:
    found, below = {}, -1.0
    for bound in BUCKETS:
        found[f"up to {bound}"] = int(((ulps > below) & (ulps <= bound)).sum())
        below = bound
    return {**found, "more": int((ulps > below).sum())}
